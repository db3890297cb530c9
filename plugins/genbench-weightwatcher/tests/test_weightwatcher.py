"""The laws of measures, and the library's numbers beside genbench's own."""

from __future__ import annotations

import importlib.metadata

import numpy as np
import pytest
import torch
from torch import nn

pytest.importorskip("weightwatcher", reason="weightwatcher is not installed")

import genbench_weightwatcher

import genbench
from genbench.testing import MeasureLaws

INSTALLED = {each.value: each.name for each in importlib.metadata.entry_points(group="genbench")}
NAME = INSTALLED.get("genbench_weightwatcher", "genbench_weightwatcher")
PLUGINS = () if "genbench_weightwatcher" in INSTALLED else ("genbench_weightwatcher",)

OWN = {
    "alpha": "ww_alpha", "alpha_weighted": "ww_alpha_weighted", "ks_distance": "ww_ks_distance",
    "log_alpha_norm": "ww_log_alpha_norm", "log_norm": "ww_log_norm", "entropy": "ww_entropy",
    "log_spectral_norm": "ww_log_spectral_norm", "stable_rank": "ww_stable_rank",
    "mp_softrank": "ww_mp_softrank", "num_spikes": "ww_num_spikes",
}  # fmt: skip
"""genbench's own measure for each of the library's that are not drawn."""


class TestAlpha(MeasureLaws):
    component = f"{NAME}:alpha"
    plugins = PLUGINS


class TestTraps(MeasureLaws):
    component = f"{NAME}:num_traps"
    plugins = PLUGINS


def convolutional() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 12, 3), nn.BatchNorm2d(12), nn.ReLU(), nn.Conv2d(12, 16, 3), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 30), nn.ReLU(), nn.Linear(30, 4),
    )  # fmt: skip


def values(model: nn.Module, *measures: str, shape: tuple[int, ...] = (3, 8, 8)) -> dict[str, float]:
    inputs, targets = torch.randn(8, *shape), torch.arange(8) % 4
    found = genbench.evaluate(model, inputs, targets, measures=list(measures), plugins=list(PLUGINS))
    return {name: float(value) for name, value in found.items()}


def test_own_measures_in_the_form_of_the_program_have_its_values():
    theirs = {f"{NAME}:{name}": f"{own}[form=program,smallest=8]" for name, own in OWN.items()}
    found = values(convolutional(), *theirs, *theirs.values())
    for name, own in theirs.items():
        assert found[name] == pytest.approx(found[own], rel=1e-4), name


def test_an_orthogonal_matrix_has_the_stable_rank_of_its_size():
    model = nn.Sequential(nn.Linear(12, 12, bias=False), nn.Linear(12, 4))
    nn.init.orthogonal_(model[0].weight)
    found = values(model, f"{NAME}:stable_rank", f"{NAME}:entropy", f"{NAME}:rank_loss", shape=(12,))
    assert list(found.values()) == pytest.approx([12, 1, 0], abs=1e-4)


def test_a_rank_that_is_lost_is_counted():
    model = nn.Sequential(nn.Linear(12, 12, bias=False), nn.Linear(12, 4))
    with torch.no_grad():
        model[0].weight[9:] = 0
    assert values(model, f"{NAME}:rank_loss", shape=(12,)) == {f"{NAME}:rank_loss": 3}


def test_small_networks_have_no_value_and_a_reason():
    found = genbench.evaluate(
        nn.Linear(4, 4),
        torch.randn(8, 4),
        torch.arange(8) % 4,
        measures=[f"{NAME}:alpha"],
        plugins=list(PLUGINS),
    )[f"{NAME}:alpha"]
    assert str(found.status) == "not_applicable"
    assert "8 eigenvalues" in found.reason


def test_the_generator_of_numpy_and_the_output_are_left_alone(capfd):
    before = np.random.get_state()[1].copy()  # noqa: NPY002, the generator that the library draws from
    genbench_weightwatcher.analysis(convolutional(), torch.Generator().manual_seed(0), randomize=True)
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002
    assert capfd.readouterr() == ("", "")


def test_every_measure_says_what_it_is():
    for each in genbench_weightwatcher.genbench_components():
        assert each.__genbench__.family == "heavy-tail"
        assert each.__doc__.partition("\n")[0].endswith(".")
