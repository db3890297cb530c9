"""What computing a measure on a fit yields: a number or the reason why there is none. Knows no torch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from html import escape

__all__ = ["Status", "StopReason", "Value", "Values"]


class Status(StrEnum):
    """How the computation of a measure ended."""

    OK = "ok"
    NAN = "nan"
    NOT_APPLICABLE = "not_applicable"
    ERROR = "error"
    CRASHED = "crashed"
    TIMEOUT = "timeout"
    SKIPPED = "skipped"

    @property
    def is_fault(self) -> bool:
        """Whether something that was asked for is missing because of a fault, not by its nature."""
        return self in (Status.ERROR, Status.CRASHED, Status.TIMEOUT, Status.SKIPPED)


@dataclass(frozen=True)
class Value:
    """A measure on one fit; ``float(value)`` is the number, NaN when there is none.

    Attributes
    ----------
    name : str
        The measure's spelling, settings included.
    value : float or None
        A number (infinities are numbers), or None.
    status : Status
    reason : str
        Why there is no number, in one line.
    seconds : float
        What the measure would cost alone: its own time and that of every probe below it.
    own_seconds : float
        Its own time, the device synchronized before and after.
    peak_memory : int
        Bytes: the largest growth of memory during the measure or one of the probes below it. Of the
        allocator on CUDA, of the resident memory of the process (hence a lower bound) elsewhere.
    detail : str
        The traceback of an error.
    """

    name: str
    value: float | None
    status: Status
    reason: str = ""
    seconds: float = 0.0
    own_seconds: float = 0.0
    peak_memory: int = 0
    detail: str = ""

    def __float__(self) -> float:
        return math.nan if self.value is None else self.value


class Values(dict[str, Value]):
    """Values by the spelling of their measures; a table where they are printed, in a notebook too."""

    COLUMNS = ("measure", "value", "seconds", "status", "reason")

    def rows(self) -> list[tuple[str, str, str, str, str]]:
        """A row of texts for each value, in the columns `COLUMNS`."""
        return [
            (
                name,
                "" if each.value is None else f"{each.value:.6g}",
                f"{each.seconds:.3f}",
                str(each.status),
                each.reason,
            )
            for name, each in self.items()
        ]

    def __str__(self) -> str:
        rows = [self.COLUMNS, *self.rows()]
        widths = [max(len(row[place]) for row in rows) for place in range(len(self.COLUMNS))]
        return "\n".join(
            "  ".join(
                cell.rjust(width) if place in (1, 2) else cell.ljust(width)
                for place, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in rows
        )

    def _repr_html_(self) -> str:
        """What notebooks show."""
        head = "".join(f"<th>{name}</th>" for name in self.COLUMNS)
        body = "".join(
            f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in self.rows()
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


class StopReason(StrEnum):
    """Why a training ended."""

    TARGET = "target"
    """The training loss reached the protocol's `target_loss`."""
    MAX_EPOCHS = "max_epochs"
    DIVERGED = "diverged"
    """A loss was not finite."""
    TIMEOUT = "timeout"
    REQUESTED = "requested"
    """A regularizer asked for it; `Outcome.stop_note` has its name and reason."""
