"""``genbench import``: from a folder of checkpoints to a run that all commands take."""

import csv
import shutil
from pathlib import Path

import pytest
import torch
from running import command
from torch import nn
from torch.nn import functional as F

import genbench
from genbench.fitting.imported import code_folder
from genbench.fitting.own_data import read_own_data
from genbench.host import Host
from genbench.host.elsewhere import Deputies

DATASET = "digits[train_size=100]"
NETS = """
from torch import nn

def make(width):
    return nn.Sequential(nn.Flatten(), nn.Linear(64, width), nn.ReLU(), nn.Linear(width, 10))
"""
MEASURES = "param_norm,fro_dist,margin_mean,steps_to_0.1"


def network(width, seed):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(64, width), nn.ReLU(), nn.Linear(width, 10))


def train(folder):
    """Four small networks, and the manifest of their files."""
    data = read_own_data(DATASET, None, Host.load())
    rows = []
    for width in (8, 16):
        for rate in (0.1, 0.3):
            model = network(width, 0)
            name = f"{width}-{rate}"
            torch.save(model.state_dict(), folder / f"{name}-initial.pt")
            optimizer = torch.optim.SGD(model.parameters(), rate)
            for _ in range(60):
                optimizer.zero_grad()
                F.cross_entropy(model(data.train.inputs), data.train.targets).backward()
                optimizer.step()
            torch.save(model.state_dict(), folder / f"{name}.pt")
            right = (model(data.test.inputs).argmax(1) == data.test.targets).double().mean()
            rows.append([f"{name}.pt", f"{name}-initial.pt", width, rate, round(float(right), 3)])
    write(folder, rows)
    return data


def write(folder, rows):
    with (folder / "manifest.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["file", "initial", "width", "rate", "test_accuracy"], *rows])


def import_(folder, out, *words):
    return command("import", folder, "--model", f"{folder / 'nets.py'}:make", "--dataset", DATASET,
                   "--out", out, "--measures", MEASURES, "--workers", 1, *words)  # fmt: skip


@pytest.fixture(scope="module")
def imported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("imported")
    (folder / "nets.py").write_text(NETS)
    data = train(folder)
    return folder, data, import_(folder, folder / "run")


def test_the_run_has_the_networks_their_outcomes_and_values(imported):
    folder, data, ended = imported
    assert ended.code == 0
    assert "--plugin" in ended.err
    table = genbench.Run(folder / "run").table().sort_values(["model.width", "protocol.rate"])
    assert list(table["model.width"]) == [8, 8, 16, 16]
    assert list(table["protocol.rate"]) == [0.1, 0.3, 0.1, 0.3]
    for row in table.to_dict(orient="records"):
        model = network(row["model.width"], 0)
        model.load_state_dict(torch.load(folder / f"{row['model.width']}-{row['protocol.rate']}.pt"))
        wrong = (model(data.test.inputs).argmax(1) != data.test.targets).double().mean()
        assert row["test_error"] == pytest.approx(float(wrong))
        assert row["gap"] == row["test_error"] - row["train_error"]
        expected = genbench.evaluate(
            model, data.train.inputs, data.train.targets, network(row["model.width"], 0),
            measures=["param_norm", "fro_dist", "margin_mean"],
        )  # fmt: skip
        for name, value in expected.items():
            assert row[name] == pytest.approx(float(value), rel=1e-5)
        assert row["steps_to_0.1"] != row["steps_to_0.1"]


def test_the_same_command_computes_nothing_twice(imported):
    folder, _, _ = imported
    ended = import_(folder, folder / "run")
    assert ended.code == 0
    assert "4 trials: 0 trained now, 0 measured now" in ended.err


@pytest.mark.slow
def test_rank_report_pack_and_measure_take_it(imported):
    folder, _, _ = imported
    run, plugin = folder / "run", folder / "run" / "imported.py"
    assert "param_norm" in command("rank", run).out
    assert command("report", run, "--bootstrap", 10).code == 0
    measured = command("measure", run, "--plugin", plugin, "--measures", "num_params", "--workers", 1)
    assert measured.code == 0
    packed = command("leaderboard", "pack", run, "--out", folder / "entry", "--plugin", plugin)
    assert packed.code == 0
    assert command("leaderboard", "validate", folder / "entry").code == 0
    assert str(folder) not in "".join(each.read_text() for each in (folder / "entry").iterdir())


def test_genbench_does_not_train_what_was_trained_elsewhere(imported, tmp_path):
    folder, _, _ = imported
    run = tmp_path / "run"
    shutil.copytree(folder / "run", run)
    next((run / "fits").iterdir()).joinpath("weights.safetensors").unlink()
    ended = command("retry", run, "--plugin", run / "imported.py", "--workers", 1)
    assert ended.code == 3
    assert "trained elsewhere; 'genbench import' brings networks in" in ended.err


@pytest.mark.slow
def test_what_does_not_fit_is_told_and_the_rest_kept(tmp_path):
    (tmp_path / "nets.py").write_text(NETS)
    torch.save(network(8, 0).state_dict(), tmp_path / "a.pt")
    torch.save(network(8, 1).state_dict(), tmp_path / "b.pt")
    write(tmp_path, [["a.pt", "", 8, 0.1, 0.99], ["b.pt", "", 16, 0.1, 0.2]])
    ended = import_(tmp_path, tmp_path / "run")
    assert ended.code == 3
    assert f"{tmp_path / 'a.pt'}: test_error is 0.01 in the manifest, which is kept, and " in ended.err
    assert ended.err.count("which is kept") == 1
    assert (
        f"weights '{tmp_path / 'b.pt'}' do not fit the network: '1.weight' is 8x64 in the file, 16x64"
        in ended.err
    )
    assert "1 network written to" in ended.err
    torch.save(network(16, 1).state_dict(), tmp_path / "b.pt")
    assert import_(tmp_path, tmp_path / "run").code in (0, 1)
    assert len(genbench.Run(tmp_path / "run").table()) == 2


@pytest.mark.parametrize(
    ("header", "words", "code", "line"),
    [
        ("file,initial,model.wdth,rate", [], 3, "column 'model.wdth': model '{folder}/nets.py:make' has no such setting; did you mean 'width'?"),
        ("file,initial,width,rate", ["--dataset", "digts"], 3, "unknown dataset 'digts'; did you mean 'digits'?"),
        ("file,initial,width,rate", ["--out", "{folder}"], 2, "--out {folder}: is the folder of the checkpoints; choose another"),
        ("name,initial,width,rate", [], 3, "{folder}/manifest.csv: has no column 'file'"),
    ],
)  # fmt: skip
def test_mistakes_are_a_line_each(tmp_path, header, words, code, line):
    (tmp_path / "nets.py").write_text(NETS)
    torch.save(network(8, 0).state_dict(), tmp_path / "a.pt")
    (tmp_path / "manifest.csv").write_text(f"{header}\na.pt,,8,0.1\n")
    ended = import_(tmp_path, tmp_path / "run", *(each.format(folder=tmp_path) for each in words))
    assert ended.code == code
    assert f"genbench: {line.format(folder=tmp_path)}" in ended.err
    assert not (tmp_path / "run").exists()


def test_a_plugin_file_tells_where_the_function_lies(imported, tmp_path):
    folder, _, _ = imported
    text = (folder / "run" / "imported.py").read_text()
    assert code_folder(text) == folder
    assert code_folder("import genbench\n" + text) is None
    assert code_folder(text.replace("FACTORY, FOLDER", "FACTORY, OTHER")) is None
    assert code_folder(text.replace("FACTORY, FOLDER = ", "FACTORY, FOLDER = open")) is None
    module = text.replace(repr(str(folder / "nets.py") + ":make"), repr("nets:make"))
    assert code_folder(module) == Path.cwd()


@pytest.mark.slow  # the processes of two commands
def test_another_command_measures_from_elsewhere(imported, tmp_path, monkeypatch):
    folder, _, _ = imported
    shutil.copytree(folder / "run", tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    ended = command("measure", "run", "--plugin", "run/imported.py", "--measures", "path_norm", "--json")
    assert ended.code == 0, ended.err
    assert genbench.Run("run").table()["path_norm"].notna().all()


def test_an_answer_that_makes_no_sense_and_weights_that_are_not_whole_cost_their_network(
    imported, tmp_path, monkeypatch
):
    folder, _, _ = imported
    real, told = Deputies.ask, iter(["nonsense"])  # others of those settings are not asked for then

    def ask(self, plugins, what, given, *seconds):
        answer = real(self, plugins, what, given, *seconds)
        if not what.endswith(":network"):
            return answer
        if (lie := next(told, None)) is None:
            written = next(self.cache(plugins).glob("imported/fits/*/weights.safetensors"))
            written.write_bytes(written.read_bytes()[:-1] + b"x")
            return answer
        for each in (self.cache(plugins) / "imported" / "fits").iterdir():
            shutil.rmtree(each)
        return lie

    monkeypatch.setattr(Deputies, "ask", ask)
    ended = import_(folder, tmp_path / "run")
    assert ended.code == 3
    assert ended.err.count("testing it on 'digits[train_size=100]' gives an answer that makes no sense") == 2
    assert ended.err.count("gives weights that are not whole") == 2
    assert "0 networks written" in ended.err
    assert genbench.Run(tmp_path / "run").folder.fit_keys() == []


PICTURES = """
import sys
import torch
import genbench

@genbench.dataset
def pictures(root, *, noise: int = 0):
    if noise == 2:
        sys.exit("no such noise")
    drawn = torch.Generator().manual_seed(noise)
    def split(count):
        inputs = torch.randn(count, 1, 8, 8, generator=drawn)
        return genbench.Split(inputs, torch.arange(count) % 10)
    return genbench.Data(split(40), split(30), genbench.Task("classification", (1, 8, 8), 10), str(noise))
"""


def test_data_that_are_not_to_be_had_cost_the_networks_that_were_trained_on_them(tmp_path):
    (tmp_path / "nets.py").write_text(NETS)
    (tmp_path / "b.py").write_text(PICTURES)
    rows = ["file,width,dataset.noise"]
    for noise in (1, 2, 3):
        torch.save(network(8, noise).state_dict(), tmp_path / f"{noise}.pt")
        rows.append(f"{noise}.pt,8,{noise}")
    (tmp_path / "manifest.csv").write_text("\n".join(rows))
    plugin = ("--plugin", tmp_path / "b.py", "--dataset", "b:pictures")
    ended = import_(tmp_path, tmp_path / "run", *plugin)
    assert ended.code == 3
    reason = "dataset 'b:pictures' raised SystemExit: no such noise"
    assert f"genbench: {tmp_path / '2.pt'}: {reason}\n" in ended.err
    assert ended.err.count("no such noise") == 1
    assert "2 networks written" in ended.err
    assert list(genbench.Run(tmp_path / "run").table()["dataset.noise"]) == [1, 3]
