"""What holds for every built-in measure."""

import math

import pytest
import torch
from torch import nn

from genbench import Task, measuring
from genbench.base.data import Split
from genbench.contract.components import COST_CLASSES, Kind
from genbench.contract.protocol import Protocol
from genbench.host import Host
from genbench.host.battery import Battery, Request
from genbench.host.selection import select_measures
from genbench.host.settings import spell

HOST = Host.load(rooms={"probes", "measures"})
# Of recurrent networks only, and of walkers.
ELSEWHERE = ("rnn_lipaug_bound", "wide_well_share")
MEASURES = [
    each for each in HOST.components(Kind.MEASURE) if each.plugin == "core" and each.name not in ELSEWHERE
]
NAMES = [each.name for each in MEASURES]

# Of theorems about smooth activations, for the network here has ReLUs.
SETTINGS = {name: {"kinks": "surrogate"} for name in ("lipaug_bound", "lipaug_simple")}

HISTORY = {
    "epoch": [0, 1, 2, 3],
    "step": [0, 10, 20, 30],
    "train_loss": [1.1, 0.5, 0.08, 0.009],
    "train_error": [0.6, 0.1, 0.0, 0.0],
    "batch_loss": [None, 0.8, 0.3, 0.05],
    "learning_rate": [0.1, 0.1, 0.1, 0.1],
}


def network(dtype):
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(16, 12),
        nn.ReLU(),
        nn.Linear(12, 3),
    )
    model(torch.randn(50, 1, 5, 5))  # running statistics
    return model.to(dtype).eval()


def roots(dtype=torch.float64, examples=30):
    torch.manual_seed(0)
    models = [network(dtype) for _ in range(2)]
    inputs = torch.randn(examples, 1, 5, 5, dtype=torch.float64).to(dtype)
    return {
        "model": models[0],
        "initial_model": models[1],
        "inputs": inputs,
        "targets": torch.arange(examples) % 3,
        "siblings": [network(dtype) for _ in range(2)],
        "validation": Split(torch.randn(10, 1, 5, 5, dtype=torch.float64).to(dtype), torch.arange(10) % 3),
        "task": Task("classification", (1, 5, 5), 3),
        "history": HISTORY,
        "snapshots": snapshots(models[1], models[0]),
        "protocol": Protocol(batch_size=10),
    }


def snapshots(initial, final):
    """A way from one network to another at steps 0 to 30, with detours."""
    ends = initial.state_dict(), final.state_dict()
    noise = torch.Generator().manual_seed(0)

    def between(share, start, end):
        if not start.is_floating_point():
            return end
        detour = torch.randn(start.shape, generator=noise, dtype=torch.float64).to(start.dtype)
        return start + share * (end - start) + 0.3 * share * (1 - share) * detour.abs()

    return [
        (step, {name: between(step / 30, ends[0][name], ends[1][name]).clone() for name in ends[0]})
        for step in range(31)
    ]


def compute(given, only=None):
    wanted = [each for each in MEASURES if only is None or each.name in only]
    requests = [Request.of(each, SETTINGS.get(each.name, {})) for each in wanted]
    battery = Battery.resolve(requests, HOST.probe_lookup)
    seeds = {}

    def seed_for(component, settings):
        return seeds.setdefault(spell(component, settings), len(component.name))

    return {value.name.partition("[")[0]: value for value in measuring.compute(battery, given, seed_for)}


@pytest.fixture(scope="module")
def values():
    return compute(roots())


@pytest.mark.parametrize("name", NAMES)
def test_every_measure_has_a_value_on_a_plain_network(values, name):
    assert values[name].status == "ok", values[name].reason
    assert not math.isnan(values[name].value)


@pytest.mark.parametrize("name", NAMES)
def test_alone_it_has_the_value_that_it_has_among_all(values, name):
    assert compute(roots(), only={name})[name].value == values[name].value


@pytest.mark.slow
def test_single_precision_agrees(values):
    single = compute(roots(torch.float32))
    for name, value in values.items():
        if math.isfinite(value.value):
            assert single[name].value == pytest.approx(value.value, rel=1e-3, abs=1e-4), name


@pytest.mark.parametrize("component", MEASURES, ids=NAMES)
def test_every_measure_is_documented(component):
    assert component.summary.endswith((".", ";")) or len(component.summary) > 30
    assert component.declared.family
    assert component.declared.direction in "+-?"
    assert component.declared.formula or component.declared.source


def test_cost_classes_are_as_expected():
    battery = Battery.resolve([Request.of(each) for each in MEASURES], HOST.probe_lookup)
    classes = {each.spelling: battery.cost_class(each) for each in battery.requests}
    assert set(classes.values()) <= set(COST_CLASSES)
    expected = {
        "num_params": "A",
        "random": "A",
        "param_norm": "A",
        "log_prod_of_spec": "B",
        "inverse_margin": "B",
        "path_norm": "B",
        "geometric_complexity": "C",
        "steps_to_0.1": "F",
    }
    assert {name: classes[name] for name in expected} == expected


def test_a_forward_pass_serves_all_measures_of_the_outputs():
    given = roots()
    passes = []
    handle = given["model"].register_forward_hook(
        lambda module, inputs, outputs: passes.append(len(inputs[0]))
    )
    families = ["family:margin", "family:calibration", "train_loss", "train_error"]
    requests = select_measures(families, HOST)
    battery = Battery.resolve(requests, HOST.probe_lookup)
    list(measuring.compute(battery, given, lambda component, settings: 0))
    handle.remove()
    assert [size for size in passes if size > 8] == [30]  # copies with scaled layers see eight examples


def test_regression_leaves_measures_of_classes_without_a_value():
    given = roots()
    given["targets"] = torch.randn(30, 3, dtype=torch.float64)
    given["validation"] = Split(given["validation"].inputs, torch.randn(10, 3, dtype=torch.float64))
    given["task"] = Task("regression", (1, 5, 5), 3)
    found = compute(given)
    for name in (
        "inverse_margin",
        "entropy_output",
        "normalized_cross_entropy",
        "steps_to_0.1",
        "brier_score",
    ):
        assert found[name].status == "not_applicable", name
        assert "classification" in found[name].reason
    for name in ("param_norm", "train_loss", "train_error", "geometric_complexity", "log_prod_of_spec"):
        assert found[name].status == "ok", found[name].reason
    assert not [name for name, value in found.items() if value.status == "error"]


def test_a_network_with_one_output_raises_no_errors():
    given = roots()
    given["model"] = nn.Sequential(nn.Flatten(), nn.Linear(25, 1)).double()
    given["initial_model"] = nn.Sequential(nn.Flatten(), nn.Linear(25, 1)).double()
    given["targets"] = torch.arange(30) % 2
    given["task"] = Task("classification", (1, 5, 5), 1)
    assert not [(name, each.reason) for name, each in compute(given).items() if each.status == "error"]


def test_without_initial_network_and_history_only_their_measures_are_missing(values):
    given = roots()
    del given["initial_model"], given["history"]
    found = compute(given)
    missing = {name: each.reason for name, each in found.items() if each.status != "ok"}
    assert set(missing.values()) == {
        "needs initial_model, which was not given",
        "needs history, which was not given",
    }
    assert all(found[name].value == values[name].value for name in found if name not in missing)


@pytest.mark.slow
def test_hidden_units_may_be_permuted():
    given = roots()
    before = compute(given)
    order = torch.tensor([2, 0, 3, 1])
    for each in (given["model"], given["initial_model"], *given["siblings"]):
        each.load_state_dict(permuted(each.state_dict(), order))
    given["snapshots"] = [(step, permuted(state, order)) for step, state in given["snapshots"]]
    after = compute(given)
    for name in before.keys() - moved_along_random_directions():
        assert after[name].value == pytest.approx(before[name].value, rel=1e-5, abs=1e-9), name


def permuted(state, order):
    """The state of the same function with the channels of the convolution in another order."""
    columns = state["5.weight"].reshape(12, 4, 4)[:, order].reshape(12, 16)
    channels = {
        name: each[order] for name, each in state.items() if name.startswith(("0.", "1.")) and each.ndim
    }
    return {name: each.clone() for name, each in {**state, **channels, "5.weight": columns}.items()}


def moved_along_random_directions():
    """Measures that take weights or units in random directions or orders, which follow no permutation."""
    requests = [Request.of(each) for each in MEASURES]
    battery = Battery.resolve(requests, HOST.probe_lookup)
    random = ("direction_seeds", "shuffled_eigenvalues")
    drawn = {key for key, node in battery.probes.items() if node.component.name in random}
    moved = {each.spelling for each in requests if drawn & set(battery.below[each.spelling])}
    return moved | {"mc_dropout_variance"}
