"""The example plugin, tested as a third party would test its own."""

import torch
from genbench_rounding import bits_needed
from torch import nn

import genbench


def network(scale: float) -> nn.Module:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
    with torch.no_grad():
        model[1].weight.mul_(scale)
    return model


def test_weights_with_two_values_need_one_bit():
    model = nn.Linear(2, 2, bias=False)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[1.0, -1.0], [-1.0, 1.0]]))
    inputs, targets = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 1])

    values = genbench.evaluate(model, inputs, targets, measures=["rounding:bits_needed"])

    assert float(values["rounding:bits_needed"]) == 1


def test_a_stricter_tolerance_never_needs_fewer_bits():
    inputs, targets = torch.randn(200, 4), torch.randint(3, (200,))
    words = [f"rounding:bits_needed[tolerance={tolerance}]" for tolerance in (0.2, 0.02, 0.001)]

    values = genbench.evaluate(network(1.0), inputs, targets, measures=words)

    bits = [float(values[word]) for word in words]
    assert bits == sorted(bits)


def test_the_components_are_found_through_the_entry_point():
    from genbench.host.host import Host

    host = Host.load()

    assert host.find("measure", "bits_needed").full_name == "rounding:bits_needed"
    assert host.find("measure", "bits_needed").object is bits_needed
    assert host.find("regularizer", "input-noise").full_name == "rounding:input-noise"
