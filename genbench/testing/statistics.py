"""Laws of a statistic: one number that tells agreement from chance, whatever the rows' order and scale."""

from __future__ import annotations

import math
import re
from typing import Any, ClassVar

import numpy as np

from genbench.contract.components import Kind
from genbench.testing.laws import Broken, Laws, leave_out

__all__ = ["StatisticLaws"]

_TOLERANCE = 1e-9
_DRAWS = 100

Rows = dict[str, Any]


class StatisticLaws(Laws):
    """Laws of a statistic.

    Attributes
    ----------
    sees_direction : bool, optional
        Whether it tells a measure from its negative; where left out, one that does not must say so with the
        word *direction* in its docstring.
    """

    kind = Kind.STATISTIC
    sees_direction: ClassVar[bool | None] = None

    def of(self, rows: Rows, **changed: Any) -> float:
        """The statistic of some rows."""
        found = self.subject.object(**{**rows, **changed})
        try:
            return float(found)
        except (TypeError, ValueError):
            raise Broken(f"it returns a {type(found).__name__}, not one number") from None

    def test_it_returns_one_number(self) -> None:
        """On ordinary rows it is one finite number."""
        if not math.isfinite(found := self.of(_noisy())):
            raise Broken(f"on ordinary rows it is {found}")

    def test_it_tells_agreement_from_chance(self) -> None:
        """A measure that orders all networks rightly lies outside the range of measures without a meaning."""
        perfect = self.of(_perfect())
        rows, draw = _perfect(), np.random.default_rng(0)
        null = [self.of(rows, values=draw.permutation(rows["values"])) for _ in range(_DRAWS)]
        # A statistic of the one network that is chosen is at its best by chance too, now and then.
        equal = np.mean([abs(each - perfect) <= _TOLERANCE for each in null])
        beyond = [each for each in null if abs(each - perfect) > _TOLERANCE]
        if equal > 0.2 or (beyond and min(beyond) < perfect - _TOLERANCE < max(beyond) - 2 * _TOLERANCE):
            raise Broken(
                f"a perfect measure has {perfect:.3g}, and measures without a meaning {min(null):.3g} to "
                f"{max(null):.3g}"
            )

    def test_it_sees_the_direction(self) -> None:
        """A measure and its negative differ, or the docstring says that it is blind to the *direction*."""
        says = re.search("direction", self.subject.documentation) is not None
        if self.sees_direction is False or (self.sees_direction is None and says):
            leave_out("it says that it is blind to the direction")
        rows = _perfect()
        if abs(self.of(rows) - self.of(rows, values=-rows["values"])) <= _TOLERANCE:
            raise Broken(f"a perfect measure and its negative both have {self.of(rows):.3g}")

    def test_scale_and_origin_do_not_matter(self) -> None:
        """It is the same for the values doubled and shifted: measures have units of their own."""
        rows = _noisy()
        self._same(rows, {**rows, "values": 2 * rows["values"] + 1}, "of the values doubled plus one")

    def test_the_order_of_the_rows_does_not_matter(self) -> None:
        """Rows in another order give the same number, with ties in values and target."""
        rows = _tied()
        # Rows of one configuration stay in their order, as repeats are told by it.
        places = np.random.default_rng(1).permutation(rows["groups"].max() + 1)
        order = np.argsort(places[rows["groups"]], kind="stable")
        names = ("values", "target", "groups", "weights")
        other = {name: rows[name][order] for name in names}
        other["axes"] = {name: codes[order] for name, codes in rows["axes"].items()}
        self._same(rows, other, "of the rows in another order")

    def test_a_constant_measure_has_no_opinion(self) -> None:
        """A measure with one value for all networks gives no error: NaN, or what chance gives."""
        rows = _perfect()
        found = self.of(rows, values=np.ones(len(rows["values"])))
        if math.isfinite(found) and abs(found - self.of(rows)) <= _TOLERANCE:
            raise Broken(f"a constant measure has {found:.3g}, as a perfect one")

    def test_no_rows_give_no_number(self) -> None:
        """Where every value is missing it is NaN, and raises nothing."""
        empty = {name: np.zeros(0) for name in ("values", "target", "weights")}
        axes = {name: np.zeros(0, dtype=int) for name in _perfect()["axes"]}
        found = self.of({**empty, "axes": axes, "groups": np.zeros(0, dtype=int)})
        if not math.isnan(found):
            raise Broken(f"without any row it is {found}")

    def test_missing_rows_are_survived(self) -> None:
        """With the rows of some networks missing it is a finite number still."""
        rows = _noisy()
        kept = np.arange(len(rows["values"])) % 5 != 2
        part = {name: rows[name][kept] for name in ("values", "target", "groups", "weights")}
        part["axes"] = {name: codes[kept] for name, codes in rows["axes"].items()}
        if not math.isfinite(found := self.of(part)):
            raise Broken(f"with a fifth of the rows missing it is {found}")

    def test_weights_are_relative(self) -> None:
        """All weights doubled, it is the same."""
        rows = _noisy()
        self._same(rows, {**rows, "weights": 2 * rows["weights"]}, "of doubled weights")

    def test_rows_without_weight_do_not_count(self) -> None:
        """The values of configurations with weight 0 do not matter."""
        rows = _noisy()
        weights = np.where(rows["groups"] % 4 == 1, 0.0, 1.0)
        changed = np.where(weights == 0, rows["values"][::-1], rows["values"])
        before, after = (self.of(rows, weights=weights, values=each) for each in (rows["values"], changed))
        if not _close(before, after):
            raise Broken(f"{before:.6g}, and {after:.6g} of other values in rows with weight 0")

    def test_its_arguments_are_left_alone(self) -> None:
        """It writes into none of its arguments, and gives the same number again."""
        rows, untouched = _noisy(), _noisy()
        first = self.of(rows)
        for name in ("values", "target", "groups", "weights"):
            if not np.array_equal(rows[name], untouched[name]):
                raise Broken(f"it writes into {name}")
        if not _close(first, self.of(rows)):
            raise Broken("it is another number the second time")

    def is_of_ranks(self) -> bool:
        """Whether monotone maps of the values leave it as it is; a matter of what it is, and no law."""
        rows = _noisy()
        return _close(self.of(rows), self.of(rows, values=np.exp(rows["values"])))

    def _same(self, rows: Rows, others: Rows, what: str) -> None:
        before, after = self.of(rows), self.of(others)
        if not _close(before, after):
            raise Broken(f"{before:.6g}, and {after:.6g} {what}")


def _close(first: float, second: float) -> bool:
    return (math.isnan(first) and math.isnan(second)) or abs(first - second) <= 1e-7 * max(1.0, abs(first))


def _grid() -> Rows:
    """A full grid of 3 × 3 × 2 configurations, three networks of each."""
    levels = np.stack(np.meshgrid(range(3), range(3), range(2), indexing="ij"), axis=-1).reshape(-1, 3)
    levels = levels.repeat(3, axis=0)
    axes = {f"axis{place}": np.ascontiguousarray(levels[:, place]) for place in range(3)}
    groups = np.ravel_multi_index(tuple(axes.values()), (3, 3, 2))
    return {"axes": axes, "groups": groups, "weights": np.ones(len(groups))}


def _perfect() -> Rows:
    rows = _grid()
    draw = np.random.default_rng(0)
    target = _levels(rows) / 10 + 0.2 * draw.random(len(rows["groups"]))
    return {**rows, "values": 3 * target - 1, "target": target}


def _levels(rows: Rows) -> Any:
    """What the axes add to the target."""
    return sum(rows["axes"].values()).astype(float)


def _noisy() -> Rows:
    rows = _perfect()
    noise = np.random.default_rng(1).normal(0, 0.15, len(rows["target"]))
    return {**rows, "values": rows["target"] + noise}


def _tied() -> Rows:
    rows = _noisy()
    return {**rows, "values": rows["values"].round(1), "target": rows["target"].round(1)}
