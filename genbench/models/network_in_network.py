"""Networks in networks, as the two large studies of generalization measures train them."""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn

import genbench
from genbench.base.constraints import Count, Probability
from genbench.models.layers import (
    Activation,
    Normalization,
    activation_layer,
    initialize,
    normalization_layer,
)
from genbench.models.shapes import image_shape

__all__ = ["NetworkInNetwork", "network_in_network"]


class NetworkInNetwork(nn.Module):
    """An encoder, a 1 x 1 convolution to the classes, what follows it, and the average over positions."""

    def __init__(
        self, encoder: nn.Sequential, classifier: nn.Conv2d, after: nn.Sequential, block_outputs: list[str]
    ):
        super().__init__()
        self.encoder = encoder
        self.classifier = classifier
        self.after = after
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.roles = {
            "block_outputs": [f"encoder.{name}" for name in block_outputs],
            "encoder": ["encoder"],
            "classifier": ["classifier"],
        }

    def forward(self, inputs: Tensor) -> Tensor:
        """Outputs (n, outputs) for images: the class maps, each averaged over its positions."""
        return self.pool(self.after(self.classifier(self.encoder(inputs))))


@genbench.model(
    source="Lin, Chen & Yan 2014, Network in network; Jiang et al. 2020, section 4; Dziugaite et al. 2020",
    aliases=("nin",),
    capturable=True,
)
def network_in_network(
    task: genbench.Task,
    *,
    depth: Count = 2,
    width: Count = 192,
    dropout: Probability = 0.0,
    activation: Activation = "relu",
    normalization: Normalization = "batch",
    rectified_outputs: bool = False,
) -> nn.Module:
    """Blocks of a 3 x 3 convolution with stride 2 and two of 1 x 1, then 1 x 1 to the classes, then average.

    Jiang et al. vary `depth` over 2, 4, 8 and `width` over 192, 384, 768 (2, 4, 8 times 96). Dziugaite et
    al. vary `depth` over 2 to 5 and `width` over 200, 250, 300, 350, 400 (8 to 16 times 25) and set
    `rectified_outputs`: there the class maps too are normalized and activated, so that no output is
    negative and margins can tie at zero.

    Parameters
    ----------
    task : Task
        With images as inputs.
    depth : int
        Number of blocks, of three convolutions each. A map of one pixel is not halved further.
    width : int
        Channels of all of them.
    dropout : float
        Rate of dropout after each block.
    activation : str
    normalization : {"batch", "layer", "group", "none"}
        Between each convolution and its activation. With ``none`` the convolutions have biases.
    rectified_outputs : bool
        Normalize and activate the class maps before they are averaged.
    """
    channels, _, _ = image_shape(task, "network-in-network")
    bias = normalization == "none"
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for index in range(1, depth + 1):
        block: OrderedDict[str, nn.Module] = OrderedDict()
        for place, (kernel, stride) in enumerate(((3, 2), (1, 1), (1, 1)), 1):
            block[f"convolution{place}"] = nn.Conv2d(
                channels, width, kernel, stride, padding=kernel // 2, bias=bias
            )
            block[f"normalization{place}"] = normalization_layer(normalization, width, spatial=True)
            block[f"activation{place}"] = activation_layer(activation)
            channels = width
        layers[f"block{index}"] = nn.Sequential(OrderedDict(**block, dropout=nn.Dropout(dropout)))
    after: OrderedDict[str, nn.Module] = OrderedDict()
    if rectified_outputs:
        after["normalization"] = normalization_layer(normalization, task.outputs, spatial=True)
        after["activation"] = activation_layer(activation)
    classifier = nn.Conv2d(channels, task.outputs, 1, bias=bias or not rectified_outputs)
    network = NetworkInNetwork(nn.Sequential(layers), classifier, nn.Sequential(after), list(layers))
    initialize(network, network.classifier, activation)
    return network
