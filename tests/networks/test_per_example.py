import pytest
import torch
from torch import nn
from torch.nn import functional as F

from genbench.base.errors import InvalidInput
from genbench.networks.per_example import per_example_gradients


def looped(model, inputs, targets, criterion):
    """One backward pass for each example."""
    gradients = {name: [] for name, _ in model.named_parameters()}
    losses = []
    for one_input, one_target in zip(inputs, targets, strict=True):
        model.zero_grad()
        loss = criterion(model(one_input[None]), one_target[None])
        loss.backward()
        losses.append(loss.detach())
        for name, parameter in model.named_parameters():
            gradients[name].append(parameter.grad.clone())
    model.zero_grad()
    return {name: torch.stack(each) for name, each in gradients.items()}, torch.stack(losses)


class Recurrent(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.cell = kind(4, 5, batch_first=True)
        self.head = nn.Linear(5, 3)

    def forward(self, inputs):
        return self.head(self.cell(inputs)[0][:, -1])


NETWORKS = {
    "perceptron": (lambda: nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3)), (4,)),
    "convolutional": (
        lambda: nn.Sequential(
            nn.Conv2d(2, 4, 3), nn.GroupNorm(2, 4), nn.ReLU(), nn.Flatten(), nn.Linear(16, 3)
        ),
        (2, 4, 4),
    ),
    "elman": (lambda: Recurrent(nn.RNN), (6, 4)),
    "gru": (lambda: Recurrent(nn.GRU), (6, 4)),
    "lstm": (lambda: Recurrent(nn.LSTM), (6, 4)),
}


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("chunk", [None, 3])
def test_agrees_with_a_loop(network, chunk):
    torch.manual_seed(0)
    build, shape = NETWORKS[network]
    model = build()
    inputs, targets = torch.randn(7, *shape), torch.arange(7) % 3
    expected, expected_losses = looped(model, inputs, targets, F.cross_entropy)
    gradients, losses = per_example_gradients(model, inputs, targets, F.cross_entropy, chunk=chunk)
    torch.testing.assert_close(losses, expected_losses)
    for name, parameter in model.named_parameters():
        assert gradients[name].shape == (7, *parameter.shape)
        torch.testing.assert_close(gradients[name], expected[name], rtol=1e-4, atol=1e-6)


def test_class_probabilities_as_targets():
    torch.manual_seed(0)
    model = nn.Linear(4, 3)
    inputs, targets = torch.randn(5, 4), torch.rand(5, 3).softmax(1)
    expected, _ = looped(model, inputs, targets, F.cross_entropy)
    gradients, _ = per_example_gradients(model, inputs, targets, F.cross_entropy)
    torch.testing.assert_close(gradients, expected)


def test_parameters_that_are_not_trained_have_none():
    model = nn.Sequential(nn.Linear(4, 5), nn.Linear(5, 3))
    model[0].requires_grad_(False)
    gradients, _ = per_example_gradients(model, torch.randn(2, 4), torch.zeros(2).long(), F.cross_entropy)
    assert list(gradients) == ["1.weight", "1.bias"]


def test_dropout_differs_between_examples():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 50), nn.Dropout(0.5), nn.Linear(50, 3))
    inputs = torch.ones(2, 4)
    gradients, _ = per_example_gradients(model, inputs, torch.zeros(2).long(), F.cross_entropy)
    assert not torch.equal(gradients["2.weight"][0] == 0, gradients["2.weight"][1] == 0)


def test_batch_normalization_is_refused_in_training_mode_only():
    model = nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.Linear(5, 3))
    data = (torch.randn(6, 4), torch.arange(6) % 3)
    with pytest.raises(InvalidInput, match=r"batch normalization in training mode \('1'\)"):
        per_example_gradients(model, *data, F.cross_entropy)
    model.eval()
    gradients, _ = per_example_gradients(model, *data, F.cross_entropy)
    torch.testing.assert_close(gradients, looped(model, *data, F.cross_entropy)[0])


def test_some_parameters_only():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3))
    data = (torch.randn(6, 4), torch.arange(6) % 3, F.cross_entropy)
    whole, losses = per_example_gradients(model, *data)
    some, same_losses = per_example_gradients(model, *data, names=["2.weight", "0.bias"])
    assert set(some) == {"2.weight", "0.bias"}
    for name, each in some.items():
        assert not each.requires_grad, "it would keep the graph of the parameters left out"
        torch.testing.assert_close(each, whole[name])
    torch.testing.assert_close(same_losses, losses)
