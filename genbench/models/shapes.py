"""What shapes of input a network can take, refused with one clear line where it cannot."""

from __future__ import annotations

from genbench.base.data import Task
from genbench.base.errors import InvalidInput

__all__ = ["image_shape"]


def image_shape(task: Task, model: str) -> tuple[int, int, int]:
    """Channels, height and width of a task's inputs.

    Raises
    ------
    InvalidInput
        The inputs are not images.
    """
    if len(task.input_shape) != 3:
        raise InvalidInput(
            f"model '{model}' takes images (channels, height, width), not inputs of shape {task.input_shape}"
        )
    channels, height, width = task.input_shape
    return channels, height, width
