"""What makes the networks of an import, not imported here: a model of a plugin, or a function of the user."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from genbench.base.errors import InvalidInput
from genbench.fitting.factories import named_model
from genbench.host import Host
from genbench.host.elsewhere import NoAnswer
from genbench.host.settings import complete

__all__ = ["APART", "Maker", "named_maker"]

APART = "genbench.fitting.imported_apart"
"""Who answers where code has to be asked."""

SECONDS_FOR_A_FACTORY = 120.0
"""To import the user's own function."""


@dataclass(frozen=True)
class Maker:
    """What makes the networks: a model of some plugin, or a function of the user's that is not imported here.

    Attributes
    ----------
    word : str
        As the user spelled it.
    settings : mapping
        Those given; of a model all of them.
    parameters : sequence of str
        Names of the settings that it takes.
    source_hash : str
        Of the file that holds the user's function; empty where there is none.
    is_component : bool
        Whether it is a model of a plugin.
    """

    word: str
    settings: Mapping[str, Any]
    parameters: Sequence[str]
    source_hash: str = ""
    is_component: bool = False


def named_maker(word: str, host: Host) -> Maker:
    """What is meant by ``NAME``, ``FILE.py:FUNCTION`` or ``MODULE:FUNCTION``, with settings in brackets.

    Raises
    ------
    UsageError, InvalidInput
        There is none, it cannot be imported, or has no such settings.
    """
    component, settings = named_model(word, host)
    if component is not None:
        return Maker(word, complete(component, settings), list(component.settings), is_component=True)
    try:
        told = host.deputies.ask((), f"{APART}:factory", {"word": word}, SECONDS_FOR_A_FACTORY)
        return Maker(word, settings, list(map(str, told["parameters"])), str(told["source"]))
    except (NoAnswer, TypeError, KeyError) as fault:
        why = fault if isinstance(fault, NoAnswer) else "gives an answer that makes no sense"
        raise InvalidInput(f"--model {word}: importing it {why}") from None
