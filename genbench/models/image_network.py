"""The frame that all built-in networks for images share: encoder, global average, linear classifier."""

from __future__ import annotations

from torch import Tensor, nn

__all__ = ["ImageNetwork"]


class ImageNetwork(nn.Module):
    """An encoder of feature maps, their average over positions, and a linear classifier.

    Attributes
    ----------
    encoder : Sequential
        From images to feature maps (n, channels, height, width).
    pool : Sequential
        Averages each channel: (n, channels).
    classifier : Linear
    roles : dict
        Names of submodules by role, see `genbench.models.roles`.
    """

    def __init__(self, encoder: nn.Sequential, channels: int, outputs: int, block_outputs: list[str]):
        super().__init__()
        self.encoder = encoder
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.classifier = nn.Linear(channels, outputs)
        self.roles = {
            "block_outputs": [f"encoder.{name}" for name in block_outputs],
            "encoder": ["encoder"],
            "classifier": ["classifier"],
        }

    def forward(self, inputs: Tensor) -> Tensor:
        return self.classifier(self.pool(self.encoder(inputs)))
