"""Bad input gets one clear line for each fault, the right exit code, no traceback, and nothing is lost."""

from __future__ import annotations

from pathlib import Path

import pytest
from running import TINY, Ended, command, fit_files

pytestmark = pytest.mark.usefixtures("inline")


def lines(ended: Ended) -> list[str]:
    """The error lines of a command that must have left no traceback and no results."""
    assert "Traceback" not in ended.err
    assert ended.out == ""
    return [
        each.removeprefix("genbench: ") for each in ended.err.splitlines() if each.startswith("genbench: ")
    ]


def run_suite(folder: Path, content: str, *words: object) -> Ended:
    (folder / "given.toml").write_text(content)
    return command("run", "--suite", folder / "given.toml", "--out", folder / "run", "--workers", 1, *words)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (('"digits"', '"digit"'), "dataset: unknown dataset 'digit'; did you mean 'digits'?"),
        (('"mlp"', '"mpl"'), "model: unknown model 'mpl'; did you mean 'mlp'?"),
        (('"interpolate"', '"interpolat"'), "protocol: unknown protocol 'interpolat'; did you mean 'inter"),
        (("width", "widht"), "model 'mlp': unknown setting 'widht'; did you mean 'width'?"),
        (("[0.03, 0.1]", "-0.1"), "protocol 'interpolate': learning_rate = -0.1: should be greater than 0"),
        (("[0.03, 0.1]", '"fast"'), "protocol 'interpolate': learning_rate = fast: should be a number"),
        (("width = 8", "width = 0"), "model 'mlp': width = 0: should be greater than or equal to 1"),
        (("width = 8", "width = 1.5"), "model 'mlp': width = 1.5: should be a"),
        (("seeds = 2", 'seeds = "two"'), "seeds: must be a number of seeds or a list of them, not 'two'"),
        (("version = 1", "version = 0"), "version: should be greater than or equal to 1, not 0"),
        (("version = 1", "verion = 1"), "unknown key 'verion'; did you mean 'version'?"),
        (('"gap"', '"gapp"'), "targets: unknown target 'gapp'; did you mean 'gap'?"),
        (("[0.03, 0.1]", "[]"), "learning_rate = []: has no values, so that the grid is empty"),
        (("seeds = 2", "seeds = 0"), "seeds: has no values, so that the grid is empty"),
        (("seeds = 2", 'regularizers = "dropout"'), "regularizers: must be a list of alternatives"),
        (("seeds = 2", 'limits = { hours = 1 }'), "limits: unknown key 'hours'"),
        (("seeds = 2", 'keep = ["finall"]'), "not 'finall'; did you mean 'final'?"),
        (("seeds = 2", f"seeds = {2**70}"), f"seeds: {2**70} is too large; {2**63 - 1} is the largest"),
        (("seeds = 2", f"seeds = [0, {2**70}]"), f"seeds: {2**70} is too large; {2**63 - 1} is the largest"),
        (("seeds = 2", "seeds = -1"), "seeds: must be a number of seeds or a list of them, not -1"),
        (("batch_size = 32", "batch_size = 0"), "batch_size = 0: should be greater than or equal to 1"),
        (("batch_size = 32", "batch_size = -8"), "batch_size = -8: should be greater than or equal to 1"),
        (("batch_size = 32", "batch_size = 1e3"), "batch_size = 1000.0: should be an integer; write 1000"),
        (("batch_size = 32", 'batch_size = "1e3"'), 'batch_size = "1e3": should be an integer; write 1000'),
        (("[0.03, 0.1]", '"0.1"'), 'learning_rate = "0.1": should be a number; write 0.1'),
        (("width = 8", "width = { from = 1 }"), 'model \'mlp\': width = {"from":1}: should be an integer'),
        (("width = 8", "width = 2020-01-01"), "width = datetime.date(2020, 1, 1): a setting cannot be a date"),
        (("seeds = 2", 'regularizers = [[{ name = "dropout", rat = 0.1 }]]'),
         "regularizers 'dropout': unknown setting 'rat'; did you mean 'rate'?"),
        (("seeds = 2", "threads = 100_000"), "threads: should be less than or equal to 1024, not 100000"),
        (("seeds = 2", "limits = { training_seconds = 0 }"), "training_seconds: should be greater than 0"),
        (("seeds = 2", "keep = { snapshots = 0 }"), "snapshots: should be greater than or equal to 1, not 0"),
        (('["param_norm", "train_loss", "random"]', '"param_nrom"'),
         "measures: unknown measure 'param_nrom'; did you mean 'param_norm'?"),
        (('"param_norm"', '"inverse_margin[quantil=0.1]"'),
         "measures: measure 'inverse_margin': unknown setting 'quantil'; did you mean 'quantile'?"),
        (('"param_norm"', '"inverse_margin[quantile=2]"'),
         "measures: measure 'inverse_margin': quantile = 2: should be less than or equal to 1"),
        (('["param_norm", "train_loss", "random"]', "5"), "measures: should be a list, not 5"),
    ],
)  # fmt: skip
def test_a_fault_in_a_suite_names_the_file_the_key_and_the_nearest_word(tmp_path, change, text):
    ended = run_suite(tmp_path, TINY.replace(*change))
    assert ended.code == 3
    (line,) = lines(ended)
    assert line.startswith(f"{tmp_path / 'given.toml'}: ")
    assert text in line
    assert not (tmp_path / "run").exists(), "a suite that cannot run leaves nothing behind"


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (("seeds = 2", "seeds = [0, 0]"), "seeds: 0"),
        (("[0.03, 0.1]", "[0.1, 0.10]"), "protocol 'interpolate': learning_rate: 0.1"),
        (("width = 8", "width = [8, 8]"), "model 'mlp': width: 8"),
        (
            ('dataset = { name = "digits", train_size = 100 }', 'dataset = ["digits", "digits"]'),
            'dataset: "digits"',
        ),
        (("seeds = 2", 'regularizers = [["dropout"], ["dropout"]]'), 'regularizers: ["dropout"]'),
    ],
)
def test_a_level_that_is_named_twice_counts_once_and_is_told(tmp_path, change, text):
    (tmp_path / "given.toml").write_text(TINY.replace(*change))
    ended = command("plan", "--suite", tmp_path / "given.toml", "--json")
    assert ended.code == 0
    assert ended.err.splitlines() == [
        f"genbench: {tmp_path / 'given.toml'}: {text} is there more than once, and counts once"
    ]


def test_all_faults_of_a_suite_are_told_at_once(tmp_path):
    content = (
        TINY.replace('"mlp"', '"mpl"').replace("version = 1", 'version = "one"').replace("[0.03, 0.1]", "-1")
    )
    ended = run_suite(tmp_path, content + "nonsense = 3\n")
    assert ended.code == 3
    found = lines(ended)
    assert len(found) == 4
    for word in ("'mpl'", "version", "learning_rate", "'nonsense'"):
        assert any(word in line for line in found)


def test_malformed_toml_names_file_and_line(tmp_path):
    ended = run_suite(tmp_path, 'title = "x"\nversion = = 1\n')
    assert ended.code == 3
    (line,) = lines(ended)
    assert line.startswith(f"{tmp_path / 'given.toml'}: not valid TOML: ")
    assert "line 2, column 11" in line


@pytest.mark.parametrize(
    ("setting", "text"),
    [
        ("model.depth=100000", "it has more than 300 tensors of weights and biases; make it less deep"),
        ("model.width=1000000000000", "weights would take at least 900,000 GB of memory in training"),
    ],
)
@pytest.mark.parametrize("verb", ["plan", "run"])
def test_a_network_that_no_machine_can_train_is_one_line(tmp_path, monkeypatch, verb, setting, text):
    # At its own number this takes seconds, which are spared here.
    monkeypatch.setattr("genbench.fitting.prediction.MOST_WEIGHT_TENSORS", 300)
    (tmp_path / "given.toml").write_text(TINY)
    ended = command(verb, "--suite", tmp_path / "given.toml", "--set", setting, "--out", tmp_path / "run")
    assert ended.code == 3
    (line,) = lines(ended)
    assert line.startswith("model 'mlp' for dataset 'digits': ")
    assert text in line
    assert not (tmp_path / "run").exists()


def test_a_network_too_large_for_this_machine_may_be_planned_and_is_not_run(tmp_path, monkeypatch):
    monkeypatch.setattr("genbench.fitting.preflight._memory_here", lambda: 1e6)
    (tmp_path / "given.toml").write_text(TINY)
    words = ("--suite", tmp_path / "given.toml", "--out", tmp_path / "run", "--set", "model.width=20000")
    assert command("plan", *words).code == 0
    ended = command("run", *words)
    assert ended.code == 3
    weights = 64 * 20000 + 20000 + 20000 * 10 + 10
    assert lines(ended) == [
        f"model 'mlp' for dataset 'digits': its {weights:,} weights would take at least 0 GB of memory in "
        "training; this machine has 0 GB"
    ]


def test_a_suite_that_is_a_folder_or_lacks_its_ending_is_told_with_the_file_that_was_meant(tmp_path):
    (tmp_path / "suite.toml").write_text(TINY)
    file = tmp_path / "suite.toml"
    ended = command("plan", "--suite", tmp_path)
    assert (ended.code, lines(ended)) == (
        2, [f"'{tmp_path}' is a folder; a suite is a TOML file; did you mean '{file}'?"]
    )  # fmt: skip
    for wrong in ("suite", "siute.toml"):
        ended = command("plan", "--suite", tmp_path / wrong)
        assert (ended.code, lines(ended)) == (
            2, [f"suite file '{tmp_path / wrong}' does not exist; did you mean '{file}'?"]
        )  # fmt: skip


@pytest.mark.parametrize("name", ["--jobs", "-j"])
def test_an_option_of_other_programs_is_met_with_ours(name):
    ended = command("run", "--suite", "digits", name, "0")
    assert ended.code == 2
    assert "Traceback" not in ended.err
    assert ended.err.splitlines()[-1] == f"Error: No such option '{name}'. Did you mean '--workers'?"


def test_an_empty_path_is_not_the_folder_that_one_is_in(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ended = command("run", "--suite", "digits-quick", "--out", "")
    assert ended.code == 2
    assert ended.err.splitlines()[-1] == "Error: Invalid value for '--out': the path is empty"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a/b", "names a folder: it must hold no / "),
        ("..", "names a folder: it must not begin with . - ~"),
        ("-rf", "names a folder: it must not begin with . - ~"),
        ("NUL.x", "names a folder: it must not be a name that Windows reserves"),
        ("x" * 201, "names a folder: it must have at most 200 bytes"),
        (" ", "must not be empty"),
    ],
)
@pytest.mark.parametrize("verb", ["run", "plan"])
def test_a_suite_whose_name_names_no_folder_is_refused(tmp_path, monkeypatch, verb, name, text):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "given.toml").write_text(f'name = "{name}"\n{TINY}')
    ended = command(verb, "--suite", "given.toml")
    assert ended.code == 3
    (line,) = lines(ended)
    assert line.startswith(f"given.toml: name: {text}")
    assert line.endswith(f", not '{name}'")
    assert [each.name for each in tmp_path.iterdir()] == ["given.toml"]


FAULTS = {
    'raise RuntimeError("no room\\n\\nframe #0: c10::Error")': "no room",
    'raise ValueError("12 channels expected")': "12 channels expected",
    'raise KeyError("stem")': "KeyError: 'stem'",
    "raise MemoryError": "MemoryError: no message",
    "assert False": "AssertionError: no message",
    "return None": "AttributeError: 'NoneType' object has no attribute 'to'",
    "return nn.Linear(63, 10)": "shapes cannot be multiplied (16x8 and 63x10)",
    "return nn.Sequential(nn.Flatten(), nn.Linear(3, 10))": "shapes cannot be multiplied (2x64 and 3x10)",
}


@pytest.mark.parametrize("body", list(FAULTS))
def test_a_network_whose_construction_fails_is_one_line_with_its_model_and_data_set(tmp_path, body):
    (tmp_path / "mine.py").write_text(
        f"import genbench\nfrom torch import nn\n\n\n@genbench.model\ndef net(task):\n    {body}\n"
    )
    ended = run_suite(tmp_path, TINY, "--plugin", tmp_path / "mine.py", "--set", "model=mine:net")
    assert ended.code == 3
    (line,) = lines(ended)
    assert line.startswith("model 'mine:net' for dataset 'digits': ")
    assert FAULTS[body] in line
    assert not (tmp_path / "run").exists()


def test_an_unknown_suite_shows_the_nearest_name():
    ended = command("run", "--suite", "digts")
    assert ended.code == 2
    assert lines(ended) == ["unknown suite 'digts'; did you mean 'digits'?"]


def test_a_suite_file_that_does_not_exist_is_named(tmp_path):
    ended = command("run", "--suite", tmp_path / "none.toml")
    assert ended.code == 2
    assert lines(ended) == [f"suite file '{tmp_path / 'none.toml'}' does not exist"]


def test_an_unknown_measure_shows_the_nearest_name(tmp_path):
    ended = run_suite(tmp_path, TINY, "--measures", "param_nrom,train_lss,family:nrom")
    assert ended.code == 3
    assert lines(ended) == [
        "unknown measure 'param_nrom'; did you mean 'param_norm'?",
        "unknown measure 'train_lss'; did you mean 'train_loss'?",
        "unknown family 'nrom'; did you mean 'norm'?",
    ]


def test_a_grid_of_more_than_a_million_trials_needs_a_limit(tmp_path):
    content = TINY.replace("seeds = 2", "seeds = 1_000_001")
    ended = run_suite(tmp_path, content)
    assert ended.code == 3
    (line,) = lines(ended)
    assert "has 2,000,002 trials, more than 1,000,000; give --limit N" in line
    planned = command("plan", "--suite", tmp_path / "given.toml", "--limit", 3, "--json")
    assert planned.json["trials"] == 3


def test_an_output_folder_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "run").write_text("precious")
    ended = run_suite(tmp_path, TINY)
    assert ended.code == 3
    assert lines(ended) == [f"output folder '{tmp_path / 'run'}': is a file"]
    assert (tmp_path / "run").read_text() == "precious"


def test_an_output_folder_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "fits").write_text("in the way")
    ended = run_suite(tmp_path, TINY)
    assert ended.code == 3
    assert f"output folder '{tmp_path / 'run'}': cannot be written: File exists" in lines(ended)


def test_a_disk_that_is_full_from_the_start_is_one_clear_line(tmp_path, monkeypatch):
    def full(path: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    for module in ("store", "records"):
        monkeypatch.setattr(f"genbench.runs.{module}.write_atomically", full)
    ended = run_suite(tmp_path, TINY)
    assert ended.code == 3
    assert lines(ended) == [
        f"'{tmp_path / 'run'}': the disk is full (No space left on device); "
        "what is there is whole: make room and run the same command again"
    ]


def test_a_run_folder_of_another_suite_is_refused(tmp_path, finished, tiny_suite):
    before = fit_files(finished)
    (tmp_path / "other.toml").write_text(TINY.replace("seeds = 2", "seeds = 3"))
    for name in ("run", "plan"):
        ended = command(name, "--suite", tmp_path / "other.toml", "--out", finished)
        assert ended.code == 3
        (line,) = lines(ended)
        assert line == (
            f"output folder '{finished}' holds a run of suite 'tiny' with other content; choose another --out"
        )
    assert fit_files(finished) == before


def test_another_title_is_the_same_suite(finished, tmp_path):
    (tmp_path / "tiny.toml").write_text(TINY.replace("Four small networks", "The same"))
    ended = command("run", "--suite", tmp_path / "tiny.toml", "--out", finished)
    assert ended.code == 0
    assert "0 trained now, 0 measured now" in ended.err


@pytest.mark.parametrize("name", ["rank", "export", "status", "explain", "measure", "retry"])
def test_a_folder_that_is_no_run_is_refused(tmp_path, name):
    words = {"export": [tmp_path / "x.csv"], "explain": ["abc"]}.get(name, [])
    ended = command(name, tmp_path, *words)
    assert ended.code == 3
    assert lines(ended) == [f"'{tmp_path}' is not a run folder: it has no suite.toml"]


def test_a_damaged_suite_file_of_a_run_is_named(finished, tmp_path):
    (tmp_path / "suite.toml").write_text("title = ")
    ended = command("status", tmp_path)
    assert ended.code == 3
    assert lines(ended)[0].startswith(f"{tmp_path / 'suite.toml'}: is damaged: ")


@pytest.fixture
def offline(monkeypatch):
    def refuse(*given, **named):
        raise OSError("no network")

    monkeypatch.setattr("genbench.base.downloads.get", refuse)


def test_missing_data_without_a_network_says_what_to_put_where(tmp_path, offline):
    content = TINY.replace('"digits"', '"cifar10"').replace(
        'model = { name = "mlp", width = 8', 'model = { name = "mlp", width = 4'
    )
    (tmp_path / "data").mkdir()
    ended = run_suite(tmp_path, content, "--data", tmp_path / "data")
    assert ended.code == 3
    line = lines(ended)[-1]
    assert "dataset 'cifar10': not complete in" in line
    assert "no network" in line
    assert "put cifar-10-python.tar.gz from https://" in line
    assert str(tmp_path / "data") in line
    assert list((tmp_path / "data").iterdir()) == [], "the user's folder is left alone"
    assert not (tmp_path / "run").exists()


def test_a_data_folder_that_does_not_exist_is_named(tmp_path, offline):
    content = TINY.replace('"digits"', '"cifar10"')
    ended = run_suite(tmp_path, content, "--data", tmp_path / "nowhere")
    assert ended.code == 3
    assert any(str(tmp_path / "nowhere") in line for line in lines(ended))


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--device", "tpu"), "no such device 'tpu'; there are auto, cpu, cuda and mps"),
        (("--device", "cuda:99"), "no such device 'cuda:99'"),
        (("--workers", "0"), "--workers 0: must be at least 1"),
        (("--workers", "1000000000000"), "--workers 1000000000000: must be at most 1024"),
        (("--limit", "0"), "--limit 0: must be at least 1"),
        (("--shard", "3/2"), "--shard 3/2: must be I/N with 1 <= I <= N"),
        (("--shard", "half"), "--shard half: must be I/N, as in 1/4"),
        (("--set", "width"), "--set width: is not KEY=VALUE"),
        (("--plugin", "nowhere.py"), "--plugin nowhere.py: cannot be read"),
        (("--no-plugin", "measurs"), "--no-plugin measurs: no such plugin; did you mean 'measures'?"),
    ],
)
def test_wrong_usage_ends_with_code_2_and_one_line(tmp_path, words, text):
    ended = run_suite(tmp_path, TINY, *words)
    assert ended.code == 2
    (line,) = lines(ended)
    assert line.startswith(text)


def test_an_unknown_executor_shows_the_nearest_name(tmp_path):
    ended = run_suite(tmp_path, TINY, "--executor", "locl")
    assert ended.code == 3
    assert lines(ended) == ["unknown executor 'locl'; did you mean 'local'?"]


def test_a_network_that_cannot_be_built_is_found_before_anything_trains(tmp_path):
    content = TINY.replace(
        'model = { name = "mlp", width = 8, depth = 1 }',
        'model = { name = "torchvision", architecture = "resnet99" }',
    )
    ended = run_suite(tmp_path, content)
    assert ended.code == 3
    assert any("resnet99" in line for line in lines(ended))
    assert not (tmp_path / "run").exists()


def test_more_training_examples_than_there_are_is_told(tmp_path):
    ended = run_suite(tmp_path, TINY.replace("train_size = 100", "train_size = 5000"))
    assert ended.code == 3
    (line,) = lines(ended)
    assert "the training split has 899 examples, too few for train_size 5000" in line
    assert not (tmp_path / "run").exists()


def test_an_unknown_axis_shows_the_nearest_one(finished):
    ended = command("rank", finished, "--axes", "learning_rat")
    assert ended.code == 2
    (line,) = lines(ended)
    assert line.startswith("unknown axis 'learning_rat'; did you mean")


def test_an_unknown_target_or_measure_of_a_ranking_is_told(finished):
    for words, text in ((("--target", "gapp"), "gapp"), (("--measures", "param_nrm"), "param_nrm")):
        ended = command("rank", finished, *words)
        assert ended.code == 3
        assert any(text in line for line in lines(ended))


def test_a_table_that_is_none_is_told(tmp_path):
    assert command("rank", tmp_path / "none.csv").code == 2
    (tmp_path / "odd.txt").write_text("x")
    ended = command("rank", tmp_path / "odd.txt")
    assert (ended.code, len(lines(ended))) == (2, 1)
    (tmp_path / "empty.csv").write_text("")
    ended = command("rank", tmp_path / "empty.csv")
    assert (ended.code, len(lines(ended))) == (3, 1)


def test_an_unknown_trial_to_explain_is_told(finished):
    ended = command("explain", finished, "zzzz")
    assert ended.code == 2
    assert lines(ended) == [f"no trial of '{finished}' begins with 'zzzz'; 'genbench export' lists the keys"]
    several = command("explain", finished, "")
    assert several.code == 2
    assert lines(several)[0].startswith("4 trials of ")


def test_an_export_that_cannot_be_written_is_told(finished, tmp_path):
    ended = command("export", finished, tmp_path / "table.xls")
    assert ended.code == 2
    assert lines(ended) == [f"'{tmp_path / 'table.xls'}': the ending must be .csv, .parquet or .json"]
    (tmp_path / "file").write_text("in the way")
    ended = command("export", finished, tmp_path / "file" / "table.csv")
    assert ended.code == 3
    (line,) = lines(ended)
    assert line.startswith(f"'{tmp_path / 'file' / 'table.csv'}': cannot be written: ")


BROKEN = {
    "raises on import": ("raise RuntimeError('not today')\n", "import failed: RuntimeError: not today"),
    "exits on import": ("import sys\nsys.exit(7)\n", "import failed: SystemExit: 7"),
    "is no Python": ("def (:\n", "import failed: SyntaxError: "),
    "misspells a hook": (
        "def genbench_suits():\n    return []\n",
        "unknown hook 'genbench_suits'; did you mean 'genbench_suites'?",
    ),
    "takes a root's name": (
        "import genbench\n\n@genbench.probe\ndef targets(model): ...\n",
        "probe 'targets': the name is reserved",
    ),
    "takes a name twice": (
        "import genbench\n\ndef first(task): ...\n\n"
        "one = genbench.model(name='one')(lambda task: None)\n"
        "two = genbench.model(name='one')(lambda task: None)\n",
        "model 'one' is declared twice",
    ),
}  # fmt: skip


@pytest.mark.parametrize("how", list(BROKEN))
def test_a_broken_plugin_that_was_named_ends_the_run_with_code_1_and_one_line(tmp_path, how):
    text, expected = BROKEN[how]
    (tmp_path / "mine.py").write_text(text)
    ended = run_suite(tmp_path, TINY, "--plugin", tmp_path / "mine.py")
    assert ended.code == 1
    (line,) = lines(ended)
    assert line.startswith("plugin 'mine' (file mine.py): ")
    assert expected in line
    assert not (tmp_path / "run").exists()


def test_a_broken_plugin_that_is_merely_installed_is_a_line_and_no_fault(tmp_path, monkeypatch):
    from genbench.host import host

    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "broken_package.py").write_text("raise RuntimeError('not today')\n")
    there = host.PluginSource(
        name="broken-package", module="broken_package", distribution="broken", version="1.0"
    )
    installed = host.installed
    monkeypatch.setattr("genbench.host.host.installed", lambda: [*installed(), there])
    ended = run_suite(tmp_path, TINY, "--limit", 1)
    assert ended.code == 0
    assert "plugin 'broken-package' (broken 1.0): import failed: RuntimeError: not today" in ended.err


DEPENDENT = """\
import genbench
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(64, 10)

    def forward(self, inputs):
        return self.linear(inputs.flatten(1) * (1 if float(inputs.sum()) > 0 else 2))


@genbench.model
def looks(task): return Net()
"""


def test_a_network_that_looks_at_its_inputs_is_no_bad_input(tmp_path):
    (tmp_path / "mine.py").write_text(DEPENDENT)
    words = ("--plugin", tmp_path / "mine.py", "--set", "model=looks", "--json")
    (tmp_path / "tiny.toml").write_text(TINY)
    planned = command("plan", "--suite", tmp_path / "tiny.toml", *words)
    assert planned.code == 0, planned.err
    assert planned.json["core_hours"] > 0


def test_debug_shows_the_traceback(tmp_path):
    from genbench.base.errors import UsageError

    with pytest.raises(UsageError, match="unknown suite"):
        command("--debug", "run", "--suite", "digts")
