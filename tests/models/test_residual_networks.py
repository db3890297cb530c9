"""Published parameter counts, and the parts of the residual networks."""

import pytest
import torch
from torch import nn

import genbench
from genbench.models.resnet import BasicBlock, ZeroPadShortcut, resnet
from genbench.models.wide_resnet import PreActivationBlock, wide_resnet

CIFAR = genbench.Task("classification", (3, 32, 32), 10)


def parameters(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize(("depth", "millions"), [(20, 0.27), (32, 0.46), (44, 0.66), (56, 0.85), (110, 1.7)])
def test_resnet_has_the_published_number_of_parameters(depth, millions):
    """He et al. 2016, Table 6."""
    model = resnet(CIFAR, depth=depth)
    assert round(parameters(model) / 1e6, 2 if millions < 1 else 1) == millions
    layers = [each for each in model.modules() if isinstance(each, nn.Conv2d | nn.Linear)]
    assert len(layers) == depth


@pytest.mark.parametrize(("depth", "factor", "millions"), [(16, 8, 11.0), (28, 10, 36.5), (16, 4, 2.7)])
def test_wide_resnet_has_the_published_number_of_parameters(depth, factor, millions):
    """Zagoruyko & Komodakis 2016, Tables 4 and 5; 2.7M for 16-4 in their repository."""
    model = wide_resnet(CIFAR, depth=depth, widen_factor=factor)
    assert round(parameters(model) / 1e6, 1) == millions


def test_zero_pad_shortcut():
    maps = torch.randn(2, 3, 6, 6)
    out = ZeroPadShortcut(4, stride=2)(maps)
    assert torch.equal(out[:, 2:5], maps[:, :, ::2, ::2])
    assert out.shape == (2, 7, 3, 3)
    assert not out[:, :2].any()
    assert not out[:, 5:].any()


def test_basic_block_adds_before_the_last_activation():
    block = BasicBlock(4, 4, 1, "relu", "none")
    inputs = torch.randn(2, 4, 5, 5)
    residual = block.convolution2(torch.relu(block.convolution1(inputs)))
    assert torch.allclose(block(inputs), torch.relu(inputs + residual))


def test_pre_activation_block_projects_what_is_activated():
    inputs = torch.randn(2, 4, 6, 6)
    block = PreActivationBlock(4, 6, 2, "relu", "none", 0.0)
    activated = torch.relu(inputs)
    residual = block.convolution2(torch.relu(block.convolution1(activated)))
    assert torch.allclose(block(inputs), residual + block.shortcut(activated), atol=1e-6)
    same = PreActivationBlock(4, 4, 1, "relu", "none", 0.0)
    residual = same.convolution2(torch.relu(same.convolution1(activated)))
    assert torch.allclose(same(inputs), residual + inputs, atol=1e-6)


@pytest.mark.parametrize("builder", [resnet, wide_resnet])
def test_resolution_is_halved_twice(builder):
    model = builder(CIFAR)
    shapes = []
    for name in ("stage1", "stage2", "stage3"):
        model.get_submodule(f"encoder.{name}").register_forward_hook(
            lambda _, __, out: shapes.append(tuple(out.shape[2:]))
        )
    model(torch.randn(2, 3, 32, 32))
    assert shapes == [(32, 32), (16, 16), (8, 8)]


def test_first_weights_are_those_of_he():
    torch.manual_seed(0)
    weight = resnet(CIFAR).get_submodule("encoder.stage3.1.convolution1").weight
    assert abs(weight.std().item() - (2 / (64 * 9)) ** 0.5) < 1e-3
