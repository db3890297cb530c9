"""The bounds of Wei & Ma 2019 for small networks, written out from the theorems with dense Jacobians."""

import math

import pytest
import torch
from torch import nn

import genbench
from genbench.models.mlp import mlp
from genbench.models.resnet import resnet

SLOPES = {
    nn.Tanh: (lambda z: 1 - z.tanh() ** 2, 4 / (3 * math.sqrt(3))),
    nn.Sigmoid: (lambda z: z.sigmoid() * (1 - z.sigmoid()), 1 / (6 * math.sqrt(3))),
    nn.Softplus: (torch.sigmoid, 0.25),
    nn.ReLU: (lambda z: (z > 0).double(), 0.0),
}


def network(activation):
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(4, 6), activation(), nn.Linear(6, 5), activation(), nn.Linear(5, 3)
    ).double()


def quantities(model, inputs, targets):
    """σ[j', j] by dense matrices, t_i, and γ, all maxima and minima over the examples."""
    slope = SLOPES[type(model[1])][0]
    sigma, norms, margins = {}, [0.0] * 3, []
    for point, label in zip(inputs, targets.tolist(), strict=True):
        factors, current = {}, point
        for layer, module in enumerate(model, start=1):
            norms = list(norms)
            if layer % 2 == 1:
                norms[(layer - 1) // 2] = max(norms[(layer - 1) // 2], float(current.norm()))
                factors[layer] = module.weight.detach()
            else:
                factors[layer] = torch.diag(slope(current))
            current = module(current).detach()
        for j in range(1, 6):
            product = torch.eye(factors[j].shape[1], dtype=torch.float64)
            for late in range(j, 6):
                product = factors[late] @ product
                size = float(torch.linalg.svdvals(product)[0])
                sigma[late, j] = max(sigma.get((late, j), 0.0), size)
        margins.append(float(current[label] - max(current[k] for k in range(3) if k != label)))
    return sigma, norms, min(margins)


def theorem_51(model, inputs, targets, xi, delta):
    r, m = 3, len(inputs)
    bend = SLOPES[type(model[1])][1]
    sigma, t, gamma = quantities(model, inputs, targets)
    sigma = {pair: value + xi for pair, value in sigma.items()}
    sigma |= {(j - 1, j): 1.0 for j in range(1, 2 * r + 2)}
    t = [value + xi for value in t]
    total = 0.0
    for i in range(1, r + 1):
        weight = model[2 * (i - 1)].weight.detach()
        a = sum(math.hypot(*row) for row in weight.tolist()) + xi
        b = sum(abs(entry) for row in weight.tolist() for entry in row) + xi
        kappa_hidden = xi + sigma[2 * r - 1, 2 * i] / gamma
        for late in range(i, r):
            kappa_hidden += sigma[2 * late, 2 * i] / t[late]
        kappa_jacobian = 0.0
        for j in range(1, 2 * r):
            for late in range(j, 2 * r):
                for even in (2, 4):
                    if max(2 * i, j) <= even <= late:
                        kappa_hidden += (
                            bend * sigma[late, even + 1] * sigma[even - 1, 2 * i] * sigma[even - 1, j]
                            / sigma[late, j]
                        )  # fmt: skip
                if j <= 2 * i - 1 <= late:
                    kappa_jacobian += sigma[late, 2 * i] * sigma[2 * i - 2, j] / sigma[late, j]
        total += (kappa_hidden * a * t[i - 1]) ** (2 / 3) + (kappa_jacobian * b) ** (2 / 3)
    return math.log(total**1.5 / math.sqrt(m) + r * math.sqrt(math.log(1 / delta) / m))


def theorem_11(model, inputs, targets, delta):
    r, m = 3, len(inputs)
    sigmas, norms, gamma = quantities(model, inputs, targets)
    sigma, t = max(1.0, *sigmas.values()), max(1.0, *norms)
    weights = [model[place].weight.detach().tolist() for place in (0, 2, 4)]
    units = sum(sum(math.hypot(*row) for row in weight) ** (2 / 3) for weight in weights)
    entries = sum(sum(abs(entry) for row in weight for entry in row) ** (2 / 3) for weight in weights)
    first = (sigma / gamma + r**3 * sigma**2) * t * (1 + units) ** 1.5
    second = r**2 * sigma * (1 + entries) ** 1.5
    return math.log((first + second) / math.sqrt(m) + r * math.sqrt(math.log(1 / delta) / m))


def fitted(fit, model, inputs):
    """Labels that the network gives itself, so that all margins are positive."""
    with torch.no_grad():
        return fit(model, inputs, model(inputs).argmax(1))


@pytest.mark.parametrize("activation", [nn.Tanh, nn.Sigmoid, nn.Softplus])
@pytest.mark.parametrize("xi", [0.0, 0.1])
def test_theorem_51(fit, activation, xi):
    model, inputs = network(activation), torch.randn(12, 4, dtype=torch.float64)
    found = fitted(fit, model, inputs)
    expected = theorem_51(model, inputs, found.roots["targets"], xi, 0.01)
    assert found[f"lipaug_bound[xi={xi},delta=0.01]"] == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("activation", [nn.Tanh, nn.Softplus])
def test_theorem_11(fit, activation):
    model, inputs = network(activation), torch.randn(12, 4, dtype=torch.float64)
    found = fitted(fit, model, inputs)
    expected = theorem_11(model, inputs, found.roots["targets"], 0.05)
    assert found["lipaug_simple"] == pytest.approx(expected, rel=1e-8)


def test_no_surrogate_for_activations_that_stretch(fit):
    model, inputs = network(lambda: nn.LeakyReLU(2.0)), torch.randn(12, 4, dtype=torch.float64)
    found = fitted(fit, model, inputs)
    for name in ("lipaug_bound", "lipaug_simple"):
        reason = found.value(f"{name}[kinks=surrogate]").reason
        assert reason == "an activation 'LeakyReLU' has a slope of 2, above 1"


def test_relus_are_refused_or_surrogates(fit):
    model, inputs = network(nn.ReLU), torch.randn(12, 4, dtype=torch.float64)
    found = fitted(fit, model, inputs)
    for name in ("lipaug_bound", "lipaug_simple"):
        assert "ReLU has none" in found.value(name).reason
    expected = theorem_51(model, inputs, found.roots["targets"], 0.0, 0.05)
    assert found["lipaug_bound[kinks=surrogate]"] == pytest.approx(expected, rel=1e-8)
    expected = theorem_11(model, inputs, found.roots["targets"], 0.05)
    assert found["lipaug_simple[kinks=surrogate]"] == pytest.approx(expected, rel=1e-8)


def test_misclassified_examples_leave_no_bound(fit):
    model, inputs = network(nn.Tanh), torch.randn(12, 4, dtype=torch.float64)
    found = fit(model, inputs, torch.arange(12) % 3)
    assert found["lipaug_bound"] == math.inf
    assert math.isfinite(found["lipaug_bound[margin_sign=absolute]"])


def test_batch_norm_is_folded_into_the_chain(fit):
    torch.manual_seed(0)
    inputs = torch.randn(30, 1, 2, 2)
    task = genbench.Task("classification", (1, 2, 2), 3)
    model = mlp(task, width=5, depth=2, activation="tanh", normalization="batch")
    for _ in range(3):
        model.train()(2 * inputs + 1)
    model.double().eval()
    plain = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 5), nn.Tanh(), nn.Linear(5, 3)).double()
    with torch.no_grad():
        for place, block in ((0, model.encoder.layer1), (2, model.encoder.layer2)):
            norm = block.normalization
            scale = norm.weight / (norm.running_var + norm.eps).sqrt()
            plain[place].weight.copy_(block.linear.weight * scale.unsqueeze(1))
            plain[place].bias.copy_((block.linear.bias - norm.running_mean) * scale + norm.bias)
        plain[4].load_state_dict(model.classifier.state_dict())
    inputs = inputs.double()
    folded, expected = fitted(fit, model, inputs), fitted(fit, plain, inputs.flatten(1))
    for name in ("lipaug_bound", "lipaug_simple"):
        assert folded[name] == pytest.approx(expected[name], rel=1e-8)


def test_convolutions_are_the_matrices_that_they_are(fit):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 2, 2), nn.Tanh(), nn.Flatten(), nn.Linear(8, 3)).double()
    columns = [model[0](unit.reshape(1, 1, 3, 3)) - model[0](torch.zeros(1, 1, 3, 3).double())
               for unit in torch.eye(9, dtype=torch.float64)]  # fmt: skip
    dense = nn.Sequential(nn.Linear(9, 8), nn.Tanh(), nn.Linear(8, 3)).double()
    with torch.no_grad():
        dense[0].weight.copy_(torch.stack([column.flatten() for column in columns], 1))
        dense[0].bias.copy_(model[0](torch.zeros(1, 1, 3, 3).double()).flatten())
        dense[2].load_state_dict(model[3].state_dict())
    inputs = torch.randn(10, 1, 3, 3, dtype=torch.float64)
    found, expected = fitted(fit, model, inputs), fitted(fit, dense, inputs.flatten(1))
    for name in ("lipaug_bound", "lipaug_simple"):
        assert found[name] == pytest.approx(expected[name], rel=1e-8)
        assert found[f"{name}[kernel=reshaped]"] < found[name]


def test_other_networks_are_refused(fit):
    task = genbench.Task("classification", (1, 4, 4), 3)
    inputs, targets = torch.randn(6, 1, 4, 4), torch.arange(6) % 3
    skipping = fit(resnet(task, depth=8, width=2, activation="tanh", normalization="none"), inputs, targets)
    assert "no chain" in skipping.value("lipaug_bound").reason
    pooled = nn.Sequential(nn.Conv2d(1, 2, 1), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8, 3))
    assert "MaxPool2d" in fit(pooled, inputs, targets).value("lipaug_bound").reason
    steep = nn.Sequential(nn.Flatten(), nn.Linear(16, 4), nn.GELU(), nn.Linear(4, 3))
    assert "GELU" in fit(steep, inputs, targets).value("lipaug_simple").reason
    open_end = nn.Sequential(nn.Flatten(), nn.Linear(16, 3), nn.Tanh())
    assert "end with a linear layer" in fit(open_end, inputs, targets).value("lipaug_simple").reason


class InPlace(nn.Module):
    """A chain of linear layers for whoever sees modules only."""

    def __init__(self, last):
        super().__init__()
        self.lower, self.upper, self.last = nn.Linear(4, 5), nn.Linear(5, 3), last

    def forward(self, x):
        outputs = self.upper(self.lower(x).relu_())
        return outputs.mul_(2) if self.last else outputs


@pytest.mark.parametrize("last", [False, True])
def test_a_function_that_works_in_place_between_two_modules_is_seen(fit, last):
    torch.manual_seed(0)
    found = fit(InPlace(last), torch.randn(6, 4), torch.arange(6) % 3)
    for name in ("lipaug_bound", "lipaug_simple", "lipaug_bound[kinks=surrogate]"):
        assert "no chain" in found.value(name).reason
