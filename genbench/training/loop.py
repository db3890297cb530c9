"""The training of one network, alone on its device.

Data live on the device, the order and the augmentation of an epoch are drawn before it begins, and on CUDA
nothing within an epoch waits for the device. After each epoch the whole training set is evaluated as it was
trained on, without augmentation; stopping, milestones and the history rest on that figure. What is done when
stands in `genbench.training.phase`, where examples come from in `genbench.training.steps`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from genbench.base.data import Split, Task
from genbench.contract.protocol import Protocol
from genbench.contract.regularizer import Regularizer
from genbench.networks.ambient import ordinary_torch
from genbench.training.capturable import why_not_capturable
from genbench.training.member import Assignment, Member
from genbench.training.outcome import Outcome

__all__ = ["train"]


@ordinary_torch()
def train(
    model: nn.Module,
    task: Task,
    inputs: Tensor,
    targets: Tensor,
    clean_targets: Tensor,
    protocol: Protocol,
    regularizers: Sequence[Regularizer],
    seeds: Mapping[str, int],
    *,
    device: torch.device | str,
    validation: Split | None = None,
    max_seconds: float | None = None,
    snapshots: int = 0,
    trajectory: int = 0,
    milestones: bool = True,
    on_epoch: Callable[[Mapping[str, float | None]], object] | None = None,
) -> Outcome:
    """Train a network in place as its protocol and regularizers say.

    The same arguments give the same bits: on the CPU for one number of threads, on CUDA unless the protocol
    gives up determinism. Torch's global random state is left as it was.

    Parameters
    ----------
    model : Module
        From `build_network`. It is moved to `device` and left there, in evaluation mode.
    task : Task
    inputs : Tensor, shape (n, *task.input_shape)
        Floating point, as the network reads them.
    targets : Tensor, shape (n,) int64, or (n, outputs) float32 in regression
        The labels to train on, noise included.
    clean_targets : Tensor, same shape
        The labels before noise.
    protocol : Protocol
    regularizers : sequence of Regularizer
        The first one is outermost.
    seeds : mapping from stream to int
        Of the streams ``order``, ``augmentation``, ``dropout`` and ``regularizer``, and ``noise`` where the
        protocol pretrains.
    device : torch.device or str
    validation : Split, optional
        Held out of the training split, for regularizers that look at it; never trained on.
    max_seconds : float, optional
        Looked at between steps; beyond it training ends with `StopReason.TIMEOUT`.
    snapshots : int
        Keep at most this many evenly spaced states, and those at the ends of the first epoch and the last.
    trajectory : int
        Record the length of every step, and the distances between this many of the last weights.
    milestones : bool
        Keep the states at the thresholds `MILESTONES`.
    on_epoch : callable, optional
        Called with each new row of the history, the first one included.

    Returns
    -------
    Outcome

    Raises
    ------
    InvalidInput
        The regularizers do not go together or with this network, or the augmentation not with these inputs.
    """
    given = Assignment(
        model=model, task=task, inputs=inputs, targets=targets, clean_targets=clean_targets,
        protocol=protocol, regularizers=regularizers, seeds=seeds, validation=validation,
        max_seconds=max_seconds, snapshots=snapshots, trajectory=trajectory, milestones=milestones,
        on_epoch=on_epoch,
    )  # fmt: skip
    device = torch.device(device)
    why_eager = why_not_capturable(given) if device.type == "cuda" else ""
    return Member(given, device, why_eager=why_eager).train()
