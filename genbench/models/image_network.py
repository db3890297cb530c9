"""The frame that the built-in networks for images share: encoder, pooling, linear classifier."""

from __future__ import annotations

from torch import Tensor, nn

__all__ = ["ImageNetwork"]


class ImageNetwork(nn.Module):
    """An encoder of feature maps, what makes vectors of them, and a linear classifier.

    Parameters
    ----------
    encoder : Sequential
    features : int
        Length of the vectors: the number of channels where each is averaged.
    outputs : int
    block_outputs : list of str
        Names of the encoder's submodules that end its blocks or layers.
    pool : Module, optional
        The average over positions where left out; ``nn.Flatten()`` for the whole map.
    bias : bool
        Of the classifier.

    Attributes
    ----------
    encoder : Sequential
        From images to feature maps (n, channels, height, width).
    pool : Module
        From feature maps to vectors (n, features).
    classifier : Linear
    roles : dict
        Names of submodules by role, see `genbench.networks.roles`.
    """

    def __init__(
        self,
        encoder: nn.Sequential,
        features: int,
        outputs: int,
        block_outputs: list[str],
        *,
        pool: nn.Module | None = None,
        bias: bool = True,
    ):
        super().__init__()
        self.encoder = encoder
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()) if pool is None else pool
        self.classifier = nn.Linear(features, outputs, bias=bias)
        self.roles = {
            "block_outputs": [f"encoder.{name}" for name in block_outputs],
            "encoder": ["encoder"],
            "classifier": ["classifier"],
        }

    def forward(self, inputs: Tensor) -> Tensor:
        """Outputs (n, outputs) for images (n, channels, height, width)."""
        return self.classifier(self.pool(self.encoder(inputs)))
