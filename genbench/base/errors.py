"""What can go wrong, with the exit code that each kind of fault ends the command with."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from genbench.base.names import fold

__all__ = [
    "DiskFull",
    "GenbenchError",
    "InvalidInput",
    "MissingResult",
    "NotApplicable",
    "Remark",
    "UsageError",
    "explained",
    "first_line",
    "message_of",
    "nearest",
    "nearest_beside",
    "printable",
]


LONGEST_MESSAGE = 2000


class GenbenchError(Exception):
    """A fault that is the user's to mend; its text is one clear line for each problem."""

    exit_code = 3


class InvalidInput(GenbenchError):
    """A suite, a table, a data set or a run folder does not hold what it should.

    Parameters
    ----------
    problems : str or iterable of str
        One line for each problem; a file is checked whole before this is raised.
    """

    exit_code = 3

    def __init__(self, problems: str | Iterable[str]):
        self.problems = [problems] if isinstance(problems, str) else list(problems)
        super().__init__("\n".join(self.problems))


class UsageError(GenbenchError):
    """The command line, or the arguments of a function, ask for something that does not exist."""

    exit_code = 2


class MissingResult(GenbenchError):
    """Something that was asked for is missing because of a crash, a time limit or a broken plugin."""

    exit_code = 1


class DiskFull(GenbenchError):
    """There is no room where something was to be written; what is there is whole, and nothing failed."""

    exit_code = 3


class NotApplicable(Exception):
    """Raised by a measure or a probe that has no value for this fit; the text says why."""


class Remark(UserWarning):
    """What the user should know of an input that was read: something left out, or changed on the way."""


def message_of(fault: BaseException) -> str:
    """What an exception says, cut where nobody would read on; code of a plugin's may answer, or fail to."""
    try:
        return str(fault)[:LONGEST_MESSAGE]
    except BaseException as other:
        return f"no message ({type(other).__name__} when it was asked for)"


def first_line(fault: BaseException) -> str:
    """The first line of what an exception says, as far as people can read it."""
    lines = message_of(fault).strip().splitlines()
    return printable(lines[0]) if lines else "no message"


def printable(text: str) -> str:
    """A text with every sign replaced that a terminal would obey or UTF-8 does not have."""
    return text if text.isprintable() else "".join(map(_printable_sign, text))


def _printable_sign(sign: str) -> str:
    if sign.isprintable():
        return sign
    return " " if unicodedata.category(sign) == "Zs" or sign in "\t\n" else "\N{REPLACEMENT CHARACTER}"


def explained(fault: Mapping[str, Any]) -> str:
    """What one error of a pydantic validation says, in the words of our other messages."""
    return str(fault["msg"]).replace("Input should", "should").replace("a valid array", "a list")


def nearest(word: str, words: Iterable[str]) -> str:
    """Return ``"; did you mean 'WORD'?"`` for the closest of `words`, or an empty string."""
    spelled = {fold(each): each for each in words}
    close = difflib.get_close_matches(fold(word), spelled, n=1, cutoff=0.5)
    return f"; did you mean '{spelled[close[0]]}'?" if close else ""


def nearest_beside(path: Path, pattern: str = "*") -> str:
    """`nearest` of the name of a path that is absent, among what its folder has of a pattern."""
    try:
        return nearest(path.name, [each.name for each in path.parent.glob(pattern)])
    except OSError:
        return ""
