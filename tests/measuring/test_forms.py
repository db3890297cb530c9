"""The forms in which people have networks and data: several inputs, loaders, one logit, hints at mistakes."""

import copy
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    RandomSampler,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
)

import genbench
from genbench.base.errors import Remark, UsageError

INPUTS = torch.randn(30, 4, generator=torch.Generator().manual_seed(1))
TARGETS = torch.arange(30) % 3
MEASURES = ["param_norm", "train_loss", "input_jacobian_norm", "random"]


def network(outputs=3):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, outputs))


def numbers(values):
    return [float(each) for each in values.values()]


class Dictionaries(Dataset):
    def __len__(self):
        return 30

    def __getitem__(self, place):
        return {"input": INPUTS[place], "labels": TARGETS[place]}


class Named(nn.Module):
    def __init__(self):
        super().__init__()
        self.network = network()

    def forward(self, input, scale=None):
        return self.network(input) if scale is None else self.network(input) * scale


PLAIN = TensorDataset(INPUTS, TARGETS)


@pytest.mark.parametrize(
    "loader",
    [
        DataLoader(PLAIN, 7),
        DataLoader(PLAIN, 7, shuffle=True),
        DataLoader(PLAIN, 7, shuffle=True, drop_last=True),
        DataLoader(PLAIN, 7, drop_last=True),
        DataLoader(PLAIN, 7, sampler=SubsetRandomSampler(range(30))),
        DataLoader(PLAIN, batch_sampler=BatchSampler(RandomSampler(PLAIN), 7, True)),
        DataLoader(PLAIN, None),
        PLAIN,
        Subset(PLAIN, range(30)),
        [(INPUTS[:20].numpy(), TARGETS[:20].numpy()), (INPUTS[20:].numpy(), TARGETS[20:].numpy())].__iter__(),
    ],
    ids=lambda each: type(each).__name__,
)
def test_a_loader_has_the_values_of_its_tensors(loader):
    expected = genbench.evaluate(network(), INPUTS, TARGETS, measures=MEASURES)
    state = torch.get_rng_state()
    assert numbers(genbench.evaluate(network(), loader, measures=MEASURES)) == numbers(expected)
    assert torch.equal(torch.get_rng_state(), state)


def test_batches_that_are_dictionaries_name_the_arguments():
    model = Named()
    expected = numbers(genbench.evaluate(model, INPUTS, TARGETS, measures=MEASURES))
    data = Dictionaries()
    assert numbers(genbench.evaluate(model, DataLoader(data, 8), measures=MEASURES)) == expected
    assert numbers(genbench.evaluate(model, data, "labels", measures=MEASURES)) == expected
    assert (
        numbers(genbench.evaluate(model, {"input": INPUTS.numpy()}, TARGETS, measures=MEASURES)) == expected
    )


def test_several_inputs_by_place_and_by_name():
    model = Named()
    ones = torch.ones(30, 1)
    expected = numbers(genbench.evaluate(model, INPUTS, TARGETS, measures=["train_loss", "margin_mean"]))
    for inputs in ((INPUTS, ones), {"scale": ones, "input": INPUTS}, {"input": INPUTS, "scale": ones.bool()}):
        values = genbench.evaluate(model, inputs, TARGETS, measures=["train_loss", "margin_mean"])
        assert numbers(values) == pytest.approx(expected, rel=1e-6)


def test_whole_and_real_numbers_together_are_handed_on_without_rounding():
    seen = {}

    class Seeing(Named):
        def forward(self, ids, real, mask):
            seen.update(ids=ids, real=real, mask=mask)
            return self.network(real)

    ids = torch.tensor([2**53 + 1, 3, 5]).repeat(10)
    mask = torch.arange(30) % 2 == 0
    genbench.evaluate(Seeing(), {"ids": ids, "real": INPUTS, "mask": mask}, TARGETS, measures="train_loss")
    assert torch.equal(seen["ids"], ids)
    assert torch.equal(seen["mask"], mask)
    assert torch.equal(seen["real"], INPUTS)


def test_hooks_of_a_measurement_are_gone_behind_it():
    model = Named()
    genbench.evaluate(
        model, {"input": INPUTS}, TARGETS, output=lambda outputs: outputs, measures="train_loss"
    )
    assert not model._forward_hooks
    assert not model._forward_pre_hooks
    assert not model._forward_pre_hooks_with_kwargs
    with pytest.raises(UsageError):
        genbench.evaluate(model, {"input": INPUTS}, TARGETS, output="no", measures="train_loss")
    assert not model._forward_hooks


def test_wrapped_networks_are_adapted_too():
    values = genbench.evaluate(
        nn.DataParallel(Named()),
        {"input": INPUTS},
        TARGETS,
        output=lambda outputs: outputs,
        measures=MEASURES,
    )
    assert numbers(values) == numbers(genbench.evaluate(Named(), INPUTS, TARGETS, measures=MEASURES))


def test_one_logit_is_measured_as_the_two_logits_of_its_sigmoid():
    model, targets = network(1), TARGETS % 2
    values = genbench.evaluate(model, INPUTS, targets, measures=["train_loss", "train_error", "margin_min"])
    logits = model(INPUTS).detach()[:, 0].double()
    loss = nn.functional.binary_cross_entropy_with_logits(logits, targets.double())
    signed = logits * (2 * targets - 1)
    assert numbers(values) == pytest.approx(
        [float(loss), float((signed < 0).double().mean()), float(signed.min())]
    )
    with pytest.raises(UsageError, match="classes from 0 to 2; classes are counted from 0"):
        genbench.evaluate(model, INPUTS, TARGETS)


def test_what_needs_a_layer_with_an_output_for_each_class_says_so_of_one_logit():
    names = ["relative_flatness", "lipaug_bound", "lipaug_simple"]
    found = genbench.evaluate(network(1), INPUTS, TARGETS % 2, measures=names)
    line = "needs a layer with an output for each class; the network has one logit for two classes"
    assert [(str(each.status), each.reason) for each in found.values()] == [("not_applicable", line)] * 3


def test_one_logit_of_a_network_that_is_one_layer():
    layer, before = nn.Linear(4, 1), nn.Linear(4, 1)
    measures = ["geometric_complexity", "coherence_alpha", "l2_dist", "traj_length", "seed_disagreement"]
    found = [
        genbench.evaluate(
            put(layer), INPUTS, TARGETS % 2, put(before), measures=measures, siblings=[put(before)],
            snapshots=[(step, dict(put(each).state_dict())) for step, each in enumerate((before, layer))],
        )
        for put in (lambda each: each, nn.Sequential)
    ]  # fmt: skip
    assert numbers(found[0]) == pytest.approx(numbers(found[1]), rel=1e-12)


def test_a_part_of_the_outputs_of_a_network_that_is_one_layer():
    layer, before = nn.Linear(4, 6), nn.Linear(4, 6)
    measures = [
        "geometric_complexity", "coherence_alpha", "l2_dist", "traj_length", "seed_disagreement", "tk_trace",
        "fisher_trace", "relative_flatness",
    ]  # fmt: skip
    found = [
        genbench.evaluate(
            put(layer), INPUTS, TARGETS, put(before), measures=measures, siblings=[put(before)],
            output=lambda outputs: outputs[:, :3],
            snapshots=[(step, dict(put(each).state_dict())) for step, each in enumerate((before, layer))],
        )
        for put in (lambda each: each, nn.Sequential)
    ]  # fmt: skip
    assert {str(each.status) for each in found[0].values()} == {"ok", "not_applicable"}
    assert numbers(found[0]) == pytest.approx(numbers(found[1]), rel=1e-12, nan_ok=True)
    assert not layer._forward_hooks


def test_siblings_and_the_network_before_are_adapted_alike():
    model = Named()
    other = copy.deepcopy(model)
    with torch.no_grad():
        other.network[0].weight.mul_(2)
    found = [
        genbench.evaluate(
            model, inputs, TARGETS, other, siblings=[other], measures=["fro_dist", "seed_disagreement"]
        )
        for inputs in (INPUTS, {"input": INPUTS})
    ]
    assert {each.status for each in found[0].values()} == {"ok"}
    assert numbers(found[0]) == numbers(found[1])


def test_a_missing_class_is_remarked():
    with pytest.warns(Remark, match=r"^targets: no example of 1 of the 3 classes \(2\)$"):
        genbench.evaluate(network(), INPUTS, TARGETS % 2, measures="train_loss")


PICTURES = nn.Sequential(nn.Conv2d(3, 2, 3), nn.Flatten(), nn.Linear(72, 3))
GRAY = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(72, 3))


@pytest.mark.parametrize(
    ("model", "inputs", "line"),
    [
        (
            PICTURES,
            torch.randn(30, 8, 8, 3),
            "it takes inputs.permute(0, 3, 1, 2), channels before height and width",
        ),
        (GRAY, torch.randn(30, 8, 8), "it takes inputs.unsqueeze(1), one channel before height and width"),
        (PICTURES, torch.ones(30, 3, 8, 8, dtype=torch.uint8), "it takes inputs.float() / 255"),
        (
            PICTURES,
            torch.ones(30, 8, 8, 3, dtype=torch.uint8),
            "it takes (inputs.float() / 255).permute(0, 3, 1, 2), channels before height and width",
        ),
        (network(), torch.randn(30, 2, 2), "it takes inputs.flatten(1), one row of numbers for each example"),
        (
            nn.Sequential(nn.Embedding(9, 4), nn.Flatten(), nn.Linear(8, 3)),
            torch.ones(30, 2),
            "it takes inputs.long(), whole numbers",
        ),
        (Named(), {"inputs": INPUTS}, "its arguments are input, scale; did you mean 'input'?"),
    ],
)
def test_what_would_help_a_network_that_does_not_take_the_inputs(model, inputs, line):
    with pytest.raises(UsageError) as refused:
        genbench.evaluate(model, inputs, TARGETS)
    text = str(refused.value)
    assert text.startswith("model: it does not take the inputs: ")
    assert text.endswith(f"; {line}")
    assert "\n" not in text


@pytest.mark.parametrize(
    ("inputs", "targets", "line"),
    [
        (INPUTS, None, "targets: are missing; only a DataLoader or a data set brings its own"),
        (PLAIN, TARGETS, "targets: a TensorDataset brings its own; leave them out, or name their key"),
        ({}, TARGETS, "inputs: the dictionary is empty"),
        ({"input": INPUTS, "scale": TARGETS[:5]}, TARGETS, "inputs: expected the same number of examples in each, got {'input': 30, 'scale': 5}"),
        (iter([]), None, "inputs: the loader yields no batch"),
        (iter([INPUTS]), None, "inputs: expected batches of (inputs, targets) or dictionaries, got a Tensor"),
        (iter([(INPUTS, TARGETS, TARGETS)]), None, "inputs: expected batches of (inputs, targets) or dictionaries, got 3 parts"),
        (Dictionaries(), "label", "targets: a batch with input, labels has no 'label'; did you mean 'labels'?; targets='KEY' names the key that holds them"),
        (iter([(INPUTS, TARGETS), (INPUTS[:, :2], TARGETS)]), None, "inputs: batches of different shapes, (4,) and (2,); bring them to one, as by padding"),
        (DataLoader([(INPUTS[0], 1), (INPUTS[0, :2], 1)], 2), None, "inputs: the DataLoader fails: RuntimeError: "),
    ],
)  # fmt: skip
def test_data_that_are_none_are_refused_in_a_line(inputs, targets, line):
    with pytest.raises(UsageError) as refused:
        genbench.evaluate(Named(), inputs, targets)
    assert str(refused.value).startswith(line)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("form", "output", "line"),
    [
        (lambda x: {"logits": x}, "logit", "output: the network returns no 'logit'; did you mean 'logits'?"),
        (lambda x: {"logits": x}, 3, "output: the network returns no 3, but 'logits'"),
        (lambda x: (x,), 1, "output: the network returns 1 parts, of which none is number 1"),
        (lambda x: (x,), "logits", "output: the network returns a tuple, which has no 'logits'"),
    ],
)
def test_a_part_that_the_network_does_not_return_is_named(form, output, line):
    class Returning(Named):
        def forward(self, x):
            return form(self.network(x))

    with pytest.raises(UsageError) as refused:
        genbench.evaluate(Returning(), INPUTS, TARGETS, output=output)
    assert str(refused.value) == line


@dataclass
class Answer:
    hidden: torch.Tensor
    logits: torch.Tensor


@dataclass(slots=True)
class Short:
    scores: torch.Tensor


@pytest.mark.parametrize(
    ("form", "hint"),
    [
        (lambda x: Answer(x[:, :, None], x), "; output='logits' would take one part of it"),
        (lambda x: Short(x), "; output='scores' would take one part of it"),
        (lambda x: SimpleNamespace(_own=x, logits=x), "; output='logits' would take one part of it"),
        (lambda x: Answer(x[:, :, None], x.sum()), ""),
        (lambda x: x[:, :, None], ""),
    ],
)
def test_a_part_that_may_be_meant_is_told(form, hint):
    class Returning(Named):
        def forward(self, x):
            return form(self.network(x))

    with pytest.raises(UsageError) as refused:
        genbench.evaluate(Returning(), INPUTS, TARGETS)
    assert str(refused.value).endswith(f"not one row of outputs for each example{hint}")


def test_values_print_as_a_table():
    values = genbench.evaluate(network(), np.asarray(INPUTS), TARGETS, measures=["param_norm", "fro_dist"])
    head, first, second = str(values).splitlines()
    assert head.split() == ["measure", "value", "seconds", "status", "reason"]
    assert first.split()[:2] == ["param_norm", f"{float(values['param_norm']):.6g}"]
    assert second.endswith("not_applicable  needs initial_model, which was not given")
    shown = values._repr_html_()
    assert shown.count("<tr>") == 3
    values["param_norm"] = genbench.Value("<b>", None, values["fro_dist"].status, "<script>")
    assert "<script>" not in values._repr_html_()


def test_progress_is_told(capsys):
    told = []
    genbench.evaluate(
        network(), INPUTS, TARGETS, measures=["param_norm", "train_loss"],
        progress=lambda done, whole, name: told.append((done, whole, name)),
    )  # fmt: skip
    assert told[0][:2] == (0, 2)
    assert told[-1][:2] == (2, 2)
    assert {name for _, _, name in told} >= {"param_norm", "train_loss", "losses"}
    genbench.evaluate(network(), INPUTS, TARGETS, measures="param_norm", progress=True)
    assert capsys.readouterr().out == ""
