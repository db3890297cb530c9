"""Hidden layers and the derivatives by them, against torch's own Jacobians and products of weights."""

import pytest
import torch
from torch import nn

import genbench
from genbench.models.mlp import mlp
from genbench.models.resnet import resnet
from genbench.models.rnn import rnn
from genbench.networks.hidden import Place, captured, chosen_place, hidden_places
from genbench.probes import hidden_jacobians as jacobians
from genbench.probes.hidden import representation
from genbench.probes.hidden_jacobians import (
    interlayer_jacobians,
    jacobian_norms,
    margin_jacobians,
)
from genbench.probes.output_jacobians import output_jacobians

CPU = torch.device("cpu")
IMAGES = genbench.Task("classification", (2, 6, 6), 3)


def hidden_jacobians(*sample):
    return jacobians.hidden_jacobians(output_jacobians(*sample))


def plain(*activations):
    torch.manual_seed(0)
    first, second = activations or (nn.Tanh(), nn.Tanh())
    network = nn.Sequential(nn.Linear(6, 5), first, nn.Linear(5, 4), second, nn.Linear(4, 3))
    return network.double().eval()


def data(examples=7, shape=(6,)):
    torch.manual_seed(1)
    return torch.randn(examples, *shape, dtype=torch.float64), torch.arange(examples) % 3


def seeded():
    return torch.Generator().manual_seed(0)


def test_places_are_the_blocks_or_what_enters_the_later_layers():
    assert hidden_places(plain(), "blocks") == [Place("2", "input"), Place("4", "input")]
    network = mlp(IMAGES, width=5, depth=2, normalization="batch")
    blocks = [Place("encoder.layer1", "output"), Place("encoder.layer2", "output")]
    assert hidden_places(network, "blocks") == blocks
    norms = [Place(f"encoder.layer{layer}.normalization", "output") for layer in (1, 2)]
    assert hidden_places(network, "normalizations") == norms
    assert hidden_places(network, "both") == [blocks[0], norms[0], blocks[1], norms[1]]
    assert chosen_place(network, "penultimate") == Place("classifier", "input")
    assert [chosen_place(network, layer) for layer in ("first", "middle", "last")] == [
        blocks[0], blocks[0], blocks[1],
    ]  # fmt: skip


def test_recurrent_layers_of_torch_have_weights():
    class Plain(nn.Module):
        def __init__(self):
            super().__init__()
            self.lower, self.upper = nn.RNN(3, 5), nn.GRU(5, 4)
            self.output = nn.Linear(4, 2)

    assert hidden_places(Plain(), "blocks") == [Place("upper", "input"), Place("output", "input")]


def test_networks_without_hidden_layers_are_refused():
    with pytest.raises(genbench.NotApplicable, match="no hidden layers"):
        hidden_places(nn.Linear(3, 2), "blocks")
    with pytest.raises(genbench.NotApplicable, match="no normalizations"):
        hidden_places(plain(), "normalizations")
    twice = nn.Linear(6, 6)
    with (
        pytest.raises(genbench.NotApplicable, match="several times"),
        captured(nn.Sequential(twice, twice), [Place("0", "output")]) as _,
    ):
        nn.Sequential(twice, twice)(torch.zeros(1, 6))


class Turned(nn.Module):
    """A recurrent and an attending layer with the positions in front of the examples, or behind them."""

    def __init__(self, positions_first):
        super().__init__()
        self.positions_first = positions_first
        self.lower = nn.GRU(3, 4, batch_first=not positions_first)
        attending = nn.TransformerEncoderLayer(4, 2, 6, batch_first=not positions_first)
        self.encoder = nn.Sequential(attending, nn.ReLU())
        self.output = nn.Linear(4, 3)

    def forward(self, x):
        x = x.transpose(0, 1) if self.positions_first else x
        return self.output(self.encoder(self.lower(x)[0]).mean(0 if self.positions_first else 1))


@pytest.mark.parametrize("examples", [5, 7])  # five positions: as many as examples
def test_hidden_layers_have_a_row_for_each_example_wherever_the_network_keeps_them(examples):
    torch.manual_seed(0)
    turned, straight = Turned(True).double().eval(), Turned(False).double().eval()
    straight.load_state_dict(turned.state_dict())
    inputs, targets = data(examples, (5, 3))
    task = genbench.Task("classification", (5, 3), 3)
    assert [place.batch for place in hidden_places(turned, "both", inputs)] == [1, 1, 1]
    assert [place.batch for place in hidden_places(straight, "both", inputs)] == [0, 0, 0]
    found, expected = (
        [
            hidden_jacobians(model, inputs, targets, task, CPU).operator,
            hidden_jacobians(model, inputs, targets, task, CPU).norms,
            margin_jacobians(model, inputs, targets, task, CPU, at="both").norms,
            interlayer_jacobians(model, inputs, CPU, seeded()).norms,
            representation(model, inputs, targets, CPU, layer="first").features,
        ]
        for model in (turned, straight)
    )
    for one, other in zip(found, expected, strict=True):
        assert len(one) == examples
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-8)


def test_hidden_layers_beside_each_other_have_no_influence_on_each_other():
    class Beside(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.first, self.left, self.right = nn.Linear(6, 5), nn.Linear(5, 3), nn.Linear(5, 3)

        def forward(self, x):
            x = self.first(x)
            return self.left(x).tanh() + self.right(x)

    found = interlayer_jacobians(Beside().double(), data()[0], CPU, seeded())
    norms = dict(zip(found.pairs, found.norms.T, strict=True))
    assert set(norms) == {(0, 1), (0, 2), (1, 2)}
    assert not norms[0, 1].any()
    assert norms[0, 2].all()


def test_a_hidden_layer_that_mixes_examples_with_something_else_is_refused():
    class Folded(nn.Module):
        def __init__(self):
            super().__init__()
            self.lower, self.upper = nn.Linear(3, 4), nn.Linear(4, 3)

        def forward(self, x):
            return self.upper(self.lower(x).flatten(0, 1)).unflatten(0, x.shape[:2]).mean(1)

    with pytest.raises(genbench.NotApplicable, match="'upper' has no row for each example"):
        hidden_places(Folded(), "blocks", torch.randn(4, 5, 3))


def test_an_operation_in_place_leaves_the_hidden_layer_alone():
    network = nn.Sequential(nn.Linear(6, 5), nn.ReLU(inplace=True), nn.Linear(5, 3))
    inputs = torch.randn(4, 6)
    with captured(network, [Place("0", "output")]) as hidden:
        outputs = network(inputs)
    torch.testing.assert_close(hidden[0], network[0](inputs))
    torch.testing.assert_close(outputs, network(inputs))


def slow_jacobian(later, hidden):
    """∂later/∂hidden of one example."""
    return torch.func.jacrev(lambda h: later(h.unsqueeze(0))[0].flatten())(hidden).flatten(1).detach()


def test_jacobians_by_hidden_layers_are_torchs_own():
    network, (inputs, targets) = plain(), data()
    task = genbench.Task("classification", (6,), 3)
    found = hidden_jacobians(network, inputs, targets, task, CPU)
    margins = margin_jacobians(network, inputs, targets, task, CPU)
    for example in range(7):
        for place, start in enumerate((2, 4)):
            hidden = network[:start](inputs[example : example + 1])[0]
            outputs = network[start:](hidden.unsqueeze(0))[0]
            jacobian = slow_jacobian(network[start:], hidden)
            own = targets[example]
            others = [label for label in range(3) if label != own]
            best = max(others, key=lambda label: outputs[label])
            expected = {
                "norms": hidden.norm(),
                "operator": torch.linalg.svdvals(jacobian)[0],
                "frobenius": jacobian.norm(),
            }
            slope = (jacobian[own] - jacobian[best]).norm().item()
            assert margins.norms[example, place].item() == pytest.approx(slope, rel=1e-6)
            for name, value in expected.items():
                assert getattr(found, name)[example, place].item() == pytest.approx(value.item(), rel=1e-6)
    for each in (found, margins):
        torch.testing.assert_close(each.outputs, network(inputs).detach())


def test_jacobians_of_a_linear_network_are_products_of_its_weights():
    network, (inputs, _) = plain(nn.Identity(), nn.Identity()), data()
    found = interlayer_jacobians(network, inputs, CPU, seeded())
    second, third = network[2].weight, network[4].weight
    products = {(0, 1): second, (0, 2): third @ second, (1, 2): third}
    assert set(found.pairs) == set(products)
    for place, pair in enumerate(found.pairs):
        sigma = torch.linalg.svdvals(products[pair])[0].item()
        assert found.norms[:, place].tolist() == pytest.approx([sigma] * 7, rel=1e-8)


@pytest.mark.parametrize("build", [resnet, rnn, mlp], ids=["resnet", "rnn", "mlp"])
def test_jacobians_between_blocks_are_torchs_own(build):
    torch.manual_seed(0)
    small = {resnet: {"depth": 8, "width": 2, "activation": "tanh"}, rnn: {"width": 4, "depth": 2}}
    network = build(IMAGES, **small.get(build, {"width": 5, "activation": "sigmoid"})).double().eval()
    inputs, _ = data(3, (2, 6, 6))
    found = interlayer_jacobians(network, inputs, CPU, seeded(), examples=2)
    places = hidden_places(network, "blocks")
    chosen = inputs[[0, 2]].requires_grad_()
    with captured(network, places) as hidden:
        outputs = network(chosen)
    layers = [*hidden, outputs]
    for place, (early, late) in enumerate(found.pairs):
        for example in range(2):
            image = layers[late][example].flatten()
            rows = [
                torch.autograd.grad(entry, layers[early], retain_graph=True)[0][example] for entry in image
            ]
            sigma = torch.linalg.svdvals(torch.stack(rows).flatten(1))[0].item()
            assert found.norms[example, place].item() == pytest.approx(sigma, rel=1e-6)


def test_equal_singular_values_and_zeros_do_no_harm():
    point = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    scales = torch.tensor([[2.0], [0.0], [5.0]], dtype=torch.float64)
    assert jacobian_norms(point * scales, point, seeded()).tolist() == pytest.approx([2.0, 0.0, 5.0])
    assert jacobian_norms(point, point, seeded()).tolist() == [1.0] * 3


def test_chunks_change_nothing(monkeypatch):
    network, (inputs, targets) = plain(), data()
    task = genbench.Task("classification", (6,), 3)
    probes = (hidden_jacobians, margin_jacobians)
    whole = [probe(network, inputs, targets, task, CPU).norms for probe in probes]
    features = representation(network, inputs, targets, CPU)
    monkeypatch.setitem(margin_jacobians.__globals__["chunks"].__globals__["_CHUNK"], "cpu", 12)
    for probe, norms in zip(probes, whole, strict=True):
        torch.testing.assert_close(probe(network, inputs, targets, task, CPU).norms, norms)
    torch.testing.assert_close(representation(network, inputs, targets, CPU).features, features.features)


def test_maps_are_pooled_to_maxima_of_windows():
    network = nn.Sequential(nn.Conv2d(2, 3, 1), nn.Conv2d(3, 3, 1), nn.Flatten(), nn.Linear(108, 3)).double()
    inputs, targets = data(4, (2, 6, 6))
    maps = network[0](inputs).detach()
    found = representation(network, inputs, targets, CPU, layer="first", pool=3).features
    expected = [
        maps[:, channel, row : row + 3, column : column + 3].amax((1, 2))
        for channel in range(3) for row in (0, 3) for column in (0, 3)
    ]  # fmt: skip
    torch.testing.assert_close(found, torch.stack(expected, 1))
    whole = representation(network, inputs, targets, CPU, layer="first", pool=1).features
    torch.testing.assert_close(whole, maps.flatten(1))
