"""A step recorded as its operators and played again: on the CPU, what a CUDA graph is on the device.

As in a graph, each operator works on the very memory that it had when it was recorded, numbers on the host
are those of the recording, and no Python runs; whoever looks at a value on the host cannot be recorded.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from genbench.networks.operators import Call, CannotRecord, Recorder, Streams, is_view, tensors_in
from genbench.training.device_steps import CannotCapture

__all__ = ["Tape"]


class Tape:
    """A recorded function; the class is a `genbench.training.device_steps.Capture`.

    Unlike a CUDA graph's capture, the recording runs the function; tensors that it changed are put back.

    Parameters
    ----------
    function : callable
    generators : list of torch.Generator
        Of which it draws, besides torch's global one.

    Raises
    ------
    CannotCapture
        It looks at values.
    """

    def __init__(self, function: Callable[[], None], generators: list[torch.Generator]):
        streams, recorder = Streams(generators), Recorder()
        states = streams.now()
        try:
            with recorder.recording():
                function()
        except CannotRecord as why:
            raise CannotCapture(str(why)) from None
        finally:
            streams.go_back(states)
            recorder.put_back()
        # A view is one of memory that is played into anyway.
        self._played = [(each, _made_by(each)) for each in recorder.calls if not is_view(each.operator)]

    def replay(self) -> None:
        """Play the operators again."""
        with torch.no_grad():
            for call, made in self._played:
                found = call.operator(*call.given, **call.named)
                if made:
                    for old, new in zip(made, tensors_in(found), strict=True):
                        old.copy_(new)


def _made_by(call: Call) -> list[Tensor]:
    """The tensors that it returned and that are none which it was given."""
    written = any(each.alias_info is not None for each in call.operator._schema.returns)
    return [] if written else tensors_in(call.found)
