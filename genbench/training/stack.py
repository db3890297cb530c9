"""Perceptrons of equal shapes that make their steps together, as products of stacks of matrices.

On a CPU a step of a small network is mostly calls, and many networks together need hardly more of them.
Sums are rounded in another order than alone: results agree, their last digits do not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from genbench.base.data import Task
from genbench.contract.regularizer import overrides, regularizer_name
from genbench.training.batches import batch_sizes
from genbench.training.member import Assignment
from genbench.training.steps import Mover, Steps

__all__ = ["Stack", "StackedSteps", "why_not_stackable"]

BYTES = 2**28
"""Of the training sets, shuffled, that a stack holds."""

NUMBERS_EVALUATED = 2**21
"""Outputs of one layer that are held at once where all examples are evaluated."""

POINTWISE = (nn.ReLU, nn.Tanh, nn.Sigmoid, nn.GELU, nn.SiLU, nn.Softplus, nn.ELU, nn.LeakyReLU)

SEES_STEPS = ("batch", "loss", "penalty", "gradient", "after_update", "host_values")
"""Methods of regularizers for which each network must make its own step."""


def why_not_stackable(given: Assignment) -> str:
    """Why a training cannot make its steps in a stack; empty where it can."""
    protocol = given.protocol
    asked = {
        "the optimizer is not SGD": protocol.optimizer != "sgd",
        "it pretrains": protocol.pretrain_epochs > 0,
        "gradients are clipped": protocol.gradient_clip is not None,
        "precision is bfloat16": protocol.precision == "bfloat16",
        "the network is compiled": protocol.compile,
        "there is augmentation": protocol.augmentation != "none",
    }
    for why, so in asked.items():
        if so:
            return why
    for each in given.regularizers:
        if each.reads_outputs or any(overrides(each, method) for method in SEES_STEPS):
            return f"regularizer '{regularizer_name(each)}' takes part in each step"
    return "" if chain(given.model, given.inputs[:1]) else "the network is no chain of plain linear layers"


def chain(model: nn.Module, example: Tensor, *, copies: bool = False) -> list[nn.Module]:
    """The layers of a perceptron in their order: linear ones and functions of single numbers.

    Empty where the network is anything else: where a layer is used twice, its input is not the output of the
    one before, or there are weights or buffers beside those of linear layers.

    Parameters
    ----------
    copies : bool
        The network gets copies of its inputs, as in a training: who feeds its first layer is not seen.
    """
    called: list[tuple[nn.Module, Tensor, Tensor]] = []
    leaves = [each for each in model.modules() if not list(each.children())]
    hooks = [
        each.register_forward_hook(lambda module, given, output: called.append((module, given[0], output)))
        for each in leaves
    ]
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            outputs = model(example)
    finally:
        model.train(was_training)
        for hook in hooks:
            hook.remove()
    layers = [module for module, _, _ in called]
    linear = [each for each in layers if type(each) is nn.Linear]
    owned = {id(each) for layer in linear for each in layer.parameters()}
    plain = (
        {id(each) for each in layers} == {id(each) for each in leaves}
        and len(layers) == len(leaves)
        and all(_is_plain(each) for each in layers)
        and {id(each) for each in model.parameters()} == owned
        and all(each.requires_grad for each in model.parameters())
        and not list(model.buffers())
    )
    if not plain or not linear:
        return []
    whole = [example, *(output for _, _, output in called)]
    fed = [given for _, given, _ in called]
    connected = all(given is before for given, before in zip(fed[copies:], whole[copies:], strict=False))
    if not connected or outputs is not whole[-1]:
        return []
    return [each for each in layers if type(each) in (nn.Linear, *POINTWISE)]


def _is_plain(module: nn.Module) -> bool:
    if isinstance(module, nn.Dropout):
        return module.p == 0
    if isinstance(module, nn.Flatten):
        return (module.start_dim, module.end_dim) == (1, -1)
    nothing = type(module).forward is nn.Identity.forward
    return nothing or type(module) in (nn.Linear, *POINTWISE)


class StackedSteps(Steps):
    """The steps of one training, which a `Stack` makes: what it draws, and what the stack found.

    Attributes
    ----------
    shape : tuple
        Trainings of equal shapes can make their steps together.
    bytes : int
        Of its training set.
    stack : Stack or None
        In which it made its last epoch.
    """

    def __init__(self, mover: Mover):
        training, protocol = mover.training, mover.training.protocol
        self.mover = mover
        self.layers = chain(training.model, training.inputs[:1], copies=True)
        self.parameters = [
            each for layer in self.layers if isinstance(layer, nn.Linear) for each in layer.parameters()
        ]
        self.momenta = [torch.zeros_like(each) for each in self.parameters]
        self.sizes = batch_sizes(len(training.targets), protocol.batch_size)
        self.inputs = training.inputs.flatten(1)
        self.bytes = self.inputs.nbytes
        settings = (protocol.momentum, protocol.nesterov and protocol.momentum > 0)
        self.shape = (
            tuple(repr(each) for each in self.layers), training.task, self.inputs.shape, protocol.batch_size,
            *settings,
        )  # fmt: skip
        groups = mover.optimizer.param_groups
        places = {id(each): place for place, group in enumerate(groups) for each in group["params"]}
        self._groups = [groups[places[id(each)]] for each in self.parameters]
        self.order = torch.empty(0, dtype=torch.int64)
        self.done, self._first = 0, 0
        self.stack: Stack | None = None
        self.loss_sum = 0.0
        self._loss = math.nan
        self._totals: Tensor | None = None

    def begin_epoch(self, index: int) -> None:
        """Draw the order."""
        self.order = self.mover.draw_order()
        self.done, self._first, self.loss_sum = 0, index, 0.0

    def more(self) -> bool:
        """Whether there is another batch."""
        return self.done < len(self.sizes)

    def take(self, epoch: int, index: int) -> bool:
        """Take note of the step that the stack has made."""
        self.done += 1
        if not math.isfinite(self._loss):
            return False
        self.loss_sum += self._loss
        return True

    def totals(self) -> Tensor | None:
        """What the stack found of all examples; once."""
        found, self._totals = self._totals, None
        return found

    def found(self, loss: float) -> None:
        """Hear the loss of the next batch."""
        self._loss = loss

    def evaluated(self, totals: Tensor) -> None:
        """Hear what `totals` tells."""
        self._totals = totals

    def rates(self) -> list[tuple[float, float]]:
        """Learning rate and weight decay of each parameter at the next step."""
        if self.mover.rates.changing:
            self.mover.rates.set(self._first + self.done)
        return [(float(each["lr"]), float(each["weight_decay"])) for each in self._groups]


class Stack:
    """Trainings of one shape, a row each, all at the same place of an epoch.

    Their weights become rows of common tensors, so that whoever looks at a network sees it as it is.

    Parameters
    ----------
    rows : sequence of StackedSteps
    """

    def __init__(self, rows: Sequence[StackedSteps]):
        self.rows = tuple(rows)
        first = rows[0]
        self._task: Task = first.mover.training.task
        self._momentum, self._nesterov = first.shape[-2:]
        self._layers = first.layers
        self._weights = [
            torch.stack([each.detach() for each in column])
            for column in zip(*(row.parameters for row in rows), strict=True)
        ]
        self._momenta = [torch.stack(column) for column in zip(*(row.momenta for row in rows), strict=True)]
        for place, row in enumerate(rows):
            for parameter, weights in zip(row.parameters, self._weights, strict=True):
                parameter.data = weights[place]
            row.momenta = [each[place] for each in self._momenta]
        for weights in self._weights:
            weights.requires_grad_()
        targets = first.mover.training.targets
        self._inputs = torch.empty(len(rows), *first.inputs.shape)
        self._targets = torch.empty(len(rows), *targets.shape, dtype=targets.dtype)
        self._silent: set[int] = set()
        self._changing = any(row.mover.rates.changing for row in rows)

    @staticmethod
    def most(row: StackedSteps) -> int:
        """Rows that a stack of such trainings may have."""
        return max(1, BYTES // max(1, row.bytes))

    def begin_epoch(self) -> None:
        """Shuffle the training set of each row into the order that it has drawn."""
        for place, row in enumerate(self.rows):
            torch.index_select(row.inputs, 0, row.order, out=self._inputs[place])
            torch.index_select(row.mover.training.targets, 0, row.order, out=self._targets[place])
        self._silent.clear()
        self._read_rates()

    def step(self) -> None:
        """Make the next step of all rows; one whose loss is not finite stays where it was."""
        first = next(row for place, row in enumerate(self.rows) if place not in self._silent)
        start, size = sum(first.sizes[: first.done]), first.sizes[first.done]
        if self._changing:
            self._read_rates()
        batch = self._targets[:, start : start + size]
        losses = self._losses(self._outputs(self._inputs[:, start : start + size]), batch).mean(1)
        gradients = list(torch.autograd.grad(losses.sum(), self._weights))
        for place, loss in enumerate(losses.tolist()):
            if place not in self._silent:
                self.rows[place].found(loss)
                if not math.isfinite(loss):
                    self.silence(place)
        with torch.no_grad():
            self._update(gradients)

    def silence(self, place: int) -> None:
        """Move a row no more in this epoch."""
        self._silent.add(place)
        self._mute()

    def evaluate(self) -> None:
        """Tell all rows their totals of the whole training set."""
        widest = max(each.shape[1] for each in self._weights)
        chunk = max(1, NUMBERS_EVALUATED // (len(self.rows) * widest))
        totals = torch.zeros(len(self.rows), 2, dtype=torch.float64)
        with torch.no_grad():
            for inputs, targets in zip(
                self._inputs.split(chunk, 1), self._targets.split(chunk, 1), strict=True
            ):
                outputs = self._outputs(inputs)
                if self._task.kind == "regression":
                    totals[:, 0] += (outputs - targets).double().square().sum((1, 2))
                else:
                    totals[:, 0] += self._losses(outputs, targets).double().sum(1)
                    totals[:, 1] += (outputs.argmax(2) != targets).sum(1)
            if self._task.kind == "regression":
                wanted = self._targets.double()
                totals[:, 1] = (wanted - wanted.mean(1, keepdim=True)).square().sum((1, 2))
        for place, row in enumerate(self.rows):
            if place not in self._silent:
                row.evaluated(totals[place].clone())

    def _outputs(self, inputs: Tensor) -> Tensor:
        """Of all rows, shape (rows, examples, outputs)."""
        weights = iter(self._weights)
        for layer in self._layers:
            if not isinstance(layer, nn.Linear):
                inputs = layer(inputs)
                continue
            matrix = next(weights).transpose(1, 2)
            if layer.bias is None:
                inputs = torch.bmm(inputs, matrix)
            else:
                inputs = torch.baddbmm(next(weights).unsqueeze(1), inputs, matrix)
        return inputs

    def _losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Of each example, shape (rows, examples)."""
        if self._task.kind == "regression":
            return (outputs - targets).square().mean(2)
        losses = F.cross_entropy(outputs.flatten(0, 1), targets.flatten(), reduction="none")
        return losses.view(targets.shape)

    def _update(self, gradients: list[Tensor]) -> None:
        """SGD as torch has it, with a rate and a decay for each row."""
        for place in self._silent:
            for each in gradients:
                each[place].zero_()
        if self._decaying:
            for gradient, weights, decay in zip(gradients, self._weights, self._decays, strict=True):
                gradient.addcmul_(weights, decay)
        if self._momentum:
            torch._foreach_mul_(self._momenta, self._momentum)
            torch._foreach_add_(self._momenta, gradients)
            if self._nesterov:
                torch._foreach_add_(gradients, self._momenta, alpha=self._momentum)
            else:
                gradients = self._momenta
        for weights, update, rate in zip(self._weights, gradients, self._rates, strict=True):
            weights.addcmul_(update, rate, value=-1)

    def _read_rates(self) -> None:
        """Rates and decays as columns beside the rows of each parameter."""
        read = torch.tensor([row.rates() for row in self.rows])
        rates, decays = read.unbind(-1)
        shapes = [(-1, *[1] * (each.dim() - 1)) for each in self._weights]
        self._rates = [rates[:, place].reshape(shape) for place, shape in enumerate(shapes)]
        self._decays = [decays[:, place].reshape(shape) for place, shape in enumerate(shapes)]
        self._decaying = bool(decays.any())
        self._mute()

    def _mute(self) -> None:
        for place in self._silent:
            for each in (*self._rates, *self._decays, *self._momenta):
                each[place] = 0
