import torch

import genbench
from genbench.models.walkers import walkers


def test_the_share_counts_the_walkers_nearer_to_the_second_minimum(fit):
    model = walkers(genbench.Task("regression", (1,), 8), dimensions=2)
    model.positions.data = torch.tensor([[-1.0, 0.0], [1.0, 0.0], [2.0, 0.5], [0.1, 0.0]])
    computed = fit(model, torch.ones(3, 1), torch.zeros(3, 8), kind="regression")
    assert computed["wide_well_share"] == 0.75


def test_networks_have_none(fit):
    value = fit(torch.nn.Linear(2, 2), torch.randn(4, 2), torch.arange(4) % 2).value("wide_well_share")
    assert value.status == "not_applicable"
    assert "walkers" in value.reason
