"""Any classification model of torchvision, untrained."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator
from torch import nn

import genbench
from genbench.base.errors import nearest
from genbench.models.foreign import adapt_stem, check_forward
from genbench.models.shapes import image_shape

__all__ = ["torchvision"]


def _known(architecture: str) -> str:
    import torchvision

    names = torchvision.models.list_models(module=torchvision.models)
    if architecture not in names:
        raise ValueError(f"torchvision has no architecture '{architecture}'{nearest(architecture, names)}")
    return architecture


@genbench.model(source="torchvision.models")
def torchvision(
    task: genbench.Task,
    *,
    architecture: Annotated[str, AfterValidator(_known)] = "resnet18",
    small_stem: bool = False,
) -> nn.Module:
    """A classification model of torchvision with fresh weights; nothing is downloaded.

    Parameters
    ----------
    task : Task
        With images as inputs.
    architecture : str
        A name that ``torchvision.models.list_models(module=torchvision.models)`` lists.
    small_stem : bool
        Keep the resolution of small images: a first convolution of 3 x 3 with stride 1 and no pooling behind
        it. Vision transformers have no such stem.

    Raises
    ------
    InvalidInput
        torchvision has no such architecture, or it cannot take such images or have such a stem.
    """
    import torchvision as library

    channels, height, width = image_shape(task, "torchvision")
    try:
        _known(architecture)
    except ValueError as error:
        raise genbench.InvalidInput(f"model 'torchvision': {error}") from error
    label = f"torchvision[architecture={architecture}]"
    options: dict[str, Any] = {}
    if architecture in ("googlenet", "inception_v3"):
        # Their auxiliary classifiers would return a tuple in training.
        options = {"aux_logits": False, "init_weights": True}
    if architecture.startswith("vit_"):
        options["image_size"] = height
        if small_stem:
            raise genbench.InvalidInput(f"model '{label}' has no small stem: it cuts images into patches")
    elif architecture.startswith("maxvit"):
        options["input_size"] = (height, width)
    try:
        network = library.models.get_model(architecture, weights=None, num_classes=task.outputs, **options)
    except (RuntimeError, ValueError, TypeError, AssertionError) as error:
        raise genbench.InvalidInput(
            f"model '{label}' cannot be built for {task.input_shape}: {error}"
        ) from error
    adapt_stem(network, channels, small_stem)
    check_forward(network, task, label)
    return network
