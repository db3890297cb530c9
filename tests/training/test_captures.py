"""Outputs of inner modules in `Step.hidden`."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
import torch

from genbench.base.errors import InvalidInput
from genbench.base.values import StopReason
from genbench.contract.regularizer import Regularizer


class HiddenPenalty(Regularizer):
    captures: ClassVar[tuple[str, ...]] = ("0",)

    def penalty(self, step):
        (hidden,) = step.hidden.values()
        assert list(step.hidden) == ["0"]
        assert hidden.requires_grad
        return 0.01 * hidden.square().mean()


def test_captures_are_in_the_graph(problem):
    quiet, plain = problem.train(HiddenPenalty()), problem.train()
    norm = [(problem.inputs @ each.final_state["0.weight"].T).norm() for each in (quiet, plain)]
    assert norm[0] < norm[1]


def test_captures_by_role(normalized_problem):
    class Normalized(Regularizer):
        captures: ClassVar[tuple[str, ...]] = ("normalizations", "0")

        def loss(self, step, outputs, targets, inner):
            assert sorted(step.hidden) == ["0", "1"]
            shift = step.model.get_submodule("1").bias
            torch.testing.assert_close(step.hidden["1"].mean(0), shift, rtol=0, atol=1e-5)
            return inner(outputs, targets)

    normalized_problem.train(Normalized(), max_epochs=1)


def test_each_sees_its_own_captures_only(normalized_problem):
    class Other(Regularizer):
        captures: ClassVar[tuple[str, ...]] = ("2",)

        def penalty(self, step):
            assert list(step.hidden) == ["2"]

    normalized_problem.train(HiddenPenalty(), Other(), max_epochs=1)


def test_captures_work_with_a_replaced_gradient(problem):
    class Averaged(Regularizer):
        replaces_gradient: ClassVar[bool] = True

        def gradient(self, step, inner):
            for name, each in step.per_example_gradients().items():
                step.model.get_parameter(name).grad = each.mean(0)
            assert step.hidden == {}
            return step.example_losses.mean()

    replaced, plain = problem.train(HiddenPenalty(), Averaged()), problem.train(HiddenPenalty())
    torch.testing.assert_close(replaced.final_state, plain.final_state, rtol=1e-5, atol=1e-6)


def test_a_loss_may_differentiate_by_what_is_captured(problem):
    class JacobianPenalty(Regularizer):
        captures: ClassVar[tuple[str, ...]] = ("0",)

        def loss(self, step, outputs, targets, inner):
            top = outputs.gather(1, targets[:, None]).sum()
            (jacobian,) = torch.autograd.grad(top, step.hidden["0"], create_graph=True)
            return inner(outputs, targets) + 0.1 * jacobian.square().sum(1).mean()

    assert problem.train(JacobianPenalty()).stop_reason is StopReason.MAX_EPOCHS


def test_an_empty_role_beside_a_full_one_is_no_problem(problem):
    class Both(Regularizer):
        captures: ClassVar[tuple[str, ...]] = ("normalizations", "classifier")

        def penalty(self, step):
            assert list(step.hidden) == ["2"]

    problem.train(Both(), max_epochs=1)


def test_nothing_but_empty_roles_is_a_problem(problem):
    class Normalized(Regularizer):
        captures: ClassVar[tuple[str, ...]] = ("normalizations",)

    with pytest.raises(InvalidInput, match="'Normalized': the network has no modules in the roles norm"):
        problem.train(Normalized())


def test_unknown_captures_are_named_before_training(problem):
    class Wrong(Regularizer):
        captures: ClassVar[tuple[str, ...]] = ("normalisations", "layer")

    rows: list[Any] = []
    with pytest.raises(InvalidInput) as caught:
        problem.train(Wrong(), on_epoch=rows.append)
    assert len(caught.value.problems) == 2
    assert "'Wrong': the network has no module or role 'normalisations'" in caught.value.problems[0]
    assert rows == []
