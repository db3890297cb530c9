"""Any architecture of timm (PyTorch Image Models), untrained."""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import AfterValidator
from torch import nn

import genbench
from genbench.base.errors import nearest
from genbench.models.foreign import adapt_stem, check_forward
from genbench.models.shapes import image_shape

__all__ = ["timm"]


def _known(architecture: str) -> str:
    import timm

    if not timm.is_model(architecture):
        raise ValueError(
            f"timm has no architecture '{architecture}'{nearest(architecture, timm.list_models())}"
        )
    return architecture


def _patch_side(side: int) -> int:
    """The largest patch that leaves no remainder and makes at least seven patches a side: 4 for 28 and 32."""
    return max(patch for patch in range(1, max(2, side // 7 + 1)) if side % patch == 0)


@genbench.model(source="Wightman 2019, PyTorch Image Models")
def timm(
    task: genbench.Task,
    *,
    architecture: Annotated[str, AfterValidator(_known)] = "resnet18",
    small_stem: bool = False,
) -> nn.Module:
    """An architecture of timm with fresh weights; nothing is downloaded.

    Parameters
    ----------
    task : Task
        With images as inputs.
    architecture : str
        A name that ``timm.list_models()`` lists.
    small_stem : bool
        Keep the resolution of small images: a first convolution of 3 x 3 with stride 1 and no pooling behind
        it; in networks that cut the image into patches, at least seven patches a side.

    Raises
    ------
    InvalidInput
        timm has no such architecture, or it cannot take such images.
    """
    import timm as library

    channels, height, width = image_shape(task, "timm")
    try:
        _known(architecture)
    except ValueError as error:
        raise genbench.InvalidInput(f"model 'timm': {error}") from error
    options: dict[str, Any] = {}
    configuration = library.get_pretrained_cfg(architecture)
    cuts_patches = configuration is not None and configuration.fixed_input_size
    if cuts_patches:
        options["img_size"] = (height, width)
        if small_stem:
            options["patch_size"] = _patch_side(math.gcd(height, width))
    label = f"timm[architecture={architecture}]"
    try:
        network = library.create_model(
            architecture, pretrained=False, num_classes=task.outputs, in_chans=channels, **options
        )
    except (RuntimeError, ValueError, TypeError, AssertionError) as error:
        raise genbench.InvalidInput(
            f"model '{label}' cannot be built for {task.input_shape}: {error}"
        ) from error
    if not cuts_patches:
        adapt_stem(network, channels, small_stem)
    check_forward(network, task, label)
    return network
