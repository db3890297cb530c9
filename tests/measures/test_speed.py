"""Speed of training, read off histories of a few rows by hand."""

import pytest
import torch
from torch import nn

HISTORY = {
    "epoch": [0, 1, 2, 3, 3.5],
    "step": [0, 10, 20, 30, 35],
    "train_loss": [1.1, 0.5, 0.08, 0.2, 0.009],
    "batch_loss": [None, 0.9, 0.3, 0.1, 0.05],
    "learning_rate": [0.1] * 5,
}


@pytest.fixture
def toy(fit):
    """A network that only its history says anything of."""

    def build(history=HISTORY, **roots):
        return fit(nn.Linear(2, 2), torch.zeros(4, 2), torch.arange(4) % 2, history=history, **roots)

    return build


@pytest.mark.parametrize(
    ("spelling", "expected"),
    [
        ("sotl", 0.5 + 0.08 + 0.2),
        ("sotl[losses=batch_loss]", 0.9 + 0.3 + 0.1),
        ("sotl[last=2]", 0.08 + 0.2),
        ("sotl_E", 0.2),
        ("sotl_E[epochs=3]", 0.5 + 0.08 + 0.2),
        ("sotl_E[epochs=2,losses=batch_loss]", 0.3 + 0.1),
        ("sotl_ema", 0.2 + 0.9 * 0.08 + 0.81 * 0.5),
        ("sotl_ema[decay=0.0]", 0.2),
        ("sotl_ema[decay=1.0,losses=batch_loss]", 1.3),
        ("sotl_ema[decay=0.5,normalized=true]", (0.2 + 0.04 + 0.125) / 1.75),
        ("epochs_to_converge", 3.5),
        ("epochs_to_converge[loss=0.1]", 2),
        ("final_loss", 0.009),
    ],
)
def test_by_hand(toy, spelling, expected):
    assert toy()[spelling] == pytest.approx(expected, rel=1e-12)


def test_without_an_epoch_there_is_no_speed(toy):
    start = {name: column[:1] for name, column in HISTORY.items()}
    for name in ("sotl", "sotl_E", "sotl_ema", "final_loss"):
        assert toy(start).value(name).reason == "no epoch was trained"
    assert toy().value("sotl_E[epochs=5]").reason == "3 epochs were trained, not 5"
    within = {name: [column[0], column[4]] for name, column in HISTORY.items()}
    assert toy(within).value("sotl").reason == "no epoch was trained"


def test_a_stop_at_the_start_of_an_epoch_counts_no_epoch_twice(toy):
    """As after a timeout, or a batch without a finite loss: the last row is that of the last epoch again."""
    stopped = {name: [*column[:4], column[3]] for name, column in HISTORY.items()}
    stopped["batch_loss"][-1] = None
    for spelling in ("sotl", "sotl_E[epochs=2]", "sotl_ema", "sotl[losses=batch_loss]"):
        assert toy(stopped)[spelling] == toy()[spelling]


def test_gaps_of_a_history_count_where_they_are_among_what_is_summed(toy):
    gap = {**HISTORY, "train_loss": [1.1, None, 0.08, 0.2, 0.009]}
    for spelling in ("sotl", "sotl_E[epochs=3]", "sotl_ema"):
        assert toy(gap).value(spelling).reason == "the history lacks the loss of an epoch"
    for spelling in ("sotl[last=2]", "sotl_E", "final_loss"):
        assert toy(gap)[spelling] == toy()[spelling]
    nothing = {**HISTORY, "train_loss": [None] * 5}
    assert toy(nothing).value("final_loss").reason == "the history lacks the loss of an epoch"


def test_what_was_not_reached_or_has_no_cross_entropy(toy, fit):
    assert "never was ≤ 0.001" in toy().value("epochs_to_converge[loss=0.001]").reason
    regression = fit(
        nn.Linear(2, 1), torch.zeros(4, 2), torch.zeros(4, 1), kind="regression", history=HISTORY
    )
    assert "classification" in regression.value("epochs_to_converge").reason
    assert regression["final_loss"] == 0.009
