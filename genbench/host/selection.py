"""Choosing measures by words: ``all``, names, variants, ``family:NAME`` and ``cost:A-C``."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from genbench.base.errors import InvalidInput, nearest
from genbench.contract.components import COST_CLASSES, Component, Kind
from genbench.host.battery import Battery, Request
from genbench.host.names import Names
from genbench.host.settings import parse_variant, split_at_commas

__all__ = ["COST_RANGES", "cost_range", "select", "select_measures"]

COST_RANGES = f"a cost class is one of {''.join(COST_CLASSES)}, or a range such as A-C"
"""What to say of a text that `cost_range` does not read."""


def cost_range(text: str) -> tuple[str, str] | None:
    """Lowest and highest letter of ``B`` or ``A-C``; None where the text is neither."""
    letters = "".join(COST_CLASSES)
    match = re.fullmatch(f"([{letters}])(?:-([{letters}]))?", text)
    if match is None:
        return None
    lowest, highest = match.group(1), match.group(2) or match.group(1)
    return (lowest, highest) if lowest <= highest else None


def select_measures(
    words: str | Sequence[str], names: Names, left_out: Callable[[str], None] | None = None
) -> list[Request]:
    """The measures that any of the words chooses, each once.

    Parameters
    ----------
    words : str or sequence of str
        ``all``; a name or a variant, ``inverse_margin[quantile=0.05]``; ``family:norm``; ``cost:B`` or
        ``cost:A-C``. A string may hold several, with commas between them.
    names : Names
        The host, or other components to choose from.
    left_out : callable, optional
        Told, in one line, of each measure that `all`, a family or a cost class would choose but that no fit
        can have, because its needs do not exist or its settings are missing. Without it such a measure is an
        error, as it always is when it is named.

    Raises
    ------
    InvalidInput
        Unknown names with the nearest word, wrong settings; all of them at once.
    """
    choice = _Choice(names, left_out)
    for word in split_at_commas(words) if isinstance(words, str) else words:
        choice.add(word)
    if choice.problems:
        raise InvalidInput(choice.problems)
    return list(choice.requests.values())


class _Choice:
    """What has been chosen so far, and what was wrong with the words."""

    def __init__(self, names: Names, left_out: Callable[[str], None] | None):
        self.requests: dict[str, Request] = {}
        self.problems: list[str] = []
        self._names = names
        self._components = names.components(Kind.MEASURE)
        self._left_out = left_out
        self._checked: dict[str, tuple[Request, str] | None] = {}

    def add(self, word: str) -> None:
        kind, colon, name = word.partition(":")
        if word == "all":
            self._add_group(lambda component, cost: True)
        elif colon and kind == "family":
            self._add_family(name)
        elif colon and kind == "cost":
            self._add_cost(name)
        else:
            self._add_variant(word)

    def _add_family(self, name: str) -> None:
        families = {each.declared.family for each in self._components}
        if name not in families:
            self.problems.append(f"unknown family '{name}'{nearest(name, families)}")
            return
        self._add_group(lambda component, cost: component.declared.family == name)

    def _add_cost(self, name: str) -> None:
        wanted = cost_range(name)
        if wanted is None:
            self.problems.append(f"'cost:{name}': {COST_RANGES}")
            return
        lowest, highest = wanted
        self._add_group(lambda component, cost: lowest <= cost <= highest)

    def _add_group(self, wanted: Callable[[Component, str], bool]) -> None:
        for component in self._components:
            checked = self._check(component)
            if checked is not None and wanted(component, checked[1]):
                self.requests.setdefault(checked[0].spelling, checked[0])

    def _check(self, component: Component) -> tuple[Request, str] | None:
        """The measure with its defaults and its cost class, or None where it cannot be resolved."""
        name = component.full_name
        if name not in self._checked:
            try:
                request = Request.of(component)
                battery = Battery.resolve([request], self._names.probe_lookup)
            except InvalidInput as fault:
                self._checked[name] = None
                if self._left_out is None:
                    self.problems += fault.problems
                else:
                    self._left_out("; ".join(fault.problems))
            else:
                self._checked[name] = (request, battery.cost_class(request))
        return self._checked[name]

    def _add_variant(self, word: str) -> None:
        try:
            name, given = parse_variant(word)
            request = Request.of(self._names.find(Kind.MEASURE, name, words=["all"]), given)
        except InvalidInput as fault:
            self.problems += fault.problems
            return
        self.requests.setdefault(request.spelling, request)


def select(words: str | Sequence[str], host: Names) -> Battery:
    """The battery of the measures that words name.

    Raises
    ------
    InvalidInput
        Unknown measures, families or settings, with the nearest word; needs that cannot be met.
    """
    requests = select_measures(words, host)
    probes = [each.full_name for each in host.components(Kind.PROBE)]
    return Battery.resolve(requests, host.probe_lookup, probes)
