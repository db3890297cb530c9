"""The table of the guide that says which families of measures have values on which kinds of networks.

Made of the table of outcomes: ``PYTHONPATH=tests python -m zoo.document`` writes it anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from zoo import table

import genbench
from genbench.contract.components import Kind
from genbench.host import Host

__all__ = ["FILE", "document"]

FILE = Path(genbench.__file__).parent / "measuring" / "networks.md"

GROUPS: Mapping[str, Mapping[str, str]] = {
    "Convolutional networks of torchvision and timm": {
        "vgg": "VGG",
        "resnext": "ResNeXt",
        "densenet": "DenseNet",
        "mobilenet_v2": "MobileNet 2",
        "mobilenet_v3": "MobileNet 3",
        "efficientnet": "EfficientNet",
        "shufflenet": "ShuffleNet",
        "convnext": "ConvNeXt",
        "normalizer_free": "NFNet",
    },
    "Transformers, recurrent networks, token ids": {
        "vit": "ViT",
        "timm_vit": "timm's ViT",
        "swin": "Swin",
        "mixer": "Mixer",
        "encoder": "encoder",
        "lstm": "LSTM",
        "embedding": "token ids",
        "words and mask": "ids and mask",
        "series and mask": "series and mask",
    },
    "Forms of networks, shown on an MLP": {
        "mlp": "plain",
        "functions": "functional ops",
        "residual in place": "in place",
        "tied": "tied weights",
        "called twice": "called twice",
        "partly frozen": "partly frozen",
        "frozen": "frozen",
        "one logit": "one logit",
        "dictionary output": "dictionary",
        "two inputs": "two inputs",
        "scripted": "scripted",
    },
    "Precisions, shown on an MLP": {
        "float64": "float64",
        "bfloat16": "bfloat16",
        "float16": "float16",
    },
}
"""The kinds that are shown, by their names in the zoo, and what they are called."""

HEAD = """# Which measures work for which networks

Of each family of measures, how many have a value: `all`, `5/9`, or `–` for none. The networks are small ones with
random weights and everything given that `genbench.evaluate` takes. Made by running all measures on all of them
(`pytest -m slow tests/zoo`); written by `PYTHONPATH=tests python -m zoo.document`. In the reasons `'…'` and N stand
for names and numbers.
"""


def families() -> dict[str, list[str]]:
    """The measures of each family, as the core has them."""
    found: dict[str, list[str]] = {}
    for each in Host.load().components(Kind.MEASURE):
        if ":" not in each.full_name:
            found.setdefault(str(each.declared.family), []).append(each.name)
    return dict(sorted(found.items()))


def document() -> str:
    """The text of the document."""
    outcomes, measures = table.read(), families()
    parts = [HEAD]
    for title, kinds in GROUPS.items():
        missing = {name: set().union(*outcomes[name].values()) for name in kinds}
        parts.append(f"\n## {title}\n\n")
        parts.append(_row(["family", *kinds.values()]))
        parts.append(_row(["---", *["---:"] * len(kinds)]))
        for family, names in measures.items():
            cells = [_cell(len(set(names) - missing[name]), len(names)) for name in kinds]
            parts.append(_row([family, *cells]))
        parts.append("\nWhy some have none:\n\n")
        parts += _reasons({kinds[name]: outcomes[name] for name in kinds})
    return "".join(parts)


def _cell(count: int, whole: int) -> str:
    return "all" if count == whole else f"{count}/{whole}" if count else "–"


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |\n"


def _reasons(found: Mapping[str, table.Outcomes]) -> list[str]:
    """A line for each reason: where, and how many measures at most."""
    where: dict[str, list[str]] = {}
    most: dict[str, int] = {}
    for name, outcomes in found.items():
        for outcome, measures in outcomes.items():
            reason = outcome.removeprefix("not_applicable: ")
            where.setdefault(reason, []).append(name)
            most[reason] = max(most.get(reason, 0), len(measures))
    return [
        f"- {reason}: {'all' if len(names) == len(found) else ', '.join(names)} "
        f"({most[reason]} measure{'s' if most[reason] > 1 else ''})\n"
        for reason, names in sorted(where.items(), key=lambda each: (-most[each[0]], each[0]))
    ]


if __name__ == "__main__":
    FILE.write_text(document(), encoding="utf-8")
