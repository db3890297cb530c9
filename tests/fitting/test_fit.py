"""What the record of a fit says of the network, beside the training itself."""

import math
import shutil

import pandas as pd
import pytest
import torch
from running import command

from genbench.base.data import Task
from genbench.fitting.fit import normalized_losses


def test_normalized_losses_are_recorded_and_can_be_targets(finished, inline, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(finished, folder)
    names = ["normalized_cross_entropy", "output_normalized_cross_entropy"]
    assert command("measure", folder, "--measures", ",".join(names)).code == 0
    assert command("export", folder, tmp_path / "table.csv").code == 0
    table = pd.read_csv(tmp_path / "table.csv")
    for name, column in zip(names, ["normalized_train_loss", "output_normalized_train_loss"], strict=True):
        assert table[column].to_numpy() == pytest.approx(table[name].to_numpy(), rel=1e-6)
        target = column.replace("train_loss", "loss_gap")
        ranked = command("rank", folder, "--target", target, "--no-cost", "--json")
        assert ranked.code == 0
        assert ranked.json["target"] == target


def test_losses_that_cannot_be_normalized_are_missing():
    inputs, targets = torch.randn(6, 4), torch.arange(6) % 3
    examples = {"train": (inputs, targets), "test": (inputs, targets)}
    smooth = torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.Tanh(), torch.nn.Linear(5, 3))
    found = normalized_losses(smooth, Task("classification", (4,), 3), examples, torch.device("cpu"))
    assert found["normalized_test_loss"] is None
    assert math.isfinite(found["output_normalized_test_loss"])
    regression = normalized_losses(smooth, Task("regression", (4,), 3), examples, torch.device("cpu"))
    assert set(regression.values()) == {None}
