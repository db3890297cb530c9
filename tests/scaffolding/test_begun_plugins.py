"""What ``genbench plugin new`` writes: plugins of every kind that load, keep the laws, and pass their own tests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from running import command

from genbench.contract.components import Kind
from genbench.host import Host
from genbench.scaffolding import KINDS, begin
from genbench.scaffolding.package import RESERVED


def begun(folder: Path, *, single: bool) -> dict[str, Path]:
    return {kind: begin(kind, f"my_{kind}", folder, single=single).path for kind in KINDS}


def test_every_kind_of_component_can_be_begun():
    assert set(Kind) < set(KINDS)


def test_a_file_of_each_kind_loads_with_its_component(tmp_path):
    files = begun(tmp_path, single=True)
    given = [str(path) for kind, path in files.items() if kind != "suite"]

    host = Host.load(given)

    assert host.problems() == []
    for kind in Kind:
        (found,) = [each for each in host.components(kind) if each.full_name.startswith(f"my_{kind}:")]
        assert found.name.replace("-", "_") == f"my_{kind}"
        assert found.summary


def test_a_suite_of_one_file_can_be_planned(tmp_path):
    file = begun(tmp_path, single=True)["suite"]
    assert command("plan", "--suite", file, "--json").code == 0


def test_packages_hold_to_the_style_of_the_house(tmp_path):
    begun(tmp_path, single=False)
    for words in (
        ["check", "--isolated", "--select", "E,F", "--line-length", "110"],
        ["format", "--check", "--isolated", "--line-length", "110"],
    ):
        ended = subprocess.run(
            [sys.executable, "-m", "ruff", *words, str(tmp_path)],
            capture_output=True, text=True,
        )  # fmt: skip
        assert ended.returncode == 0, ended.stdout


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["mesure", "x"], "unknown kind 'mesure'; did you mean 'measure'?"),
        (["measure", "My.Idea"], "name 'My.Idea': must be lower-case letters and digits, words joined by - or _, "
         "a letter first; pip would make 'my-idea' of it: take that"),
        (["measure", "2nd"], "name '2nd': must be lower-case letters and digits, words joined by - or _, a letter first"),
        (["measure", "class"], "name 'class': it is reserved"),
        (["measure", RESERVED[0]], f"name '{RESERVED[0]}': it is reserved"),
        (["probe", "inputs"], "name 'inputs': it is the name of a root, the training inputs as trained on, not "
         "augmented, shape (n, *input_shape)"),
    ],
)  # fmt: skip
def test_a_name_that_would_not_do_is_refused_with_a_line(tmp_path, words, line):
    ended = command("plugin", "new", *words, "--out", tmp_path)
    assert (ended.code, ended.out, ended.err) == (2, "", f"genbench: {line}\n")
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_written_over(tmp_path):
    for words in (["measure", "mine"], ["measure", "mine", "--file"]):
        assert command("plugin", "new", *words, "--out", tmp_path).code == 0
        again = command("plugin", "new", *words, "--out", tmp_path)
        assert (again.code, again.err.endswith("is there already\n")) == (2, True)


@pytest.fixture(scope="module")
def environment(tmp_path_factory) -> Path:
    """An environment with a package of each kind, installed by pip; it sees the packages of this one too."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True)
    python = folder / "venv" / "bin" / "python"
    places = [path for path in sys.path if path.endswith("site-packages")] + [str(Path(__file__).parents[2])]
    script = "import sysconfig; print(sysconfig.get_path('purelib'))"
    own = subprocess.run([python, "-c", script], capture_output=True, text=True, check=True).stdout.strip()
    lines = [f"import site; site.addsitedir({each!r})" for each in places]
    (Path(own) / "first.pth").write_text("\n".join(lines) + "\n")
    packages = begun(folder, single=False)
    subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "--no-deps", *map(str, packages.values())], check=True
    )
    return python


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_package_of_each_kind_passes_its_own_tests_where_it_is_installed(environment, kind, tmp_path):
    tests = environment.parents[2] / f"genbench-my-{kind}" / "tests"
    ended = subprocess.run(
        [environment, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tests)],
        capture_output=True, text=True, cwd=tmp_path, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout
    assert "failed" not in ended.stdout


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["measure", "probe", "model", "dataset", "regularizer", "protocol", "suite"])
def test_a_package_of_each_kind_takes_part_in_a_run(environment, kind, tmp_path):
    readme = (environment.parents[2] / f"genbench-my-{kind}" / "README.md").read_text()
    (line,) = [each for each in readme.splitlines() if each.startswith("genbench run")]
    ended = subprocess.run(
        f"{environment} -m {line} --workers 1 --limit 4 --out run", shell=True,
        capture_output=True, text=True, cwd=tmp_path, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert "which measure predicts the gap?" in ended.stdout
