"""What ``genbench evaluate`` found, in plain data and as a page that needs nothing but itself."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genbench.contract.components import Kind

if TYPE_CHECKING:
    from genbench.fitting.own_networks import Measured
    from genbench.host import Host

__all__ = ["as_page", "content_of"]

FORMAT = 1
"""Raised when a key changes its meaning."""

HERE = Path(__file__).parent


def content_of(
    about: Mapping[str, Any], measured: Sequence[Measured], ranking: Mapping[str, Any] | None, host: Host
) -> dict[str, Any]:
    """Networks with their outcomes and values, what the measures are, and the ranking where there is one.

    Parameters
    ----------
    about : mapping
        ``model``, ``data`` and ``examples``.
    ranking : mapping, optional
        The board as plain data.
    """
    names = list(measured[0].values)
    return {
        "format": FORMAT,
        **about,
        "networks": [
            {
                "weights": each.weights,
                **each.outcomes,
                "values": [
                    {
                        "measure": name,
                        "value": value.value,
                        **_infinite(value.value),
                        "status": str(value.status),
                        "reason": value.reason,
                        "seconds": value.seconds,
                    }
                    for name, value in each.values.items()
                ],
            }
            for each in measured
        ],
        "measures": {name: _card(name, host) for name in names},
        "ranking": ranking,
    }


def _infinite(value: float | None) -> dict[str, int]:
    """The sign of an infinity, which JSON cannot hold."""
    return {"infinite": 1 if value > 0 else -1} if value is not None and math.isinf(value) else {}


def _card(name: str, host: Host) -> dict[str, str]:
    component = host.find(Kind.MEASURE, name.partition("[")[0])
    return {
        "family": str(component.declared.family),
        "direction": str(component.declared.direction),
        "summary": component.summary,
    }


def as_page(content: Mapping[str, Any]) -> str:
    """The page; the same content gives the same text."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    families: dict[str, list[dict[str, Any]]] = {}
    for place, (name, card) in enumerate(content["measures"].items()):
        values = [each["values"][place] for each in content["networks"]]
        reason = next((each["reason"] for each in values if each["reason"]), "")
        row = {"name": name, "values": values, "said": reason or card["summary"]}
        families.setdefault(card["family"], []).append(row)
    return environment.get_template("evaluation.html.j2").render(
        content=content,
        families=families,
        outcomes=[name for name in OUTCOMES if name in content["networks"][0]],
        style=(HERE / "assets" / "page.css").read_text(encoding="utf-8"),
    )


OUTCOMES = ("train_error", "test_error", "gap", "train_loss", "test_loss", "loss_gap")
