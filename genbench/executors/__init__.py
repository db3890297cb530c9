"""Executing jobs: what a job is, the processes that do it, and the executors that hand jobs out.

An executor is a class with ``submit(job) -> id``, ``results() -> iterator of JobOutcome``, ``cancel(id)`` and
``close()``, declared with ``@genbench.executor``.
"""

from genbench.executors import local

__all__ = ["local"]
