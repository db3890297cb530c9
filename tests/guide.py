"""The author's guide, `plugins/README.md`: what is generated in it, and how.

``PYTHONPATH=tests python -m guide`` writes it anew; a test says when that is due.
"""

from __future__ import annotations

import inspect
import re
import tempfile
from pathlib import Path

import genbench
from genbench.contract import hookspecs
from genbench.contract.components import COST_CLASSES, ROOT_SHAPES, ROOTS, Kind
from genbench.scaffolding import KINDS, begin

GUIDE = Path(__file__).parents[1] / "plugins" / "README.md"

NAMES = {
    "measure": "weight_size", "probe": "output_norms", "model": "skip_mlp", "dataset": "moons",
    "regularizer": "input_noise", "protocol": "warm_adam", "statistic": "agreement", "executor": "polite",
    "suite": "two_depths", "observer": "run_log",
}  # fmt: skip
"""Of the worked example of each kind."""


def laws_of(kind: str) -> type:
    from genbench.testing import ObserverLaws, SuiteLaws
    from genbench.testing.checking import LAWS

    return {"suite": SuiteLaws, "observer": ObserverLaws}.get(kind) or LAWS[Kind(kind)]


def example(kind: str, folder: Path) -> Path:
    """The file of the worked example, made in a folder."""
    return begin(kind, NAMES[kind], folder, single=True).path


def generated() -> dict[str, str]:
    """Each part of the guide that is generated, by the word that marks it."""
    parts = {"roots": _roots(), "costs": _costs(), "hooks": _hooks(), "names": _names()}
    with tempfile.TemporaryDirectory() as scratch:
        for kind in KINDS:
            file = example(kind, Path(scratch))
            language = "toml" if file.suffix == ".toml" else "python"
            text = file.read_text(encoding="utf-8").rstrip()
            parts[f"example {kind}"] = f"`{file.name}`:\n\n```{language}\n{text}\n```"
            parts[f"laws {kind}"] = _laws(kind)
    return parts


def filled(text: str) -> str:
    """The guide with every generated part as it is now."""
    for word, content in generated().items():
        pattern = re.compile(rf"<!-- {word} -->\n.*?<!-- /{word} -->", re.DOTALL)
        text, count = pattern.subn(lambda _, c=content, w=word: f"<!-- {w} -->\n\n{c}\n\n<!-- /{w} -->", text)
        assert count == 1, f"'{word}' is marked {count} times"
    return text


def _roots() -> str:
    rows = [f"| `{name}` | {text} | {_cell(ROOT_SHAPES[name])} |" for name, text in ROOTS.items()]
    return "\n".join(["| root | what | shape or type |", "|---|---|---|", *rows])


def _costs() -> str:
    rows = [f"| {letter} | {text} |" for letter, text in COST_CLASSES.items()]
    return "\n".join(["| cost | what the component itself does |", "|---|---|", *rows])


def _hooks() -> str:
    found = []
    for name, hook in hooks().items():
        parameters = ", ".join(inspect.signature(hook).parameters)
        found.append(f"- **`{name}({parameters})`**: {' '.join((inspect.getdoc(hook) or '').split())}")
    return "\n".join(found)


def hooks() -> dict[str, object]:
    return {name: each for name, each in vars(hookspecs).items() if name.startswith("genbench_")}


def _names() -> str:
    rows = []
    for name in genbench.__all__:
        first = (inspect.getdoc(getattr(genbench, name)) or "").partition("\n")[0]
        rows.append(f"| `genbench.{name}` | {_cell(first)} |")
    return "\n".join(["| name | what |", "|---|---|", *rows])


def _laws(kind: str) -> str:
    laws = laws_of(kind)
    rows = [f"- {each.replace('_', ' ')}: {laws.meaning(each)}" for each in laws.names()]
    head = f"<details><summary>The {len(rows)} laws of `genbench.testing.{laws.__name__}`</summary>"
    return "\n".join([head, "", *rows, "", "</details>"])


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    GUIDE.write_text(filled(GUIDE.read_text(encoding="utf-8")), encoding="utf-8")
