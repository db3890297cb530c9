"""Rows and cards kept on disk: the same as made anew, and made anew when anything changed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from floors import PACKAGE

from genbench.base.errors import GenbenchError
from genbench.contract.components import Kind
from genbench.host import Host
from genbench.host.plugin import PluginSource
from genbench.report.catalog import card, rows
from genbench.report.catalog_cache import KEPT, recalled, written

KINDS = [*(f"{kind}s" for kind in Kind), "suites", "plugins"]

PLUGIN = """
import genbench

@genbench.measure(family="mine", direction="-", aliases=["steep_one", "param_norm"])
def steepest(model, *, sizes: tuple[int, ...] = (1, 2), cap: float | None = None, needed: str):
    \"\"\"The steepest slope.\"\"\"

@genbench.measure(family="mine", direction="-", aliases=["wide"])
def two_words(model, *, sizes: tuple[tuple[int, ...], ...] = ((), (1,))): ...

@genbench.model
def resnet(task): ...

@genbench.model
def net(task): ...

@genbench.model
def digits(task): ...
"""

OTHER = """
import genbench

@genbench.model
def net(task): ...
"""


@pytest.fixture(scope="module")
def host() -> Host:
    given = {"papers": PLUGIN, "my_own": OTHER}
    return Host.load(PluginSource(name, file=f"{name}.py", text=text) for name, text in given.items())


@pytest.fixture(scope="module")
def again(host) -> Host:
    text = written(host)
    assert text is not None
    return recalled(text, [each.source for each in host.plugins])


def test_rows_are_recalled_as_they_were(host, again):
    for kind in KINDS:
        assert repr(rows(again, kind)) == repr(rows(host, kind)), kind


def words(host: Host) -> set[str]:
    components = [each for kind in Kind for each in host.components(kind)]
    plain = {*host.suites(), *(each.name for each in host.plugins), "nothing", "digts", "param_nrom"}
    for each in components:
        for name in (each.name, *each.declared.aliases):
            plain |= {
                name,
                f"{each.plugin}:{name}",
                f"{each.kind}:{name}",
                f"{each.kind}:{each.plugin}:{name}",
            }
    plain |= {
        f"{kind}:{name}" for kind in ("suite", "plugin") for name in ("digits", "papers", "nothing", "my_own")
    }
    return plain | {each.replace("_", "-") for each in plain}


def answer(host: Host, word: str) -> str:
    try:
        return repr(card(host, word))
    except GenbenchError as fault:
        return f"{type(fault).__name__}: {fault}"


def test_every_word_gets_the_same_card_or_the_same_error(host, again):
    asked = words(host)
    differing = [each for each in sorted(asked) if answer(again, each) != answer(host, each)]
    assert differing == []
    answers = {answer(again, each) for each in asked}
    assert any("offered by several plugins: my_own:net, papers:net" in each for each in answers)
    assert any("is the name of several things" in each for each in answers)
    assert any("'see_also': ['genbench show regularizer:path-norm']" in each for each in answers)
    assert any("did you mean 'param_norm'?" in each for each in answers)


def test_a_plugin_that_is_left_out_is_recalled_as_left_out():
    host = Host.load([PluginSource("papers", file="papers.py", text=PLUGIN)], ["papers", "suites"])
    again = recalled(written(host) or "", [each.source for each in host.plugins], ["papers", "suites"])
    assert rows(again, "plugins") == rows(host, "plugins")
    assert rows(again, "suites") == []


@pytest.mark.parametrize(
    "declared",
    [
        "@genbench.model\ndef net(task, *, size: int = 'x', other=print): ...",
        "import enum\nclass Size(str, enum.Enum):\n    a = 'b'\n@genbench.model\ndef net(task, *, size: Size = Size.a): ...",
        "@genbench.measure(family='mine', direction='-')\ndef two(absent_probe): ...",
        "def genbench_suites(): raise ValueError",
    ],
)  # fmt: skip
def test_what_may_change_or_cannot_be_read_back_is_not_written(declared):
    source = PluginSource("papers", file="papers.py", text=f"import genbench\n{declared}\n")
    assert written(Host.of([source])) is None


# The rooms that import torch are left out, so that a process takes little time.
SCRIPT = """
import json, sys
from genbench.cli import main
without = ["datasets", "measures", "models", "probes", "regularizers"]
try:
    main([*sys.argv[1:], *(word for name in without for word in ("--no-plugin", name))])
finally:
    print("pack" in sys.modules, file=sys.stderr)
"""


class Installation:
    """A plugin package, a module that it uses, and a cache."""

    def __init__(self, folder: Path):
        self.cache = folder / "cache"
        self.package = folder / "pack" / "__init__.py"
        self.helper = folder / "helper.py"
        self.suites = folder / "suites"
        self.imports = folder / "imports"
        self.package.parent.mkdir()
        self.suites.mkdir()
        self.imports.touch()
        self.helper.write_text("NAME = 'net'\n")
        self.package.write_text(
            "import genbench, helper, pathlib\n"
            f"with open({str(self.imports)!r}, 'a') as file: file.write('+')\n"
            "@genbench.model(name=helper.NAME)\ndef anything(task): ...\n"
            f"def genbench_suites(): return sorted(pathlib.Path({str(self.suites)!r}).glob('*.toml'))\n"
        )
        (self.suites / "one.toml").write_text("title = 'One'\n")

    def run(self, *words: str) -> tuple[int, str, list[str]]:
        environment = {
            **os.environ,
            "GENBENCH_CACHE": str(self.cache),
            "PYTHONPATH": os.pathsep.join([str(self.helper.parent), str(PACKAGE.parent)]),
        }
        ended = subprocess.run(
            [sys.executable, "-c", SCRIPT, *words, "--plugin", "pack"],
            capture_output=True, text=True, env=environment, check=False,
        )  # fmt: skip
        return ended.returncode, ended.stdout, ended.stderr.splitlines()

    def names(self, kind: str = "models") -> tuple[list[str], bool]:
        """What is listed, and whether the plugin was imported for that, which the command itself never does."""
        before = self.imports.stat().st_size
        code, out, (imported_here,) = self.run("list", kind, "--json")
        assert (code, imported_here) == (0, "False")
        return [each["name"] for each in json.loads(out)], self.imports.stat().st_size > before


@pytest.fixture
def installation(tmp_path) -> Installation:
    return Installation(tmp_path)


@pytest.mark.slow
def test_a_plugin_is_imported_again_when_its_files_or_those_it_uses_change(installation):
    assert installation.names() == (["pack:net"], True)
    assert installation.names() == (["pack:net"], False)
    assert installation.names("suites")[1] is False
    (installation.package.parent / "more.py").touch()
    assert installation.names() == (["pack:net"], True)
    installation.helper.write_text("NAME = 'another_net'\n")
    assert installation.names() == (["pack:another_net"], True)
    assert installation.names() == (["pack:another_net"], False)
    installation.package.write_text("def genbench_suites(): return []\n")
    assert installation.names()[0] == []


def test_suites_are_listed_and_read_as_they_are_now(installation):
    installation.names()
    (installation.suites / "one.toml").write_text("title = 'Changed'\n")
    assert "Changed" in installation.run("list", "suites", "--json")[1]
    assert installation.run("show", "pack:one") == (0, "title = 'Changed'\n", ["False"])
    (installation.suites / "two.toml").write_text("title = 'Two'\n")
    assert "pack:two" in installation.names("suites")[0]


def test_a_plugin_with_problems_is_told_each_time(installation):
    installation.helper.unlink()
    for _ in range(2):
        code, _, errors = installation.run("list", "models")
        assert code == 1
        assert (
            errors[0]
            == "genbench: plugin 'pack' (module): import failed: ModuleNotFoundError: No module named 'helper'"
        )
    installation.helper.write_text("NAME = 'net'\n")
    assert installation.names() == (["pack:net"], True)


@pytest.mark.parametrize("damage", [b"", b"\xff\xfe", b"[]", None])
def test_what_is_damaged_is_made_anew(installation, damage):
    installation.names()
    (kept,) = (installation.cache / "catalogues").iterdir()
    whole = kept.read_bytes()
    kept.write_bytes(whole.replace(b"pack:net", b"pack:nut") if damage is None else damage)
    assert installation.names() == (["pack:net"], False), "its description is kept elsewhere"
    assert kept.read_bytes() == whole


def test_without_a_place_to_write_everything_is_made_anew(installation):
    installation.cache.touch()
    assert installation.names() == installation.names() == (["pack:net"], True)


def test_the_oldest_go_when_there_are_too_many(installation):
    folder = installation.cache / "catalogues"
    folder.mkdir(parents=True)
    for number in range(KEPT + 3):
        (folder / f"old{number}").touch()
        os.utime(folder / f"old{number}", (number, number))
    installation.names()
    left = {each.name for each in folder.iterdir()}
    assert len(left) == KEPT
    assert {each for each in left if each.startswith("old")} == {f"old{n}" for n in range(4, KEPT + 3)}
