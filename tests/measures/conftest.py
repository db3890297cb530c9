"""Measures computed as a run computes them, on networks and data of a few numbers."""

from functools import cache

import pytest
import torch

import genbench
from genbench.host import Host
from genbench.host.battery import Battery, Request
from genbench.host.settings import parse_variant
from genbench.measuring import compute


@cache
def host():
    return Host.load(rooms={"probes", "measures"})


class Fit:
    """A network with its training data; ``fit["param_norm"]`` is a measure of it."""

    def __init__(self, model, inputs, targets, kind="classification", **roots):
        model = model.double()
        outputs = model.eval()(inputs[:1].double()).shape[1]
        self.roots = {
            "model": model,
            "inputs": inputs.double(),
            "targets": targets,
            "task": genbench.Task(kind, tuple(inputs.shape[1:]), outputs),
            **roots,
        }

    def value(self, spelling):
        """The whole `Value`, with status and reason."""
        name, settings = parse_variant(spelling)
        request = Request.of(host().find("measure", name), settings)
        battery = Battery.resolve([request], host().probe_lookup)
        (value,) = compute(battery, self.roots, lambda component, settings: 1)
        return value

    def __getitem__(self, spelling):
        value = self.value(spelling)
        assert value.status == "ok", f"{spelling}: {value.status} {value.reason}"
        return value.value


@pytest.fixture
def fit():
    """Build a `Fit`."""
    return Fit


@pytest.fixture
def small_fit():
    """A trained-looking network of three layers without biases, with its initial one, on random data."""
    torch.manual_seed(0)
    model, initial = (
        torch.nn.Sequential(
            torch.nn.Linear(6, 8, bias=False),
            torch.nn.ReLU(),
            torch.nn.Linear(8, 5, bias=False),
            torch.nn.ReLU(),
            torch.nn.Linear(5, 3, bias=False),
        ).double()
        for _ in range(2)
    )
    inputs, targets = torch.randn(40, 6), torch.arange(40) % 3
    return Fit(model, inputs, targets, initial_model=initial)


@pytest.fixture
def weights(small_fit):
    """The weights of `small_fit` and of its initial network."""
    current, initial = small_fit.roots["model"], small_fit.roots["initial_model"]
    return [p.detach() for p in current.parameters()], [p.detach() for p in initial.parameters()]


@pytest.fixture
def logits(small_fit):
    """Outputs of `small_fit` on its training data."""
    with torch.no_grad():
        return small_fit.roots["model"](small_fit.roots["inputs"])


@pytest.fixture
def fitted(fit):
    """A `Fit` of three clusters: a network that tells them apart, and the network that it started as."""
    torch.manual_seed(0)
    targets = torch.arange(60) % 3
    inputs = torch.randn(60, 5, dtype=torch.float64) + 3 * torch.eye(5, dtype=torch.float64)[targets]
    networks = [
        torch.nn.Sequential(torch.nn.Linear(5, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3)).double()
        for _ in range(2)
    ]
    networks[1].load_state_dict(networks[0].state_dict())
    optimizer = torch.optim.SGD(networks[0].parameters(), 0.3)
    for _ in range(200):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(networks[0](inputs), targets).backward()
        optimizer.step()
    return fit(networks[0], inputs, targets, initial_model=networks[1])


@pytest.fixture
def entries(fitted):
    """Weights without biases, and their distances from the initial ones, as numbers."""
    now, then = (
        [entry for place in (0, 2) for entry in fitted.roots[name][place].weight.flatten().tolist()]
        for name in ("model", "initial_model")
    )
    return now, [new - old for new, old in zip(now, then, strict=True)]
