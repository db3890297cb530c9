"""``genbench evaluate``: networks from files, tables of several, forms of output, mistakes."""

import csv
import io

import numpy as np
import pytest
import torch
from running import command
from torch import nn

import genbench
from genbench.base.confinement import offered
from genbench.models.mlp import mlp

NETS = """
import torch
from torch import nn

def make(width=6):
    print("made")
    return nn.Sequential(nn.Linear(4, width), nn.ReLU(), nn.Linear(width, 3))

def sized(task, *, width=6):
    return nn.Sequential(nn.Linear(*task.input_shape, width), nn.ReLU(), nn.Linear(width, task.outputs))

def no_module():
    return {}

def failing():
    raise RuntimeError("of no use\\nat all")

class Named(nn.Module):
    def __init__(self):
        super().__init__()
        self.network = make()
    def forward(self, left, right):
        return {"logits": self.network(torch.cat([left, right], 1))}

number = 3
"""

THEIRS = """
import glob, os, time
import genbench, torch
from torch import nn

measure = genbench.measure(family="theirs", direction="+", source="a test")

@genbench.probe
def doubled(margins):
    return 2 * margins

@measure
def sound(doubled, generator, *, power: float = 1.0):
    return float(doubled.max()) ** power + float(torch.rand((), generator=generator))

@measure
def ends(model):
    os._exit(3)

@measure
def bends(model):
    torch.nn.functional.relu = lambda given, inplace=False: given
    return 1.0

@measure
def finds(model):
    return float(len(glob.glob(HERE + "/*.npz") + glob.glob(HERE + "/*.pt")))

@genbench.model
def network(task, *, width: int = 6):
    return nn.Sequential(nn.Linear(*task.input_shape, width), nn.ReLU(), nn.Linear(width, task.outputs))

@genbench.dataset(name="blobs", checksum=None, task=genbench.Task("classification", (4,), 3))
def blobs(root):
    generator = torch.Generator().manual_seed(0)
    inputs, targets = torch.randn(90, 4, generator=generator), torch.arange(90) % 3
    task = genbench.Task("classification", (4,), 3)
    split = genbench.Split
    return genbench.Data(split(inputs[:60], targets[:60]), split(inputs[60:], targets[60:]), task, "blobs")

@genbench.dataset(name="raising", checksum=None, task=genbench.Task("classification", (4,), 3))
def raising(root):
    raise KeyError("no such table")
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nets.py").write_text(NETS)
    random = np.random.default_rng(0)
    targets = np.arange(60) % 3
    inputs = (random.normal(size=(60, 4)) + targets[:, None]).astype("float32")
    arrays = {"inputs": inputs[:40], "targets": targets[:40]}
    np.savez("alone.npz", **arrays)
    np.savez("data.npz", **arrays, test_inputs=inputs[40:], test_targets=targets[40:])
    np.savez("parts.npz", left=inputs[:, :1], right=inputs[:, 1:], labels=targets)
    for seed in range(4):
        torch.save(network(seed).state_dict(), f"w{seed}.pt")
    return tmp_path


def network(seed):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3))


def evaluate(*words):
    return command("evaluate", "--model", "nets.py:make", *words)


def test_values_are_those_of_the_function_in_python(folder):
    ended = evaluate("--weights", "w0.pt", "--initial", "w1.pt", "--data", "data.npz", "--json",
                     "--measures", "param_norm,fro_dist,margin_mean,avg_sharpness")  # fmt: skip
    assert ended.code == 0
    arrays = np.load("data.npz")
    expected = genbench.evaluate(
        network(0), arrays["inputs"], arrays["targets"], network(1),
        measures=["param_norm", "fro_dist", "margin_mean", "avg_sharpness"],
    )  # fmt: skip
    (found,) = ended.json["networks"]
    assert {each["measure"]: each["value"] for each in found["values"]} == {
        name: float(value) for name, value in expected.items()
    }
    wrong = network(0)(torch.from_numpy(arrays["test_inputs"])).argmax(1).numpy() != arrays["test_targets"]
    assert found["test_error"] == pytest.approx(wrong.mean())
    assert found["gap"] == found["test_error"] - found["train_error"]
    assert ended.json["measures"]["param_norm"]["family"] == "norm"
    assert "made" in ended.err


def test_one_network_is_a_table_of_values_and_reasons(folder):
    ended = evaluate("--data", "data.npz", "--measures", "param_norm,fro_dist")
    assert ended.code == 0
    assert "needs initial_model, which was not given" in ended.out
    assert "train error" in ended.err
    assert "gap" in ended.err


def test_several_networks_are_a_table_and_a_ranking(folder):
    weights = [word for seed in range(4) for word in ("--weights", f"w{seed}.pt")]
    measures = ["--measures", "param_norm,margin_mean,random"]
    ended = evaluate(*weights, "--data", "data.npz", *measures)
    assert ended.code == 0
    assert "4 networks: which measure predicts the gap?" in ended.out
    assert all(f"w{seed}.pt" in ended.out for seed in range(4))
    ended = evaluate(*weights, "--data", "data.npz", *measures, "--csv")
    rows = list(csv.DictReader(io.StringIO(ended.out)))
    assert [row["weights"] for row in rows] == [f"w{seed}.pt" for seed in range(4)]
    assert {"gap", "param_norm", "margin_mean"} <= rows[0].keys()
    (folder / "table.csv").write_text(ended.out)
    assert command("rank", "table.csv", "--measures", "param_norm,margin_mean", "--axes", "weights").code == 0
    ended = evaluate(*weights, "--data", "alone.npz", *measures)
    assert ended.code == 0
    assert "no ranking: the data have no test examples" in ended.err


def test_the_page_needs_nothing_but_itself(folder):
    weights = [word for seed in range(3) for word in ("--weights", f"w{seed}.pt")]
    ended = evaluate(
        *weights, "--data", "data.npz", "--measures", "param_norm,fro_dist", "--out", "page.html"
    )
    assert (ended.code, ended.out.strip()) == (0, "page.html")
    page = (folder / "page.html").read_text()
    assert page.count("<tr>") > 6
    assert "needs initial_model" in page
    assert "http:" not in page
    assert "https:" not in page
    assert evaluate("--data", "data.npz", "--measures", "param_norm", "--html").out.startswith(
        "<!doctype html>"
    )


def test_several_inputs_and_a_part_of_the_outputs(folder):
    words = ("evaluate", "--model", "nets:Named", "--data", "parts.npz", "--measures", "margin_mean")
    ended = command(*words, "--output", "logits", "--csv")
    assert ended.code == 0
    assert command(*words).code == 2


def test_components_take_settings_and_data_sets_too(folder):
    ended = command("evaluate", "--model", "mlp[width=8,depth=1]", "--dataset", "digits[train_size=100]",
                    "--measures", "num_params", "--json")  # fmt: skip
    assert ended.code == 0
    assert ended.json["examples"] == 100
    assert ended.json["networks"][0]["values"][0]["value"] == 64 * 8 + 8 * 10
    ended = command("evaluate", "--model", "nets.py:sized[width=9]", "--data", "data.npz",
                    "--measures", "num_params", "--csv")  # fmt: skip
    assert float(ended.out.splitlines()[1].split(",")[-1]) == 4 * 9 + 9 * 3


def test_a_built_in_model_without_weights_is_said_to_be_untrained(folder):
    words = ("--data", "data.npz", "--measures", "num_params")
    ended = command("evaluate", "--model", "mlp[width=6,depth=1]", *words)
    line = "model 'mlp[width=6,depth=1]' is measured untrained, with random weights, without --weights"
    assert (ended.code, f"genbench: {line}" in ended.err.splitlines()) == (0, True)
    assert "untrained" not in evaluate(*words).err  # a function may bring what it has trained
    built = mlp(genbench.Task("classification", (4,), 3), width=6, depth=1)
    torch.save(built.state_dict(), "built.pt")
    with_weights = command("evaluate", "--model", "mlp[width=6,depth=1]", "--weights", "built.pt", *words)
    assert (with_weights.code, "untrained" in with_weights.err) == (0, False)


@pytest.mark.parametrize(
    ("words", "code", "line"),
    [
        (["--model", "nets.py:no_module"], 3, "model 'nets.py:no_module' returns a dict, not a torch.nn.Module"),
        (["--model", "nets.py:failing"], 3, "model 'nets.py:failing' raised RuntimeError: of no use"),
        (["--model", "nets.py:mke"], 2, "--model nets.py:mke: 'nets.py' has no 'mke'; did you mean 'make'?"),
        (["--model", "nets.py:number"], 2, "--model nets.py:number: 'number' is a int, not a function"),
        (["--model", "nets.py"], 2, "--model nets.py: name the function too, as in nets.py:make"),
        (["--model", "net.py:make"], 2, "--model net.py:make: there is no file 'net.py'; did you mean 'nets.py'?"),
        (["--model", "net:make"], 2, "--model net:make: there is no module 'net'; a file ends in .py"),
        (["--model", "nets:make[wdth=3]"], 3, "model 'nets:make[wdth=3]': unknown setting 'wdth'; did you mean 'width'?"),
        (["--model", "mpl"], 3, "unknown model 'mpl'; did you mean 'mlp'?"),
        (["--weights", "w0.pt", "--model", "nets:make[width=5]"], 3, "weights 'w0.pt' do not fit the network: '0.weight' is 6x4 in the file, 5x4 in the network"),
        (["--weights", "w9.pt"], 2, "weights 'w9.pt': there is no such file; did you mean 'w"),
        (["--initial", "w0.pt"], 2, "--initial goes with --weights"),
        (["--measures", "param_nrm"], 3, "unknown measure 'param_nrm'; did you mean 'param_norm'?"),
        (["--data", "no.npz"], 2, "--data no.npz: there is no such file"),
        (["--data", "alone.npz", "--dataset", "digits"], 2, "--data alone.npz: a file of arrays goes without --dataset"),
        (["--out", "x.pdf"], 2, "--out x.pdf: the ending must be .json, .csv or .html"),
        (["--out", "x.csv", "--json"], 2, "--out x.csv: --json is another form than its ending says"),
        (["--device", "tpu"], 2, "no such device 'tpu'; there are auto, cpu and cuda"),
    ],
)  # fmt: skip
def test_mistakes_are_a_line_each(words, code, line, folder):
    ended = evaluate("--data", "data.npz", "--measures", "param_norm", *words)
    lines = [each for each in ended.err.splitlines() if each.startswith("genbench: ")]
    assert ended.code == code
    assert lines[0].startswith(f"genbench: {line}")
    assert "Traceback" not in ended.err
    assert ended.out == ""


def test_arrays_with_objects_are_not_read(folder):
    np.savez("objects.npz", inputs=np.array([object()] * 2), targets=np.arange(2))
    ended = evaluate("--data", "objects.npz")
    assert ended.code == 3
    assert "it holds objects, whose code would run; save arrays of numbers" in ended.err
    np.savez("alone.npz", targets=np.arange(2))
    assert "expected arrays inputs and targets, got targets" in evaluate("--data", "alone.npz").err


@pytest.mark.parametrize("test", ["", "test_"])
@pytest.mark.parametrize(
    ("inputs", "why"),
    [
        (2, "inputs and targets: 2 examples but targets of (3,)"),
        (0, "inputs: expected shape (n, *input_shape) "),
    ],
)
def test_rows_that_do_not_belong_together_are_a_line(test, inputs, why, folder):
    arrays = {"inputs": np.zeros((3, 4)), "targets": np.arange(3)}
    arrays |= {f"{test}inputs": np.zeros((inputs, 4)), f"{test}targets": np.arange(inputs and 3)}
    np.savez("rows.npz", **arrays)
    ended = evaluate("--data", "rows.npz")
    assert ended.code == 3
    assert ended.err.startswith(f"genbench: 'rows.npz': {'test' if test else 'train'}: {why}")


def test_data_are_asked_for():
    ended = command("evaluate", "--model", "mlp")
    assert ended.code == 2
    assert "say which data the network was trained on" in ended.err


@pytest.fixture
def theirs(folder):
    (folder / "theirs.py").write_text(f"HERE = {str(folder)!r}\n" + THEIRS)
    return ("--plugin", "theirs.py")


def values(ended):
    return [
        {each["measure"]: (each["status"], each["value"]) for each in network["values"]}
        for network in ended.json["networks"]
    ]


@pytest.mark.slow  # starts a process for each measure that ends or bends it
def test_measures_of_plugins_cost_themselves_alone(folder, theirs):
    weights = (
        "--weights",
        "w0.pt",
        "--weights",
        "w1.pt",
        "--initial",
        "w2.pt",
        "--data",
        "data.npz",
        "--json",
    )
    core = "param_norm,fro_dist,margin_mean,avg_sharpness"
    alone = evaluate(*weights, "--measures", core)
    ended = evaluate(
        *weights, *theirs, "--measures",
        f"theirs:bends,theirs:ends,{core},theirs:sound[power=2],theirs:finds",
    )  # fmt: skip
    assert (alone.code, ended.code) == (0, 1)
    arrays = np.load("data.npz")
    for place, (found, expected) in enumerate(zip(values(ended), values(alone), strict=True)):
        assert {name: found[name] for name in expected} == expected
        here = genbench.evaluate(
            network(place), arrays["inputs"], arrays["targets"], network(2),
            measures="theirs:sound[power=2]", plugins=["theirs.py"],
        )  # fmt: skip
        assert found["theirs:sound[power=2]"] == ("ok", float(here["theirs:sound[power=2]"]))
        assert found["theirs:ends"] == ("crashed", None)
        assert found["theirs:bends"] == ("error", None)
        if offered():
            assert found["theirs:finds"] == ("ok", 0.0)
    reasons = {each["measure"]: each["reason"] for each in ended.json["networks"][0]["values"]}
    assert reasons["theirs:ends"] == "measure theirs:ends: the worker exited with code 3"
    assert reasons["theirs:bends"].startswith("theirs:bends changed torch.nn.functional.relu")
    assert ended.json["networks"][0]["test_error"] == alone.json["networks"][0]["test_error"]


@pytest.mark.slow  # starts four processes
@pytest.mark.usefixtures("processes_of_plugins")
def test_networks_and_data_may_be_made_by_plugins(theirs):
    words = ("evaluate", *theirs, "--measures", "param_norm,margin_mean,theirs:sound", "--json", "--model")
    both = command(*words, "theirs:network[width=6]", "--dataset", "theirs:blobs", "--weights", "w0.pt")
    data = command(*words, "nets.py:make", "--dataset", "theirs:blobs[train_size=30]", "--weights", "w0.pt")
    code = command(*words, "theirs:network", "--data", "data.npz", "--weights", "w0.pt")
    own = command(*words, "nets.py:make", "--data", "data.npz", "--weights", "w0.pt")
    assert [each.code for each in (both, data, code, own)] == [0, 0, 0, 0], both.err + data.err + code.err
    assert [each.json["examples"] for each in (both, data, code)] == [60, 30, 40]
    assert values(code) == values(own)
    assert "gap" in both.json["networks"][0]


def test_mistakes_with_plugins_are_a_line_each(theirs):
    words = ("evaluate", *theirs, "--measures", "param_norm")
    for given, code, line in (
        (("--model", "theirs:network", "--dataset", "theirs:raising"), 1, "plugin 'theirs', whose code makes networks or data: raised KeyError: 'no such table'"),
        (("--model", "theirs:network[wdth=3]", "--data", "data.npz"), 3, "model 'theirs:network': unknown setting 'wdth'; did you mean 'width'?"),
        (("--model", "theirs:network", "--data", "data.npz", "--weights", "w9.pt"), 2, "weights 'w9.pt': there is no such file"),
        (("--model", "theirs:network[width=5]", "--data", "data.npz", "--weights", "w0.pt"), 3, "weights 'w0.pt' do not fit the network"),
        (("--model", "theirs:netwrk", "--data", "data.npz"), 3, "unknown model 'theirs:netwrk'; did you mean 'theirs:network'?"),
    ):  # fmt: skip
        ended = command(*words, *given)
        lines = [each for each in ended.err.splitlines() if each.startswith("genbench: ")]
        assert (ended.code, ended.out) == (code, "")
        assert lines[0].startswith(f"genbench: {line}"), lines


def test_an_interrupted_command_promises_only_what_is_there(folder, monkeypatch):
    def interrupted(*given, **more):
        raise KeyboardInterrupt

    monkeypatch.setattr("genbench.execution.evaluating.evaluate_files", interrupted)
    ended = command("evaluate", "--model", folder / "nets.py:make", "--data", folder / "data.npz")
    assert (ended.code, ended.err.strip()) == (130, "genbench: interrupted")
