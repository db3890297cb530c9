"""Protocols in a run: what a suite says of labels and starts arrives at the fit."""

import pandas as pd
from running import command

SUITE = """\
title = "Wrong labels and bad starts"
version = 1
dataset = { name = "digits", train_size = 60 }
model = { name = "mlp", width = 16, depth = 1 }
protocol = [
    { name = "random-labels", label_noise = [0.0, 1.0], learning_rate = 0.1, max_epochs = 2 },
    { name = "random-pretraining", pretrain_label_noise = [0.0, 1.0], pretrain_epochs = 20, max_epochs = 6 },
]
seeds = 1
measures = ["param_norm"]
"""


def test_labels_and_starts_arrive_at_the_fit(inline, tmp_path):
    (tmp_path / "suite.toml").write_text(SUITE)
    assert command("run", "--suite", tmp_path / "suite.toml", "--out", tmp_path / "run").code == 0
    assert command("export", tmp_path / "run", tmp_path / "table.csv").code == 0
    table = pd.read_csv(tmp_path / "table.csv").set_index("protocol.name")
    noisy = table.loc["random-labels"].set_index("protocol.label_noise")
    assert noisy.train_error[0.0] == noisy.train_error_clean[0.0]
    assert noisy.train_error[1.0] > noisy.train_error[0.0]
    pretrained = table.loc["random-pretraining"].set_index("protocol.pretrain_label_noise")
    assert set(pretrained.epochs) == {6}
    assert pretrained.train_loss[1.0] > pretrained.train_loss[0.0]


def test_the_closest_rule_without_a_target_is_refused_when_planning(tmp_path):
    text = SUITE.replace("pretrain_epochs = 20", 'target_loss = "none"')
    (tmp_path / "suite.toml").write_text(text)
    ended = command("plan", "--suite", tmp_path / "suite.toml")
    assert ended.code != 0
    assert "target_rule 'closest' needs a target_loss" in ended.err
