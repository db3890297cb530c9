import pytest
import torch

from genbench.base.errors import InvalidInput
from genbench.training.augmentation import augment, draw


def drawn(kind, count, shape, seed=0):
    return draw(kind, count, shape, torch.Generator().manual_seed(seed), torch.device("cpu"))


def one_by_one(images, draws):
    """Pad, cut and flip each image on its own."""
    vertical, horizontal = draws.padding
    height, width = images.shape[2:]
    results = []
    for index, image in enumerate(images):
        if draws.rows is not None:
            padded = torch.zeros(len(image), height + 2 * vertical, width + 2 * horizontal)
            padded[:, vertical : vertical + height, horizontal : horizontal + width] = image
            top, left = int(draws.rows[index]), int(draws.columns[index])
            image = padded[:, top : top + height, left : left + width]
        if draws.flips is not None and draws.flips[index]:
            image = image.flip(2)
        results.append(image)
    return torch.stack(results)


@pytest.mark.parametrize("kind", ["flip", "crop", "crop-flip"])
@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 8, 8), (2, 16, 24), (1, 4, 4)])
def test_agrees_with_one_image_at_a_time(kind, shape):
    images = torch.randn(20, *shape)
    draws = drawn(kind, 20, shape)
    assert torch.equal(augment(images, draws), one_by_one(images, draws))


def test_channels_last_agrees():
    images = torch.randn(20, 3, 16, 16)
    draws = drawn("crop-flip", 20, (3, 16, 16))
    turned = images.contiguous(memory_format=torch.channels_last)
    assert torch.equal(augment(turned, draws), augment(images, draws))


def test_padding_is_an_eighth_and_every_crop_occurs():
    draws = drawn("crop", 2000, (3, 32, 16))
    assert draws.padding == (4, 2)
    assert sorted(set(draws.rows.tolist())) == list(range(9))
    assert sorted(set(draws.columns.tolist())) == list(range(5))
    assert draws.flips is None


def test_half_are_flipped():
    draws = drawn("flip", 4000, (3, 32, 32))
    assert draws.rows is draws.columns is None
    assert 0.45 < draws.flips.float().mean() < 0.55


def test_none_draws_nothing():
    generator = torch.Generator().manual_seed(0)
    before = generator.get_state()
    assert draw("none", 5, (4,), generator, torch.device("cpu")) is None
    assert torch.equal(generator.get_state(), before)


def test_parts_of_the_draws_belong_to_parts_of_the_images():
    images = torch.randn(10, 1, 8, 8)
    draws = drawn("crop-flip", 10, (1, 8, 8))
    halves = [augment(images[:4], draws[:4]), augment(images[4:], draws[4:])]
    assert torch.equal(torch.cat(halves), augment(images, draws))


def test_vectors_cannot_be_cropped():
    with pytest.raises(
        InvalidInput, match=r"augmentation 'crop' needs images .* not inputs of shape \(64,\)"
    ):
        drawn("crop", 3, (64,))
