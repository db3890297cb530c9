"""What a plan will take: time, memory and disk, predicted from the networks' arithmetic before anything runs.

Networks are built without memory (on torch's meta device) where that works, which also finds those that
cannot be built.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from genbench.canonical import canonical_json
from genbench.components import Kind
from genbench.errors import GenbenchError, InvalidInput
from genbench.fitting import parts, plain_settings
from genbench.host import Host
from genbench.plan import Trial
from genbench.training.protocol import Protocol

__all__ = ["CPU_CORE", "GPU", "Hardware", "Prediction", "predict"]


@dataclass(frozen=True)
class Hardware:
    """Sustained speed on networks of this size, and what every layer costs in a step beside arithmetic."""

    flops: float
    seconds_per_layer: float
    seconds_per_step: float


GPU = Hardware(flops=1.2e13, seconds_per_layer=6e-5, seconds_per_step=4e-4)
"""A data-centre GPU in float32, one fit at a time."""

CPU_CORE = Hardware(flops=4e10, seconds_per_layer=3e-5, seconds_per_step=2e-4)
"""One core of a server."""


@dataclass(frozen=True)
class Prediction:
    """Sums over the trials that are asked about.

    Attributes
    ----------
    gpu_hours, core_hours : float
        Training on one GPU, one fit at a time, or on one core.
    memory_bytes : float
        Of the largest fit in training: weights, gradients, momentum, activations of a batch, data.
    disk_bytes : float
        Of all the weights that are kept.
    """

    gpu_hours: float = 0.0
    core_hours: float = 0.0
    memory_bytes: float = 0.0
    disk_bytes: float = 0.0


@dataclass(frozen=True)
class _Network:
    """One network's arithmetic: forward FLOPs and activations of one example, weights, layers."""

    flops: float
    activations: float
    weights: float
    layers: int


def predict(trials: Iterable[Trial], host: Host, states: int = 2) -> Prediction:
    """Predict what training these trials takes.

    Parameters
    ----------
    states : int
        How many state dictionaries are kept of each fit.

    Raises
    ------
    InvalidInput
        A network cannot be built for its task; one line for each kind of network.
    """
    networks: dict[str, _Network] = {}
    problems: dict[str, None] = {}
    gpu = core = memory = disk = 0.0
    for trial in trials:
        regularizers = [[each.name, each.settings] for each in trial.regularizers]
        known = canonical_json([trial.model.name, trial.model.settings, trial.task.input_shape, regularizers])
        if known not in networks:
            try:
                networks[known] = _measure(trial, host)
            except (GenbenchError, ValueError, TypeError, RuntimeError) as fault:
                problems[f"model '{trial.model.name}' for dataset '{trial.dataset.name}': {fault}"] = None
                networks[known] = _Network(0, 0, 0, 0)
        network = networks[known]
        protocol, _ = parts(trial, host)
        examples = _examples(trial)
        gpu += _seconds(network, protocol, examples, GPU)
        core += _seconds(network, protocol, examples, CPU_CORE)
        memory = max(memory, _memory(network, protocol, examples, math.prod(trial.task.input_shape)))
        disk += 4 * network.weights * states
    if problems:
        raise InvalidInput(problems)
    return Prediction(gpu / 3600, core / 3600, memory, disk)


# Sizes of the training splits of the named data sets; anything else counts as this many examples.
_TRAIN_SIZES = {"digits": 899, "mnist": 60_000, "fashion-mnist": 60_000, "svhn": 73_257, "polynomial": 100}
_USUAL_TRAIN_SIZE = 50_000


def _examples(trial: Trial) -> int:
    whole = _TRAIN_SIZES.get(trial.dataset.name, _USUAL_TRAIN_SIZE) - trial.splits["validation_size"]
    return trial.splits["train_size"] or whole


def _seconds(network: _Network, protocol: Protocol, examples: int, hardware: Hardware) -> float:
    epochs = protocol.expected_epochs
    steps = epochs * math.ceil(examples / protocol.batch_size)
    # Forward and backward are three forward passes; the evaluation after each epoch is a fourth.
    arithmetic = 4 * network.flops * examples * epochs / hardware.flops
    return arithmetic + steps * (hardware.seconds_per_step + network.layers * hardware.seconds_per_layer)


def _memory(network: _Network, protocol: Protocol, examples: int, input_size: int) -> float:
    batch = min(protocol.batch_size, examples)
    return 4 * (4 * network.weights + 2 * network.activations * batch + examples * input_size)


def _measure(trial: Trial, host: Host) -> _Network:
    try:
        return _arithmetic(trial, host, "meta")
    except (NotImplementedError, RuntimeError):
        # Some networks look at their values, which a shape-only one does not have; the others fail again.
        with torch.random.fork_rng(devices=[]):
            return _arithmetic(trial, host, "cpu")


def _arithmetic(trial: Trial, host: Host, device: str) -> _Network:
    """Build the network and send two examples through it, counting."""
    component = host.find(Kind.MODEL, trial.model.name)
    with torch.device(device):
        model = component.object(trial.task, **plain_settings(trial.model.settings))
        for regularizer in parts(trial, host)[1]:
            model = regularizer.build(model, trial.task)
    model = model.to(device).eval()
    weights = sum(each.numel() for each in model.parameters())
    leaves = [each for each in model.modules() if not list(each.children())]
    activations = 0.0

    def count(module: nn.Module, inputs: Any, output: Any) -> None:
        nonlocal activations
        outputs = output if isinstance(output, tuple) else (output,)
        activations += sum(each.numel() for each in outputs if isinstance(each, torch.Tensor)) / 2

    hooks = [each.register_forward_hook(count) for each in leaves]
    counter = FlopCounterMode(display=False)
    try:
        with counter, torch.no_grad():
            model(torch.zeros(2, *trial.task.input_shape, device=device))
    finally:
        for hook in hooks:
            hook.remove()
    # Every weight is used at least once an example, whatever the counter knows of the operators.
    return _Network(max(counter.get_total_flops() / 2, 2.0 * weights), activations, weights, len(leaves))
