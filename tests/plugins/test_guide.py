"""The author's guide says what is so: its generated parts are as the code is, its commands and examples run."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import guide
import pytest

import genbench
from genbench.host import Host
from genbench.scaffolding import KINDS

TEXT = guide.GUIDE.read_text(encoding="utf-8")
TESTS = Path(__file__).parents[1]


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, flags=re.DOTALL)


def test_its_generated_parts_are_as_the_code_is():
    assert guide.filled(TEXT) == TEXT, "PYTHONPATH=tests python -m guide"


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_a_page_with_an_example(kind):
    assert f"<!-- example {kind} -->" in TEXT
    assert f"<!-- laws {kind} -->" in TEXT


def test_every_example_loads_as_it_stands(tmp_path):
    examples = re.findall(r"`(\w+\.py)`:\n\n```python\n(.*?)```", TEXT, re.DOTALL)
    assert len(examples) == len(KINDS) - 1  # a suite is a TOML file
    for name, text in examples:
        (tmp_path / name).write_text(text)
    assert Host.load([str(tmp_path / name) for name, _ in examples]).problems(asked_for=True) == []


@pytest.mark.parametrize("name", [*guide.hooks(), *genbench.__all__])
def test_every_hook_and_every_public_name_is_documented_and_used_in_a_test(name):
    said = guide.hooks().get(name) or getattr(genbench, name)
    assert (said.__doc__ or "").strip()
    assert re.search(rf"\b{name}\b", TEXT)
    word = re.compile(rf"(?<!\w){name}(?!\w)")
    assert any(word.search(path.read_text(encoding="utf-8")) for path in TESTS.rglob("test_*.py"))


def test_the_plugins_that_it_names_are_there():
    named = set(re.findall(r"`(genbench-[a-z]+)`", TEXT))
    assert named
    assert [each for each in named if not (guide.GUIDE.parent / each).is_dir()] == []


@pytest.mark.slow
@pytest.mark.timeout(1800)  # a minute of one core's time, which may be long where others compute
def test_from_an_idea_to_a_ranked_row_in_seven_commands_at_most(tmp_path):
    """The first commands of the guide, literally, in an environment of their own."""
    commands = blocks("sh")[0].splitlines()
    assert len(commands) <= 7
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    programs = tmp_path / "venv" / "bin"
    script = "import sysconfig; print(sysconfig.get_path('purelib'))"
    own = subprocess.run([programs / "python", "-c", script], capture_output=True, text=True, check=True)
    places = [*(path for path in sys.path if path.endswith("site-packages")), str(TESTS.parent)]
    lines = [f"import site; site.addsitedir({each!r})" for each in places]
    Path(own.stdout.strip(), "first.pth").write_text("\n".join(lines) + "\n")
    environment = {
        **os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "PIP_NO_DEPS": "1",
        "GENBENCH_CACHE": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    for line in commands:
        words = shlex.split(line)
        if words[0] in ("genbench", "pytest"):
            words = [str(programs / "python"), "-m", *words]
        ended = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert ended.returncode == 0, f"{line}\n{ended.stdout}\n{ended.stderr}"
    assert re.search(r"\d+\S* +weight-size:weight_size +\+", ended.stdout)
