"""Measures of the PGDL contest on moved inputs, against loops over examples."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from genbench.measures.pgdl import _changed, _edges, _erased, _fences_and_quartiles, _saturated
from genbench.probes.class_pairs import partners_of_class

PENALTIES = [6, 1, 2, 3, 1, 12, 2]


def seeded(device="cpu"):
    return torch.Generator(device).manual_seed(1)  # as the measures of a `Fit` are


@pytest.fixture
def images(fit):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Tanh(), nn.Conv2d(4, 2, 3), nn.Flatten(), nn.Linear(32, 3))
    targets = torch.arange(20) % 3
    return fit(model, torch.randn(20, 3, 8, 8) + targets.reshape(-1, 1, 1, 1) / 4, targets)


def parts(found):
    return found.roots["model"], found.roots["inputs"], found.roots["targets"]


@pytest.mark.parametrize(("midpoints", "rounds"), [(20, 1), (41, 3)])
def test_manifold_mixup(images, midpoints, rounds):
    model, inputs, targets = parts(images)
    generator = seeded()
    wrong = {"first": 0, "penultimate": 0}
    for _ in range(rounds):
        partner = partners_of_class(targets, generator)
        for example, label in enumerate(targets.tolist()):
            pair = inputs[[example, int(partner[example])]]
            for layer, split in (("first", 2), ("penultimate", 4)):
                middle = model[:split](pair).mean(0, keepdim=True)
                wrong[layer] += int(model[split:](middle).argmax()) != label
    assert 0 < wrong["first"] < 20 * rounds
    for layer, count in wrong.items():
        found = images[f"manifold_mixup[layer={layer},midpoints={midpoints}]"]
        assert found == pytest.approx(count / (20 * rounds), rel=1e-12)


def test_in_a_linear_network_it_does_not_matter_where_one_mixes(fit):
    model = nn.Sequential(nn.Flatten(), nn.Linear(6, 5), nn.Linear(5, 3))
    found = fit(model, torch.randn(30, 6), torch.arange(30) % 3)
    for midpoints in (30, 61):
        hidden, plain = (
            found[f"{name}[midpoints={midpoints}]"] for name in ("manifold_mixup", "label_wise_mixup")
        )
        assert hidden == pytest.approx(plain, rel=1e-6)


def slow_margins(model, points, targets):
    """Distances in the first hidden layer, over the spread of its units."""
    distances, rows = [], []
    for point, label in zip(points, targets.tolist(), strict=True):
        hidden = model[:2](point.unsqueeze(0)).detach().requires_grad_()
        outputs = model[2:](hidden)[0]
        other = max((j for j in range(3) if j != label), key=lambda j: outputs[j].item())
        margin = outputs[label] - outputs[other]
        (slope,) = torch.autograd.grad(margin, hidden)
        distances.append(margin.item() / slope.norm().item())
        rows.append(hidden.detach().flatten().numpy())
    variances = sorted(np.var(np.stack(rows), axis=0))
    cut = int(0.05 * len(variances))
    kept = variances[cut : len(variances) - cut]
    return [distance / math.sqrt(sum(kept) / len(kept)) for distance in distances]


def test_margins_at_midpoints(images):
    model, inputs, targets = parts(images)
    partner = partners_of_class(targets, seeded())
    expected = slow_margins(model, (inputs + inputs[partner]) / 2, targets)
    assert images["pgdl_mixup_margin"] == pytest.approx(-sum(expected) / 20, rel=1e-9)
    five = _fences_and_quartiles(torch.tensor(expected, dtype=torch.float64))
    found = images["pgdl_mixup_margin[summary=quartiles]"]
    assert found == pytest.approx(-float(five.mean()), rel=1e-9)
    some = [0, 6, 13, 19]
    expected = slow_margins(model, (inputs[some] + inputs[partner[some]]) / 2, targets[some])
    assert images["pgdl_mixup_margin[examples=4]"] == pytest.approx(-sum(expected) / 4, rel=1e-9)


@pytest.mark.parametrize("name", ["pgdl_mixup_margin", "pgdl_augment_margin"])
def test_a_margin_that_depends_on_nothing_is_no_distance(images, name):
    last = parts(images)[0][4]
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    assert images.value(name).reason == "at one of the points the margin does not depend on the layer"


def test_fences_and_quartiles():
    values = torch.tensor([-20.0, -9.0, 1, 2, 3, 4, 5, 6, 7, 40, 60])
    quartiles = np.percentile(values.numpy(), [25, 50, 75])
    assert _fences_and_quartiles(values).tolist() == pytest.approx([-9.0, *quartiles, 40.0])
    inside = torch.tensor([1.0, 2.0, 3.0, 4.0])
    assert _fences_and_quartiles(inside).tolist() == pytest.approx([1.0, 1.75, 2.5, 3.25, 4.0])


def test_margins_of_augmented_images(fit):
    """Constant images know no mirror, contrast or zoom, so that their margins are the plain ones."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Tanh(), nn.Conv2d(4, 2, 3), nn.Flatten(), nn.Linear(32, 3))
    inputs = torch.randn(12, 1, 1, 1, dtype=torch.float64).expand(12, 1, 8, 8).contiguous()
    found = fit(model, inputs, torch.arange(12) % 3)
    expected = slow_margins(found.roots["model"], inputs, torch.arange(12) % 3)
    assert found["pgdl_augment_margin"] == pytest.approx(-sum(expected) / 12, rel=1e-9)


def test_every_image_is_augmented_as_it_is_and_mirrored(images):
    _, inputs, _ = parts(images)
    before = images["pgdl_augment_margin"]
    inputs.copy_(inputs.flip(3))
    with torch.no_grad():
        for place in (0, 2):
            kernel = parts(images)[0][place].weight
            kernel.copy_(kernel.flip(3))
        last = parts(images)[0][4].weight
        last.copy_(last.unflatten(1, (2, 4, 4)).flip(3).flatten(1))
    # The mirrored network at mirrored images: as it was, whatever is drawn.
    assert images["pgdl_augment_margin"] == pytest.approx(before, rel=1e-9)


def test_consistency_under_changes(images):
    model, inputs, _ = parts(images)
    before = model(inputs).softmax(1)
    total = 0.0
    for (penalty, changed), expected in zip(_changed(inputs, seeded()), PENALTIES, strict=True):
        assert penalty == expected
        after = model(changed).softmax(1)
        for old, new in zip(before, after, strict=True):
            same = int(old.argmax()) == int(new.argmax())
            total += abs(old.max().item() - new.max().item()) if same else penalty
    assert images["augmentation_consistency"] == pytest.approx(total / 20, rel=1e-9)


def test_changes_of_images():
    torch.manual_seed(0)
    picture = torch.randn(50, 3, 10, 8, dtype=torch.float64)
    mirrored, saturated, centre, _, brighter, both, erased = (c for _, c in _changed(picture, seeded()))
    assert torch.equal(mirrored[..., 0], picture[..., -1])
    weights = torch.tensor([0.299, 0.587, 0.114], dtype=torch.float64)
    for each, source in ((saturated, picture), (both, mirrored)):
        gray = torch.einsum("c,nchw->nhw", weights, source).unsqueeze(1)
        torch.testing.assert_close(torch.einsum("c,nchw->nhw", weights, each).unsqueeze(1), gray)
        factors = ((each - gray) / (source - gray)).flatten(1)
        torch.testing.assert_close(factors, factors[:, :1].expand_as(factors))
        assert 0.6 <= factors.min() < 0.8
        assert 1.4 < factors.max() <= 1.6
    assert centre.shape == picture.shape
    torch.testing.assert_close(brighter, picture + 0.5)
    sizes = (erased == 0).all(1).flatten(1).sum(1)
    assert sizes.min() >= 0
    assert sizes.max() > 20
    torch.testing.assert_close(erased[erased != 0], picture[erased != 0])
    ramp = torch.arange(5.0).expand(1, 1, 4, 5)
    assert _edges(ramp)[0, 0, :, 1:-1].flatten().tolist() == [2.5] * 12
    assert _edges(ramp.transpose(2, 3))[0, 0].flatten().tolist() == [0.5] * 20
    gray_image = torch.randn(2, 1, 4, 4)
    assert torch.equal(_saturated(gray_image, seeded()), gray_image)
    assert _erased(torch.ones(30, 1, 2, 2), seeded()).shape == (30, 1, 2, 2)


def test_what_is_no_image_is_refused(fit):
    model = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3))
    found = fit(model, torch.randn(9, 6), torch.arange(9) % 3)
    for name in ("augmentation_consistency", "pgdl_augment_margin"):
        assert "images" in found.value(name).reason
    assert found.value("pgdl_mixup_margin").status == "ok"
    regression = fit(model, torch.randn(9, 6), torch.randn(9, 3), kind="regression")
    for name in ("manifold_mixup", "pgdl_mixup_margin"):
        assert "classification" in regression.value(name).reason
