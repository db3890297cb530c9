"""What must not move does not, and what moves is seen to move."""

import math

import pytest

from genbench.auditing.invariance import TOLERANCE, audit, compare, values_of
from genbench.auditing.networks import NETWORKS, train_networks
from genbench.auditing.transformations import TRANSFORMATIONS, Transformation, transformed
from genbench.base.values import Status, Value
from genbench.host.selection import select

# Functions of the network's function alone, and sums over paths: no rescaling of units hides from them.
BLIND_TO_RESCALING = [
    "path_norm", "path_norm_over_margin", "log_path_norm", "linear_path_norm", "active_path_norm",
    "active_path_share", "geometric_complexity", "pullback_lambda_max", "lipschitz_lower",
    "input_jacobian_norm", "input_margin_linearised", "train_loss", "margin_p10", "inverse_margin",
    "entropy_output", "brier_score", "num_params", "perturbation_robustness",
]  # fmt: skip
BLIND_TO_LAYERS = ["log_prod_of_spec", "fro_over_spec", "log_prod_of_fro", "log_spec_orig_main"]
MOVED = ["param_norm", "l2_dist", "hessian_top_eig", "grad_norm_train", "norm_l21", "tk_trace"]
RESCALINGS = ["relu_rescaling_layers", "relu_rescaling_units"]
NETS = ["mlp", "convnet", "convnet-batch-norm"]


def verdicts(host, given, change, words):
    """How each measure moved, as the audit judges it without noise."""
    battery = select(words, host)
    before = values_of(battery, transformed(given, Transformation("")), "key")
    changed = TRANSFORMATIONS[change]
    with changed.computation():
        after = values_of(battery, transformed(given, changed), "key")
    faults = [each for each in (*before.values(), *after.values()) if each.status.is_fault]
    assert not faults
    tolerance = TOLERANCE if change != "float32" else 1e-3
    return {
        name: compare(value, after[name], tolerance)["verdict"]
        for name, value in before.items()
        if value.status is Status.OK
    }


def names(words, verdict):
    return dict.fromkeys(words, verdict)


@pytest.mark.parametrize("change", RESCALINGS)
@pytest.mark.parametrize("net", NETS)
def test_functions_and_path_sums_do_not_see_a_rescaling_and_norms_do(host, roots, net, change):
    found = verdicts(host, roots(net), change, [*BLIND_TO_RESCALING, *MOVED])
    assert found == names(BLIND_TO_RESCALING, "invariant") | names(MOVED, "moves")


@pytest.mark.parametrize("change", RESCALINGS)
def test_spectral_products_see_units_rescaled_but_not_layers(host, roots, change):
    verdict = "invariant" if change == "relu_rescaling_layers" else "moves"
    assert verdicts(host, roots("mlp"), change, BLIND_TO_LAYERS) == names(BLIND_TO_LAYERS, verdict)


def test_the_fisher_rao_norm_does_not_see_a_rescaling(host, roots):
    network = roots("mlp")
    for change in RESCALINGS:
        found = verdicts(host, network, change, "fisher_rao")
        assert found == {"fisher_rao": "invariant"}


def test_what_folds_batch_norm_does_not_see_the_weights_before_it(host, roots):
    folding = ["param_norm", "log_prod_of_spec", "path_norm", "fro_dist", "norm_l21"]
    found = verdicts(host, roots("convnet-batch-norm"), "batch_norm_scaling", [*folding, "hessian_trace"])
    assert found == names(folding, "invariant") | {"hessian_trace": "moves"}


@pytest.mark.parametrize("net", NETS)
def test_a_logit_scaling_moves_margins_and_no_order(host, roots, net):
    found = verdicts(host, roots(net), "logit_scaling", "margin_p10,train_loss,train_error,normalized_margin")
    still = {"train_error": "invariant", "normalized_margin": "invariant"}
    assert found == {"margin_p10": "moves", "train_loss": "moves"} | still


CHEAP = "cost:A-C"


@pytest.mark.parametrize("change", ["unit_permutation", "batch_size", "float32", "class_permutation"])
def test_nothing_cheap_sees_a_permutation_or_how_it_was_computed(host, roots, change):
    found = verdicts(host, roots("mlp"), change, CHEAP)
    assert len(found) > 60
    # Random directions in the weights do not follow a permutation.
    drawing = set()
    if TRANSFORMATIONS[change].network:
        battery = select(CHEAP, host)
        drawing = {each.spelling for each in battery.requests if "generator" in battery.roots_needed(each)}
    assert {name for name, verdict in found.items() if verdict != "invariant"} - drawing == set()


def value(number, status=Status.OK, reason=""):
    return Value("m", number, status, reason)


@pytest.mark.parametrize(
    ("before", "after", "noise", "expected"),
    [
        (2.0, 2.0, 0, {"verdict": "invariant"}),
        (2.0, 2.0 * (1 + 1e-8), 0, {"verdict": "invariant"}),
        (2.0, 3.0, 0, {"verdict": "moves", "change": 0.5}),
        (-2.0, -3.0, 0, {"verdict": "moves", "change": -0.5}),
        (2.0, 2.2, 0.05, {"verdict": "noise", "change": 0.1}),
        (2.0, 2.6, 0.05, {"verdict": "moves", "change": 0.3}),
        (0.0, 0.0, 0, {"verdict": "invariant"}),
        (0.0, 3.0, 0, {"verdict": "moves", "reason": "from 0 to 3"}),
        (math.inf, math.inf, 0, {"verdict": "invariant"}),
        (1.0, math.inf, 0, {"verdict": "moves", "reason": "from 1 to inf"}),
    ],
)
def test_how_a_value_moved(before, after, noise, expected):
    assert compare(value(before), value(after), 1e-6, noise) == expected


def test_a_value_that_is_gone_has_moved():
    gone = value(None, Status.NOT_APPLICABLE, "too rough")
    assert compare(value(1.0), gone, 1e-6) == {"verdict": "moves", "reason": "no value behind it: too rough"}


def test_an_audit_trains_its_networks_and_judges_every_change(host):
    battery = select("param_norm,train_loss,pacbayes_flatness,inverse_margin,steps_to_0.1", host)
    titles, found = audit(battery, host, {"mlp": NETWORKS["mlp"]}, {})
    assert list(titles) == ["mlp"]
    entries = {name: each["networks"]["mlp"] for name, each in found.items()}
    judged = {
        name: {change: each["verdict"] for change, each in entry["changes"].items()}
        for name, entry in entries.items()
    }
    assert all(list(each) == list(TRANSFORMATIONS) for each in judged.values())
    assert judged["param_norm"]["relu_rescaling_layers"] == "moves"
    assert judged["train_loss"] == {
        **dict.fromkeys(TRANSFORMATIONS, "invariant"),
        "batch_norm_scaling": "not applicable",
        "logit_scaling": "moves",
    }
    assert judged["pacbayes_flatness"]["unit_permutation"] == "noise"
    assert entries["pacbayes_flatness"]["noise"] > 0
    assert "noise" not in entries["param_norm"]
    assert entries["steps_to_0.1"]["changes"]["unit_permutation"]["reason"] == "it looks at no network"


def test_training_is_the_same_every_time(host):
    first, second = (next(train_networks({"mlp": NETWORKS["mlp"]}, host)) for _ in range(2))
    assert first.key == second.key
    for one, other in zip(first.roots["model"].parameters(), second.roots["model"].parameters(), strict=True):
        assert one.equal(other)
    assert first.roots["siblings"] is not None
    assert first.roots["snapshots"]


SEARCHED = {"geometric_margin": 1e-4}
"""Least of many points met on a way along a boundary with kinks: where rounding sends the way to the other side
of one, the point found differs in its fifth digit."""


@pytest.mark.slow
def test_the_whole_battery_holds_still_where_it_must(host):
    """Under permutations, in small batches and in single precision nothing moves, chance aside."""
    _, found = audit(select("all", host), host, architectures={})
    still = ["unit_permutation", "class_permutation", "batch_size", "float32"]
    moved = {
        (name, network, change)
        for name, entry in found.items()
        for network, each in entry["networks"].items()
        for change in still
        if each.get("changes", {}).get(change, {}).get("verdict") == "moves"
        and abs(each["changes"][change]["change"]) > SEARCHED.get(name, 0.0)
    }
    assert moved == set()
