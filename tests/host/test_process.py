"""What an import does to the process is undone, and what cannot be undone is not imported where it would stay."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from genbench.host import probation
from genbench.host.plugin import PluginSource

UNDONE = {
    "alarm": "import signal\nsignal.alarm(1)",
    "clock": "import signal\nsignal.setitimer(signal.ITIMER_REAL, 1)",
    "atexits": "import atexit, os\natexit.register(os._exit, 0)",
    "closes": "import os\nfor each in (0, 1, 2):\n    os.close(each)",
    "moves": "import os\nos.chdir('/')",
    "cleans": "import os\nos.environ.clear()",
    "mute": "import sys\nsys.stdout = sys.stderr = None",
    "deaf": "import signal\nsignal.signal(signal.SIGCHLD, signal.SIG_IGN)\nsignal.signal(signal.SIGINT, signal.SIG_IGN)",
    "blocks": "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())",
    "lost": "import sys\nsys.path.clear()\nsys.meta_path.clear()",
    "shallow": "import gc, sys\ngc.disable()\nsys.setrecursionlimit(90)",
    "strict": "import warnings\nwarnings.simplefilter('error')",
    "few": "import resource\nlimits = resource.getrlimit(resource.RLIMIT_NOFILE)\n"
           "resource.setrlimit(resource.RLIMIT_NOFILE, (12, limits[1]))",
    "dumps": "import faulthandler\nfaulthandler.dump_traceback_later(1, exit=True)",
    "traces": "import sys\nsys.settrace(lambda *given: 1 / 0)\nsys.setprofile(lambda *given: None)",
    "masks": "import os\nos.umask(0o777)",
}  # fmt: skip

CHANGES = {
    "opens": ("import builtins\nbuiltins.open = None", "builtins.open"),
    "swallows": ("import builtins\nbuiltins.isinstance = lambda *given: True", "builtins.isinstance"),
    "counts": ("import builtins\nbuiltins.len = lambda given: 0", "builtins.len"),
    "starts": ("import subprocess\nsubprocess.Popen = None", "subprocess.Popen"),
    "hashes": ("import hashlib\nhashlib.sha256 = hashlib.md5", "hashlib.sha256"),
    "reads": ("import pathlib\npathlib.Path.read_bytes = lambda self: b''", "pathlib.Path.read_bytes"),
    "fakes": ("import sys, types\nsys.modules['json'] = types.ModuleType('json')", "module json"),
    "invents": (
        "import sys, types\nsys.modules['safetensors'] = types.ModuleType('safetensors')", "module safetensors"
    ),
}  # fmt: skip

LOADS = """\
import gc, json, os, signal, sys, time, warnings
from pathlib import Path
from genbench.host import Host, host
host.fatal = lambda sources: {}

def state():
    import resource
    mask = os.umask(0)
    os.umask(mask)
    return [
        os.getcwd(), dict(os.environ), mask, [os.fstat(each).st_ino for each in (0, 1, 2)], sys.stdout is None,
        str(signal.getsignal(signal.SIGCHLD)), str(signal.getsignal(signal.SIGINT)), signal.alarm(0),
        sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())), list(sys.path), len(sys.meta_path),
        gc.isenabled(), sys.getrecursionlimit(), len(warnings.filters), sys.gettrace() is None,
        sys.getprofile() is None, resource.getrlimit(resource.RLIMIT_NOFILE), open is None,
    ]

before = state()
loaded = Host.load(sys.argv[1:], rooms=set())
problems = {each.name: each.problems for each in loaded.plugins}
found = [problems, before, state()]
import json as again
time.sleep(1.2)
print(again.dumps(found))
sys.exit(7)
"""


def test_a_command_goes_on_as_if_nothing_had_been_imported(tmp_path):
    files = {**UNDONE, **{name: text for name, (text, _) in CHANGES.items()}}
    for name, text in files.items():
        (tmp_path / f"{name}.py").write_text(text + "\n")
    done = subprocess.run(
        [sys.executable, "-c", LOADS, *(str(tmp_path / f"{name}.py") for name in files)],
        capture_output=True, text=True, cwd=Path(__file__).parents[2], timeout=120,
    )  # fmt: skip
    assert done.returncode == 7, done.stderr
    problems, before, after = json.loads(done.stdout)
    assert after == before
    assert all(len(problems[name]) == 1 for name in UNDONE), problems
    for name, (_, what) in CHANGES.items():
        assert problems[name] == [f"importing it changes {what}, which all share"]


@pytest.mark.slow  # each is imported in a process of its own
@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("import os, threading\nthreading.Timer(9, os._exit, (0,)).start()", "starts a thread, which stays"),
        (
            "import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (12, 12))",
            "lowers a limit of the process for good",
        ),
    ],
)
def test_what_cannot_be_undone_is_found_where_it_does_no_harm(cache, text, verdict):
    assert probation.fatal([PluginSource("stays", file="stays.py", text=text)]) == {
        "stays": f"importing it {verdict}"
    }


@pytest.mark.slow
def test_a_plugin_is_sound_though_what_it_imports_makes_modules_of_its_own(tmp_path):
    """Some libraries put modules in place that no file holds, when they are first imported."""
    (tmp_path / "plain.py").write_text(
        '"""A plugin."""\nimport torch, sklearn.svm, timm\n\n\ndef genbench_run_started(run): ...\n'
    )
    script = (
        "from genbench.host import Host\n"
        f"(plugin,) = [each for each in Host.load(plugins=[{str(tmp_path / 'plain.py')!r}], rooms=set()).plugins"
        " if each.name == 'plain']\n"
        "print(plugin.status, plugin.problems)\n"
    )
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert said == "ok []\n"
