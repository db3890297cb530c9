"""What a plugin declares, derives from and receives: the whole of it, to be read in an hour.

`decorators` declare components, `components` says what is known of one, `regularizer` and `protocol` are the
bases to derive from, `hookspecs` the hooks, `jobs` what an executor is given.
"""
