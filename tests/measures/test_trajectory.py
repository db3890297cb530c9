"""Measures along training against loops over the snapshots, and where the answer is known."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from genbench.host import Host
from genbench.host.battery import Battery, Request
from genbench.networks.walk import Snapshots, walk_through

EXAMPLES = 40
HOST = Host.load(rooms={"probes", "measures"})


def loss_gradient(model, x, y):
    loss = nn.functional.cross_entropy(model(x.unsqueeze(0)), y.unsqueeze(0))
    return torch.cat([each.flatten() for each in torch.autograd.grad(loss, list(model.parameters()))])


def at(model, state):
    """A copy of the network with other weights."""
    other = nn.Sequential(
        nn.Linear(6, 8, bias=False), nn.ReLU(), nn.Linear(8, 5, bias=False), nn.ReLU(),
        nn.Linear(5, 3, bias=False),
    ).double()  # fmt: skip
    other.load_state_dict(state)
    return other


@pytest.fixture
def snapshots(small_fit):
    """Weights at uneven steps, from the initial network of `small_fit` to the trained one."""
    generator = torch.Generator().manual_seed(3)
    initial, final = (small_fit.roots[name].state_dict() for name in ("initial_model", "model"))
    found = []
    for step in (0, 2, 8, 10, 30, 36, 40):
        share = step / 40
        found.append((step, {
            name: (1 - share) * initial[name] + share * final[name]
            + 0.5 * share * (1 - share) * torch.randn(each.shape, generator=generator, dtype=torch.float64)
            for name, each in final.items()
        }))  # fmt: skip
    return found


HISTORY = {"epoch": [0, 1, 2, 3, 4], "step": [0, 10, 20, 30, 40], "learning_rate": [0.1, 0.1, 0.2, 0.2, 0.05]}


@pytest.fixture
def trained(fit, small_fit, snapshots):
    """`small_fit` with what was kept along its training."""
    roots = {key: small_fit.roots[key] for key in ("model", "inputs", "targets", "initial_model")}
    return fit(**roots, snapshots=snapshots, history=HISTORY)


@pytest.fixture
def gradients(trained, snapshots):
    """Gradients of the examples' losses at each snapshot, shape (snapshots, examples, parameters)."""
    inputs, targets = trained.roots["inputs"], trained.roots["targets"]
    networks = [at(trained.roots["model"], state) for _, state in snapshots]
    return torch.stack(
        [
            torch.stack([loss_gradient(network, x, y) for x, y in zip(inputs, targets, strict=True)])
            for network in networks
        ]
    )


@pytest.fixture
def points(snapshots):
    return torch.stack([torch.cat([each.flatten() for each in state.values()]) for _, state in snapshots])


def test_length_and_straightness(trained, points):
    length = sum((b - a).norm().item() for a, b in pairwise(points))
    assert trained["traj_length"] == pytest.approx(length, rel=1e-12)
    distance = (points[-1] - points[0]).norm().item()
    assert trained["dist_over_traj"] == pytest.approx(distance / length, rel=1e-12)


def linear_walk(fit, positions, **roots):
    """A linear model without bias whose weights go through positions, a step each."""
    positions = torch.as_tensor(positions, dtype=torch.float64)
    model = nn.Linear(positions.shape[1], 1, bias=False).double()
    with torch.no_grad():
        model.weight.copy_(positions[-1:])
    steps = [(step, {"weight": each.unsqueeze(0)}) for step, each in enumerate(positions)]
    inputs = roots.pop("inputs", torch.ones(3, positions.shape[1], dtype=torch.float64))
    targets = roots.pop("targets", torch.zeros(len(inputs), 1, dtype=torch.float64))
    return fit(model, inputs, targets, kind="regression", snapshots=steps, **roots)


def test_a_straight_way_is_as_long_as_it_is_far(fit):
    line = torch.arange(5.0).unsqueeze(1) * torch.tensor([[3.0, 4.0]])
    assert linear_walk(fit, line)["traj_length"] == pytest.approx(20, rel=1e-12)
    assert linear_walk(fit, line)["dist_over_traj"] == pytest.approx(1, rel=1e-12)
    corner = linear_walk(fit, [[0.0, 0.0], [3.0, 0.0], [3.0, 4.0]])
    assert (corner["traj_length"], corner["dist_over_traj"]) == pytest.approx((7, 5 / 7), rel=1e-12)


def test_the_order_in_which_snapshots_are_given_does_not_matter(trained, fit):
    turned = fit(**{**trained.roots, "snapshots": trained.roots["snapshots"][::-1], "kind": "classification"} | {
        "task": trained.roots["task"]
    })  # fmt: skip
    for name in ("traj_length", "tk_complexity", "coherence_bound", "coherence_early", "e_alpha"):
        assert turned[name] == trained[name], name


@pytest.mark.parametrize("where", ["start", "mean", "end"])
def test_tangent_kernel_complexity(trained, points, snapshots, where):
    norms = []
    for _, state in snapshots:
        network = at(trained.roots["model"], state)
        total = 0.0
        for x in trained.roots["inputs"]:
            for output in range(3):
                value = network(x.unsqueeze(0))[0, output]
                for each in torch.autograd.grad(value, list(network.parameters())):
                    total += each.square().sum().item()
        norms.append(math.sqrt(total))
    expected = 0.0
    for (now, then), (before, behind) in zip(pairwise(points), pairwise(norms), strict=True):
        taken = {"start": before, "end": behind, "mean": (before + behind) / 2}[where]
        expected += (then - now).norm().item() * taken
    assert trained[f"tk_complexity[at={where}]"] == pytest.approx(expected, rel=1e-9)


def test_a_linear_model_has_the_same_features_all_along(fit):
    inputs = torch.tensor([[3.0, 0.0], [0.0, 4.0], [0.0, 0.0]])
    toy = linear_walk(fit, [[0.0, 0.0], [3.0, 0.0], [3.0, 4.0]], inputs=inputs.double())
    assert toy["tk_complexity"] == pytest.approx(7 * 5, rel=1e-12)


def test_a_recorded_walk_counts_every_step_and_snapshots_stand_for_those_behind_them(fit):
    positions = torch.randn(13, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).cumsum(0)
    inputs = torch.randn(4, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    whole = linear_walk(fit, positions, inputs=inputs)
    few = Snapshots(
        [each for each in whole.roots["snapshots"] if each[0] in (0, 4, 12)],
        walk_through(whole.roots["snapshots"], ["weight"]),
    )
    kept = linear_walk(fit, positions, inputs=inputs)
    kept.roots["snapshots"] = few
    for name in ("traj_length", "dist_over_traj", "e_alpha", "trajectory_magnitude"):
        assert kept[name] == whole[name], name
    assert kept["tk_complexity"] == pytest.approx(kept["traj_length"] * inputs.norm().item(), rel=1e-12)
    kept.roots["snapshots"] = Snapshots([(3.5, few[1][1]), *few[1:]], few.walk)
    assert "not on the trajectory" in kept.value("tk_complexity").reason


def test_coherence_early_and_late(trained, gradients):
    alphas = [(each.mean(0).square().sum() / each.square().sum(1).mean()).item() for each in gradients]
    assert trained["coherence_early"] == pytest.approx(np.mean(alphas[:2]), rel=1e-9)  # steps 0 and 2
    assert trained["coherence_late"] == pytest.approx(np.mean(alphas[-2:]), rel=1e-9)  # steps 36 and 40
    assert trained["coherence_early[share=0.5]"] == pytest.approx(np.mean(alphas[:4]), rel=1e-9)
    assert trained["coherence_late[share=0.0]"] == pytest.approx(alphas[-1], rel=1e-9)
    single = trained["coherence_alpha"]
    assert trained["coherence_late[share=0.0]"] == pytest.approx(single, rel=1e-9)


def test_gradients_count_only_where_they_are_averaged(fit):
    """Half way the line is fitted exactly and has no gradient; so it is at the end, behind the last step."""
    inputs = torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    model = nn.Linear(2, 1, bias=False).double()
    nn.init.ones_(model.weight)
    weights = {0: [0.0, 0.0], 1: [0.0, 0.5], 5: [1.0, 1.0], 10: [0.5, 0.5]}
    given = {"kind": "regression", "history": {"step": [0, 10], "epoch": [0, 1], "learning_rate": [0.1, 0.1]}}

    def along(steps):
        kept = [(step, {"weight": torch.tensor([weights[each]]).double()}) for step, each in steps.items()]
        return fit(model, inputs, torch.ones(2, 1, dtype=torch.float64), snapshots=kept, **given)

    passed = along({step: step for step in weights})
    assert passed["coherence_early"] == pytest.approx((0.5 + 0.5) / 2)
    assert passed["coherence_late"] == pytest.approx(0.5)
    assert passed.value("coherence_early[share=0.5]").reason.endswith("not finite, at step 5")
    assert passed.value("coherence_bound").reason.endswith("not finite, at step 5")
    ended = along({0: 0, 1: 1, 10: 5})
    assert ended.value("coherence_late").reason.endswith("not finite, at step 10")
    assert math.isfinite(ended["coherence_bound"])


def slow_bound(alphas, snapshot_steps, rates, lipschitz, smoothness, m):
    """Theorem 5.4, term by term; `rates` of steps 1 to T."""
    total = 0.0
    for t, rate in enumerate(rates, start=1):
        before = [alpha for alpha, step in zip(alphas, snapshot_steps, strict=True) if step <= t - 1][-1]
        product = 1.0
        for later in rates[t:]:
            product *= 1 + later * smoothness
        total += product * rate * math.sqrt(2 * (1 - before))
    return lipschitz**2 / m * total


def test_coherence_bound(trained, gradients, points):
    alphas = [(each.mean(0).square().sum() / each.square().sum(1).mean()).item() for each in gradients]
    rates = [0.1] * 10 + [0.2] * 20 + [0.05] * 10
    slopes = [
        ((b.mean(0) - a.mean(0)).norm() / (y - x).norm()).item()
        for (a, b), (x, y) in zip(pairwise(gradients), pairwise(points), strict=True)
    ]
    largest = gradients.norm(dim=2).max().item()
    steps = [0, 2, 8, 10, 30, 36, 40]
    expected = slow_bound(alphas, steps, rates, largest, max(slopes), EXAMPLES)
    assert trained["coherence_bound"] == pytest.approx(math.log(expected), rel=1e-9)
    assert trained["coherence_bound[log=false]"] == pytest.approx(expected, rel=1e-9)
    given = slow_bound(alphas, steps, rates, 2.0, 0.5, EXAMPLES)
    assert trained["coherence_bound[lipschitz=2.0,log=false,smoothness=0.5]"] == pytest.approx(
        given, rel=1e-9
    )
    without = slow_bound(alphas, steps, rates, 1.0, 0.0, EXAMPLES)
    assert trained["coherence_bound[lipschitz=1.0,log=false,smoothness=0.0]"] == pytest.approx(
        without, rel=1e-9
    )


def test_the_smoothness_of_a_quadratic_is_found(fit):
    # Loss mean_i (x_i w − y_i)² / 1: gradients g_i = 2 x_i (x_i w − y_i), second derivative 2 mean x².
    x, y = torch.tensor([[1.0], [2.0], [-1.0]]).double(), torch.tensor([[0.0], [1.0], [3.0]]).double()
    history = {"epoch": [0, 1], "step": [0, 2], "learning_rate": [0.1, 0.1]}
    toy = linear_walk(fit, [[0.0], [1.0], [-2.0]], inputs=x, targets=y, history=history)
    by_hand = [2 * x * (x * w - y) for w in (0.0, 1.0, -2.0)]
    alphas = [(g.mean() ** 2 / g.square().mean()).item() for g in by_hand]
    largest = max(g.abs().max().item() for g in by_hand)
    expected = slow_bound(alphas, [0, 1, 2], [0.1, 0.1], largest, 4.0, 3)
    assert toy["coherence_bound[log=false]"] == pytest.approx(expected, rel=1e-9)


def test_equal_gradients_bound_the_gap_by_nothing(fit):
    history = {"epoch": [0, 1], "step": [0, 1], "learning_rate": [0.1, 0.1]}
    toy = linear_walk(fit, [[0.0], [1.0]], targets=torch.full((3, 1), 5.0).double(), history=history)
    assert toy["coherence_bound[log=false]"] == pytest.approx(0, abs=1e-6)
    assert toy["coherence_early"] == pytest.approx(1, rel=1e-12)


def test_noise_after_the_first_epoch(trained, gradients):
    after = gradients[3]  # step 10
    variance = (after - after.mean(0)).square().sum(1).mean().item()
    assert trained["grad_noise_epoch1"] == pytest.approx(variance, rel=1e-9)
    of_batches = variance * (EXAMPLES - 8) / (8 * (EXAMPLES - 1))
    assert trained["grad_noise_epoch1[batch=8]"] == pytest.approx(of_batches, rel=1e-9)
    trained.roots["history"] = {**HISTORY, "epoch": [0, 0.5, 0.8, 0.9, 0.95]}
    assert "not trained to its end" in trained.value("grad_noise_epoch1").reason
    trained.roots["history"] = {**HISTORY, "step": [0, 11, 22, 33, 44]}
    assert "not kept" in trained.value("grad_noise_epoch1").reason


def test_cosine_of_the_first_and_the_last_gradient(trained, gradients):
    first, last = gradients[0].mean(0), gradients[-1].mean(0)
    cosine = (first @ last / (first.norm() * last.norm())).item()
    assert trained["grad_cosine_init"] == pytest.approx(cosine, rel=1e-9)
    trained.roots["initial_model"] = trained.roots["model"]
    assert trained["grad_cosine_init"] == pytest.approx(1, rel=1e-12)


def test_a_history_without_the_columns_says_so(trained):
    trained.roots["history"] = {"step": [0, 40]}
    assert trained.value("grad_noise_epoch1").reason == "the history has no column 'epoch'"
    assert trained.value("coherence_bound").reason == "the history has no column 'learning_rate'"
    trained.roots["history"] = {"step": [0], "learning_rate": [0.1]}
    assert trained.value("coherence_bound").reason == "no step was made"


@pytest.mark.parametrize(
    ("name", "letter"),
    [("traj_length", "F"), ("tk_complexity", "F"), ("coherence_bound", "F"), ("gradient_kurtosis", "D")],
)
def test_what_looks_at_the_training_is_of_its_own_cost_class(name, letter):
    request = Request.of(HOST.find("measure", name), {})
    assert Battery.resolve([request], HOST.probe_lookup).cost_class(request) == letter


def test_frozen_parameters_do_not_move(fit):
    model = nn.Linear(2, 1).double()
    model.bias.requires_grad_(False)
    steps = [(0, {"weight": torch.zeros(1, 2), "bias": torch.zeros(1)})]
    steps += [(1, {"weight": torch.tensor([[3.0, 4.0]]), "bias": torch.ones(1)})]
    toy = fit(model, torch.ones(2, 2), torch.ones(2, 1), kind="regression", snapshots=steps)
    assert toy["traj_length"] == pytest.approx(5, rel=1e-12)
    model.weight.requires_grad_(False)
    assert toy.value("traj_length").reason == "the network has no parameters that are trained"


def test_what_was_not_kept_is_said(fit, small_fit):
    roots = {key: small_fit.roots[key] for key in ("model", "inputs", "targets")}
    walked_only = fit(**roots, snapshots=Snapshots([], None), history=HISTORY)
    for name in ("traj_length", "ph_dimension"):
        assert walked_only.value(name).reason == "not kept: the suite's `keep` needs { trajectory = N }"
    for name in ("coherence_early", "grad_noise_epoch1", "coherence_bound"):
        assert walked_only.value(name).reason == "not kept: the suite's `keep` needs { snapshots = N }"


def test_snapshots_that_say_nothing(fit, trained, snapshots):
    still = linear_walk(fit, [[1.0, 2.0]] * 30)
    for name in ("traj_length", "dist_over_traj", "ph_dimension", "e_alpha"):
        assert still.value(name).reason == "the weights did not move"
    one = linear_walk(fit, [[1.0, 2.0]])
    for name in ("traj_length", "tk_complexity", "coherence_late", "e_alpha"):
        assert one.value(name).status == "not_applicable", name
    trained.roots["snapshots"] = [*snapshots, snapshots[0]]
    assert trained.value("coherence_early").reason == "two snapshots are of one step"
    trained.roots["snapshots"] = [(0, {"0.weight": torch.zeros(6, 8)}), *snapshots[1:]]
    for name in ("coherence_early", "traj_length", "tk_complexity"):
        assert "snapshot 0 does not fit the network" in trained.value(name).reason
    lost = linear_walk(fit, [[1.0, 2.0], [float("nan"), 1.0]])
    assert "not finite" in lost.value("traj_length").reason
    assert linear_walk(fit, torch.rand(30, 2)).value("coherence_bound").reason.startswith("needs history")
