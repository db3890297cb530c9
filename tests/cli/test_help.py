"""Help and usage errors are quick: they import neither torch nor any plugin."""

import subprocess
import sys

import pytest

import genbench
from genbench.cli import COMMANDS, main
from genbench.cli.reference import every_command
from genbench.ranking.files import FORMATS

HEAVY = ("torch", "pandas", "numpy", "scipy", "sklearn", "timm", "matplotlib", "pydantic", "pluggy", "rich")

# Says on standard error which heavy modules and which plugins are loaded when the command has ended.
WATCHER = """
import atexit, importlib.metadata, sys
def tell():
    plugins = [point.value for point in importlib.metadata.entry_points(group="genbench")]
    loaded = [name for name in (*{heavy!r}, *plugins) if name in sys.modules]
    print("LOADED", *loaded, file=sys.stderr)
atexit.register(tell)
{code}
"""


def loaded_by(code: str) -> tuple[int, str, str, list[str]]:
    """Exit code, both outputs, and what was loaded by a piece of code in a process of its own."""
    ended = subprocess.run(
        [sys.executable, "-c", WATCHER.format(heavy=HEAVY, code=code)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    errors, _, loaded = ended.stderr.rpartition("LOADED")
    return ended.returncode, ended.stdout, errors, loaded.split()


def command(*words: str) -> str:
    return f"from genbench.cli import main; main({list(words)!r})"


def test_importing_genbench_loads_neither_torch_nor_a_plugin():
    code, _, _, loaded = loaded_by(
        "import genbench; genbench.measure, genbench.Task, genbench.NotApplicable, genbench.need"
    )
    assert (code, loaded) == (0, [])


def test_help_version_and_usage_errors_load_neither_torch_nor_a_plugin():
    """One process for all of them: what any of them loads shows."""
    words = [
        ["--help"], ["-h"], ["--version"], [], ["rnu"], ["pack"], ["--nonsense"], ["list", "modles"], ["run"],
        ["run", "--suite"], ["run", "--suite", "digits", "--limit", "many"], ["rank"], ["run", "--nonsense"],
        *([each, "--help"] for each in COMMANDS),
    ]  # fmt: skip
    code = f"""
from genbench.cli import main
for words in {words!r}:
    try:
        main(words)
    except SystemExit as ended:
        print(ended.code, *words)
"""
    ended, output, _, loaded = loaded_by(code)
    assert (ended, loaded) == (0, [])
    for each in words:
        expected = 0 if {"--help", "-h", "--version"} & set(each) else 2
        assert f"\n{' '.join([str(expected), *each])}\n" in f"\n{output}", each


def test_what_needs_torch_gets_it_at_first_use():
    code, _, _, loaded = loaded_by("import genbench; print(genbench.Protocol(), genbench.Regularizer())")
    assert code == 0
    assert "torch" not in loaded
    code, _, errors, _ = loaded_by("import genbench; genbench.no_such_name")
    assert code == 1
    assert "module 'genbench' has no attribute 'no_such_name'" in errors


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(words)
    return ended.value.code


def test_help_names_every_command_with_its_summary(capsys):
    assert run("--help") == 0
    text = capsys.readouterr().out
    for name, summary in COMMANDS.items():
        (line,) = [each for each in text.splitlines() if each.split()[:1] == [name]]
        assert line.split(None, 1)[1] == summary


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(capsys, name):
    assert run(name, "--help") == 0
    assert f"Usage: genbench {name}" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["rank", "report"])
def test_help_names_every_kind_of_table_that_is_read(capsys, name):
    assert run(name, "--help") == 0
    said = capsys.readouterr().out.replace("\n", " ")
    assert [each for each in FORMATS if each not in said] == []


def test_version_is_that_of_the_package(capsys):
    assert run("--version") == 0
    assert genbench.__version__ in capsys.readouterr().out


def test_an_unknown_command_gets_the_nearest_one(capsys):
    assert run("mesure") == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "no such command 'mesure'; did you mean 'measure'?" in printed.err


def test_a_command_of_a_group_is_offered_with_its_group(capsys):
    for words, _ in every_command():
        group, blank, word = words.partition(" ")
        if blank:
            assert run(word) == 2
            assert f"no such command '{word}'; did you mean '{group} {word}'?" in capsys.readouterr().err


def test_commands_work_one_after_the_other_in_one_process(capsys):
    for _ in range(2):
        assert run("list", "executors") == 0
        assert run("--help") == 0
    assert "local" in capsys.readouterr().out


COMMAND_PLUGIN = """
import click

@click.command()
def greet():
    click.echo("hello from a plugin")
"""


@pytest.fixture
def foreign(tmp_path, monkeypatch):
    """A package that declares two commands, one of which cannot be imported, and one that is taken."""
    (tmp_path / "foreign_commands.py").write_text(COMMAND_PLUGIN)
    (tmp_path / "foreign_broken.py").write_text("raise ValueError('no such library')")
    info = tmp_path / "foreign-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: foreign\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[genbench.commands]\ngreet = foreign_commands:greet\nsulk = foreign_broken:command\n"
        "run = foreign_commands:greet\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    for name in ("foreign_commands", "foreign_broken"):
        sys.modules.pop(name, None)


@pytest.mark.usefixtures("foreign")
def test_the_commands_of_plugins_are_listed_unimported_and_imported_when_used(capsys):
    assert run("--help") == 0
    text = capsys.readouterr().out
    assert "from foreign_commands" in text
    assert not {"foreign_commands", "foreign_broken"} & set(sys.modules)
    assert run("greet") == 0
    assert capsys.readouterr().out == "hello from a plugin\n"


@pytest.mark.usefixtures("foreign")
def test_a_command_that_cannot_be_imported_is_one_line_and_takes_no_name_of_the_core(capsys):
    assert run("sulk") != 0
    printed = capsys.readouterr()
    assert printed.err == (
        "genbench: the command 'sulk' of foreign_broken:command cannot be loaded: no such library\n"
    )
    assert run("run", "--help") == 0
    assert "Train what is missing" in capsys.readouterr().out
