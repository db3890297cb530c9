"""Networks as people write them by hand: one function in many spellings, and layers of many kinds."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

WIDTH, HIDDEN = 12, 10


def mlp() -> nn.Sequential:
    """The plain network that many others are spelled after."""
    return nn.Sequential(
        nn.Linear(WIDTH, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 3)
    )


def without_biases() -> nn.Sequential:
    """Linear layers without biases."""
    return nn.Sequential(nn.Linear(WIDTH, HIDDEN, bias=False), nn.ReLU(), nn.Linear(HIDDEN, 3, bias=False))


def linear() -> nn.Linear:
    """One linear layer, and nothing around it."""
    return nn.Linear(WIDTH, 3)


def with_activation(activation: Callable[[], nn.Module]) -> Callable[[], nn.Module]:
    """Two hidden layers with an activation of a kind."""
    return lambda: nn.Sequential(
        nn.Linear(WIDTH, HIDDEN), activation(), nn.Linear(HIDDEN, HIDDEN), activation(), nn.Linear(HIDDEN, 3)
    )


class ByFunctions(nn.Module):
    """Parameters of its own, and functions."""

    def __init__(self, of: nn.Sequential):
        super().__init__()
        self.weight1, self.bias1 = of[0].weight, of[0].bias
        self.weight2, self.bias2 = of[2].weight, of[2].bias
        self.weight3, self.bias3 = of[4].weight, of[4].bias

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(F.linear(x, self.weight1, self.bias1))
        x = F.linear(x, self.weight2, self.bias2).relu_()
        return F.linear(x, self.weight3, self.bias3)


class Disordered(nn.Module):
    """Layers defined in another order than they are called in, activations by functions."""

    def __init__(self, of: nn.Sequential):
        super().__init__()
        self.head, self.second, self.first = of[4], of[2], of[0]

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.relu_(self.second(F.relu(self.first(x), inplace=True))))


class ByLoops(nn.Module):
    """A list and a dictionary of modules, called in a loop."""

    def __init__(self, of: nn.Sequential):
        super().__init__()
        self.layers = nn.ModuleList([of[0], of[2]])
        self.others = nn.ModuleDict({"bend": nn.ReLU(), "head": of[4]})

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = self.others["bend"](layer(x))
        return self.others["head"](x)


def nested(of: nn.Sequential) -> nn.Module:
    """Sequences in sequences, with names, identities and dropout that does nothing."""
    body = nn.Sequential(nn.Sequential(of[0], nn.ReLU(inplace=True)), nn.Identity(), of[2], nn.ReLU())
    return nn.Sequential(
        OrderedDict([("flat", nn.Flatten()), ("body", body), ("out", nn.Sequential(nn.Dropout(0.5), of[4]))])
    )


class Wrapper(nn.Module):
    """A network within another, beside attributes, a buffer and parameters that nothing reads."""

    def __init__(self, of: nn.Module):
        super().__init__()
        self.weight = None
        self.layers = 3
        self.config = {"name": "wrapped", "sizes": [1, 2]}
        self.network = of
        self.register_buffer("calls", torch.zeros((), dtype=torch.long))

    def forward(self, x: Tensor, scale: float | None = None) -> Tensor:
        return self.network(x.view(len(x), -1)) if scale is None else scale * self.network(x)


class WithUnused(nn.Module):
    """Has layers that no pass calls and parameters that none reads."""

    def __init__(self, of: nn.Sequential):
        super().__init__()
        self.network = of
        self.auxiliary = nn.Linear(5, 4)
        self.scale = nn.Parameter(torch.ones(3))

    def forward(self, x: Tensor) -> Tensor:
        return self.network(x)


class _Rectified(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, x: Tensor) -> Tensor:
        context.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:
        (x,) = context.saved_tensors
        return gradient * (x > 0)


class OwnFunction(nn.Module):
    """A ReLU with a derivative written by hand."""

    def __init__(self, of: nn.Sequential):
        super().__init__()
        self.first, self.second, self.head = of[0], of[2], of[4]

    def forward(self, x: Tensor) -> Tensor:
        return self.head(_Rectified.apply(self.second(_Rectified.apply(self.first(x)))))


class Checkpointed(nn.Module):
    """Computes its hidden layers again in the backward pass."""

    def __init__(self, of: nn.Sequential, *, reentrant: bool = False):
        super().__init__()
        self.body, self.head = of[:4], of[4]
        self.reentrant = reentrant

    def forward(self, x: Tensor) -> Tensor:
        return self.head(checkpoint(self.body, x, use_reentrant=self.reentrant))


class Quantizable(nn.Module):
    """With the places where numbers would be rounded, as torch prepares them."""

    def __init__(self, of: nn.Sequential):
        super().__init__()
        self.quant, self.dequant = torch.ao.quantization.QuantStub(), torch.ao.quantization.DeQuantStub()
        self.add = torch.ao.nn.quantized.FloatFunctional()
        self.network = of

    def forward(self, x: Tensor) -> Tensor:
        x = self.quant(x)
        return self.dequant(self.add.add(self.network(x), torch.zeros(())))


class Tied(nn.Module):
    """One parameter in two layers."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.head = nn.Linear(WIDTH, 3)
        self.second.weight = self.first.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.head(F.relu(self.second(F.relu(self.first(x)))))


class CalledTwice(nn.Module):
    """One layer called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.head = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(F.relu(self.layer(F.relu(self.layer(x)))))


class Adapted(nn.Module):
    """A frozen layer with an update of low rank beside it, which alone is trained."""

    def __init__(self, frozen: nn.Linear):
        super().__init__()
        self.frozen = frozen.requires_grad_(False)
        self.down = nn.Linear(frozen.in_features, 2, bias=False)
        self.up = nn.Linear(2, frozen.out_features, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.frozen(x) + self.up(self.down(x))


def adapted() -> nn.Sequential:
    """The plain network as it is tuned with few parameters."""
    layers = mlp()
    return nn.Sequential(Adapted(layers[0]), nn.ReLU(), Adapted(layers[2]), nn.ReLU(), layers[4])


class Experts(nn.Module):
    """Each example goes through the one of three layers that a router chooses."""

    def __init__(self) -> None:
        super().__init__()
        self.router = nn.Linear(WIDTH, 3)
        self.experts = nn.ModuleList([nn.Linear(WIDTH, HIDDEN) for _ in range(3)])
        self.head = nn.Linear(HIDDEN, 3)

    def forward(self, x: Tensor) -> Tensor:
        shares, chosen = self.router(x).softmax(1).max(1)
        hidden = x.new_zeros(len(x), HIDDEN)
        for number, expert in enumerate(self.experts):
            mine = chosen == number
            if mine.any():
                hidden[mine] = shares[mine].unsqueeze(1) * expert(x[mine]).relu()
        return self.head(hidden)


class AllExperts(nn.Module):
    """The same, computed for all examples."""

    def __init__(self, of: Experts):
        super().__init__()
        self.router, self.experts, self.head = of.router, of.experts, of.head

    def forward(self, x: Tensor) -> Tensor:
        shares, chosen = self.router(x).softmax(1).max(1)
        outputs = torch.stack([expert(x) for expert in self.experts], 1).relu()
        return self.head(shares.unsqueeze(1) * outputs[torch.arange(len(x)), chosen])


class Residual(nn.Module):
    """A block whose branch is added by an operation of choice."""

    def __init__(self, add: Callable[[Tensor, Tensor], Tensor] = torch.add):
        super().__init__()
        self.first, self.second = nn.Linear(HIDDEN, HIDDEN), nn.Linear(HIDDEN, HIDDEN)
        self.norm = nn.BatchNorm1d(HIDDEN)
        self.add = add

    def forward(self, x: Tensor) -> Tensor:
        return self.add(self.second(F.relu(self.norm(self.first(x)))), x)


def residual() -> nn.Sequential:
    """Two residual blocks between linear layers."""
    return nn.Sequential(
        nn.Linear(WIDTH, HIDDEN), nn.Sequential(Residual(), Residual()), nn.ReLU(), nn.Linear(HIDDEN, 3)
    )


def added_in_place(network: nn.Sequential) -> nn.Module:
    """The same with additions in place."""

    def in_place(branch: Tensor, x: Tensor) -> Tensor:
        branch += x
        return branch

    for block in network[1]:
        block.add = in_place
    return network


def convolutional(norm: Callable[[int], nn.Module] = nn.BatchNorm2d) -> nn.Sequential:
    """Two convolutions with normalizations of a kind."""
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), norm(8), nn.ReLU(), nn.AvgPool2d(2),
        nn.Conv2d(8, 12, 3), norm(12), nn.ReLU(), nn.Flatten(), nn.Linear(48, 3),
    )  # fmt: skip


class ReshapedConvolutions(nn.Module):
    """The same by functions: pooling by a mean over a view, normalization defined first."""

    def __init__(self, of: nn.Sequential):
        super().__init__()
        self.norms = nn.ModuleList([of[1], of[5]])
        self.head = of[8]
        self.convolutions = nn.ModuleList([of[0], of[4]])

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.norms[0](self.convolutions[0](x)))
        x = F.avg_pool2d(x, 2)
        x = self.norms[1](self.convolutions[1](x)).relu()
        return self.head(x.reshape(x.shape[0], -1))


def one_dimensional() -> nn.Sequential:
    """Convolutions over time."""
    return nn.Sequential(
        nn.Conv1d(3, 8, 3, stride=2), nn.BatchNorm1d(8), nn.ReLU(), nn.Conv1d(8, 12, 2, groups=2), nn.ReLU(),
        nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(12, 3),
    )  # fmt: skip


def depthwise() -> nn.Sequential:
    """A depthwise and a dilated convolution with circular padding, and layers of transposed ones."""
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=2, dilation=2, padding_mode="circular"), nn.ReLU6(),
        nn.Conv2d(6, 6, 3, groups=6), nn.LeakyReLU(0.1), nn.Conv2d(6, 8, 1), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3),
    )  # fmt: skip


def decoder() -> nn.Sequential:
    """A transposed convolution between two others."""
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, stride=2), nn.ReLU(), nn.ConvTranspose2d(4, 4, 2, stride=2), nn.ReLU(),
        nn.Flatten(), nn.Linear(4 * 36, 3),
    )  # fmt: skip


def with_dropout() -> nn.Sequential:
    """Dropout of several kinds."""
    return nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.Dropout2d(0.2), nn.SELU(), nn.AdaptiveMaxPool2d(2), nn.Flatten(),
        nn.AlphaDropout(0.1), nn.Linear(24, 10), nn.FeatureAlphaDropout(0.1), nn.ReLU(), nn.Dropout(0.3), nn.Linear(10, 3),
    )  # fmt: skip


class Spectral(nn.Module):
    """A layer in the frequency domain: a real Fourier transform times complex weights."""

    def __init__(self) -> None:
        super().__init__()
        self.lift = nn.Linear(4, 6)
        self.filters = nn.Parameter(torch.randn(6, 6, 4, dtype=torch.complex64) / 6)
        self.head = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.lift(x).transpose(1, 2)
        spectrum = torch.einsum("bit,iot->bot", torch.fft.rfft(x), self.filters)
        x = F.gelu(torch.fft.irfft(spectrum, n=x.shape[-1]))
        return self.head(x.mean(-1))


class FourierMixing(nn.Module):
    """Mixes positions by a Fourier transform without weights."""

    def __init__(self) -> None:
        super().__init__()
        self.lift, self.norm, self.head = nn.Linear(4, 8), nn.LayerNorm(8), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.lift(x)
        x = self.norm(x + torch.fft.fft2(x).real)
        return self.head(x.mean(1))


class OnlyBuffers(nn.Module):
    """A network that has no parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("matrix", torch.randn(3, WIDTH))

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.matrix.T


def partly_frozen(network: nn.Sequential) -> nn.Module:
    """The first layer is not trained."""
    network[0].requires_grad_(False)
    return network


def frozen(network: nn.Module) -> nn.Module:
    """Nothing is trained."""
    return network.requires_grad_(False)


def lazy() -> nn.Sequential:
    """Layers that learn their sizes from the first input."""
    return nn.Sequential(nn.LazyConv2d(8, 3), nn.LazyBatchNorm2d(), nn.ReLU(), nn.Flatten(), nn.LazyLinear(3))
