"""Spectral norms against the singular values of explicit matrices."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from genbench.probes.layers import folded_model, input_shapes, layers
from genbench.probes.spectra import (
    circular_norm,
    matrix_norm,
    operator_norm,
    spectral_distances,
    spectral_norms,
)


def dense_norm(linear, shape):
    """Build the matrix column by column and decompose it."""
    units = torch.eye(torch.Size(shape).numel(), dtype=torch.float64).reshape(-1, *shape)
    columns = torch.stack([linear(unit.unsqueeze(0)).flatten() for unit in units], dim=1)
    return torch.linalg.svdvals(columns)[0]


CONVOLUTIONS = {
    "padded": lambda: nn.Conv2d(2, 3, 3, padding=1),
    "strided": lambda: nn.Conv2d(2, 5, 3, stride=2, padding=1),
    "same": lambda: nn.Conv2d(2, 3, 3, padding="same"),
    "dilated": lambda: nn.Conv2d(2, 3, 3, dilation=2, padding=2),
    "grouped": lambda: nn.Conv2d(4, 6, 3, groups=2),
    "depthwise": lambda: nn.Conv2d(4, 4, 3, groups=4, padding=1),
    "pointwise": lambda: nn.Conv2d(3, 5, 1),
    "circular": lambda: nn.Conv2d(2, 3, 3, padding=1, padding_mode="circular"),
    "reflecting": lambda: nn.Conv2d(2, 3, 3, padding=1, padding_mode="reflect"),
    "sequence": lambda: nn.Conv1d(3, 4, 3, padding=1),
}


def norms_of(model, inputs, **chosen):
    model = model.eval()
    found = layers(folded_model(model))
    return spectral_norms(input_shapes(model, inputs), torch.Generator().manual_seed(0), found, **chosen)


@pytest.mark.parametrize("size", [(7, 6), (14, 12)], ids=["written out", "searched"])
@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolutions_have_the_norm_of_their_matrix(name, size):
    torch.manual_seed(0)
    convolution = CONVOLUTIONS[name]().double()
    shape = (convolution.in_channels, *(size if name != "sequence" else (math.prod(size),)))
    model = nn.Sequential(convolution, nn.Flatten())
    zero = torch.zeros(1, *shape, dtype=torch.float64)
    with torch.no_grad():
        expected = dense_norm(lambda x: convolution(x) - convolution(zero), shape)
    torch.testing.assert_close(norms_of(model, zero)[0], expected, rtol=1e-6, atol=0)


def test_a_delta_kernel_has_norm_one():
    convolution = nn.Conv2d(3, 3, 3, padding=1, bias=False)
    nn.init.dirac_(convolution.weight)
    model = nn.Sequential(convolution, nn.Flatten())
    torch.testing.assert_close(norms_of(model, torch.zeros(1, 3, 10, 10)).item(), 1.0, rtol=1e-6, atol=0)


def test_a_circular_convolution_agrees_with_the_fourier_transform():
    torch.manual_seed(1)
    convolution = nn.Conv2d(3, 4, 3, padding=1, padding_mode="circular", bias=False).double()
    size = (10, 10)
    # Sedghi, Gupta & Long 2019: the singular values are those of the kernel's transform at each frequency.
    transform = torch.fft.fft2(convolution.weight.detach(), s=size).permute(2, 3, 0, 1)
    expected = torch.linalg.svdvals(transform).max()
    found = norms_of(nn.Sequential(convolution, nn.Flatten()), torch.zeros(1, 3, *size, dtype=torch.float64))
    torch.testing.assert_close(found[0], expected, rtol=1e-6, atol=0)


@pytest.mark.parametrize("size", [(5, 6), (4, 2)], ids=["small kernel", "kernel wraps around"])
@pytest.mark.parametrize("name", ["padded", "strided", "dilated", "grouped", "depthwise", "pointwise"])
def test_the_circular_norm_is_that_of_the_circulant_matrix(name, size):
    torch.manual_seed(0)
    given = CONVOLUTIONS[name]().double()

    def circular(x):
        wrapped = x.repeat(1, 1, 5, 5)[..., 2 * size[0] :, 2 * size[1] :]
        out = nn.functional.conv2d(wrapped, given.weight, groups=given.groups)
        return out[..., : size[0], : size[1]]

    with torch.no_grad():
        expected = dense_norm(circular, (given.in_channels, *size))
        zero = torch.zeros(1, given.in_channels, 9, 9, dtype=torch.float64)
        assert circular_norm(given.weight, (given.in_channels, *size)).item() == pytest.approx(
            expected.item()
        )
        found = norms_of(nn.Sequential(given, nn.Flatten()), zero, kernel="circular")
        assert found.item() == pytest.approx(circular_norm(given.weight, zero.shape[1:]).item())


def test_reshaped_kernels_and_linear_layers_are_matrices():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(36, 5)).double()
    found = norms_of(model, torch.zeros(1, 3, 5, 5, dtype=torch.float64), kernel="reshaped")
    expected = [torch.linalg.svdvals(model[0].weight.flatten(1))[0], torch.linalg.svdvals(model[2].weight)[0]]
    torch.testing.assert_close(found, torch.stack(expected).detach())


def test_distances_are_norms_of_differences():
    torch.manual_seed(0)
    now, then = (nn.Sequential(nn.Conv2d(2, 3, 3), nn.Flatten()).double() for _ in range(2))
    shapes = {"0": (2, 6, 6)}
    found = spectral_distances(
        shapes, torch.Generator().manual_seed(0), layers(folded_model(now)), layers(folded_model(then))
    )
    with torch.no_grad():
        weight = now[0].weight - then[0].weight
        expected = dense_norm(lambda x: nn.functional.conv2d(x, weight), (2, 6, 6))
    torch.testing.assert_close(found[0], expected, rtol=1e-6, atol=0)


@settings(max_examples=30, deadline=None)
@given(
    rows=st.integers(1, 12),
    columns=st.integers(1, 12),
    scale=st.sampled_from([1e-200, 1e-9, 1.0, 1e200]),
    seed=st.integers(0, 2**16),
)
def test_matrix_norms_at_any_shape_and_scale(rows, columns, scale, seed):
    generator = torch.Generator().manual_seed(seed)
    matrix = torch.randn(rows, columns, generator=generator, dtype=torch.float64) * scale
    torch.testing.assert_close(matrix_norm(matrix), torch.linalg.svdvals(matrix)[0], rtol=1e-9, atol=0)


@settings(max_examples=20, deadline=None)
@given(rank=st.integers(0, 5), size=st.integers(5, 12) | st.just(300), seed=st.integers(0, 2**16))
def test_lanczos_finds_the_norm_of_matrices_of_low_rank(rank, size, seed):
    generator = torch.Generator().manual_seed(seed)
    left = torch.randn(size, rank, generator=generator, dtype=torch.float64)
    matrix = left @ torch.randn(rank, size, generator=generator, dtype=torch.float64)
    start = torch.randn(1, size, generator=generator)
    found = operator_norm(lambda x, weight: x @ weight.T, matrix, start)
    expected = torch.linalg.svdvals(matrix)[0]
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("size", [6, 14], ids=["written out", "searched"])
def test_weights_that_are_not_finite_have_no_norm(size):
    model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Flatten(), nn.Linear(3 * (size - 2) ** 2, 2))
    with torch.no_grad():
        model[0].weight.fill_(torch.nan)
        model[2].weight.fill_(torch.inf)
    assert norms_of(model, torch.zeros(1, 2, size, size)).isnan().all()
