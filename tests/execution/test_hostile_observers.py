"""Observers that are after the records of the run: whatever they try is refused, and named."""

from __future__ import annotations

import ast
import errno
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from genbench.base.children import child_environment
from genbench.base.confinement import SWITCH
from genbench.execution.observers import Observers
from genbench.host import Host
from genbench.host.plugin import PluginSource

PROBE = "import sys; from genbench.base.read_only import hold_read_only as held; from pathlib import Path; "


@pytest.fixture(scope="module", autouse=True)
def means(tmp_path_factory):
    """Skips where the system has no means."""
    program = f"{PROBE}sys.exit(not held([Path({str(tmp_path_factory.mktemp('kept'))!r})]))"
    done = subprocess.run([sys.executable, "-P", "-c", program], env=child_environment(), check=False)
    if done.returncode:
        pytest.skip("this system has no Landlock, or no namespace of mounts for whoever asks")


ATTACKS = {
    "delete": "os.unlink(fit)",
    "delete all": "shutil.rmtree(run)",
    "rewrite": "open(fit, 'r+').write('{}')",
    "append": "open(fit, 'a').write(' ')",
    "truncate": "os.truncate(fit, 0)",
    "rename": "os.rename(fit, fit + '.old')",
    "replace": "(open('other', 'w').close(), os.replace('other', fit))",
    "hard link": "os.link(fit, 'linked')",
    "symbolic link": "os.symlink('/dev/null', fit + '.new')",
    "chmod": "os.chmod(fit, 0)",
    "date": "os.utime(fit, (0, 0))",
    "a new record": "os.makedirs(os.path.join(run, 'fits', 'b'))",
    "in its place": "(os.chdir(run), os.unlink('fits/a/fit.json'))",
    "move the run": "os.rename(run, run + '.old')",
    "move what is above": "os.rename(os.path.dirname(run), os.path.dirname(run) + '.old')",
    "through another process": "os.unlink(f'/proc/{os.getppid()}/root{fit}')",
    "unmount": "called(ctypes.CDLL(None, use_errno=True).umount2(run.encode(), 2))",
    "mount": "called(ctypes.CDLL(None, use_errno=True).mount(b'none', run.encode(), None, 4096 | 32, None))",
    "by a child": "subprocess.run(['rm', fit], check=True, stderr=-3)",
    "the cache": "open(os.path.join(os.environ['GENBENCH_CACHE'], 'prepared'), 'w')",
}

HOSTILE = """
import ctypes, os, shutil, subprocess

HERE = os.getcwd()

def called(result):
    if result:
        raise OSError(ctypes.get_errno(), "refused")

def genbench_run_started(run):
    fit, run = run["fit"], run["folder"]
    for name, attack in {attacks}.items():
        try:
            eval(attack)
            outcome = "done"
        except (OSError, subprocess.CalledProcessError) as fault:
            outcome = "refused"
        with open(os.path.join(HERE, "notes"), "a") as notes:
            print((name, outcome), file=notes)

def genbench_trial_finished(record):
    os.unlink(record["fit"])
"""


class Stage:
    """A run folder with one record, below the folder in which the command works, and a cache beside it."""

    def __init__(self, place: Path):
        self.run = place / "runs" / "own"
        self.fit = self.run / "fits" / "a" / "fit.json"
        self.fit.parent.mkdir(parents=True)
        self.fit.write_text("{}")
        self.told = {"folder": str(self.run), "fit": str(self.fit)}
        self.said: list[str] = []

    def observers(self, text: str) -> Observers:
        source = PluginSource("hostile", file="hostile.py", text=text)
        return Observers(Host.of([source]), self.said.append, self.run)

    def state(self) -> dict[str, tuple[int, float, str]]:
        """Everything that stands in the run folder."""
        return {
            str(each): (each.stat().st_mode, each.stat().st_mtime, _content(each))
            for each in sorted(self.run.rglob("*"))
        }


def _content(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


@pytest.fixture
def stage(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cache").mkdir()
    monkeypatch.setenv("GENBENCH_CACHE", str(tmp_path / "cache"))
    return Stage(tmp_path)


def test_no_attack_on_a_record_does_anything(stage, tmp_path):
    before = stage.state()
    observers = stage.observers(HOSTILE.replace("{attacks}", repr(ATTACKS)))
    observers.tell("genbench_run_started", run=stage.told)
    observers.close()
    found = dict(ast.literal_eval(line) for line in Path("notes").read_text().splitlines())
    assert found == dict.fromkeys(ATTACKS, "refused")
    assert stage.state() == before
    assert list((tmp_path / "cache").iterdir()) == []
    assert stage.said == []


def test_one_that_is_refused_something_is_named(stage):
    observers = stage.observers(HOSTILE.replace("{attacks}", "{}"))
    observers.tell("genbench_trial_finished", trial={}, record=stage.told)
    observers.close()
    (line,) = stage.said
    assert line.startswith("observer genbench_trial_finished of plugin 'hostile' raised OSError: ")
    assert "Read-only file system" in line
    assert line.endswith("it is switched off")
    assert stage.fit.exists()


WRITING = """
from pathlib import Path

def genbench_run_started(run):
    Path("log.jsonl").write_text("started")
    Path(run["folder"]).with_suffix(".log").write_text(Path(run["fit"]).read_text())
    Path("folder").mkdir()
    Path("log.jsonl").rename("folder/log.jsonl")
"""


def test_it_writes_in_the_folders_above_the_run_as_before(stage, tmp_path):
    observers = stage.observers(WRITING)
    observers.tell("genbench_run_started", run=stage.told)
    observers.close()
    assert stage.said == []
    assert (tmp_path / "folder" / "log.jsonl").read_text() == "started"
    assert (tmp_path / "runs" / "own.log").read_text() == "{}"


def test_it_reads_what_is_written_meanwhile(stage):
    reads = "def genbench_run_started(run):\n    assert open(run['folder'] + '/later').read() == 'x'\n"
    observers = stage.observers(reads)
    observers.tell("genbench_trial_finished", trial={}, record={})
    (stage.run / "later").write_text("x")
    observers.tell("genbench_run_started", run=stage.told)
    observers.close()
    assert stage.said == []


def test_whoever_wants_no_bounds_has_none(stage, monkeypatch):
    monkeypatch.setenv(SWITCH, "off")
    observers = stage.observers(HOSTILE.replace("{attacks}", "{}"))
    observers.tell("genbench_trial_finished", trial={}, record=stage.told)
    observers.close()
    assert not stage.fit.exists()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_a_user_without_rights_has_the_means_too(tmp_path):
    place = tmp_path / "kept"
    place.mkdir()
    program = (
        f"{PROBE}import ctypes, os; os.setgroups([]); os.setgid(65534); os.setuid(65534); "
        f"ctypes.CDLL(None).prctl(4, 1); print(held([Path({str(place)!r})]))\n"  # as after a login
        f"print(os.getuid(), os.access({str(place)!r}, os.R_OK))\n"
        f"try: open({str(place / 'new')!r}, 'w')\n"
        "except OSError as fault: print(fault.errno)\n"
    )
    for each in [place, *place.parents]:
        if each.is_relative_to("/tmp") and each != Path("/tmp"):
            each.chmod(0o777 if each == place else 0o755)
    done = subprocess.run(
        [sys.executable, "-P", "-c", program], env=child_environment(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    if done.stdout.startswith("False"):
        pytest.skip("users have no namespaces here")
    assert done.stdout.split() == ["True", "65534", "True", str(errno.EROFS)]
