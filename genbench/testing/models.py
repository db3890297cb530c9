"""Laws of a model: a network for a task that trains, copies, saves and evaluates as every part relies on."""

from __future__ import annotations

import copy
import io
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from genbench.base.data import Task
from genbench.base.errors import GenbenchError, first_line
from genbench.contract.components import Kind
from genbench.networks.roles import ROLES, module_roles
from genbench.testing.laws import Broken, Laws, leave_out
from genbench.testing.problems import examples
from genbench.testing.witness import module_state

__all__ = ["ModelLaws"]

TASKS: Mapping[str, Task] = {
    "colour images": Task("classification", (3, 16, 16), 5),
    "gray images": Task("classification", (1, 8, 8), 10),
    "vectors": Task("classification", (12,), 3),
    "sequences": Task("classification", (7, 3), 4),
    "numbers of images": Task("regression", (3, 16, 16), 2),
    "numbers of vectors": Task("regression", (12,), 2),
}
"""What a model is tried for; it refuses what it is not made for with `InvalidInput`."""


class ModelLaws(Laws):
    """Laws of a model.

    Attributes
    ----------
    tasks : mapping from name to Task
        The tasks that it is tried for. It must take at least one, and refuse the others with
        `genbench.InvalidInput`.
    """

    kind = Kind.MODEL
    tasks: ClassVar[Mapping[str, Task]] = TASKS

    def build(self, task: Task, seed: int = 0) -> nn.Module:
        """The network, initialized from a seed, the random streams as they were behind it."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return self.make_for(task)

    def make_for(self, task: Task) -> Any:
        """What the component returns for a task."""
        return self.subject.object(task, **self.chosen)

    def taken(self) -> Iterator[tuple[str, Task, nn.Module]]:
        """Each task that it takes, with a network for it."""
        found = self.once("taken", self._taken)
        for name, task in found.items():
            yield name, task, self.build(task)

    def _taken(self) -> dict[str, Task]:
        found, refusals = {}, []
        for name, task in self.tasks.items():
            try:
                self.build(task)
            except GenbenchError as why:
                refusals.append(f"{name}: {first_line(why)}")
                continue
            found[name] = task
        if not found:
            raise Broken(f"it refuses every task; {'; '.join(refusals)}")
        return found

    def test_it_refuses_with_a_line(self) -> None:
        """A task that it is not made for is refused with `InvalidInput`, and one at least is taken."""
        try:
            self.once("taken", self._taken)
        except Broken:
            raise
        except Exception as fault:
            raise Broken(
                f"it raises {type(fault).__name__}, where a task that it cannot take is refused with "
                f"genbench.InvalidInput: {first_line(fault)}"
            ) from fault

    def test_it_returns_a_module(self) -> None:
        """What it returns is a `torch.nn.Module`, in training mode."""
        for name, _, model in self.taken():
            if not isinstance(model, nn.Module):
                raise Broken(f"for {name} it returns a {type(model).__name__}, not a torch.nn.Module")
            if not model.training:
                raise Broken(f"for {name} the network is not in training mode")

    def test_outputs_have_the_shape_of_the_task(self) -> None:
        """For n inputs it returns one tensor of shape (n, task.outputs)."""
        for name, task, model in self.taken():
            outputs = model(_inputs(task))
            if not isinstance(outputs, Tensor) or outputs.shape != (6, task.outputs):
                got = tuple(outputs.shape) if isinstance(outputs, Tensor) else type(outputs).__name__
                raise Broken(f"for {name} it returns {got} for 6 examples, not {(6, task.outputs)}")

    def test_every_parameter_is_trained(self) -> None:
        """There are parameters, and the gradient of the loss reaches each that is not frozen."""
        for name, task, model in self.taken():
            trained = {each: value for each, value in model.named_parameters() if value.requires_grad}
            if not trained:
                raise Broken(f"for {name} it has no parameters to train")
            _loss(model, task).backward()
            untouched = [each for each, value in trained.items() if value.grad is None]
            if untouched:
                raise Broken(f"for {name} no gradient reaches {', '.join(untouched[:3])}")

    def test_two_steps_keep_it_finite(self) -> None:
        """Two steps of gradient descent leave the weights finite."""
        for name, task, model in self.taken():
            optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
            for _ in range(2):
                optimizer.zero_grad()
                _loss(model, task).backward()
                optimizer.step()
            after = model.state_dict()
            if not all(each.isfinite().all() for each in after.values() if each.is_floating_point()):
                raise Broken(
                    f"for {name} two steps at a learning rate of 0.01 leave weights that are not finite"
                )

    def test_the_same_seed_gives_the_same_weights(self) -> None:
        """Weights are drawn from torch's global stream, which is seeded: not from NumPy's, nor anew."""
        for name, task, _ in self.taken():
            one, again, other = (self.build(task, seed).state_dict() for seed in (0, 0, 1))
            if one.keys() != again.keys() or not all(torch.equal(one[each], again[each]) for each in one):
                raise Broken(f"for {name} the same seed gives other weights")
            if all(torch.equal(one[each], other[each]) for each in one):
                raise Broken(f"for {name} every seed gives the same weights")

    def test_the_state_makes_a_round_trip(self) -> None:
        """Its state, saved and loaded into a new network, gives the same outputs to the last bit."""
        for name, task, model in self.taken():
            _loss(model, task).backward()
            model.eval()
            file = io.BytesIO()
            torch.save(model.state_dict(), file)
            file.seek(0)
            other = self.build(task, seed=1).eval()
            other.load_state_dict(torch.load(file, weights_only=True))
            inputs = _inputs(task)
            with torch.no_grad():
                if not torch.equal(model(inputs), other(inputs)):
                    raise Broken(
                        f"for {name} a network with the same state answers otherwise: something that "
                        "counts is neither parameter nor buffer"
                    )

    def test_evaluation_is_deterministic(self) -> None:
        """In evaluation mode the same inputs give the same outputs."""
        for name, task, model in self.taken():
            model.eval()
            with torch.no_grad():
                if not torch.equal(model(_inputs(task)), model(_inputs(task))):
                    raise Broken(f"for {name} two passes in evaluation mode differ")

    def test_examples_do_not_see_one_another_in_evaluation(self) -> None:
        """In evaluation mode an example's outputs do not depend on what else is in the batch."""
        for name, task, model in self.taken():
            model.eval()
            inputs = _inputs(task)
            with torch.no_grad():
                if not torch.allclose(model(inputs)[2:4], model(inputs[2:4]), atol=1e-5):
                    raise Broken(f"for {name} an example's outputs depend on its batch")

    def test_a_batch_of_one_is_taken(self) -> None:
        """In evaluation mode it takes a batch of one example and returns one row."""
        for name, task, model in self.taken():
            with torch.no_grad():
                outputs = model.eval()(_inputs(task)[:1])
            if outputs.shape != (1, task.outputs):
                raise Broken(f"for {name} a batch of one gives {tuple(outputs.shape)}")

    def test_evaluation_changes_nothing(self) -> None:
        """A pass in evaluation mode changes neither network nor inputs."""
        for name, task, model in self.taken():
            inputs = _inputs(task)
            before = module_state(model.eval())
            with torch.no_grad():
                model(inputs)
            after = module_state(model)
            for what in ("weights", "buffers", "mode"):
                if not all(_equal(before[what][each], after[what][each]) for each in before[what]):
                    raise Broken(f"for {name} a pass in evaluation mode changes {what}")
            if not torch.equal(inputs, _inputs(task)):
                raise Broken(f"for {name} a pass writes into the inputs")

    def test_double_precision_is_taken(self) -> None:
        """Made double, it computes in double precision: it makes no tensors of a type of its own."""
        for name, task, model in self.taken():
            with torch.no_grad():
                outputs = model.double().eval()(_inputs(task).double())
            if outputs.dtype != torch.float64:
                raise Broken(f"for {name} its outputs are {outputs.dtype} where all else is double")

    def test_it_can_be_copied(self) -> None:
        """A deep copy gives the same outputs and shares nothing."""
        for name, task, model in self.taken():
            model.eval()
            other = copy.deepcopy(model)
            with torch.no_grad():
                same = torch.equal(model(_inputs(task)), other(_inputs(task)))
            shared = {each.data_ptr() for each in model.parameters()} & {
                each.data_ptr() for each in other.parameters()
            }
            if not same or shared:
                raise Broken(f"for {name} a copy {'shares weights' if shared else 'answers otherwise'}")

    def test_it_has_its_shapes_without_values(self) -> None:
        """Built on torch's meta device it has the parameters that it has elsewhere: plans rest on them."""
        for name, task, model in self.taken():
            try:
                with torch.device("meta"):
                    there = self.make_for(task)
            except RuntimeError as fault:
                leave_out(f"it looks at its values when it is built: {first_line(fault)}")
            shapes = [{key: value.shape for key, value in each.named_parameters()} for each in (model, there)]
            if shapes[0] != shapes[1]:
                raise Broken(f"for {name} it has other parameters when it is built for a plan")

    def test_its_roles_are_modules(self) -> None:
        """Roles name modules that there are; regularizers look for some."""
        for name, _, model in self.taken():
            modules = dict(model.named_modules())
            roles = module_roles(model)
            unknown = set(getattr(model, "roles", {})) - set(ROLES)
            absent = [each for names in roles.values() for each in names if each not in modules]
            if unknown or absent:
                raise Broken(f"for {name}: no such role or module: {', '.join([*unknown, *absent])}")

    def test_a_step_can_be_captured(self) -> None:
        """Its forward and backward pass can be captured as a CUDA graph, as fast training does."""
        if not torch.cuda.is_available():
            leave_out("torch finds no GPU here")
        for name, task, model in self.taken():
            try:
                _capture(model.cuda(), task)
            except RuntimeError as fault:
                raise Broken(f"for {name} its pass cannot be captured: {first_line(fault)}") from fault


def _capture(model: nn.Module, task: Task) -> None:
    inputs, targets = (each.cuda() for each in _batch(task))
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            _criterion(task)(model(inputs), targets).backward()
    torch.cuda.current_stream().wait_stream(stream)
    model.zero_grad(set_to_none=True)
    with torch.cuda.graph(torch.cuda.CUDAGraph()):
        _criterion(task)(model(inputs), targets).backward()


def _batch(task: Task) -> tuple[Tensor, Tensor]:
    made = examples(task.input_shape, 6, task.outputs, task.kind)
    return made.inputs, made.targets


def _inputs(task: Task) -> Tensor:
    return _batch(task)[0]


def _criterion(task: Task) -> Any:
    return F.cross_entropy if task.kind == "classification" else F.mse_loss


def _loss(model: nn.Module, task: Task) -> Tensor:
    inputs, targets = _batch(task)
    return _criterion(task)(model.train()(inputs), targets)


def _equal(first: Any, second: Any) -> bool:
    return torch.equal(first, second) if isinstance(first, Tensor) else first == second
