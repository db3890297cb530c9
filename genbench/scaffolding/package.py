"""From a kind and a name to the files of a plugin that passes its own tests."""

from __future__ import annotations

import keyword
import re
from dataclasses import dataclass
from pathlib import Path
from string import Template

from genbench.base.errors import UsageError, nearest
from genbench.contract.components import ROOTS, Kind
from genbench.host.plugin import RESERVED

__all__ = ["KINDS", "Begun", "begin"]

KINDS = (*(str(each) for each in Kind), "suite", "observer")
"""What can be begun."""

_TEMPLATES = Path(__file__).parent / "templates"
_UNDERSCORES = (Kind.MEASURE, Kind.PROBE, Kind.STATISTIC)

_USE = {
    "measure": "genbench run --suite digits-quick --measures $full,param_norm,random",
    "probe": "genbench run --suite digits-quick --measures $plugin:${function}_mean,param_norm,random",
    "model": "genbench run --suite digits-quick --set model=$full --measures param_norm,random",
    "dataset": "genbench run --suite digits-quick --set dataset=$full --measures param_norm,random",
    "regularizer": "genbench run --suite digits-quick --set 'regularizers=[[],[\"$full\"]]' "
    "--measures param_norm,random",
    "protocol": "genbench run --suite digits-quick --set protocol=$full --measures param_norm,random",
    "statistic": "genbench run --suite digits-quick --measures param_norm,random && "
    "genbench rank runs/digits-quick --rank-by $full",
    "executor": "genbench run --suite digits-quick --executor $full --measures param_norm,random",
    "suite": "genbench run --suite $full",
    "observer": "genbench run --suite digits-quick --measures param_norm,random",
}


@dataclass(frozen=True)
class Begun:
    """A plugin that was begun.

    Attributes
    ----------
    path : Path
        The folder of the package, or the file.
    files : list of Path
        What was written.
    commands : list of str
        What to do next.
    """

    path: Path
    files: list[Path]
    commands: list[str]


def begin(kind: str, name: str, folder: Path, *, single: bool = False) -> Begun:
    """Write a plugin with one component.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    name : str
        The component's name; the package is called after it.
    folder : Path
        Where the package's folder, or the file, is made.
    single : bool
        One file instead of a package.

    Raises
    ------
    UsageError
        No such kind, a name that Python or pip would not take as it is, or something is there already.
    """
    if kind not in KINDS:
        raise UsageError(f"unknown kind '{kind}'{nearest(kind, KINDS)}")
    words = _words(kind, name)
    files = _single(kind, words) if single else _package(kind, words)
    path = folder / (next(iter(files)) if single else words["distribution"])
    if path.exists():
        raise UsageError(f"'{path}' is there already")
    written = []
    for place, template in files.items():
        target = folder / place if single else path / place
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(_filled(template, words), encoding="utf-8")
        written.append(target)
    return Begun(path, written, _commands(kind, words, path, single=single))


def _words(kind: str, name: str) -> dict[str, str]:
    """What the templates leave open."""
    _check_name(kind, name)
    function, plugin = name.replace("-", "_"), name.replace("_", "-")
    component = function if kind in (*_UNDERSCORES, "suite") else plugin
    return {
        "kind": kind,
        "plugin": plugin,
        "distribution": f"genbench-{plugin}",
        "module": f"genbench_{function}",
        "function": function,
        "class_": "".join(word.capitalize() for word in function.split("_")),
        "component": component,
        "full": plugin if kind == "observer" else f"{plugin}:{component}",
        "title": f"the {kind} {component}",
        "variable": f"GENBENCH_{function.upper()}",
    }


def _check_name(kind: str, name: str) -> None:
    plain = re.sub(r"[-_.\s]+", "-", name.strip().lower()).strip("-")
    if name.replace("_", "-") != plain or not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", plain):
        usable = re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", plain)
        hint = f"; pip would make '{plain}' of it: take that" if usable else ""
        raise UsageError(
            f"name '{name}': must be lower-case letters and digits, words joined by - or _, a letter "
            f"first{hint}"
        )
    word = name.replace("-", "_")
    if keyword.iskeyword(word) or name in RESERVED or word in ("genbench", "testing"):
        raise UsageError(f"name '{name}': it is reserved")
    if kind == "probe" and word in ROOTS:
        raise UsageError(f"name '{name}': it is the name of a root, {ROOTS[word]}")


def _package(kind: str, words: dict[str, str]) -> dict[str, str]:
    module = f"src/{words['module']}"
    files = {
        "pyproject.toml": "pyproject.toml",
        "README.md": "README.md",
        f"{module}/__init__.py": f"{kind}.py",
        f"tests/test_{words['function']}.py": f"{kind}_test.py",
    }
    if kind == "suite":
        files[f"{module}/{words['function']}.toml"] = "suite.toml"
    return files


def _single(kind: str, words: dict[str, str]) -> dict[str, str]:
    """The plugin's name is the file's then, and has underscores."""
    words["plugin"] = words["module"] = words["function"]
    words["full"] = f"{words['plugin']}:{words['component']}"
    if kind == "suite":
        return {f"{words['function']}.toml": "suite.toml"}
    return {f"{words['function']}.py": f"{kind}.py"}


def _filled(template: str, words: dict[str, str]) -> str:
    text = (_TEMPLATES / f"{template}.txt").read_text(encoding="utf-8")
    return Template(text).substitute(words, use=_use(words))


def _use(words: dict[str, str]) -> str:
    return Template(_USE[words["kind"]]).substitute(words)


def _commands(kind: str, words: dict[str, str], path: Path, *, single: bool) -> list[str]:
    if single and kind == "suite":
        return [f"genbench plan --suite {path}", f"genbench run --suite {path}"]
    if single:
        return [f"genbench plugin check {path}", f"{_use(words)} --plugin {path}"]
    return [
        f"pip install -e ./{path}",
        f"pytest {path}",
        f"genbench plugin check {words['plugin']}",
        _use(words),
    ]
