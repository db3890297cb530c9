"""The built-in executors, a file each: who hands jobs to the processes that do them.

An executor is a class with ``submit(job) -> id``, ``results() -> iterator of JobOutcome``, ``cancel(id)`` and
``close()``, declared with ``@genbench.executor``. It is made with ``devices``, one for each trial at a time
on this machine. One with ``remote = True`` is made with ``device`` and ``workers`` as they were asked for,
with ``address`` where that was given, and with ``say``, which takes lines for the user. Other keyword
parameters are its settings, as in ``--executor "ray[gpus=0.5]"``.
"""

from genbench.executors import local, ray

__all__ = ["local", "ray"]
