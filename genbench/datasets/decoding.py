"""Many pictures decoded by several processes: threads would wait for one another, as small pictures take the
interpreter longer than the decoder."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from genbench.base.machine import cores
from genbench.datasets import pixels

__all__ = ["Decoded", "decoded_ahead"]

Decoded = tuple[NDArray[np.uint8], list[str]]
"""Pixels, and what is not as in the file, as `genbench.datasets.pixels.pixels` finds them."""

ENOUGH = 2_000
"""Pictures that are worth a process: small ones take it a fifth of a second, as long as to start."""

FEWEST = 4
"""Processes that gain more than they take: two small pictures cost a decoder and its asker what three did."""

AT_ONCE = 250
"""Pictures handed over together."""


def decoded_ahead(contents: Sequence[bytes], size: int | None) -> list[Decoded | None]:
    """What becomes of each encoded picture.

    None for those that are left to the caller: all where they or the cores are few, those that cannot
    be decoded, and those of a process that was not to be had.
    """
    found: list[Decoded | None] = [None] * len(contents)
    processes = min(cores(), len(contents) // ENOUGH)
    if processes < FEWEST:
        return found
    parts: queue.SimpleQueue[slice] = queue.SimpleQueue()
    for start in range(0, len(contents), AT_ONCE):
        parts.put(slice(start, start + AT_ONCE))

    def work() -> None:
        # A file that imports neither torch nor this package.
        command = [sys.executable, "-P", pixels.__file__]
        with (
            suppress(OSError, ValueError, queue.Empty),
            subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            ) as decoder,
        ):
            while True:
                part = parts.get_nowait()
                found[part] = list(_asked(decoder, contents[part], size))

    with ThreadPoolExecutor(processes) as threads:
        for each in [threads.submit(work) for _ in range(processes)]:
            each.result()
    return found


def _asked(
    decoder: subprocess.Popen[bytes], contents: Sequence[bytes], size: int | None
) -> Iterator[Decoded | None]:
    assert decoder.stdin is not None
    assert decoder.stdout is not None
    question = {"lengths": [len(each) for each in contents], "size": size}
    decoder.stdin.write(json.dumps(question).encode() + b"\n" + b"".join(contents))
    decoder.stdin.flush()
    for _, told in zip(contents, json.loads(decoder.stdout.readline()), strict=True):
        if told is None:
            yield None
            continue
        shape, said = told
        # A copy, which may be written to; numbers that are missing do not fill the shape.
        numbers = np.frombuffer(decoder.stdout.read(int(np.prod(shape))), dtype=np.uint8)
        yield numbers.reshape(shape).copy(), said
