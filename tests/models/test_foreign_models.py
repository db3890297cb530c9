"""Architectures of timm and torchvision on small images."""

import pytest
import torch

import genbench
from genbench.models.timm import timm
from genbench.models.torchvision import torchvision

CIFAR = genbench.Task("classification", (3, 32, 32), 10)
MNIST = genbench.Task("classification", (1, 28, 28), 10)


@pytest.mark.parametrize(
    ("task", "architecture", "small_stem"),
    [
        (CIFAR, "vit_tiny_patch16_224", False),
        (CIFAR, "vit_tiny_patch16_224", True),
        (MNIST, "vit_tiny_patch16_224", True),
        (MNIST, "mobilenetv3_small_050", True),
        (MNIST, "resnet10t", False),
        (CIFAR, "resnet10t.c3_in1k", True),
    ],
)
def test_timm(task, architecture, small_stem):
    model = timm(task, architecture=architecture, small_stem=small_stem)
    assert model(torch.randn(2, *task.input_shape)).shape == (2, 10)


@pytest.mark.parametrize(
    ("task", "architecture", "small_stem"),
    [
        (CIFAR, "resnet18", True),
        (MNIST, "mobilenet_v3_small", False),
        (CIFAR, "shufflenet_v2_x0_5", True),
    ],
)
def test_torchvision(task, architecture, small_stem):
    model = torchvision(task, architecture=architecture, small_stem=small_stem)
    assert model(torch.randn(2, *task.input_shape)).shape == (2, 10)


@pytest.mark.parametrize(("builder", "last"), [(timm, "layer4"), (torchvision, "layer4")])
def test_small_stem_keeps_the_resolution(builder, last):
    for small_stem, side in ((False, 1), (True, 4)):
        model = builder(CIFAR, architecture="resnet18", small_stem=small_stem).eval()
        shapes = []
        model.get_submodule(last).register_forward_hook(lambda _, __, out, to=shapes: to.append(out.shape))
        model(torch.randn(1, 3, 32, 32))
        assert shapes[0][2:] == (side, side)
    # 11.17M is what the ResNet-18 for CIFAR has in the literature.
    assert round(sum(each.numel() for each in model.parameters()) / 1e6, 2) == 11.17


@pytest.mark.parametrize(
    ("builder", "architecture", "small_stem", "complaint"),
    [
        (timm, "mixer_s16_224", True, "cannot be built"),
        (torchvision, "alexnet", False, r"cannot take inputs of shape \(1, 28, 28\)"),
        (torchvision, "vit_b_16", True, "has no small stem"),
    ],
)
def test_images_that_do_not_fit_are_refused_when_building(builder, architecture, small_stem, complaint):
    with pytest.raises(genbench.InvalidInput, match=complaint) as caught:
        builder(MNIST, architecture=architecture, small_stem=small_stem)
    assert len(caught.value.problems[0].splitlines()) == 1
