"""What a plan will take: time, memory and disk, predicted from the networks' arithmetic before anything runs.

Networks are built without memory (on torch's meta device) where that works, which also finds those that
cannot be built.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.modules.module import register_module_parameter_registration_hook
from torch.overrides import TorchFunctionMode

from genbench.base.canonical import canonical_json
from genbench.base.errors import GenbenchError, InvalidInput, first_line
from genbench.contract.protocol import Protocol
from genbench.contract.regularizer import Planned, check_planned
from genbench.fitting.building import BuiltTrial, build
from genbench.fitting.cards import Card
from genbench.host import Host
from genbench.networks.compiler import flop_counter, import_no_compiler
from genbench.networks.watching import watched
from genbench.planning.plan import Trial
from genbench.training.captures import captured_modules
from genbench.training.outcome import MILESTONES

__all__ = ["CPU_CORE", "GPU", "Hardware", "Prediction", "predict"]


_USUAL_TRAIN_SIZE = 50_000
"""Examples of a data set that does not declare how many it has."""


COPIES_IN_TRAINING = 3
"""Of the weights, at least: themselves, their gradients, what they were at the start."""

LARGEST_TRAINING = 1e14
"""Bytes that no machine has for one fit; less than this may be planned here and run elsewhere."""

_SMALL = 2**18
"""Weights, or numbers of an input, up to which two examples are sent through a network with values."""

MOST_WEIGHT_TENSORS = 10_000
"""Weights and biases counted as tensors: those of five thousand layers, which take seconds to build."""


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
    card_hours : float
        Training on the card that was asked about, several fits side by side.
    memory_bytes : float
        Of the largest fit in training: weights, gradients, momentum, activations of a batch, data.
    disk_bytes : float
        Of all the weights that are kept.
    gpu_seconds, core_seconds : tuple of float
        Of each trial, in the order in which they were given.
    layers : tuple of int
        Of each trial's network, in the same order.
    """

    gpu_hours: float = 0.0
    core_hours: float = 0.0
    memory_bytes: float = 0.0
    disk_bytes: float = 0.0
    gpu_seconds: tuple[float, ...] = ()
    core_seconds: tuple[float, ...] = ()
    card_hours: float = 0.0
    layers: tuple[int, ...] = ()


@dataclass(frozen=True)
class _Network:
    """One network's arithmetic: forward FLOPs and activations of one example, weights, layers.

    The network itself is kept where regularizers look at it; it may have shapes only.
    """

    flops: float
    activations: float
    weights: float
    layers: int
    model: nn.Module | None = None


def predict(
    trials: Iterable[Trial],
    host: Host,
    keep: Sequence[str | Mapping[str, Any]] = ("initial", "final"),
    memory_here: float | None = None,
    card: Card | None = None,
    on_cuda: bool | None = None,
) -> Prediction:
    """Predict what training these trials takes.

    Parameters
    ----------
    keep : sequence
        What the suite keeps of each fit.
    memory_here : float, optional
        Bytes of memory of the machine that is to train them.
    card : Card, optional
        For `Prediction.card_hours`.
    on_cuda : bool, optional
        Whether they are trained there, where pictures of eight bits stay bytes; so with a card where left
        out. Data that nobody has prepared yet are counted as floats.

    Raises
    ------
    InvalidInput
        A network cannot be built for its task, is too large for any machine or for this one, or its
        regularizers cannot be used on it; one line for each kind of network.
    """
    states, distances = _kept(keep)
    on_cuda = card is not None if on_cuda is None else on_cuda
    bytes_held: dict[str, bool] = {}
    networks: dict[str, _Network] = {}
    problems: dict[str, None] = {}
    checked: set[str] = set()
    gpu: list[float] = []
    core: list[float] = []
    layers: list[int] = []
    memory = disk = on_card = 0.0
    for trial in trials:
        regularizers = [[each.name, each.settings] for each in trial.regularizers]
        known = canonical_json([trial.model.name, trial.model.settings, trial.task.input_shape, regularizers])
        where = f"model '{trial.model.name}' for dataset '{trial.dataset.name}'"
        built = build(trial, host)
        if known not in networks:
            try:
                networks[known] = _measure(built)
                _check_size(networks[known], memory_here)
            except Exception as fault:  # a model is anybody's code
                problems[f"{where}: {_one_line(fault)}"] = None
                networks[known] = _Network(0, 0, 0, 0)
        network = networks[known]
        protocol, stack = built.protocol, built.regularizers
        use = canonical_json(
            [known, trial.dataset.name, trial.protocol.settings, trial.splits]
        )  # the same for every seed
        if trial.regularizers and network.model is not None and use not in checked:
            checked.add(use)
            try:
                _check(network.model, built)
            except InvalidInput as fault:
                problems.update(dict.fromkeys(f"{where}: {each}" for each in fault.problems))
        examples = built.train_examples or _USUAL_TRAIN_SIZE - trial.splits["validation_size"]
        step_cost = math.prod(each.step_cost for each in stack)
        gpu.append(_seconds(network, protocol, examples, GPU, step_cost))
        core.append(_seconds(network, protocol, examples, CPU_CORE, step_cost))
        layers.append(network.layers)
        on_card += _seconds_on(card, network, protocol, examples, step_cost) if card else 0.0
        batch = min(protocol.batch_size, examples)
        gradients = sum(each.gradient_memory(int(network.weights), batch) for each in stack)
        data = 4 * examples * math.prod(trial.task.input_shape)
        if on_cuda and _holds_bytes(built, bytes_held):
            # The whole split, of which all training sets are parts.
            data = (built.split_examples or examples) * math.prod(trial.task.input_shape)
        memory = max(memory, _memory(network, batch, gradients) + data)
        disk += 4 * (network.weights * states + distances)
    if problems:
        raise InvalidInput(problems)
    return Prediction(
        sum(gpu) / 3600, sum(core) / 3600, memory, disk, tuple(gpu), tuple(core),
        card_hours=on_card / 3600, layers=tuple(layers),
    )  # fmt: skip


def _holds_bytes(built: BuiltTrial, known: dict[str, bool]) -> bool:
    """Whether a trial's data are bytes; each data set is looked at once."""
    chosen = built.trial.dataset
    name = canonical_json([chosen.name, chosen.settings, built.trial.checksum])
    if name not in known:
        known[name] = built.holds_bytes
    return known[name]


def _check_size(network: _Network, memory_here: float | None) -> None:
    """Refuse a network whose weights alone, as often as training holds them, fit nowhere or not here."""
    needed = 4.0 * COPIES_IN_TRAINING * network.weights
    if needed > min(LARGEST_TRAINING, memory_here or LARGEST_TRAINING):
        limit = f"; this machine has {memory_here / 1e9:,.0f} GB" if memory_here else ""
        raise InvalidInput(
            f"its {network.weights:,.0f} weights would take at least {needed / 1e9:,.0f} GB of memory in "
            f"training{limit}"
        )


def _one_line(fault: Exception) -> str:
    """What a network's construction complains of; torch puts its own frames below the first line."""
    if isinstance(fault, GenbenchError):
        return str(fault)
    speaks_for_itself = isinstance(fault, ValueError | TypeError | RuntimeError)
    return first_line(fault) if speaks_for_itself else f"{type(fault).__name__}: {first_line(fault)}"


def _kept(keep: Sequence[str | Mapping[str, Any]]) -> tuple[int, int]:
    """How many state dictionaries, and how many distances between points of training, are kept of a fit."""
    counts = {what: count for each in keep if isinstance(each, Mapping) for what, count in each.items()}
    words = [each for each in keep if each in ("initial", "final")]
    milestones = len(MILESTONES) if "milestones" in keep else 0
    # Distances of each pair once, in single precision as the weights.
    return len(words) + milestones + counts.get("snapshots", 0), counts.get("trajectory", 0) ** 2 // 2


def _check(model: nn.Module, built: BuiltTrial) -> None:
    """Let the regularizers look at the network that they were built into."""
    captured_modules(model, built.regularizers, built.trial.task)
    planned = Planned(
        model=model, task=built.trial.task, protocol=built.protocol, examples=built.train_examples,
        validation=built.trial.splits["validation_size"],
    )  # fmt: skip
    check_planned(built.regularizers, planned)


def _seconds(
    network: _Network, protocol: Protocol, examples: int, hardware: Hardware, step_cost: float
) -> float:
    epochs = protocol.expected_epochs
    steps = epochs * math.ceil(examples / protocol.batch_size)
    # Forward and backward are three forward passes; the evaluation after each epoch is a fourth.
    arithmetic = (3 * step_cost + 1) * network.flops * examples * epochs / hardware.flops
    layers = step_cost * network.layers * hardware.seconds_per_layer
    return arithmetic + steps * (hardware.seconds_per_step + layers)


def _seconds_on(card: Card, network: _Network, protocol: Protocol, examples: int, step_cost: float) -> float:
    """Share of a card's time, where other trainings run beside and steps are captured."""
    return card.training_seconds(
        flops=network.flops, numbers=network.activations, layers=network.layers, examples=examples,
        steps=math.ceil(examples / protocol.batch_size), epochs=protocol.expected_epochs,
        step_cost=step_cost, precision=protocol.precision,
    )  # fmt: skip


def _memory(network: _Network, batch: int, gradients: float) -> float:
    return gradients + 4 * (4 * network.weights + 2 * network.activations * batch)


def _measure(built: BuiltTrial) -> _Network:
    try:
        model = _network(built, "meta")
        # Without values torch imports its compiler for a pass, for longer than that of a small network takes.
        # A plugin's network runs with values in workers only, which it may kill.
        foreign = ":" in built.trial.model.name
        if foreign or _weights(model) > _SMALL or math.prod(built.trial.task.input_shape) > _SMALL:
            return _arithmetic(built, model, "meta")
    except RuntimeError:
        # Some networks look at their values, which a shape-only one does not have; the others fail again.
        pass
    with torch.random.fork_rng(devices=[]):
        return _arithmetic(built, _network(built, "cpu"), "cpu")


@contextmanager
def _counted_weights() -> Iterator[None]:
    """Stop the construction of a network that would go on for minutes."""
    count = 0

    def registered(*given: Any) -> None:
        nonlocal count
        count += 1
        if count > MOST_WEIGHT_TENSORS:
            raise InvalidInput(
                f"it has more than {MOST_WEIGHT_TENSORS:,} tensors of weights and biases; make it less deep"
            )

    hook = register_module_parameter_registration_hook(registered)
    try:
        yield
    finally:
        hook.remove()


class _Undrawn(TorchFunctionMode):
    """Inside, tensors without values are drawn by doing nothing: torch would import its compiler for it."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function in (nn.init.normal_, torch.Tensor.normal_):
            drawn = args[0] if args else (kwargs or {}).get("tensor")
            if isinstance(drawn, torch.Tensor) and drawn.is_meta:
                return drawn
        return function(*args, **(kwargs or {}))


def _network(built: BuiltTrial, device: str) -> nn.Module:
    task = built.trial.task
    with torch.device(device), _counted_weights(), _Undrawn():
        model = built.bare_network()
        for regularizer in built.regularizers:
            model = regularizer.build(model, task)
    return model.to(device).eval()


def _weights(model: nn.Module) -> int:
    return sum(each.numel() for each in model.parameters())


def _arithmetic(built: BuiltTrial, model: nn.Module, device: str) -> _Network:
    """Send two examples through the network, counting."""
    task = built.trial.task
    leaves = {name: each for name, each in model.named_modules() if not list(each.children())}
    activations = 0.0

    def count(_: str, given: Any, output: Any) -> None:
        nonlocal activations
        outputs = output if isinstance(output, tuple) else (output,)
        activations += sum(each.numel() for each in outputs if isinstance(each, torch.Tensor)) / 2

    counter = flop_counter()(display=False)
    with counter, torch.no_grad(), watched(leaves, after=count):
        import_no_compiler(getattr(counter.mode, "__torch_dispatch__", None))
        outputs = model(torch.zeros(2, *task.input_shape, device=device))
    if not isinstance(outputs, torch.Tensor) or tuple(outputs.shape) != (2, task.outputs):
        got = tuple(outputs.shape) if isinstance(outputs, torch.Tensor) else type(outputs).__name__
        raise InvalidInput(f"the network returns {got} for two examples, not {(2, task.outputs)}")
    # Every weight is used at least once an example, whatever the counter knows of the operators.
    weights = _weights(model)
    flops = max(counter.get_total_flops() / 2, 2.0 * weights)
    return _Network(flops, activations, weights, len(leaves), model.train() if built.regularizers else None)
