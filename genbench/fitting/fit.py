"""One trial, trained: from plain data to the record and the weights that the store keeps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from genbench.fitting.record import normalized_losses
from genbench.fitting.work import FitWork, SharedData
from genbench.host import Host
from genbench.networks.ambient import ordinary_torch
from genbench.planning.plan import Trial
from genbench.planning.suite import Limits

__all__ = ["fit", "normalized_losses"]


@ordinary_torch()
def fit(
    trial: Trial,
    host: Host,
    *,
    root: Path | None,
    device: str,
    keep: Sequence[Any],
    limits: Limits,
    on_epoch: Callable[[Mapping[str, Any]], None] | None = None,
) -> tuple[dict[str, Any], dict[str, dict[str, torch.Tensor]]]:
    """Train one trial.

    Returns
    -------
    record : dict
        Trial, seeds, history, errors, losses and how training ended, in plain data.
    states : dict
        State dictionaries, named as the run folder names them.
    """
    place = torch.device(device)
    work = FitWork(
        trial, host, SharedData(root, place), device=place, keep=keep, limits=limits, on_epoch=on_epoch
    )
    member = work.begin()
    try:
        member.run()
        return work.end(member)
    finally:
        member.close()
