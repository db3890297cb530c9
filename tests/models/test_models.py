"""What holds for every family."""

import copy
import re

import pytest
import torch
from torch import nn

import genbench
from genbench.contract.protocol import Protocol
from genbench.host.settings import check
from genbench.host.signatures import describe
from genbench.models.alexnet import small_alexnet
from genbench.models.convnet import convnet
from genbench.models.flattened_convnets import all_convolutional, five_layer_convnet, three_layer_convnet
from genbench.models.inception import small_inception
from genbench.models.mlp import mlp
from genbench.models.network_in_network import network_in_network
from genbench.models.residual_mlp import residual_mlp
from genbench.models.resnet import resnet
from genbench.models.rnn import rnn
from genbench.models.timm import timm
from genbench.models.torchvision import torchvision
from genbench.models.wide_resnet import wide_resnet
from genbench.networks.roles import ROLES, module_roles
from genbench.training.capturable import why_not_capturable
from genbench.training.member import Assignment, Member

IMAGES = genbench.Task("classification", (3, 16, 16), 5)
GRAY = genbench.Task("classification", (1, 8, 8), 10)
SEQUENCE = genbench.Task("classification", (7, 3), 4)
VECTOR = genbench.Task("classification", (12,), 3)
REGRESSION = genbench.Task("regression", (3, 16, 16), 2)

FAMILIES = {
    "mlp": (mlp, {"width": 16, "depth": 2, "normalization": "batch", "dropout": 0.1}),
    "convnet": (convnet, {"width": 8, "depth": 3, "normalization": "layer", "dropout": 0.1}),
    "all-convolutional": (all_convolutional, {"width": 8, "activation": "polynomial"}),
    "three-layer-convnet": (three_layer_convnet, {"width": 4, "padding": 2}),
    "five-layer-convnet": (five_layer_convnet, {"width": 4}),
    "small-alexnet": (small_alexnet, {"width": 6, "dropout": 0.1}),
    "small-inception": (small_inception, {}),
    "network-in-network": (network_in_network, {"width": 8, "dropout": 0.1, "rectified_outputs": True}),
    "residual-mlp": (residual_mlp, {"width": 5, "depth": 9, "skip": 3}),
    "resnet": (resnet, {"depth": 8, "width": 4}),
    "wide-resnet": (wide_resnet, {"depth": 10, "widen_factor": 1, "dropout": 0.1}),
    "rnn-elman": (rnn, {"cell": "elman", "width": 8, "depth": 2, "dropout": 0.1}),
    "rnn-gru": (rnn, {"cell": "gru", "width": 8}),
    "rnn-lstm": (rnn, {"cell": "lstm", "width": 8}),
    "timm": (timm, {"architecture": "resnet10t", "small_stem": True}),
    "torchvision": (torchvision, {"architecture": "mobilenet_v3_small"}),
}
TASKS = {family: [IMAGES, REGRESSION, GRAY] for family in FAMILIES}
for flat in ("mlp", "residual-mlp"):
    TASKS[flat] += [VECTOR, SEQUENCE]
for recurrent in ("rnn-elman", "rnn-gru", "rnn-lstm"):
    TASKS[recurrent] += [SEQUENCE]

CASES = [(family, task) for family, tasks in TASKS.items() for task in tasks]
OWN = [family for family in FAMILIES if family not in ("timm", "torchvision")]
FOR_IMAGES = [family for family in FAMILIES if VECTOR not in TASKS[family] and "rnn" not in family]


def build(family: str, task: genbench.Task, seed: int = 0, **settings) -> nn.Module:
    torch.manual_seed(seed)
    builder, usual = FAMILIES[family]
    return builder(task, **{**usual, **settings})


def examples(task: genbench.Task, count: int = 6) -> torch.Tensor:
    return torch.randn(count, *task.input_shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("family", "task"), CASES)
def test_outputs_have_the_shape_of_the_task(family, task):
    model = build(family, task)
    assert model.training
    assert model(examples(task)).shape == (6, task.outputs)


@pytest.mark.parametrize("family", FAMILIES)
def test_two_steps_change_the_weights_and_keep_them_finite(family):
    model = build(family, IMAGES)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    before = copy.deepcopy(model.state_dict())
    for _ in range(2):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(examples(IMAGES)), torch.arange(6) % 5)
        loss.backward()
        optimizer.step()
    assert loss.isfinite()
    assert all(parameter.grad is not None for parameter in model.parameters())
    assert any(not torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert all(value.isfinite().all() for value in model.state_dict().values())


@pytest.mark.parametrize("family", FAMILIES)
def test_same_seed_same_weights(family):
    one, again, other = (build(family, IMAGES, seed).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("family", FAMILIES)
def test_evaluation_is_deterministic_and_examples_are_independent(family):
    model = build(family, IMAGES).eval()
    inputs = examples(IMAGES)
    with torch.no_grad():
        outputs = model(inputs)
        assert torch.equal(outputs, model(inputs))
        assert torch.allclose(outputs[2:4], model(inputs[2:4]), atol=1e-5)


@pytest.mark.parametrize("family", OWN)
def test_functional_call_and_per_example_gradients(family):
    model = build(family, IMAGES, dropout=0.0) if "dropout" in FAMILIES[family][1] else build(family, IMAGES)
    model.eval()
    parameters, inputs = dict(model.named_parameters()), examples(IMAGES)

    def loss(weights, example):
        return torch.func.functional_call(model, weights, (example[None],)).square().sum()

    each = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0))(parameters, inputs)
    model(inputs[3:4]).square().sum().backward()
    for name, parameter in parameters.items():
        assert torch.allclose(each[name][3], parameter.grad, rtol=1e-3, atol=1e-4), name


@pytest.mark.parametrize("family", OWN)
def test_can_be_traced(family):
    model = build(family, IMAGES).eval()
    traced = torch.fx.symbolic_trace(model)
    assert torch.equal(traced(examples(IMAGES)), model(examples(IMAGES)))


@pytest.mark.parametrize("family", OWN)
def test_no_module_is_used_at_two_places(family):
    """Hooks would mix up what they see; the steps of a recurrent layer are one place."""
    model, calls = build(family, IMAGES), []
    for module in model.modules():
        if not list(module.children()):
            module.register_forward_hook(lambda module, *_: calls.append(module))
    model(examples(IMAGES))
    repeated = {module for module in calls if calls.count(module) > 1}
    unrolled = {
        part for layer in model.modules() if hasattr(layer, "steps") for part in (layer.recurrent, layer.cell)
    }
    assert repeated == unrolled


@pytest.mark.parametrize("family", FAMILIES)
def test_roles_name_modules(family):
    model = build(family, IMAGES)
    roles = module_roles(model)
    assert set(roles) == set(ROLES)
    for names in roles.values():
        for name in names:
            model.get_submodule(name)
    if family in OWN:
        assert roles["encoder"] == ["encoder"]
        assert roles["classifier"] == ["classifier"]
    assert roles["block_outputs"]
    assert isinstance(model.get_submodule(roles["classifier"][0]), nn.Linear | nn.Conv2d)


@pytest.mark.parametrize("family", FOR_IMAGES)
def test_vectors_are_refused_by_networks_for_images(family):
    with pytest.raises(genbench.InvalidInput, match=r"takes images .* not inputs of shape \(12,\)"):
        build(family, VECTOR)


@pytest.mark.parametrize("normalization", ["batch", "layer", "group", "none"])
@pytest.mark.parametrize(
    "family", [each for each in OWN if "rnn" not in each and each != "three-layer-convnet"]
)
def test_every_normalization_fits(family, normalization):
    model = build(family, IMAGES, normalization=normalization)
    assert model(examples(IMAGES)).isfinite().all()
    assert bool(module_roles(model)["normalizations"]) == (normalization != "none")


@pytest.mark.parametrize(
    ("component", "given", "complaint"),
    [
        (mlp, {"width": 0}, "greater than or equal to 1"),
        (mlp, {"depth": 1.5}, "integer"),
        (mlp, {"dropout": 1.0}, "less than 1"),
        (mlp, {"activation": "rellu"}, "did you mean 'relu'"),
        (convnet, {"normalization": "bath"}, "did you mean 'batch'"),
        (convnet, {"widht": 3}, "did you mean 'width'"),
        (resnet, {"depth": 21}, r"6n \+ 2, such as 20 or 26, not 21"),
        (resnet, {"depth": -3}, r"6n \+ 2, such as 8 or 14"),
        (wide_resnet, {"depth": 18}, r"6n \+ 4, such as 16 or 22"),
        (rnn, {"cell": "lstmm"}, "did you mean 'lstm'"),
        (residual_mlp, {"skip": -1}, "greater than or equal to 0"),
        (residual_mlp, {"initialization": "uniorm"}, "did you mean 'uniform'"),
        (three_layer_convnet, {"biases": "frist"}, "did you mean 'first'"),
        (small_alexnet, {"normalization": "local-respons"}, "did you mean 'local-response'"),
        (all_convolutional, {"activation": "polynomal"}, "did you mean 'polynomial'"),
        (all_convolutional, {"polynomial_degree": 1}, "greater than or equal to 2"),
        (timm, {"architecture": "resnet81"}, "did you mean 'resnet"),
        (torchvision, {"architecture": "vgg1"}, "did you mean 'vgg1"),
    ],
)
def test_bad_settings_are_refused_when_a_suite_is_read(component, given, complaint):
    _, problems = check(describe(component, "core"), given)
    assert len(problems) == 1
    assert re.search(complaint, problems[0])


@pytest.mark.parametrize(
    ("family", "settings", "complaint"),
    [
        ("mlp", {"activation": "rellu"}, "did you mean 'relu'"),
        ("mlp", {"normalization": "bath"}, "did you mean 'batch'"),
        ("resnet", {"depth": 21}, "such as 20 or 26"),
        ("wide-resnet", {"depth": 18}, "such as 16 or 22"),
        ("rnn-gru", {"cell": "lstmm"}, "elman, gru, lstm"),
        ("timm", {"architecture": "resnet81"}, "did you mean"),
        ("torchvision", {"architecture": "vgg1"}, "did you mean"),
    ],
)
def test_bad_settings_are_refused_when_building(family, settings, complaint):
    with pytest.raises(genbench.InvalidInput, match=complaint):
        build(family, IMAGES, **settings)


@pytest.mark.parametrize("family", OWN)
def test_a_replayed_training_step_is_the_step(family):
    task = TASKS[family][0]
    generator = torch.Generator().manual_seed(0)
    targets = torch.randint(task.outputs, (6,), generator=generator)
    given = Assignment(
        model=build(family, task), task=task, inputs=torch.randn(6, *task.input_shape, generator=generator),
        targets=targets, clean_targets=targets, protocol=Protocol(learning_rate=0.01), regularizers=(),
        seeds={"order": 1, "augmentation": 2, "dropout": 3, "regularizer": 4},
    )  # fmt: skip
    assert why_not_capturable(given) == ""


@pytest.mark.parametrize("family", OWN)
def test_a_training_on_the_cpu_has_the_bits_of_calls_where_its_steps_are_replayed(family):
    task = TASKS[family][0]
    generator = torch.Generator().manual_seed(0)
    targets = torch.randint(task.outputs, (15,), generator=generator)
    inputs = torch.randn(15, *task.input_shape, generator=generator)
    outcomes = []
    for capturable in (None, True):
        torch.manual_seed(1)
        given = Assignment(
            model=build(family, task), task=task, inputs=inputs, targets=targets, clean_targets=targets,
            protocol=Protocol(learning_rate=0.01, batch_size=4, max_epochs=3), regularizers=(),
            seeds={"order": 1, "augmentation": 2, "dropout": 3, "regularizer": 4}, capturable=capturable,
        )  # fmt: skip
        outcomes.append(Member(given, torch.device("cpu")).train())
    called, replayed = outcomes
    assert replayed.history == called.history
    assert all(torch.equal(each, called.final_state[name]) for name, each in replayed.final_state.items())
