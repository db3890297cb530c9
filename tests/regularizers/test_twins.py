"""Turning a regularizer on moves its twin among the measures, in four of five seeds at least."""

from functools import cache

import pytest
import torch
from regularizers.problems import SEEDS, regularizer
from sklearn.datasets import load_digits
from torch import nn

from genbench.base.data import Split, Task
from genbench.contract.protocol import Protocol
from genbench.host import Host
from genbench.host.battery import Battery, Request
from genbench.measuring import compute
from genbench.models.mlp import mlp
from genbench.training.loop import train
from genbench.training.network import build_network

pytestmark = pytest.mark.slow

HOST = Host.load(rooms={"probes", "measures"})
DIGITS = Task("classification", (64,), 10)
DESCENT = Protocol(learning_rate=0.1, momentum=0.0, batch_size=100, max_epochs=150)

# The direction is that of the measure.
TWINS = [
    ("weight-decay[strength=0.01]", "param_norm", "-"),
    ("dropout[rate=0.5]", "log_prod_of_spec", "-"),
    ("label-smoothing", "entropy_output", "+"),
    ("generalization-layer[learning_rate_factor=0.01]", "pullback_lambda_max", "-"),
    ("generalization-layer-dropout", "pullback_lambda_max", "-"),
    ("jacobian[strength=0.1]", "margin_jacobian_sum", "-"),
    ("batch-norm", "jac_hidden_over_margin", "-"),
    ("layer-norm", "jac_hidden_over_margin", "-"),
    ("group-norm", "jac_hidden_over_margin", "-"),
    ("winsorized[level=30]", "coherence_alpha", "+"),
    ("median-of-means[groups=5]", "coherence_alpha", "+"),
    ("geometric-complexity", "geometric_complexity", "-"),
    ("gradient-norm[strength=0.5]", "hessian_trace", "-"),
    ("spectral-norm", "log_prod_of_spec", "-"),
    ("spectral-product[strength=0.1]", "log_prod_of_spec", "-"),
    ("path-norm", "path_norm", "-"),
    ("label-noise[rate=0.2]", "geometric_complexity", "-"),
    ("sharpness-aware[radius=0.2]", "worst_sharpness", "-"),
    ("mixup[alpha=0.4]", "geometric_complexity", "-"),
    ("early-stopping[patience=3]", "log_prod_of_spec", "-"),
]


def moved(pairs, direction):
    """In how many pairs the second value lies on that side of the first."""
    return sum((after > before) == (direction == "+") for before, after in pairs)


def measured(name, model, inputs, targets, task):
    battery = Battery.resolve([Request.of(HOST.find("measure", name), {})], HOST.probe_lookup)
    roots = {"model": model.eval(), "inputs": inputs, "targets": targets, "task": task}
    roots["device"] = torch.device("cpu")
    (value,) = compute(battery, roots, lambda component, settings: 1)
    assert value.status == "ok", f"{name}: {value.reason}"
    return value.value


@cache
def digits():
    data = load_digits()
    inputs = torch.tensor(data.data / 16, dtype=torch.float32)
    return (inputs - inputs.mean()) / inputs.std(), torch.tensor(data.target)


def trained(variant, seed):
    """A network of two layers of 16 units after 150 steps on 100 digits, a fifth of them mislabeled."""
    inputs, targets = digits()
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(inputs), generator=generator)
    chosen, held_out = order[:100], order[100:200]
    labels = targets[chosen].clone()
    labels[:20] = torch.randint(10, (20,), generator=generator)
    stack = [regularizer(variant)] if variant else []
    model = build_network(lambda task: mlp(task, width=16, depth=2), DIGITS, stack, DESCENT, seed)
    streams = {name: 10 * seed + number for name, number in SEEDS.items()}
    train(
        model, DIGITS, inputs[chosen], labels, labels, DESCENT, stack, streams, device="cpu",
        validation=Split(inputs[held_out], targets[held_out]),
    )  # fmt: skip
    return model, inputs[chosen], labels


@cache
def plain(seed):
    return trained("", seed)


@pytest.mark.parametrize(("variant", "twin", "direction"), TWINS, ids=lambda each: str(each))
def test_twin(variant, twin, direction):
    pairs = []
    for seed in range(5):
        before, after = plain(seed), trained(variant, seed)
        pairs.append((measured(twin, *before, DIGITS), measured(twin, *after, DIGITS)))
    assert moved(pairs, direction) >= 4, pairs


class Wells(nn.Module):
    """Each weight has a sharp minimum at 1 and a wide one, as deep, at -1: the mean square is the potential."""

    def __init__(self, weights):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1, weights))

    def forward(self, inputs):
        sharp, wide = 4 * (self.weight - 1), self.weight + 1
        return torch.where(sharp.abs() < wide.abs(), sharp, wide).expand(len(inputs), -1)


def settled(stack, seed):
    """Flatness at the end of a descent that begins in the sharp minima."""
    task = Task("regression", (1,), 3)
    inputs, targets = torch.zeros(16, 1), torch.zeros(16, 3)
    protocol = Protocol(learning_rate=0.01, momentum=0.0, batch_size=4, max_epochs=200)
    model = build_network(lambda task: Wells(task.outputs), task, stack, protocol, seed)
    streams = dict.fromkeys(SEEDS, seed)
    train(model, task, inputs, targets, targets, protocol, stack, streams, device="cpu")
    return measured("flatness_radius", model, inputs, targets, task)


def test_langevin_noise_finds_the_flatter_of_two_minima_as_deep():
    noise = regularizer("langevin[noise=0.15,schedule=geometric,decay=0.995]")
    pairs = [(settled([], seed), settled([noise], seed)) for seed in range(5)]
    assert moved(pairs, "+") >= 4, pairs
