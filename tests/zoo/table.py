"""Which measures have no value on which network of the zoo, and for what kind of reason.

The table holds no values, for those that are sampled may differ from one processor to the next. After a
change that is meant, ``PYTHONPATH=tests python -m zoo.table [NETWORK ...]`` writes it anew, or the rows of some
networks, and the difference is to be read.
"""

from __future__ import annotations

import csv
import re
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from zoo.animal import measured
from zoo.networks import ZOO

from genbench import Value

__all__ = ["Outcomes", "outcomes", "read", "steady"]

Outcomes = dict[str, set[str]]
"""From the kind of a reason, behind the status, to the measures that have no value for it."""

_FILE = Path(__file__).with_name("outcomes.csv")

# Whether a search ends may hang on the last digits of a sum.
_UNSTEADY = ("no other prediction was reached", "of training accuracy")


def outcomes(values: Mapping[str, Value]) -> Outcomes:
    """What one network's measures have in the place of a value; names and numbers of reasons left out."""
    found = defaultdict(set)
    for name, value in values.items():
        if value.status != "ok":
            kind = re.sub(r"\d+(\.\d+)?", "N", re.sub(r"'[^']*'", "'…'", value.reason))
            found[f"{value.status}: {kind}"].add(name)
    return dict(found)


def steady(found: Mapping[str, set[str]]) -> Outcomes:
    """Those that are the same on every processor."""
    return {kind: names for kind, names in found.items() if not kind.endswith(_UNSTEADY)}


def read() -> dict[str, Outcomes]:
    """The table, by network."""
    table: dict[str, Outcomes] = {}
    with _FILE.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            table.setdefault(row["network"], {})[row["outcome"]] = set(row["measures"].split())
    return table


def write(table: Mapping[str, Outcomes]) -> None:
    """The table as a file, a row for each kind of reason of each network, in the order of the zoo."""
    with _FILE.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["network", "outcome", "measures"])
        for name in ZOO:
            for outcome, measures in sorted(steady(table[name]).items()):
                rows.writerow([name, outcome, " ".join(sorted(measures))])


def _main(names: Sequence[str]) -> None:
    table = read() if names else {}
    write({**table, **{name: outcomes(measured(ZOO[name])) for name in names or ZOO}})


if __name__ == "__main__":
    _main(sys.argv[1:])
