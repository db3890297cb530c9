"""Which depths a residual network for small images can have: three stages of n blocks of two convolutions."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

__all__ = ["ResNetDepth", "WideResNetDepth", "blocks_per_stage"]


def blocks_per_stage(depth: int, outside: int) -> int:
    """The n of a network of 6n + `outside` layers.

    Raises
    ------
    ValueError
        There is no such n.
    """
    blocks, rest = divmod(depth - outside, 6)
    if rest or blocks < 1:
        below = 6 * max(1, blocks) + outside
        raise ValueError(f"depth is 6n + {outside}, such as {below} or {below + 6}, not {depth}")
    return blocks


def _resnet_depth(depth: int) -> int:
    blocks_per_stage(depth, outside=2)
    return depth


def _wide_resnet_depth(depth: int) -> int:
    blocks_per_stage(depth, outside=4)
    return depth


ResNetDepth = Annotated[int, AfterValidator(_resnet_depth)]
"""6n + 2: the first convolution, 6n in blocks, the classifier."""

WideResNetDepth = Annotated[int, AfterValidator(_wide_resnet_depth)]
"""6n + 4: as before, and the two convolutions on shortcuts that change the resolution count too."""
