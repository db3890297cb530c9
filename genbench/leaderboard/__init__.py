"""The leaderboard: submitted runs, checked by whoever has them, and the ranks that follow from their records.

`pack` makes an entry of a run folder. `files`, `schema` and `entry` read what strangers sent, `validate`
checks it by the `points` of the suite's grid and for `faults`, `reproduce` runs a few of its trials again.
`pool` puts the entries of a suite into one table, `build` ranks, `diff` says why ranks moved, `page` and
`markdown` show them.
"""
