"""The part of an import that runs code of plugins, and the user's own, in the process that was asked for it.

`genbench.fitting.imported` asks. It holds no more of the networks than what is told and written here.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from genbench.base.files import cache_folder
from genbench.base.values import StopReason
from genbench.fitting.checkpoints import put_into, read_weights
from genbench.fitting.factories import find_factory
from genbench.host import Host
from genbench.planning.plan import Trial
from genbench.runs.store import Folder

__all__ = ["HANDED_OVER", "factory", "network"]

HANDED_OVER = "imported"
"""The folder of a process's cache where the weights lie that it read, as those of fits in a run folder."""


def factory(host: Host, word: str) -> dict[str, Any]:
    """What is to be known of a function of the user's: ``parameters``, and ``source``, a hash of its file."""
    found = find_factory(word, host)
    return {"parameters": found.parameters(), "source": found.source_hash()}


def network(
    host: Host, trial: Mapping[str, Any], final: str, initial: str | None, data: str | None
) -> dict[str, Any]:
    """Build the network of a trial, write the weights that two files hold for it, and see how it does.

    Returns
    -------
    dict
        ``outcomes``, errors and losses by their names; ``normalized``, as `normalized_losses` has them;
        ``train_examples`` and ``test_examples``.

    Raises
    ------
    UsageError, InvalidInput
        The files or the data are not there, or are not what they should be.
    """
    import torch

    from genbench.fitting.building import build
    from genbench.fitting.fit import normalized_losses
    from genbench.fitting.splits import load_test
    from genbench.measuring.examples import Examples
    from genbench.measuring.outcomes import loss_and_error

    planned = Trial.from_dict(trial)
    built = build(planned, host)
    states = {}
    for name, file in {"initial": initial, "final": final}.items():
        if file is not None:
            model = built.network().eval()
            put_into(model, read_weights(Path(file)), Path(file))
            states[name] = model.state_dict()
    prepared, given = built.training_data(None if data is None else Path(data), opened=("train", "test"))
    test = load_test(prepared, mean=given.mean, std=given.std, test_size=planned.splits["test_size"])
    examples = {"train": (given.inputs, given.targets), "test": (test.inputs, test.targets)}
    outcomes: dict[str, float] = {}
    for split, (inputs, targets) in examples.items():
        loss, error = loss_and_error(model, Examples(inputs, targets, None))
        outcomes |= {f"{split}_loss": loss, f"{split}_error": error}
    # No more than a record must hold: who asked makes the one of the run.
    record = {"trial": planned.as_dict(), "stop_reason": str(StopReason.REQUESTED)}
    Folder(cache_folder() / HANDED_OVER).write_fit(planned.key, record, states)
    return {
        "outcomes": outcomes,
        "normalized": normalized_losses(model, planned.task, examples, torch.device("cpu")),
        "train_examples": len(given.targets),
        "test_examples": len(test.targets),
    }
