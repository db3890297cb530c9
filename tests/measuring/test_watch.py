"""What a plugin's component changes without torch counting it: named, put back, and a reason to stop."""

from __future__ import annotations

import json
import math
import threading

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import genbench
from genbench.base.values import Status
from genbench.measuring.watch import Watch, checksum

measure = genbench.measure(family="test", direction="?")


def through_numpy(model, inputs, targets):
    inputs.numpy()[0, 0] += 1


def through_data(model, inputs, targets):
    targets.data[0] = 1 - targets.data[0]


def two_rows_swapped(model, inputs, targets):
    inputs.data[[0, 1]] = inputs.data[[1, 0]]


def a_weight(model, inputs, targets):
    next(model.parameters()).data.add_(1)


def a_buffer(model, inputs, targets):
    model[1].running_mean.data.add_(1)


def a_global_hook(model, inputs, targets):
    nn.modules.module.register_module_forward_hook(lambda *_: None)


def forward_of_the_network(model, inputs, targets):
    model.forward = lambda x: x


def forward_of_a_class(model, inputs, targets):
    nn.Linear.forward = lambda self, x: x


def relu(model, inputs, targets):
    F.relu = lambda x, inplace=False: x


def cross_entropy(model, inputs, targets):
    F.cross_entropy = torch.nn.functional.cross_entropy = lambda *_, **__: torch.zeros(())


def a_method_of_tensors(model, inputs, targets):
    torch.Tensor.sum = lambda self, *_: 0


def the_guard(model, inputs, targets):
    from genbench.measuring import guard

    guard.ModelGuard.restore = lambda self: False


def the_engine(model, inputs, targets):
    from genbench.measuring import engine

    engine.as_number = lambda outcome: 0.0


def json_itself(model, inputs, targets):
    json.dumps = lambda *_, **__: "{}"


def numpy_errors(model, inputs, targets):
    np.seterr(all="raise")


def a_numpy_function(model, inputs, targets):
    np.linalg.svd = None


def gradient_mode(model, inputs, targets):
    torch.autograd.set_detect_anomaly(True)


def denormals(model, inputs, targets):
    torch.set_flush_denormal(True)


def default_device(model, inputs, targets):
    torch.set_default_device("meta")


def determinism(model, inputs, targets):
    torch.use_deterministic_algorithms(True, warn_only=True)


def default_dtype(model, inputs, targets):
    torch.set_default_dtype(torch.float64)


def autocast(model, inputs, targets):
    torch.autocast("cpu", dtype=torch.bfloat16).__enter__()


def autocast_dtype(model, inputs, targets):
    torch.set_autocast_dtype("cpu", torch.float16)


def threads(model, inputs, targets):
    torch.set_num_threads(torch.get_num_threads() + 1)


def inference_mode(model, inputs, targets):
    KEPT.append(torch.inference_mode())
    KEPT[-1].__enter__()


def a_mode_of_functions(model, inputs, targets):
    from torch.overrides import TorchFunctionMode

    class Twice(TorchFunctionMode):
        def __torch_function__(self, function, types, args=(), kwargs=None):
            return function(*args, **(kwargs or {}))

    Twice().__enter__()


def a_mode_of_operators(model, inputs, targets):
    from torch.utils._python_dispatch import TorchDispatchMode

    class Own(TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            return function(*args, **(kwargs or {}))

    Own().__enter__()


def hooks_of_saved_tensors(model, inputs, targets):
    torch.autograd.graph.saved_tensors_hooks(lambda x: x * 0, lambda x: x).__enter__()


def a_global_backward_hook(model, inputs, targets):
    nn.modules.module.register_module_full_backward_hook(lambda *_: None)


def a_function_of_python(model, inputs, targets):
    import builtins

    builtins.sum = lambda *_: 0


def a_hook_of_a_layer(model, inputs, targets):
    model[0].register_forward_hook(lambda module, given, found: found * 0)


def the_mode_of_the_network(model, inputs, targets):
    model.train()


def a_layer(model, inputs, targets):
    model[2] = nn.Tanh()


KEPT = []

HARM = {
    through_numpy: "inputs",
    through_data: "targets",
    two_rows_swapped: "inputs",
    a_weight: "the network",
    a_buffer: "the network",
    forward_of_the_network: "the network",
    a_global_hook: "torch's global forward hooks",
    forward_of_a_class: "torch.nn.modules.linear.Linear.forward",
    relu: "torch.nn.functional.relu",
    cross_entropy: "torch.nn.functional.cross_entropy",
    a_method_of_tensors: "torch.Tensor.sum",
    the_guard: "genbench.measuring.guard.ModelGuard.restore",
    the_engine: "genbench.measuring.engine.as_number",
    json_itself: "json.dumps",
    numpy_errors: "numpy.seterr",
    a_numpy_function: "numpy.linalg.svd",
    gradient_mode: "anomaly detection",
    denormals: "flushing of denormal numbers",
    default_device: "torch's default device",
    determinism: "torch's deterministic mode",
    default_dtype: "torch's default dtype",
    autocast: "autocast on cpu",
    autocast_dtype: "autocast's dtype on cpu",
    threads: "torch's number of threads",
    inference_mode: "torch's inference mode",
    a_mode_of_functions: "torch's function modes",
    a_mode_of_operators: "torch's dispatch modes",
    hooks_of_saved_tensors: "torch's hooks of saved tensors",
    a_global_backward_hook: "torch's global backward hooks",
    a_function_of_python: "builtins.sum",
    a_layer: "the network",
}

_TELLS = hasattr(torch._C._autograd, "_top_saved_tensors_default_hooks")
HARMS = [
    pytest.param(
        each,
        id=each.__name__,
        marks=pytest.mark.skipif(
            each is hooks_of_saved_tensors and not _TELLS, reason="this torch does not tell of such hooks"
        ),
    )
    for each in HARM
]

SILENT = (a_hook_of_a_layer, the_mode_of_the_network)
"""Put back without a word: the next component sees nothing of it."""


def roots():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2))
    return {"model": model, "inputs": torch.randn(8, 3), "targets": torch.arange(8) % 2}


def made(plugin, harm):
    @measure
    def bad(model, inputs, targets):
        harm(model, inputs, targets)
        return 1.0

    @measure
    def later(model, inputs, targets):
        return F.cross_entropy(model(inputs), targets)

    return plugin(bad, later, name="stranger")


@pytest.mark.parametrize("harm", HARMS)
def test_the_change_is_named_and_nothing_more_is_computed_in_this_process(plugin, harm):
    spoilt = []
    values = made(plugin, harm).compute(roots(), spoilt=lambda *what: spoilt.append(what))
    assert list(values) == ["stranger:bad"]
    bad = values["stranger:bad"]
    assert (bad.status, bad.value) == (Status.ERROR, None)
    assert bad.reason == f"stranger:bad changed {HARM[harm]}, which is read-only"
    assert spoilt == [("stranger:bad", "measure", bad.reason)]


SPOILT_FOR_GOOD = (through_numpy, through_data, two_rows_swapped)


@pytest.mark.parametrize("harm", HARMS)
def test_where_the_pass_goes_on_what_was_changed_is_put_back_or_not_used(plugin, harm):
    expected = made(plugin, lambda *_: None).compute(roots())["stranger:later"]
    later = made(plugin, harm).compute(roots())["stranger:later"]
    if harm in SPOILT_FOR_GOOD:
        assert later.status is Status.ERROR
    else:
        assert later.value == expected.value
    assert json.loads(json.dumps({"a": 1})) == {"a": 1}
    assert not math.isnan(expected.value)


@pytest.mark.parametrize("harm", SILENT, ids=lambda harm: harm.__name__)
def test_hooks_and_the_mode_of_the_network_are_put_back_without_a_word(plugin, harm):
    expected = made(plugin, lambda *_: None).compute(roots())["stranger:later"].value
    values = made(plugin, harm).compute(roots())
    assert values["stranger:bad"].value == 1.0
    assert values["stranger:later"].value == expected


def test_a_thread_that_runs_on_is_named_where_the_process_does_nothing_else(plugin):
    ended = threading.Event()

    def starts_a_thread(model, inputs, targets):
        threading.Thread(target=ended.wait, daemon=True).start()

    spoilt = []
    values = made(plugin, starts_a_thread).compute(roots(), spoilt=lambda *what: spoilt.append(what))
    assert values["stranger:bad"].reason == (
        "stranger:bad changed the threads: one runs on, which is read-only"
    )
    assert len(spoilt) == 1
    assert made(plugin, starts_a_thread).compute(roots())["stranger:bad"].value == 1.0
    ended.set()


def test_what_the_core_computed_before_is_not_handed_on_once_it_was_written_to(plugin):
    @genbench.probe
    def logits(model, inputs):
        return model(inputs)

    @measure
    def writes(logits):
        logits.numpy()[:] = 0
        return 1.0

    @measure
    def reads(logits):
        return logits.square().sum()

    right = plugin(logits, reads, name="stranger").compute(roots())["stranger:reads"].value
    values = plugin(logits, writes, reads, name="stranger").compute(roots())
    assert values["stranger:writes"].reason == ("stranger:writes changed stranger:logits, which is read-only")
    assert values["stranger:reads"].value == right


def test_a_probe_that_changes_something_is_the_one_that_is_named(plugin):
    @genbench.probe
    def patches(model):
        F.relu = lambda x, inplace=False: x
        return 1.0

    @measure
    def innocent(patches):
        return patches

    spoilt = []
    values = plugin(patches, innocent, name="stranger").compute(
        roots(), spoilt=lambda *what: spoilt.append(what)
    )
    text = "stranger:patches changed torch.nn.functional.relu, which is read-only"
    assert values["stranger:innocent"].reason == text
    assert spoilt == [("stranger:patches", "probe", text)]


def test_the_core_is_not_watched(plugin, monkeypatch):
    from genbench.measuring import engine

    monkeypatch.setattr(engine, "Watch", None)

    @measure
    def good(model):
        return 1.0

    assert plugin(good).compute(roots())["good"].value == 1.0


def test_a_well_behaved_component_leaves_nothing_to_name():
    watch = Watch({"inputs": torch.randn(4, 3)})
    watch.look({"outputs": torch.randn(4, 3)})
    with torch.enable_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        F.relu(torch.randn(3))
    assert watch.changed_objects() == watch.changed_surroundings() == []


@pytest.mark.parametrize(
    "content",
    [
        torch.arange(6.0).reshape(2, 3).t(),
        torch.arange(3).bfloat16(),
        torch.complex(torch.ones(2), torch.ones(2)),
        torch.tensor(True),
        np.arange(4.0)[::2],
        {"a": [torch.ones(2), (np.ones(1),)]},
    ],
    ids=["strided", "bfloat16", "complex", "scalar", "array", "nested"],
)
def test_a_checksum_tells_the_content_of_every_kind_of_numbers(content):
    before = checksum(content)
    assert checksum(content) == before
    first = content["a"][0] if isinstance(content, dict) else content
    if isinstance(first, np.ndarray):
        first[0] = 7
    else:
        first[(0,) * first.ndim] = 0 if first.dtype is torch.bool else 7
    assert checksum(content) != before


def test_what_holds_no_numbers_or_itself_has_a_checksum_too():
    endless: list = [torch.ones(2)]
    endless.append(endless)
    assert checksum(endless) == checksum(endless)
    assert checksum("text") == checksum(None) == checksum(torch.empty(0)) == 0
