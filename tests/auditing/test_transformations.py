"""Changes of a fit: what they do to its function, and what they leave alone."""

import copy

import pytest
import torch

from genbench import NotApplicable, Task
from genbench.auditing.transformations import TRANSFORMATIONS, hidden_layers, transformed
from genbench.models.resnet import resnet
from genbench.models.rnn import rnn
from genbench.networks.passes import chunks

RELU = ["mlp", "convnet", "convnet-batch-norm", "flattened"]
OF_UNITS = ["relu_rescaling_layers", "relu_rescaling_units", "unit_permutation"]


def networks(roots):
    """Every network of a fit: trained, initial, siblings, and those kept along training."""
    kept = []
    for _, state in roots["snapshots"]:
        kept.append(copy.deepcopy(roots["model"]))
        kept[-1].load_state_dict(state)
    return [roots["model"], roots["initial_model"], *roots["siblings"], *kept]


@pytest.mark.parametrize("name", RELU)
@pytest.mark.parametrize("change", OF_UNITS)
def test_the_function_of_every_network_stays_and_its_weights_move(roots, name, change):
    given = roots(name)
    changed = transformed(given, TRANSFORMATIONS[change])
    inputs = given["inputs"]
    for before, after in zip(networks(given), networks(changed), strict=True):
        torch.testing.assert_close(after(inputs), before(inputs), rtol=1e-9, atol=1e-9)
        pairs = zip(after.parameters(), before.parameters(), strict=True)
        assert not all(torch.allclose(*pair) for pair in pairs)
    assert changed["history"] == given["history"]


def test_weights_before_batch_norm_are_scaled_with_what_it_remembers(roots):
    given = roots("convnet-batch-norm")
    changed = transformed(given, TRANSFORMATIONS["batch_norm_scaling"])
    for before, after in zip(networks(given), networks(changed), strict=True):
        torch.testing.assert_close(after(given["inputs"]), before(given["inputs"]), rtol=1e-9, atol=1e-9)
        weights = [each.encoder.layer1.convolution.weight for each in (after, before)]
        torch.testing.assert_close(weights[0], 4 * weights[1])


@pytest.mark.parametrize("name", [*RELU, "mlp-tanh"])
def test_renamed_classes_are_renamed_in_network_and_targets(roots, name):
    given = roots(name)
    changed = transformed(given, TRANSFORMATIONS["class_permutation"])
    before, after = given["model"](given["inputs"]), changed["model"](given["inputs"])
    assert not torch.equal(changed["targets"], given["targets"])
    rows = torch.arange(len(before))
    torch.testing.assert_close(after[rows, changed["targets"]], before[rows, given["targets"]])
    torch.testing.assert_close(after.sort(1).values, before.sort(1).values)


def test_logits_are_doubled(roots):
    given = roots("mlp")
    changed = transformed(given, TRANSFORMATIONS["logit_scaling"])
    for before, after in zip(networks(given), networks(changed), strict=True):
        torch.testing.assert_close(after(given["inputs"]), 2 * before(given["inputs"]))


def test_what_is_given_is_left_alone(roots):
    given = roots("convnet-batch-norm")
    before = copy.deepcopy(given["model"].state_dict())
    for change in TRANSFORMATIONS.values():
        transformed(given, change)
    for name, tensor in given["model"].state_dict().items():
        assert torch.equal(tensor, before[name])
    assert given["model"](given["inputs"]).dtype == torch.float64


def test_single_precision_reaches_everything(roots):
    changed = transformed(roots("mlp"), TRANSFORMATIONS["float32"])
    tensors = [p for each in networks(changed) for p in each.parameters()]
    tensors += [t for _, state in changed["snapshots"] for t in state.values()] + [changed["inputs"]]
    assert {each.dtype for each in tensors} == {torch.float32}


def test_batches_are_small_inside_and_as_before_outside():
    inputs, device = torch.zeros(20, 3), torch.device("cpu")
    with TRANSFORMATIONS["batch_size"].computation():
        assert [part.stop - part.start for part in chunks(inputs, device)] == [7, 7, 7]
    assert len(list(chunks(inputs, device))) == 1


def test_hidden_layers_are_found_with_their_batch_norm_and_reader(roots):
    given = roots("convnet-batch-norm")
    found = hidden_layers(given["model"], given["inputs"])
    assert [(each.layer, each.norm, each.reader) for each in found] == [
        ("encoder.layer1.convolution", "encoder.layer1.normalization", "encoder.layer2.convolution"),
        ("encoder.layer2.convolution", "encoder.layer2.normalization", "classifier"),
    ]


@pytest.mark.parametrize(
    ("model", "change", "reason"),
    [
        (lambda task: resnet(task, depth=8, width=4), "relu_rescaling_units", "the network branches"),
        (lambda task: rnn(task, cell="elman", width=4), "unit_permutation", "no chain of layers"),
        (lambda task: torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 3)), "unit_permutation",
         "no hidden layers"),
        (lambda task: torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 3)), "batch_norm_scaling",
         "no hidden layers"),
    ],
)  # fmt: skip
def test_where_a_change_cannot_be_made_that_is_said(model, change, reason):
    torch.manual_seed(0)
    task = Task("classification", (1, 8, 8), 3)
    given = {
        "model": model(task).eval(),
        "inputs": torch.randn(5, 1, 8, 8),
        "targets": torch.zeros(5),
        "task": task,
    }
    with pytest.raises(NotApplicable, match=reason):
        transformed(given, TRANSFORMATIONS[change])


@pytest.mark.parametrize("change", ["relu_rescaling_layers", "relu_rescaling_units"])
def test_factors_do_not_pass_a_curved_activation(roots, change):
    with pytest.raises(NotApplicable, match="activation does not let factors pass"):
        transformed(roots("mlp-tanh"), TRANSFORMATIONS[change])


@pytest.mark.parametrize("change", ["class_permutation", "logit_scaling"])
def test_regression_has_no_classes(roots, change):
    given = {**roots("mlp"), "task": Task("regression", (1, 6, 6), 4)}
    with pytest.raises(NotApplicable, match="no classes in regression"):
        transformed(given, TRANSFORMATIONS[change])
