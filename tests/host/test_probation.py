"""Plugins that end, hang or bend the process that imports them: named, and nothing else is lost."""

from __future__ import annotations

import json
import os
import textwrap

import numpy as np
import pytest

from genbench.host import Host, probation
from genbench.host.plugin import PluginSource
from genbench.host.probation import fatal


def plugin(name: str, text: str) -> PluginSource:
    declared = textwrap.dedent(text)
    if "def genbench_" not in declared:
        declared += "\ndef genbench_components(): return []\n"
    return PluginSource(name, file=f"{name}.py", text=declared, asked_for=True)


FATAL = {
    "leaves": ("import os; os._exit(0)", "importing it ends the process with code 0"),
    "crashes": ("import os; os.kill(os.getpid(), 11)", "importing it kills the process (SIGSEGV)"),
    "interrupts": ("raise KeyboardInterrupt", "importing it kills the process (SIGINT)"),
    "leaves_in_a_hook": (
        "import os\ndef genbench_suites(): os._exit(0)", "importing it ends the process with code 0",
    ),
    "leaves_as_another": ("import os\nif os.fork(): os._exit(3)", "importing it ends the process with code 3"),
}  # fmt: skip


def test_a_plugin_that_ends_the_process_is_named_and_the_others_are_good():
    sources = [plugin(name, text) for name, (text, _) in FATAL.items()]
    good = plugin("good", "import os\nos.fork()\nprint('hello')\ndef genbench_suites(): return []")
    raises = plugin("raises", "raise ValueError('told where it is loaded')")
    assert fatal([*sources, good, raises]) == {name: why for name, (_, why) in FATAL.items()}


def test_a_plugin_that_hangs_is_ended_and_named(monkeypatch):
    monkeypatch.setattr(probation, "PATIENCE_SECONDS", 2.0)
    assert fatal([plugin("hangs", "import time\ntime.sleep(1000)  # for ever")]) == {
        "hangs": "importing it takes more than 2 s"
    }


def test_a_verdict_is_kept_as_long_as_the_files_are_the_same(monkeypatch, tmp_path):
    monkeypatch.setenv("GENBENCH_CACHE", str(tmp_path))
    tried = []

    class Counted:
        def __init__(self, source, kept):
            tried.append(source.name)

        def outcome(self, deadline):
            verdict = "importing it hurts" if tried[-1] == "bad" else ""
            return probation.Tried(verdict, '{"problems": [], "files": []}')

    monkeypatch.setattr(probation, "_Trial", Counted)
    good, bad = plugin("good", "1"), plugin("bad", "1")
    for _ in range(2):
        assert fatal([good]) == {}
        assert fatal([bad]) == {"bad": "importing it hurts"}
    assert tried == ["good", "bad"]
    fatal([plugin("good", "3")])
    assert tried == ["good", "bad", "good"], "another text is tried anew"
    for each in (tmp_path / "plugins").iterdir():
        os.utime(each, (1, 1))
    fatal([good]), fatal([bad])
    assert tried[3:] == ["bad"], "a fault may have been the machine's"


def test_an_installed_module_is_known_by_all_its_files(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    package = tmp_path / "some_plugin_package"
    package.mkdir()
    for name in ("__init__.py", "part.py"):
        (package / name).write_text("")
    source = PluginSource("some", module="some_plugin_package")
    before = probation._record(source)
    (package / "part.py").write_text("1")
    assert before != probation._record(source)
    assert probation._record(PluginSource("none", module="no_such_module_at_all")) is None


def test_a_plugin_that_must_not_be_imported_is_broken_with_its_reason():
    bad, good = plugin("bad", "import os; os._exit(0)"), plugin("good", "seen = 1")
    host = Host.of([bad, good], fatal={"bad": "importing it ends the process with code 0"})
    assert [(each.name, each.status) for each in host.plugins] == [("bad", "broken"), ("good", "ok")]
    assert host.problems() == ["plugin 'bad' (file bad.py): importing it ends the process with code 0"]


def test_a_copy_that_a_plugin_makes_of_the_process_does_not_go_on_as_it():
    read, write = os.pipe()
    text = f"""
    import os
    child = os.fork()
    if child:
        os.write({write}, b"%d" % os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """
    host = Host.of([plugin("forks", text)])
    assert host.problems() == []
    assert os.read(read, 10) == b"70"
    os.close(read), os.close(write)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("import json\njson.dumps = lambda *a, **k: '{}'", "json.dumps"),
        ("import numpy\nnumpy.linalg.svd = None", "numpy.linalg.svd"),
        (
            "import genbench.base.canonical as c\nc.digest = lambda content: 'x'",
            "genbench.base.canonical.digest",
        ),
        (
            "from genbench.host.names import Names\nNames.find = lambda *a: None",
            "genbench.host.names.Names.find",
        ),
    ],
)
def test_a_plugin_that_changes_what_all_share_is_broken_and_the_change_undone(text, name):
    host = Host.of([plugin("patches", text)])
    assert host.problems() == [
        f"plugin 'patches' (file patches.py): importing it changes {name}, which all share"
    ]
    assert json.dumps({"a": 1}) == '{"a": 1}'
    assert np.linalg.svd(np.eye(2)).S.tolist() == [1, 1]


def test_a_flag_that_a_plugin_sets_for_itself_is_put_back():
    import torch

    before = torch.get_float32_matmul_precision(), np.geterr()
    text = "import torch, numpy\ntorch.set_float32_matmul_precision('medium')\nnumpy.seterr(all='raise')"
    assert Host.of([plugin("sets", text)]).problems() == []
    assert (torch.get_float32_matmul_precision(), np.geterr()) == before


def test_a_hook_without_an_end_is_a_fault():
    text = """
    import itertools
    def genbench_components():
        return itertools.repeat(lambda: None)
    """
    (problem,) = Host.of([plugin("endless", text)]).problems()
    assert problem.endswith("genbench_components raised ValueError: it returned more than 10,000 things")
