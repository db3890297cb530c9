"""Data sets made of others: the centres of pictures, and digits as sequences."""

import pytest
import torch

import genbench
from genbench.datasets import crops, sequences
from genbench.datasets.digits import digits
from genbench.datasets.mnist import mnist


def pictures(checksum: str, count: int = 4) -> genbench.Data:
    drawn = torch.randint(0, 256, (2, count, 3, 32, 32), dtype=torch.uint8)
    drawn[0, 0] = 7
    splits = [genbench.Split(each, torch.arange(count)) for each in drawn]
    return genbench.Data(*splits, genbench.Task("classification", (3, 32, 32), 10), checksum)


@pytest.fixture(params=["cifar10", "cifar10_jpeg"])
def cropped(request, monkeypatch):
    """A component of crops, and what it is made of, by settings."""
    declared = getattr(crops, f"{request.param}_crops").__genbench__
    whole = pictures(declared.checksum.removesuffix(" centre"))
    monkeypatch.setattr(crops, request.param, lambda root: whole)
    return whole, getattr(crops, f"{request.param}_crops"), declared


@pytest.mark.parametrize(("side", "first"), [(28, 2), (32, 0), (31, 0), (1, 15)])
def test_crops_are_the_middle(cropped, side, first):
    whole, component, declared = cropped
    data = component(None, side=side)
    expected = whole.train.inputs[:, :, first : first + side, first : first + side]
    assert torch.equal(data.train.inputs, expected)
    assert data.train.inputs.is_contiguous()
    assert data.test.inputs.shape == (4, 3, side, side)
    assert data.task == declared.task(side=side, standardize=False)
    assert data.checksum == declared.checksum


def test_standardized_pictures(cropped):
    whole, component, _ = cropped
    data = component(None, standardize=True)
    for image, result in zip(whole.train.inputs, data.train.inputs, strict=True):
        pixels = image[:, 2:30, 2:30].double() / 255
        deviation = max(pixels.std(correction=0).item(), 1 / pixels.numel() ** 0.5)
        torch.testing.assert_close(
            result.double(), (pixels - pixels.mean()) / deviation, atol=1e-4, rtol=1e-4
        )


@pytest.mark.parametrize(("step", "shape"), [("row", (8, 8)), ("pixel", (64, 1))])
def test_digits_in_steps(step, shape):
    data, images = sequences.sequential_digits(None, step=step), digits(None)
    assert data.task == genbench.Task("classification", shape, 10)
    declared = sequences.sequential_digits.__genbench__
    assert data.task == declared.task(step=step, test_fraction=0.5)
    assert data.checksum == declared.checksum
    assert torch.equal(data.test.targets, images.test.targets)
    sequence, image = data.train.inputs[3], images.train.inputs[3, 0]
    for row in range(8):
        for column in range(8):
            seen = sequence[row, column] if step == "row" else sequence[8 * row + column, 0]
            assert seen == image[row, column]


def test_mnist_in_steps(shared_data):
    data = sequences.sequential_mnist(shared_data, step="pixel")
    assert data.train.inputs.shape == (60_000, 784, 1)
    assert data.checksum == sequences.sequential_mnist.__genbench__.checksum
    assert torch.equal(data.test.inputs[5, :, 0], mnist(shared_data).test.inputs[5].flatten())


def test_a_recurrent_network_learns_from_sequences():
    """Every fourth digit, row by row, to well below chance level."""
    from genbench.models.rnn import rnn

    torch.manual_seed(0)
    data = sequences.sequential_digits(None)
    inputs, targets = data.train.inputs[::4] / 255.0, data.train.targets[::4]
    model = rnn(data.task, width=24)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(40):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(inputs), targets)
        loss.backward()
        optimizer.step()
    assert model(inputs).argmax(1).ne(targets).float().mean() < 0.3
