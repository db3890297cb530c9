"""Measures of a fit beside those with other seeds, against loops over networks and points."""

import copy
import math
from itertools import combinations

import pytest
import torch
from torch import nn
from torch.nn import functional as F


def network(batch_norm=False):
    norms = [nn.BatchNorm1d(5)] if batch_norm else []
    model = nn.Sequential(nn.Linear(4, 5), *norms, nn.Tanh(), nn.Linear(5, 3)).double()
    model.train()(2 + 3 * torch.randn(30, 4, dtype=torch.float64))  # running statistics
    return model.eval()


@pytest.fixture
def group(fit):
    """Build a fit of four networks with other weights, three of them its siblings."""

    def build(batch_norm=False, siblings=3, **roots):
        torch.manual_seed(3)
        models = [network(batch_norm) for _ in range(4)]
        inputs, targets = torch.randn(50, 4), torch.randint(3, (50,))
        return fit(models[0], inputs, targets, siblings=models[1 : 1 + siblings], **roots)

    return build


def seeds(group):
    return [group.roots["model"], *group.roots["siblings"]]


def classes(model, inputs):
    return [max(range(3), key=model(x.unsqueeze(0))[0].tolist().__getitem__) for x in inputs]


def share_that_differs(one, other):
    return sum(a != b for a, b in zip(one, other, strict=True)) / len(one)


def test_disagreement(group):
    found = group()
    first, *others = (classes(each, found.roots["inputs"]) for each in seeds(found))
    own = [share_that_differs(first, each) for each in others]
    every = [share_that_differs(*pair) for pair in combinations([first, *others], 2)]
    assert found["seed_disagreement"] == pytest.approx(sum(own) / 3, rel=1e-12)
    assert found["seed_disagreement[pairs=all]"] == pytest.approx(sum(every) / 6, rel=1e-12)


def at(models, weights, inputs, targets, recompute=False):
    """Loss and error at interpolated weights, the slow way."""
    states = [each.state_dict() for each in models]
    state = {
        name: sum(w * each[name] for w, each in zip(weights, states, strict=True))
        if entry.is_floating_point()
        else entry
        for name, entry in states[0].items()
    }
    if recompute:
        hidden = inputs @ state["0.weight"].T + state["0.bias"]
        state["1.running_mean"] = hidden.mean(0)
        state["1.running_var"] = hidden.var(0, correction=1)
    model = copy.deepcopy(models[0])
    model.load_state_dict(state)
    outputs = model.eval()(inputs)
    error = (outputs.argmax(1) != targets).double().mean().item()
    return {"loss": F.cross_entropy(outputs, targets).item(), "error": error}


SIMPLEX = [
    (i / 4, j / 4, (4 - i - j) / 4) for i in range(5) for j in range(5) if i + j <= 4
]  # the corners are among them


@pytest.mark.parametrize("batch_norm", [None, "recomputed", "interpolated"])
@pytest.mark.parametrize("quantity", ["error", "loss"])
def test_barriers(group, batch_norm, quantity):
    found = group(batch_norm=batch_norm is not None)
    given = found.roots["inputs"], found.roots["targets"], batch_norm == "recomputed"
    settings = f"quantity={quantity}" + (f",batch_norm={batch_norm}" if batch_norm else "")
    with torch.no_grad():
        three = seeds(found)[:3]
        surface = [at(three, point, *given)[quantity] for point in SIMPLEX]
        corners = [at(three, point, *given)[quantity] for point in torch.eye(3).tolist()]
        lines = [
            [at([three[0], each], (1 - t / 6, t / 6), *given)[quantity] for t in range(7)]
            for each in found.roots["siblings"]
        ]
    level = sum(corners) / 3
    simplex = f"interpolation_barrier_simplex[{settings},steps=4"
    assert found[f"{simplex}]"] == pytest.approx(sum(surface) / len(surface) - level, rel=1e-9)
    assert found[f"{simplex},summary=min]"] == pytest.approx(max(surface) - level, rel=1e-9, abs=1e-12)
    line = f"interpolation_barrier[{settings},steps=6"
    assert found[f"{line}]"] == pytest.approx(
        sum(max(each) - (each[0] + each[-1]) / 2 for each in lines) / 3, rel=1e-9
    )
    assert found[f"{line},summary=mean]"] == pytest.approx(
        sum(sum(each) / 7 - (each[0] + each[-1]) / 2 for each in lines) / 3, rel=1e-9
    )


def test_between_opposed_networks_nothing_is_left(fit):
    """f = x and f = −x of inverted labels are perfect; half way the network is 0 and sees one class only."""
    inputs = torch.tensor([[1.0], [-1.0]] * 10)
    model = nn.Linear(1, 2, bias=False)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[1.0], [-1.0]]))
    far = copy.deepcopy(model).double()
    found = fit(model, inputs, torch.tensor([0, 1] * 10), siblings=[far, far])
    for name in ("interpolation_barrier", "interpolation_barrier_simplex[summary=min]", "seed_disagreement"):
        assert found[name] == 0  # equal networks
    with torch.no_grad():
        far.weight.neg_()
    assert found["seed_disagreement"] == 1
    assert found["interpolation_barrier"] == pytest.approx(1 - (0 + 1) / 2)
    assert found["interpolation_barrier[quantity=loss]"] == pytest.approx(
        F.softplus(torch.tensor(2.0)).item()
        - (F.softplus(torch.tensor(2.0)).item() + math.log1p(math.exp(-2))) / 2
    )


def test_a_network_of_least_squares_is_a_parabola_along_the_line(fit):
    """The mean squared error of f = w x along a line is quadratic: its rise at the middle is known."""
    inputs = torch.linspace(-1, 1, 21, dtype=torch.float64).unsqueeze(1)
    models = [nn.Linear(1, 1, bias=False).double() for _ in range(2)]
    with torch.no_grad():
        models[0].weight.fill_(3.0)
        models[1].weight.fill_(-1.0)
    found = fit(models[0], inputs, inputs, kind="regression", siblings=models[1:])
    power = inputs.square().mean().item()
    ends = [(w - 1) ** 2 * power for w in (3, -1)]
    grid = [(3 - 4 * t / 10 - 1) ** 2 * power for t in range(11)]
    assert ends == [4 * power] * 2
    assert found["interpolation_barrier[quantity=loss]"] == pytest.approx(0, abs=1e-12)
    assert found["interpolation_barrier[quantity=loss,summary=mean]"] == pytest.approx(
        sum(grid) / 11 - 4 * power, rel=1e-9
    )
    assert "classification only" in found.value("seed_disagreement").reason


def test_the_first_two_siblings_span_the_simplex(group):
    assert group()["interpolation_barrier_simplex"] == group(siblings=2)["interpolation_barrier_simplex"]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_networks_are_left_as_they_were(group, dtype):
    found = group(batch_norm=True)
    for each in seeds(found):
        each.to(dtype)
    found.roots["inputs"] = found.roots["inputs"].to(dtype)
    before = [{name: each.clone() for name, each in one.state_dict().items()} for one in seeds(found)]
    assert math.isfinite(found["interpolation_barrier_simplex[quantity=loss]"])
    for one, saved in zip(seeds(found), before, strict=True):
        assert all(torch.equal(each, saved[name]) for name, each in one.state_dict().items())


def test_seeds_that_are_missing(group, fit):
    alone = group(siblings=0)
    for name in ("interpolation_barrier", "seed_disagreement"):
        assert alone.value(name).reason == (
            "needs siblings: the fits of two seeds of a configuration, there is 1"
        )
    assert group(siblings=1).value("interpolation_barrier_simplex").reason == (
        "needs siblings: the fits of three seeds of a configuration, there are 2"
    )


def test_networks_that_cannot_be_compared(group):
    found = group(siblings=2)
    found.roots["siblings"][0][2] = nn.Linear(5, 4).double()
    assert found.value("interpolation_barrier").reason == "a sibling has other parameters than the fit"
    bare = group(batch_norm=True)
    for each in seeds(bare):
        each[1].running_mean = each[1].running_var = None
    assert "no running statistics" in bare.value("interpolation_barrier").reason
    lost = group()
    with torch.no_grad():
        lost.roots["siblings"][0][0].weight.fill_(math.nan)
    assert lost.value("seed_disagreement").reason == "the outputs of a seed are not finite"
    for name in ("interpolation_barrier", "interpolation_barrier_simplex"):
        assert lost.value(name).reason == "the outputs of the network are not finite"
