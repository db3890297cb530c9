"""The built-in executors, a file each: who hands jobs to the processes that do them.

An executor is a class with ``submit(job) -> id``, ``results() -> iterator of JobOutcome``, ``cancel(id)`` and
``close()``, declared with ``@genbench.executor``.
"""

from genbench.executors import local

__all__ = ["local"]
