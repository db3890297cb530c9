"""The penalties on derivatives, spectral norms and paths against closed forms and loops."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from genbench.base.errors import InvalidInput
from genbench.contract.regularizer import Step, Training
from genbench.regularizers.path_norm import sum_over_paths


def step_of(problem, model, state=None, outputs=None):
    step = Step(model=model, inputs=problem.inputs, targets=problem.targets, criterion=F.cross_entropy)
    step.generator, step.state, step.outputs = torch.Generator().manual_seed(0), state, outputs
    return step


def started(problem, spelled, variant, model):
    """The penalty on a network, after the power method's first steps where there are any."""
    own = spelled(variant)
    training = Training(
        model=model, task=problem.task, inputs=problem.inputs, targets=problem.targets,
        protocol=problem.protocol, device=torch.device("cpu"), steps_per_epoch=1,
        generator=torch.Generator().manual_seed(0),
    )  # fmt: skip
    return own.penalty(step_of(problem, model, own.start(training))), own


def squared_jacobians(model, inputs):
    """‖∂f/∂x‖_F² of each example, output by output."""
    found = []
    for one in inputs:
        matrix = torch.autograd.functional.jacobian(lambda x: model(x.unsqueeze(0))[0], one)
        found.append(float(matrix.square().sum()))
    return found


def test_geometric_complexity_agrees_with_a_loop(problem, spelled):
    model = problem.network().double()
    double = problem.with_(inputs=problem.inputs.double())
    expected = 0.3 * sum(squared_jacobians(model, double.inputs)) / 24
    exact = spelled("geometric-complexity[strength=0.3,estimate=exact]").penalty(step_of(double, model))
    assert exact.item() == pytest.approx(expected, rel=1e-6)
    drawn = spelled("geometric-complexity[strength=0.3,draws=2000]").penalty(step_of(double, model))
    assert drawn.item() == pytest.approx(expected, rel=0.02)


def test_geometric_complexity_of_a_linear_network_is_the_norm_of_its_matrix(problem, spelled):
    model = nn.Linear(5, 3)
    found = spelled("geometric-complexity[strength=1,estimate=exact]").penalty(step_of(problem, model))
    torch.testing.assert_close(found, model.weight.square().sum())


def test_gradient_norm(problem, spelled):
    model = problem.network().double()
    inputs = problem.inputs.double()
    loss = F.cross_entropy(model(inputs), problem.targets)
    loss.backward()
    expected = 0.7 * sum(float(each.grad.square().sum()) for each in model.parameters())
    step = step_of(problem, model, outputs=model(inputs))
    assert spelled("gradient-norm[strength=0.7]").penalty(step).item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    "variant",
    [
        "gradient-norm[strength=0.5]",
        "geometric-complexity[strength=0.5,estimate=exact]",
        "spectral-norm[strength=0.5,iterations=60]",
        "spectral-product[strength=0.5,iterations=60]",
        "path-norm[strength=0.5]",
    ],
)
def test_the_gradient_is_that_of_the_loss_with_its_penalty(problem, gradients_of, variant):
    model = problem.network().double()
    double = problem.with_(inputs=problem.inputs.double())
    gradients, _ = gradients_of(double, variant, model=model)
    losses = []
    for move in (1e-6, -2e-6):
        model.encoder.layer2.linear.weight.data[1, 2] += move
        losses.append(gradients_of(double, variant, model=model)[1])
    slope = (losses[0] - losses[1]) / 2e-6
    found = gradients["encoder.layer2.linear.weight"][1, 2]
    torch.testing.assert_close(found, slope, rtol=1e-4, atol=1e-7)


def matrix_of(convolution, shape):
    """The matrix of a convolution without bias, column by column."""
    size = math.prod(shape)
    units = torch.eye(size).reshape(size, *shape)
    return F.conv2d(units, convolution.weight, None, convolution.stride, convolution.padding).flatten(1).T


def exact_values(images, kernel):
    model = images.network()
    first, second = (each for each in model.modules() if isinstance(each, nn.Conv2d))
    if kernel == "operator":
        matrices = [matrix_of(first, (2, 8, 8)), matrix_of(second, (4, 8, 8))]
    else:
        matrices = [first.weight.flatten(1), second.weight.flatten(1)]
    matrices.append(model.classifier.weight)
    return torch.stack([torch.linalg.matrix_norm(each, 2) for each in matrices])


@pytest.mark.parametrize("kernel", ["operator", "reshaped"])
def test_spectral_penalties(images, spelled, kernel):
    values = exact_values(images, kernel).detach()
    settings = f"strength=0.5,iterations=400,kernel={kernel}"
    product = float(values.square().prod())
    expected = {
        f"spectral-norm[{settings}]": 0.5 * float(values.square().sum()),
        f"spectral-product[{settings}]": 0.5 * math.log(product),
        f"spectral-product[{settings},form=hinge,bound=2]": 0.5 * max(0.0, product - 2),
        f"spectral-product[{settings},form=hinge,bound=1e9]": 0.0,
    }
    for variant, wanted in expected.items():
        found, _ = started(images, spelled, variant, images.network())
        assert found.item() == pytest.approx(wanted, rel=1e-3)


def test_one_step_of_the_power_method_a_step_follows_the_weights(problem, spelled):
    model = problem.network()
    _, own = started(problem, spelled, "spectral-norm[strength=1]", model)
    outcome = problem.train("spectral-norm[strength=0.05]", max_epochs=30)
    weights = [each for name, each in outcome.final_state.items() if name.endswith("weight")]
    before = [each for name, each in outcome.initial_state.items() if name.endswith("weight")]
    norms = [sum(float(torch.linalg.matrix_norm(w, 2)) for w in each) for each in (before, weights)]
    assert norms[1] < norms[0]
    assert own.strength == 1


def slow_sum_over_paths(model, features):
    """Squared weights multiplied along every path, biases being inputs of their own."""
    layers = [model.encoder.layer1.linear, model.encoder.layer2.linear, model.classifier]
    reached = [1.0] * features
    for layer in layers:
        reached = [
            sum(layer.weight[i, j].item() ** 2 * reached[j] for j in range(len(reached)))
            + layer.bias[i].item() ** 2
            for i in range(layer.out_features)
        ]
    return sum(reached)


def test_path_norm(problem, spelled):
    model = problem.network().double()
    for layer in (model.encoder.layer1.linear, model.encoder.layer2.linear, model.classifier):
        nn.init.normal_(layer.bias)
    double = problem.with_(inputs=problem.inputs.double())
    expected = slow_sum_over_paths(model, 5)
    forms = {"norm": math.sqrt(expected), "square": expected, "log": math.log(expected)}
    for form, wanted in forms.items():
        found = spelled(f"path-norm[strength=0.5,form={form}]").penalty(step_of(double, model))
        assert found.item() == pytest.approx(0.5 * wanted, rel=1e-6)


@pytest.mark.parametrize("variant", ["batch-norm", "gl", "gld"])
def test_path_norm_agrees_with_the_probe(problem, variant):
    import genbench

    model = problem.network(variant).double().train()
    model(problem.inputs.double())
    if variant == "gl":
        model.encoder.generalization_layer.skip.fill_(0.3)
    values = genbench.evaluate(
        model.eval(), problem.inputs.double(), problem.targets, measures=["path_norm[fold=false]"]
    )
    found = sum_over_paths(model.train(), problem.inputs[:1].double())
    assert found.item() == pytest.approx(float(values["path_norm[fold=false]"]), rel=1e-6)
    assert model.training


@pytest.mark.parametrize(
    ("name", "setting"),
    [
        ("jacobian", "strength"), ("geometric-complexity", "strength"), ("gradient-norm", "strength"),
        ("spectral-norm", "strength"), ("spectral-product", "strength"), ("path-norm", "strength"),
        ("weight-decay", "strength"), ("langevin", "noise"), ("sharpness-aware", "radius"),
        ("mixup", "alpha"), ("label-noise", "rate"), ("generalization-layer", "blocks"),
        ("generalization-layer-dropout", "rate"), ("jacobian", "threshold"),
    ],
)  # fmt: skip
def test_less_than_nothing_is_refused(spelled, name, setting):
    with pytest.raises(InvalidInput, match=f"{setting} = -1: should be greater than or equal to 0"):
        spelled(f"{name}[{setting}=-1]")


def test_the_shortcut_never_vanishes(spelled):
    with pytest.raises(InvalidInput, match="final_skip = 0: should be greater than 0"):
        spelled("gl[final_skip=0]")
