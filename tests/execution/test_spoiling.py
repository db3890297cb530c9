"""What code of plugins leaves changed behind a training is named and put back."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch.nn import functional as F

from genbench.execution.spoiling import Spoilt, unchanged_surroundings
from genbench.host.plugin import Plugin, PluginSource

CORE = Plugin(PluginSource("models", module="genbench.models", distribution="genbench"))
OTHER = Plugin(PluginSource("other", module="other"))


def host(*plugins):
    return SimpleNamespace(plugins=plugins)


@pytest.mark.parametrize("fails", [False, True])
def test_a_patch_and_a_flag_are_named_and_put_back(fails):
    relu = F.relu

    def train():
        F.relu = lambda x, inplace=False: x
        torch.set_default_dtype(torch.float64)
        if fails:
            raise ValueError("which came of it")

    said = r"'other' changed torch\.nn\.functional\.relu, torch's default dtype"
    with pytest.raises(Spoilt, match=said), unchanged_surroundings(host(CORE, OTHER)):
        train()
    assert F.relu is relu
    assert torch.get_default_dtype() == torch.float32


def test_who_changes_nothing_ends_as_it_ends():
    with unchanged_surroundings(host(CORE, OTHER)):
        torch.relu(torch.ones(3))
    with pytest.raises(KeyError, match="mine"), unchanged_surroundings(host(CORE, OTHER)):
        raise KeyError("mine")


def test_the_core_is_not_looked_at(monkeypatch):
    monkeypatch.setattr("genbench.execution.spoiling.Surroundings", lambda: pytest.fail("for nothing"))
    with unchanged_surroundings(host(CORE)):
        pass
