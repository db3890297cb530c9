"""Standard output as it is found: of any encoding, closed, or read by somebody who soon has enough."""

from __future__ import annotations

import codecs
import contextlib
import io
import os
import pathlib
import sys

__all__ = ["discard_output", "is_closed_pipe", "prepare_streams", "writes"]

HANDLER = "genbench-nearest"

# What tables and cards are made of beyond ASCII; one character each, or columns would move.
NEAREST = {
    "–": "-", "—": "-", "−": "-", "²": "2", "·": ".", "…": ".", "×": "x", "‖": "|", "’": "'",
    "━": "=", "╺": "=", "╸": "=", "●": "o", "░": ":", "│": "|", "─": "-", "±": "~",
}  # fmt: skip


def prepare_streams() -> None:
    """Let nothing that is printed fail for its characters: what cannot be encoded is replaced.

    A stream that is closed from the start is taken for one that nobody reads.
    """
    codecs.register_error(HANDLER, _nearest)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, pathlib.Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115  (for good)
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=HANDLER)


def writes(text: str) -> bool:
    """Whether standard output can write a text as it is."""
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def is_closed_pipe(fault: BaseException | None) -> bool:
    """Whether a fault, or what it was raised for, is that nobody reads our output any more."""
    while fault is not None and not isinstance(fault, BrokenPipeError):
        fault = fault.__context__
    return fault is not None


def discard_output() -> None:
    """Send what is still buffered nowhere, so that the interpreter can end without a word about it."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.__stdout__, sys.__stderr__):
        # A pipe that is still read may be standard error, where nothing else is to be said.
        with contextlib.suppress(OSError, ValueError, AttributeError):
            os.dup2(nowhere, stream.fileno())  # type: ignore[union-attr]
    os.close(nowhere)


def _nearest(fault: UnicodeError) -> tuple[str, int]:
    if not isinstance(fault, UnicodeEncodeError):
        raise fault
    return "".join(NEAREST.get(each, "?") for each in fault.object[fault.start : fault.end]), fault.end
