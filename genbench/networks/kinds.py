"""Kinds of modules whatever their number of dimensions: torch's own base classes, which are private there."""

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm as BatchNorm
from torch.nn.modules.conv import _ConvNd as Convolution
from torch.nn.modules.conv import _ConvTransposeNd as TransposedConvolution
from torch.nn.modules.dropout import _DropoutNd as Dropout

__all__ = ["BatchNorm", "Convolution", "Dropout", "TransposedConvolution", "is_batch_norm", "is_empty"]


def is_batch_norm(module: nn.Module) -> bool:
    """Whether a module is a batch norm, also one with an activation built in."""
    return isinstance(module, BatchNorm)


def is_empty(module: nn.Module) -> bool:
    """Whether a layer has a weight without elements: no inputs or no outputs, hence no influence."""
    weight = getattr(module, "weight", None)
    return isinstance(weight, Tensor) and weight.numel() == 0
