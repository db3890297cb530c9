"""`jacobian` against one backward pass for each layer and example."""

import pytest
import torch
from torch import nn

from genbench.base.data import Task
from genbench.base.errors import InvalidInput
from genbench.contract.regularizer import Step
from genbench.models.wide_resnet import wide_resnet
from genbench.networks.roles import module_roles
from genbench.regularizers.jacobian import margins


def penalty(problem, spelled, variant, model, targets=None):
    """As the loop calls it: after a forward pass that filled `outputs` and `hidden`."""
    own = spelled(variant)
    targets = problem.targets if targets is None else targets
    step = Step(model=model, inputs=problem.inputs, targets=targets, criterion=None)
    roles = module_roles(model)
    for name in [each for role in own.captures for each in roles[role]]:
        model.get_submodule(name).register_forward_hook(
            lambda module, _, output, name=name: step.hidden.__setitem__(name, output)
        )
    step.outputs = model(problem.inputs)
    return own.penalty(step)


def slow_penalty(model, names, inputs, targets, strength, threshold):
    """One example and one layer at a time."""
    total = 0.0
    for index in range(len(inputs)):
        for name in names:
            kept = []
            hook = model.get_submodule(name).register_forward_hook(lambda m, _, o, kept=kept: kept.append(o))
            outputs = model(inputs[index : index + 1])[0]
            hook.remove()
            label = int(targets[index])
            margin = outputs[label] - max(outputs[j] for j in range(len(outputs)) if j != label)
            (slope,) = torch.autograd.grad(margin, kept[0])
            square = float((slope**2).sum())
            total += square if square >= threshold else 0.0
    return strength * total / len(inputs)


@pytest.mark.parametrize("threshold", [0.0, 0.1, 0.6])
def test_agrees_with_a_loop(problem, spelled, threshold):
    double = problem.with_(inputs=problem.inputs.double())
    model = double.network().double()
    names = ["encoder.layer1", "encoder.layer2"]
    found = penalty(double, spelled, f"jacobian[strength=0.3,threshold={threshold}]", model)
    expected = slow_penalty(model, names, double.inputs, problem.targets, 0.3, threshold)
    assert found.item() == pytest.approx(expected, rel=1e-6)


def test_class_probabilities_count_as_their_most_probable_class(problem, spelled):
    model = problem.network()
    soft = nn.functional.one_hot(problem.targets, 3) * 0.7 + 0.1
    first, second = (penalty(problem, spelled, "jacobian", model, each) for each in (problem.targets, soft))
    torch.testing.assert_close(first, second)


def test_margins():
    outputs = torch.tensor([[1.0, 3.0, 2.0], [0.0, -1.0, 5.0]])
    assert margins(outputs, torch.tensor([1, 0])).tolist() == [1.0, -5.0]


def test_layers_are_those_of_the_paper(spelled):
    model = wide_resnet(Task("classification", (3, 8, 8), 3), depth=10, widen_factor=1)
    roles = module_roles(model)
    captured = [name for role in spelled("jacobian").captures for name in roles[role]]
    blocks = [f"encoder.stage{stage}.0" for stage in (1, 2, 3)]
    assert captured[:3] == blocks
    inside = [f"{block}.normalization{index}" for block in blocks for index in (1, 2)]
    assert captured[3:] == inside
    assert set(roles["normalizations"]) - set(inside) == {"encoder.head.0"}


def test_gradient_is_that_of_loss_and_penalty(problem, gradients_of):
    """Finite differences of the loss that is reported."""
    model = problem.network().double()
    double = problem.with_(inputs=problem.inputs.double())
    gradients, _ = gradients_of(double, "jacobian[strength=0.5,threshold=0]", model=model)
    weight = model.encoder.layer2.linear.weight
    losses = []
    for move in (1e-6, -2e-6):
        weight.data[0, 0] += move
        losses.append(gradients_of(double, "jacobian[strength=0.5,threshold=0]", model=model)[1])
    slope = (losses[0] - losses[1]) / 2e-6
    torch.testing.assert_close(gradients["encoder.layer2.linear.weight"][0, 0], slope, rtol=1e-5, atol=1e-8)


def test_a_penalty_that_runs_the_network_itself_does_not_disturb_it(problem, gradients_of):
    plain, _ = gradients_of(problem)
    alone, _ = gradients_of(problem, "jacobian[strength=0.5]")
    other, _ = gradients_of(problem, "geometric-complexity[estimate=exact]")
    both, _ = gradients_of(problem, "geometric-complexity[estimate=exact]", "jacobian[strength=0.5]")
    for name, each in both.items():
        torch.testing.assert_close(each, alone[name] + other[name] - plain[name], rtol=1e-4, atol=1e-6)


def test_an_operation_in_place_behind_a_layer_leaves_it_alone(problem, gradients_of):
    def network(in_place):
        torch.manual_seed(0)
        layers = [nn.Linear(5, 6), nn.BatchNorm1d(6), nn.ReLU(inplace=in_place), nn.Linear(6, 3)]
        model = nn.Sequential(*layers)
        model.roles = {"block_outputs": ["1"]}
        return model

    first, _ = gradients_of(problem, "jacobian[strength=1]", model=network(False))
    second, _ = gradients_of(problem, "jacobian[strength=1]", model=network(True))
    for name, each in first.items():
        torch.testing.assert_close(each, second[name])


def test_regression_and_networks_without_blocks_are_refused(regression, problem):
    with pytest.raises(InvalidInput, match="'jacobian': is of the classification margin"):
        regression.train("jacobian")
    with pytest.raises(InvalidInput, match="no modules in the roles block_normalizations"):
        problem.train("jacobian[at=normalizations]")
