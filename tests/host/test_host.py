"""The plugin host: what it finds, what names mean, and that a bad plugin harms nobody but itself."""

import importlib.metadata
import inspect
import json
import sys
import textwrap
import tomllib
from pathlib import Path

import pytest

from genbench.base.canonical import digest
from genbench.base.errors import InvalidInput, UsageError
from genbench.base.names import CORE
from genbench.cli import main
from genbench.contract import hookspecs
from genbench.contract.components import Kind
from genbench.host import Host, plugin
from genbench.host.battery import Battery, Request
from genbench.host.plugin import PluginSource
from genbench.report.catalog import rows

GOOD = """
import genbench

@genbench.probe
def widths(model):
    return 1

@genbench.measure(family="mine", direction="+")
def widest(widths):
    return widths
"""


@pytest.fixture
def write(tmp_path):
    """Writes a plugin file and returns its path."""

    def written(name: str, text: str) -> str:
        path = tmp_path / f"{name}.py"
        path.write_text(textwrap.dedent(text))
        return str(path)

    return written


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Writes an importable package and forgets it afterwards."""
    root = tmp_path / "site"
    root.mkdir()
    monkeypatch.syspath_prepend(str(root))
    before = set(sys.modules)

    def written(files: dict[str, str]) -> None:
        for name, text in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text))

    yield written
    for name in set(sys.modules) - before:
        del sys.modules[name]


def files(*paths: str) -> Host:
    """A host of these plugin files and nothing else."""
    return Host.of(PluginSource.from_argument(each) for each in paths)


def names(host: Host, kind: str) -> list[str]:
    return [each.full_name for each in host.components(kind)]


def core(text: str, name: str = "room") -> PluginSource:
    """A plugin that counts as built in."""
    return PluginSource(name=name, file=f"{name}.py", text=textwrap.dedent(text), distribution="genbench")


# Where plugins are found


def test_the_built_in_components_come_through_the_entry_points_of_the_package():
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    declared = project["entry-points"]["genbench"]
    found = {each.name: each.module for each in plugin.installed() if each.namespace == CORE}
    assert found == declared
    assert {each.name for each in Host.load().plugins if each.source.namespace == CORE} == set(declared)


def test_the_host_names_no_built_in_component():
    text = inspect.getsource(sys.modules["genbench.host.host"]) + inspect.getsource(plugin)
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    for module in project["entry-points"]["genbench"].values():
        assert module not in text


def test_an_installed_package_is_found_by_its_entry_point(monkeypatch, package):
    package({"papers_plugin/__init__.py": GOOD})
    distribution = importlib.metadata.Distribution.at("unused")
    point = importlib.metadata.EntryPoint("papers", "papers_plugin", "genbench")
    vars(point)["dist"] = distribution
    monkeypatch.setattr(type(distribution), "name", property(lambda self: "genbench-papers"))
    monkeypatch.setattr(type(distribution), "version", property(lambda self: "1.2"))
    monkeypatch.setattr(plugin.importlib.metadata, "entry_points", lambda group: [point, point])
    host = Host.load()
    assert names(host, "measure") == ["papers:widest"]
    (only,) = host.plugins
    assert (only.source.origin, only.status) == ("genbench-papers 1.2", "ok")


def test_a_file_is_a_plugin_named_after_it(write):
    host = files(write("papers", GOOD))
    assert names(host, "measure") == ["papers:widest"]
    assert names(host, "probe") == ["papers:widths"]
    assert host.plugins[0].source.origin == "file papers.py"
    assert host.problems() == []


def test_a_module_is_a_plugin_named_as_it_is_imported(package):
    package({"lab/__init__.py": "", "lab/papers.py": GOOD})
    assert names(files("lab.papers"), "measure") == ["lab.papers:widest"]


def test_the_text_of_a_file_is_read_once_so_that_workers_get_the_same_code(write):
    path = write("papers", GOOD)
    sources = files(path).sources
    Path(path).write_text("raise SystemExit")
    again = Host.of(PluginSource(**vars(each)) for each in sources)
    assert names(again, "measure") == ["papers:widest"]


def test_a_file_hides_no_module_of_its_name(write):
    host = files(write("json", GOOD), write("antigravity", GOOD))
    assert host.problems() == []
    assert sys.modules["json"] is json
    assert "antigravity" not in sys.modules


def test_a_file_that_cannot_be_read_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match=r"--plugin .*absent.py: cannot be read"):
        Host.load([str(tmp_path / "absent.py")])


def test_no_plugin_leaves_a_plugin_out(write):
    host = Host.of([PluginSource.from_argument(write("papers", "raise ValueError"))], ["papers"])
    assert (host.plugins[0].status, host.problems(), host.sources) == ("disabled", [], [])


def test_leaving_out_an_unknown_plugin_gets_the_nearest_name():
    with pytest.raises(UsageError, match=r"--no-plugin modles: no such plugin; did you mean 'models'\?"):
        Host.load(without=["modles"])


# What is collected


def test_only_objects_defined_in_the_plugin_or_its_submodules_are_collected(package):
    package(
        {
            "lab/__init__.py": "from lab.inner import deep\nfrom others import foreign\n",
            "lab/inner.py": "import genbench\n@genbench.probe\ndef deep(model): ...\n",
            "lab/unused.py": "import genbench\n@genbench.probe\ndef never_imported(model): ...\n",
            "others.py": "import genbench\n@genbench.probe\ndef foreign(model): ...\n",
            "labour.py": "import genbench\n@genbench.probe\ndef similar(model): ...\n",
        }
    )
    import labour  # noqa: F401

    assert names(files("lab"), "probe") == ["lab:deep"]


def test_the_components_hook_adds_what_a_program_built(write):
    host = files(
        write(
            "built",
            """
            import genbench

            def make(power):
                @genbench.measure(family="built", direction="+", name=f"power_{power}")
                def measure(model):
                    return power
                return measure

            def genbench_components():
                print("not among the results")
                return (make(power) for power in (1, 2))
            """,
        )
    )
    assert names(host, "measure") == ["built:power_1", "built:power_2"]


def test_an_object_that_is_both_in_the_module_and_in_the_hook_counts_once(write):
    host = files(write("papers", GOOD + "\ndef genbench_components():\n    return [widest]\n"))
    assert names(host, "measure") == ["papers:widest"]
    assert host.problems() == []


def test_the_hash_of_the_source_enters_keys_of_fits_for_files_and_editable_installs_only(write, package):
    package({"papers_plugin/__init__.py": GOOD})
    sources = [
        PluginSource.from_argument(write("local", GOOD)),
        PluginSource(name="editable", module="papers_plugin", distribution="papers", editable=True),
    ]
    for source in sources:
        (component,) = Host.of([source]).components("measure")
        assert (len(component.source_hash), component.keyed_by_source) == (16, True)
        assert component.code == component.source_hash
    (component,) = Host.of(
        [PluginSource(name="p", module="papers_plugin", distribution="papers", version="1.2")]
    ).components("measure")
    assert (len(component.source_hash), component.keyed_by_source) == (16, False)
    assert component.code == f"papers 1.2 {component.source_hash}"
    assert {each.code for each in Host.load().components("measure") if each.plugin == "core"} == {""}


# What names mean


def test_a_bare_name_means_the_core_when_the_core_has_it():
    text = "import genbench\n@genbench.model\ndef mlp(task): ...\n@genbench.model\ndef only_mine(task): ...\n"
    host = Host.of([core(text.replace("only_mine", "other")), PluginSource("papers", file="p.py", text=text)])
    assert host.find("model", "mlp").plugin == CORE
    assert host.find("model", "papers:mlp").plugin == "papers"
    assert host.find("model", "only-mine").full_name == "papers:only-mine"


def test_a_plugin_sees_its_own_components_before_those_of_the_core():
    host = Host.of([core(GOOD), PluginSource("papers", file="p.py", text=GOOD)])
    assert host.lookup(Kind.PROBE, "widths", "papers").plugin == "papers"
    assert host.lookup(Kind.PROBE, "widths", "another").plugin == CORE
    assert host.lookup(Kind.PROBE, "papers:widths").plugin == "papers"


def test_a_need_never_means_the_probe_of_another_plugin_that_is_not_named():
    host = Host.of([PluginSource("papers", file="p.py", text=GOOD)])
    assert host.probe_lookup("widths", "papers").plugin == "papers"
    assert host.probe_lookup("widths", "another") is None
    assert host.probe_lookup("papers:widths", "another").plugin == "papers"


def test_a_bare_name_of_several_plugins_is_ambiguous():
    host = Host.of(PluginSource(name, file="p.py", text=GOOD) for name in ("one", "two"))
    with pytest.raises(InvalidInput, match="'widest' is offered by several plugins: one:widest, two:widest"):
        host.find("measure", "widest")
    assert host.find("measure", "two:widest").plugin == "two"


def test_hyphens_and_underscores_are_one():
    text = "import genbench\n@genbench.model\ndef wide_net(task): ...\n"
    host = Host.of([core(text)])
    assert host.find("model", "wide_net") is host.find("model", "wide-net")
    assert host.find("model", "WIDE_NET") is host.find("model", "wide-net")


def test_an_alias_finds_its_component_and_is_listed_once():
    text = "import genbench\n@genbench.model(aliases=['wrn'])\ndef wide_net(task): ...\n"
    host = Host.of([core(text)])
    assert host.find("model", "wrn").name == "wide-net"
    assert names(host, "model") == ["wide-net"]


def test_an_unknown_name_gets_the_nearest_one():
    with pytest.raises(InvalidInput, match=r"unknown model 'wide-nett'; did you mean 'wide-net'\?"):
        Host.of([core("import genbench\n@genbench.model\ndef wide_net(task): ...\n")]).find(
            "model", "wide-nett"
        )


def test_asking_for_a_component_of_a_broken_plugin_says_that_it_is_broken():
    host = Host.of([PluginSource("papers", file="p.py", text="raise ValueError")])
    with pytest.raises(InvalidInput, match=r"unknown measure 'papers:widest' \(plugin 'papers' is broken\)"):
        host.find("measure", "papers:widest")


def test_suites_of_plugins_have_the_name_of_the_plugin_before_theirs():
    text = """
    from pathlib import Path
    def genbench_suites():
        return [Path('/x/small.toml'), '/x/large.toml']
    """
    text = textwrap.dedent(text)
    host = Host.of([core(text), PluginSource("papers", file="p.py", text=text)])
    assert host.suites() == {
        "small": Path("/x/small.toml"),
        "large": Path("/x/large.toml"),
        "papers:small": Path("/x/small.toml"),
        "papers:large": Path("/x/large.toml"),
    }


# Bad plugins

PARTLY_BAD = {
    "declared_twice": (
        GOOD + "\n@genbench.measure(family='mine', direction='-', name='widest')\ndef again(model): ...\n",
        "measure 'widest' is declared twice; the first one counts",
    ),
    "alias_taken": (
        GOOD
        + "\n@genbench.measure(family='mine', direction='-', aliases=['widest'])\ndef again(model): ...\n",
        "measure 'again' is declared twice; the first one counts",
    ),
    "root_name": (
        GOOD + "\n@genbench.probe\ndef history(model): ...\n",
        "probe 'history': the name is reserved, it is columns recorded along training, "
        "each a list with one entry per evaluation",
    ),
    "bad_signature": (
        GOOD + "\n@genbench.model\ndef net(problem): ...\n",
        "model 'net': its positional parameters must be (task), not (problem); settings go behind '*'",
    ),
    "strange_declaration": (
        GOOD + "\n@genbench.probe(cost=['A'])\ndef odd(model): ...\n",
        "unhashable type: 'list'",  # in brackets behind other words in Python 3.14
    ),
    "hook_raises": (
        GOOD + "\ndef genbench_components():\n    raise KeyError('lost')\n",
        "genbench_components raised KeyError: 'lost'",
    ),
    "hook_exits": (
        GOOD + "\ndef genbench_components():\n    raise SystemExit(3)\n",
        "genbench_components raised SystemExit: 3",
    ),
    "hook_returns_nothing": (
        GOOD + "\ndef genbench_components():\n    pass\n",
        "genbench_components raised TypeError: 'NoneType' object is not iterable",
    ),
    "suites_raise": (
        GOOD + "\ndef genbench_suites():\n    yield 'a.toml'\n    raise OSError('no disk')\n",
        "genbench_suites raised OSError: no disk",
    ),
    "suites_are_no_list": (
        GOOD + "\ndef genbench_suites():\n    return 'a.toml'\n",
        "genbench_suites raised TypeError: it must return a list",
    ),
}

WHOLLY_BAD = {
    "raises": ("raise ValueError('first line\\nsecond line')", "import failed: ValueError: first line"),
    "raises_nothing_said": ("raise RuntimeError", "import failed: RuntimeError: no message"),
    "exits": ("import sys; sys.exit(7)", "import failed: SystemExit: 7"),
    "syntax": ("def broken(:", "import failed: SyntaxError"),
    "misspelt": (
        "def genbench_run_start(run): ...",
        "unknown hook 'genbench_run_start'; did you mean 'genbench_run_started'?",
    ),
    "wrong_argument": (
        "def genbench_suites(): return ['/x/a.toml']\n"
        "def genbench_trial_finished(trail, record): raise AssertionError",
        "hook 'genbench_trial_finished' has no argument 'trail'; did you mean 'trial'?",
    ),
    "core": (GOOD, "its name is reserved"),
    "measure": (GOOD, "its name is reserved"),
    "two words": (GOOD, "a plugin's name has letters, digits and . _ + - only"),
}


@pytest.mark.parametrize("name", PARTLY_BAD)
def test_a_bad_component_or_hook_breaks_itself_and_not_its_plugin(write, name):
    text, problem = PARTLY_BAD[name]
    host = files(write(name, text))
    host.suites()
    (line,) = host.problems()
    assert line.startswith(f"plugin '{name}' (file {name}.py): ")
    assert problem in line
    assert "\n" not in line
    assert names(host, "measure") == [f"{name}:widest"]
    assert host.find("measure", "widest").declared.direction == "+"
    assert names(host, "probe") == [f"{name}:widths"]


@pytest.mark.parametrize("name", WHOLLY_BAD)
def test_a_plugin_that_is_bad_as_a_whole_is_one_line_and_harms_no_other(write, name):
    text, problem = WHOLLY_BAD[name]
    host = files(write("before", GOOD), write(name, text), write("after", GOOD))
    (line,) = host.problems()
    assert line.startswith(f"plugin '{name}' (file {name}.py): ")
    assert problem in line
    assert "\n" not in line
    assert names(host, "measure") == ["after:widest", "before:widest"]
    assert [each.status for each in host.plugins] == ["ok", "broken", "ok"]
    assert host.suites() == {}
    assert host.hooks("genbench_trial_finished") == []


def test_of_two_plugins_of_one_name_the_second_is_broken(write, tmp_path):
    (tmp_path / "other").mkdir()
    second = tmp_path / "other" / "papers.py"
    second.write_text("import genbench\n@genbench.model\ndef net(task): ...\n")
    host = files(write("papers", GOOD), str(second))
    assert host.problems() == ["plugin 'papers' (file papers.py): another plugin is named 'papers'"]
    assert names(host, "measure") == ["papers:widest"]
    assert names(host, "model") == []


def test_a_measure_whose_needs_cannot_be_met_is_dropped_alone():
    unmet = GOOD + "\n@genbench.measure(family='mine', direction='+')\ndef unmet(no_such_probe): ...\n"
    host = Host.of([PluginSource("papers", file="p.py", text=unmet)])
    (line,) = host.problems()
    assert "measure 'papers:unmet' needs 'no_such_probe', which is neither a probe nor a root" in line
    assert names(host, "measure") == ["papers:widest"]


def test_a_measure_that_passes_on_a_setting_without_default_is_kept_for_those_who_give_it():
    text = """
    import genbench

    @genbench.probe
    def norms(model, *, kind: str = "flat"): ...

    @genbench.measure(family="mine", direction="+")
    def mine(norms=genbench.need("norms", kind=genbench.setting("kernel")), *, kernel: str): ...
    """
    host = Host.of([PluginSource("papers", file="p.py", text=textwrap.dedent(text))])
    assert host.problems() == []
    request = Request.of(host.find("measure", "mine"), {"kernel": "operator"})
    ((_, settings),) = Battery.resolve([request], host.probe_lookup).probes_below(request)
    assert settings == {"kind": "operator"}
    assert [each["name"] for each in rows(host, "measures")] == ["papers:mine"]


def test_a_module_that_does_not_exist_is_a_broken_plugin():
    (line,) = files("no_such_module_anywhere").problems()
    assert line.endswith("import failed: ModuleNotFoundError: No module named 'no_such_module_anywhere'")


def test_what_a_plugin_prints_while_it_is_imported_is_kept_from_the_results(write, capsys):
    files(write("loud", "print('hello')\nimport sys\nsys.stdout.write('again')"))
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == "hello\nagain"


def test_an_interrupt_during_an_import_is_an_interrupt(write):
    with pytest.raises(KeyboardInterrupt):
        files(write("papers", "raise KeyboardInterrupt"))


def test_problems_of_plugins_named_on_the_command_line_are_told_apart(write):
    asked = PluginSource.from_argument(write("asked", "raise ValueError"))
    host = Host.of([asked, PluginSource("merely", file="m.py", text="raise ValueError")])
    assert len(host.problems()) == 2
    assert [line.split("'")[1] for line in host.problems(asked_for=True)] == ["asked"]
    assert [line.split("'")[1] for line in host.problems(asked_for=False)] == ["merely"]


@pytest.mark.parametrize("form", ["text", pytest.param("json", marks=pytest.mark.slow)])
def test_list_plugins_shows_every_bad_plugin_as_broken(write, capsys, form):
    bad = {name: text for name, text in {**PARTLY_BAD, **WHOLLY_BAD}.items() if " " not in name}
    words = ["list", "plugins", *(["--json"] if form == "json" else []), "--plugin", write("fine", GOOD)]
    for name, (text, _) in bad.items():
        words += ["--plugin", write(name, "print('noise')\n" + text)]
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 1
    printed = capsys.readouterr()
    assert "noise" not in printed.out
    for name, (_, problem) in bad.items():
        (line,) = [each for each in printed.err.splitlines() if f"plugin '{name}'" in each]
        assert problem in line
    if form == "json":
        shown = {each["name"]: each for each in json.loads(printed.out)}
        for name, (_, problem) in bad.items():
            assert shown[name]["status"] == "broken"
            assert problem in shown[name]["problem"]
    else:
        shown = {
            words[0]: {"status": words[1]}
            for words in map(str.split, printed.out.splitlines())
            if len(words) > 1
        }
        assert all(shown[name]["status"] == "broken" for name in bad)
    assert shown["fine"]["status"] == "ok"
    assert shown["measures"]["status"] == "ok"


# Hooks


def test_every_hook_is_documented():
    hooks = {name: each for name, each in vars(hookspecs).items() if name.startswith("genbench_")}
    assert set(hooks) == {
        "genbench_components",
        "genbench_suites",
        "genbench_run_started",
        "genbench_trial_finished",
        "genbench_run_finished",
    }
    for name, hook in hooks.items():
        assert inspect.getdoc(hook), name
        assert "genbench_spec" in vars(hook), name


def test_an_implementation_leaves_out_what_it_does_not_use_and_takes_the_rest_by_name():
    text = """
    seen = []
    def genbench_trial_finished(record, *, extra=0): seen.append(record)
    """
    host = Host.of([PluginSource("papers", file="p.py", text=textwrap.dedent(text))])
    ((owner, function),) = host.hooks("genbench_trial_finished")
    function(trial=1, record=2)
    assert owner.module.seen == [2]


def test_sources_are_plain_data_for_workers(write):
    host = Host.load([write("papers", GOOD)])
    plain = [vars(each) for each in host.sources]
    assert digest(plain)
    assert "papers" in {each["name"] for each in plain}
