"""What a user hands over: read whatever made it, refused by row where it is not finite, never changed."""

import math
import re

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import genbench
from genbench.base.errors import Remark, UsageError
from genbench.measuring.given import as_tensor, require_finite

VALUES = np.arange(12, dtype=np.float32).reshape(4, 3)
NAMES = ["param_norm", "inverse_margin", "margin_median", "grad_norm_train", "feature_norm"]


class ByArray:
    def __array__(self, dtype=None, copy=None):
        return VALUES.astype(dtype or VALUES.dtype)


class ByDlpack:
    def __dlpack__(self, **settings):
        return torch.from_numpy(VALUES.copy()).__dlpack__(**settings)

    def __dlpack_device__(self):
        return (1, 0)


def read_only():
    array = VALUES.copy()
    array.flags.writeable = False
    return array


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "given",
    [
        VALUES[::-1][::-1], VALUES[::-1].copy()[::-1], np.asfortranarray(VALUES), read_only(),
        VALUES.astype(">f4"), VALUES.tolist(), list(VALUES), list(torch.from_numpy(VALUES.copy())),
        pd.DataFrame(VALUES, index=list("wxyz")), pd.DataFrame(VALUES).astype("Float32"),
        ByArray(), ByDlpack(), torch.from_numpy(VALUES.copy()).to_sparse(),
    ],
)  # fmt: skip
def test_arrays_of_any_kind_are_read(given):
    assert torch.equal(as_tensor("inputs", given).float(), torch.from_numpy(VALUES.copy()))


@pytest.mark.parametrize("kind", ["u2", "u4", "i2", ">i4"])
def test_whole_numbers_of_any_kind_can_be_compared(kind):
    labels = as_tensor("targets", np.arange(3).astype(kind))
    assert labels.max() == 2


@pytest.mark.parametrize("given", [object(), [[1.0], [1.0, 2.0]], ["a", "b"], None])
def test_what_is_no_array_is_a_usage_error(given):
    with pytest.raises(UsageError, match="inputs: "):
        as_tensor("inputs", given)


@pytest.fixture
def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))


@pytest.fixture
def data():
    torch.manual_seed(1)
    return torch.randn(30, 4), torch.arange(30) % 3


@pytest.mark.parametrize(
    ("value", "why"), [(float("nan"), "NaN"), (float("-inf"), "infinite"), (1e300, "precision, float32")]
)
def test_the_first_row_that_is_not_finite_is_named(network, data, value, why):
    inputs = data[0].double()
    inputs[7, 2] = inputs[11, 0] = value
    with pytest.raises(UsageError, match=f"inputs: row 7 .*{why}.* 1 more"):
        genbench.evaluate(network, inputs, data[1], measures=NAMES)


def test_targets_are_finite_too(data):
    targets = torch.linspace(0, 1, 30)
    targets[3] = float("inf")
    with pytest.raises(UsageError, match="targets: row 3"):
        genbench.evaluate(nn.Linear(4, 1), data[0], targets, measures="param_norm")
    require_finite("targets", torch.arange(3))


class Shifting(nn.Module):
    """Subtracts a half, in place or not, before a network."""

    def __init__(self, body, inplace):
        super().__init__()
        self.body, self.inplace = body, inplace

    def forward(self, inputs):
        if self.inplace:
            inputs -= 0.5
            return self.body(inputs)
        return self.body(inputs - 0.5)


def values(model, data):
    return {name: each.value for name, each in genbench.evaluate(model, *data, measures=NAMES).items()}


def test_a_network_in_place_has_the_values_of_its_twin_and_changes_nothing(network, data):
    before = data[0].clone()
    assert values(Shifting(network, True), data) == values(Shifting(network, False), data)
    assert torch.equal(data[0], before)


@pytest.mark.parametrize(
    "surrounding", [torch.inference_mode, lambda: torch.autocast("cpu", torch.bfloat16), torch.no_grad]
)
def test_what_surrounds_a_call_changes_nothing(network, data, surrounding):
    expected = values(network, data)
    with surrounding():
        assert values(network, data) == expected
        own = network.__class__(*[nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3)])
        own.load_state_dict(network.state_dict())
        made_there = (data[0].clone(), data[1].clone())
    assert values(own, made_there) == expected


def test_the_default_precision_changes_nothing(network, data):
    expected = values(network, data)
    torch.set_default_dtype(torch.float64)
    try:
        assert values(network, data) == expected
    finally:
        torch.set_default_dtype(torch.float32)


def test_attention_has_second_derivatives():
    class Attending(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.into, self.last = nn.Linear(2, 8), nn.Linear(8, 3)

        def forward(self, inputs):
            hidden = self.into(inputs).unsqueeze(1)
            hidden = nn.functional.scaled_dot_product_attention(hidden, hidden, hidden)
            return self.last(hidden.squeeze(1).mean(1))

    torch.manual_seed(1)
    given = torch.randn(6, 4, 2), torch.arange(6) % 3
    found = genbench.evaluate(Attending(), *given, measures=["interlayer_jacobian", "hessian_trace"])
    assert {str(each.status) for each in found.values()} == {"ok"}


class Remembering(nn.Module):
    """Keeps what it computed, and for what, as it is called."""

    def __init__(self):
        super().__init__()
        self.body = nn.Linear(4, 3)
        self.shift, self.known, self.log, self.seen = None, 0, [], {}

    def forward(self, inputs):
        if inputs.shape[1] > self.known:
            self.known, self.shift = inputs.shape[1], torch.arange(inputs.shape[1]) / 4
        if not hasattr(self, "calls"):
            self.calls = self.seen["calls"] = 0
        self.calls += 1
        self.last = self.body(inputs + self.shift)
        self.log.append(self.last)
        return self.last


@pytest.mark.parametrize("called", [False, True])
def test_what_a_network_keeps_between_calls_is_as_it_was(called, data):
    model = Remembering()
    if called:
        model(data[0])
    before, lists = dict(vars(model)), (list(model.log), dict(model.seen))
    genbench.evaluate(model, *data, measures=NAMES)
    genbench.Recorder(model, *data)
    assert vars(model).keys() == before.keys()
    assert all(vars(model)[name] is each for name, each in before.items())
    assert (list(map(id, model.log)), model.seen) == (list(map(id, lists[0])), lists[1])
    model(data[0])


class Counting(nn.Module):
    """Counts its calls and keeps a running mean, in buffers; neither matters."""

    def __init__(self, body):
        super().__init__()
        self.body = body
        self.register_buffer("calls", torch.zeros(()))
        self.register_buffer("mean", torch.zeros(4))

    def forward(self, inputs):
        self.calls += 1
        self.mean = 0.9 * self.mean + 0.1 * inputs.detach().mean(0)
        return self.body(inputs)


def test_a_network_that_changes_itself_has_the_values_of_its_twin(data):
    body = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    found = genbench.evaluate(Counting(body), *data)
    assert not {name: each.reason for name, each in found.items() if each.status.is_fault}
    expected = genbench.evaluate(nn.Sequential(body), *data)
    assert {name: float(each) for name, each in found.items()} == pytest.approx(
        {name: float(each) for name, each in expected.items()}, rel=1e-5, nan_ok=True
    )


@pytest.mark.parametrize("kind", [nn.Embedding, nn.EmbeddingBag])
def test_sparse_gradients_are_gradients(kind):
    ids, targets = torch.arange(60).reshape(20, 3) % 7, torch.arange(20) % 3
    after = [nn.Flatten(), nn.Linear(15, 3)] if kind is nn.Embedding else [nn.Linear(5, 3)]
    dense = nn.Sequential(kind(7, 5), *after)
    sparse = nn.Sequential(kind(7, 5, sparse=True), *after)
    sparse.load_state_dict(dense.state_dict())
    found, expected = genbench.evaluate(sparse, ids, targets), genbench.evaluate(dense, ids, targets)
    assert {name: each.value for name, each in found.items()} == {n: v.value for n, v in expected.items()}
    assert sparse[0].sparse


def test_an_embedding_of_a_largest_norm_is_measured():
    model = nn.Sequential(nn.Embedding(7, 5, max_norm=0.5), nn.Flatten(), nn.Linear(15, 3))
    weight = model[0].weight.detach().clone()
    values = genbench.evaluate(model, torch.arange(60).reshape(20, 3) % 7, torch.arange(20) % 3)
    assert not {name: each.reason for name, each in values.items() if each.status.is_fault}
    assert torch.equal(model[0].weight, weight)


class Mixed(nn.Module):
    """Whose second layer is of double precision."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(4, 5), nn.Linear(5, 3).double()

    def forward(self, inputs):
        return self.second(self.first(inputs.float()).relu().double())


def test_layers_on_which_many_measures_have_no_value_are_told_first(data):
    with pytest.warns(Remark, match=r"model: layers of float32 and float64 in one network"):
        genbench.evaluate(Mixed(), *data, measures="param_norm")
    plain = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3))
    quantization = pytest.importorskip("torch.ao.quantization", reason="this torch quantizes no layers")
    quantized = quantization.quantize_dynamic(plain, {nn.Linear}, dtype=torch.qint8)
    with pytest.warns(Remark, match="model: quantized layers, as '0' is, hide their weights"):
        genbench.evaluate(quantized, *data, measures="train_loss")


EPOCHS = {"epoch": [0, 1, 2], "step": [0, 5, 9], "train_loss": [1.1, 0.5, 0.2]}


@pytest.mark.parametrize("form", [dict, pd.DataFrame])
def test_a_history_is_a_mapping_or_a_table(form, network, data):
    found = genbench.evaluate(network, *data, history=form(EPOCHS), measures=["final_loss", "sotl_E"])
    assert [str(each.status) for each in found.values()] == ["ok", "ok"]


def test_a_column_that_a_history_lacks_is_named(network, data):
    history = {"train_loss": EPOCHS["train_loss"]}
    found = genbench.evaluate(network, *data, history=history, measures=["final_loss", "sotl_E"])
    assert float(found["final_loss"]) == 0.2
    assert found["sotl_E"].reason == "needs 'epoch', which the history does not have"
    with pytest.raises(
        UsageError, match=r"history: expected columns of one length, got {'epoch': 3, 'step': 2}"
    ):
        genbench.evaluate(network, *data, history={"epoch": [0, 1, 2], "step": [0, 5]}, measures="sotl_E")


@pytest.mark.parametrize(
    ("history", "line"),
    [
        ([1, 2], "history: expected a dictionary of columns, which are lists, got list"),
        ({"epoch": 1}, "history: expected a dictionary of columns, which are lists, got dict"),
        ({**EPOCHS, "train_loss": ["a", "b", "c"]}, "history: 'train_loss' holds numbers, not 'a'"),
        ({**EPOCHS, "step": [0, [1], 2]}, "history: 'step' holds numbers, not [1]"),
        (
            {**EPOCHS, "step": [0, None, 2]},
            "history: 'step' counts, and cannot be None; leave it out if unknown",
        ),
        ({**EPOCHS, "epoch": [0, 1, math.inf]}, "history: 'epoch' counts, and cannot be inf; leave it out"),
    ],
)
def test_what_is_no_history_is_told_before_anything_is_measured(history, line, network, data):
    with pytest.raises(UsageError, match=re.escape(line)):
        genbench.evaluate(network, *data, history=history, measures="param_norm")


def test_columns_that_no_measure_reads_may_hold_anything(network, data):
    history = {**EPOCHS, "batch_loss": [None, 0.5, torch.tensor(0.2)], "note": ["a", None, []]}
    assert genbench.evaluate(network, *data, history=history, measures="sotl_E")["sotl_E"].status == "ok"


PAIRS = "snapshots: expected a list of pairs, each a step and a dictionary of tensors by name"


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda state: [(0, state), (5, {**state, "0.bias": state["0.bias"][:-1]})],
         "snapshots: '0.bias' at step 5 has the shape (7,), in the network (8,)"),
        (lambda state: [(0, {**state, "0.bias": state["0.bias"].numpy()})],
         "snapshots: '0.bias' at step 0 is no tensor but a ndarray"),
        (lambda state: [state, state], PAIRS),
        (lambda state: {0: state, 5: state}, PAIRS),
        (lambda state: [("first", state)], PAIRS),
        (lambda state: 3, PAIRS),
    ],
)  # fmt: skip
def test_what_are_no_snapshots_is_told_before_anything_is_measured(change, line, network, data):
    snapshots = change(dict(network.state_dict()))
    with pytest.raises(UsageError, match=re.escape(line)):
        genbench.evaluate(network, *data, snapshots=snapshots, measures="param_norm")


def test_weights_that_a_snapshot_lacks_are_missed_by_those_that_need_them(network, data):
    found = genbench.evaluate(
        network, *data, snapshots=[(0, {}), (5, {})], measures=["param_norm", "traj_length"]
    )
    assert found["param_norm"].status == "ok"
    assert "it lacks" in found["traj_length"].reason


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda x, y: (x, y), "expected a genbench.Split, got tuple"),
        (lambda x, y: genbench.Split(x[:5], y[:4]), "5 examples but targets of (4,)"),
        (lambda x, y: genbench.Split(x[:, :3], y), "inputs of shape (3,), where those trained on have (4,)"),
        (
            lambda x, y: genbench.Split(x, y + 1),
            "3 outputs but classes from 1 to 3; classes are counted from 0",
        ),
    ],
)
def test_a_validation_split_is_of_the_task(change, line, network, data):
    with pytest.raises(UsageError) as refused:
        genbench.evaluate(network, *data, validation=change(*data), measures="val_error")
    assert str(refused.value) == f"validation: {line}"


def test_what_has_no_content_is_refused(network, data):
    with pytest.raises(
        UsageError, match="inputs: a Tensor that cannot be read as an array: it has no content"
    ):
        genbench.evaluate(network, data[0].to("meta"), data[1])


@pytest.mark.parametrize(
    ("model", "line"),
    [
        (nn.Sequential(nn.LazyLinear(3)), "'0.weight' learns its shape from the first batch; call the network once"),
        (nn.Linear(4, 3).to("meta"), "'weight' has no content; move the network off the device 'meta'"),
    ],
)  # fmt: skip
def test_a_network_without_weights_is_refused(model, line, data):
    for use in (genbench.evaluate, genbench.Recorder):
        with pytest.raises(UsageError) as refused:
            use(model, *data)
        assert str(refused.value) == f"model: {line}"


def test_the_mode_of_a_scripted_network_is_put_back(data):
    model = torch.jit.script(nn.Sequential(nn.Linear(4, 3), nn.ReLU())).train()
    genbench.evaluate(model, *data, measures="train_loss")
    assert all(module.training for module in model.modules())


def test_a_network_compiled_in_place_is_measured_as_it_is(network, data):
    network = Shifting(network, inplace=False)  # torch 2.6 compiles no bare Sequential
    expected = values(network, data)
    calls = []

    def backend(graph, inputs):
        calls.append(graph)
        return graph.forward

    network.compile(backend=backend)
    assert values(network, data) == expected
    assert not calls
    network(data[0])
    assert calls
