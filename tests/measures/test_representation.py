"""Separability of classes in hidden layers, against scikit-learn and loops over examples."""

import math

import pytest
import torch
from sklearn import metrics
from torch import nn

import genbench
from genbench.networks.hidden import chosen_place
from genbench.probes.hidden import representation


@pytest.fixture
def trained(fit):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 7), nn.Tanh(), nn.Linear(7, 3))
    targets = torch.arange(40) % 3
    return fit(model, torch.randn(40, 6) + targets.unsqueeze(1), targets)


@pytest.fixture
def layers(trained):
    model, inputs = trained.roots["model"], trained.roots["inputs"]
    with torch.no_grad():
        return {"first": model[:2](inputs).numpy(), "penultimate": model[:4](inputs).numpy()}


LAYERS = pytest.mark.parametrize("layer", ["first", "penultimate"])


@LAYERS
def test_indices_are_those_of_scikit_learn(trained, layers, layer):
    labels = trained.roots["targets"].numpy()
    for name in ("davies_bouldin", "silhouette", "calinski_harabasz"):
        function = getattr(metrics, f"{name}_score", None)
        expected = (function or metrics.calinski_harabasz_score)(layers[layer], labels)
        assert trained[f"{name}[layer={layer}]"] == pytest.approx(expected, rel=1e-9), name


def test_an_example_alone_in_its_class_has_no_silhouette(fit, trained):
    targets = trained.roots["targets"].clone()
    targets[targets == 2] = 1
    targets[5] = 2
    found = fit(trained.roots["model"], trained.roots["inputs"], targets)
    with torch.no_grad():
        features = trained.roots["model"][:4](trained.roots["inputs"]).numpy()
    expected = metrics.silhouette_score(features, targets.numpy())
    assert found["silhouette"] == pytest.approx(expected, rel=1e-9)


@LAYERS
def test_ratios_of_variances(trained, layers, layer):
    features, labels = layers[layer].tolist(), trained.roots["targets"].tolist()
    width, count = len(features[0]), len(features)
    groups = [
        [row for row, label in zip(features, labels, strict=True) if label == each] for each in range(3)
    ]
    centres = [[sum(row[unit] for row in group) / len(group) for unit in range(width)] for group in groups]
    means = [sum(row[unit] for row in features) / count for unit in range(width)]
    ratios = []
    for unit in range(width):
        between = sum(len(g) * (c[unit] - means[unit]) ** 2 for g, c in zip(groups, centres, strict=True))
        within = sum((row[unit] - c[unit]) ** 2 for g, c in zip(groups, centres, strict=True) for row in g)
        if between + within > 0:
            ratios.append(between / within)
    found = trained[f"fisher_ratio[layer={layer}]"]
    assert found == pytest.approx(sum(ratios) / len(ratios), rel=1e-9)
    exact = torch.tensor(centres, dtype=torch.float64)
    spread = exact - exact.mean(0)
    covariance_between = spread.T @ spread / 3
    covariance_within = torch.zeros(width, width, dtype=torch.float64)
    for row, label in zip(features, labels, strict=True):
        residual = torch.tensor(row, dtype=torch.float64) - exact[label]
        covariance_within += torch.outer(residual, residual) / count
    pseudoinverse = torch.linalg.pinv(covariance_between, rtol=1e-10, hermitian=True)
    expected = float((covariance_within @ pseudoinverse).trace()) / 3
    assert trained[f"nc1[layer={layer}]"] == pytest.approx(expected, rel=1e-6)


def test_the_mean_over_other_classes(trained, layers):
    features, labels = torch.tensor(layers["first"]), trained.roots["targets"]
    centres = [features[labels == each].mean(0) for each in range(3)]
    spreads = [(features[labels == each] - centres[each]).norm(dim=1).mean() for each in range(3)]
    pairs = [
        float((spreads[a] + spreads[b]) / (centres[a] - centres[b]).norm())
        for a in range(3) for b in range(3) if a != b
    ]  # fmt: skip
    assert trained["davies_bouldin[over_pairs=mean]"] == pytest.approx(sum(pairs) / 6, rel=1e-9)


def test_product_with_the_error_on_midpoints(trained):
    # The generator of both is seeded alike here, so that they draw the same pairs.
    expected = trained["davies_bouldin"] * trained["label_wise_mixup"]
    assert trained["label_wise_mixup"] > 0
    assert trained["dbi_x_mixup"] == pytest.approx(expected, rel=1e-12)


def test_norms_and_effective_rank(trained, layers):
    norms = [math.hypot(*row) for row in layers["penultimate"].tolist()]
    assert trained["feature_norm"] == pytest.approx(sum(norms) / 40, rel=1e-9)
    assert trained["feature_norm[aggregate=max]"] == pytest.approx(max(norms), rel=1e-9)
    singular = torch.linalg.svdvals(torch.tensor(layers["first"] - layers["first"].mean(0)))
    shares = singular.square() / singular.square().sum()
    entropy = -sum(share * math.log(share) for share in shares.tolist() if share > 1e-18)
    assert trained["feature_effective_rank[layer=first]"] == pytest.approx(math.exp(entropy), rel=1e-9)


@pytest.mark.parametrize(
    "name",
    ["davies_bouldin", "silhouette", "calinski_harabasz", "fisher_ratio", "nc1", "feature_effective_rank"],
)
def test_scale_and_place_of_the_layer_do_not_matter(fit, trained, name):
    """h → 3 h + 2 at the input of the classifier, through a tanh that is followed by a fixed linear map."""
    model, inputs = trained.roots["model"], trained.roots["inputs"]

    class Moved(nn.Module):
        def forward(self, values):
            return 3 * values + 2

    moved = nn.Sequential(*model[:4], Moved(), model[4])
    assert chosen_place(moved, "penultimate").module == "5"
    other = fit(moved, inputs, trained.roots["targets"])
    setting = "[layer=penultimate]"
    assert other[name + setting] == pytest.approx(trained[name + setting], rel=1e-9)


def test_collapsed_classes(fit):
    # The first layer tells the classes apart and nothing else.
    model = nn.Sequential(nn.Linear(2, 3, bias=False), nn.ReLU(), nn.Linear(3, 2))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[1.0, 0], [-1.0, 0], [2.0, 0]]))
    targets = torch.arange(20) % 2
    inputs = torch.stack([2.0 * targets - 1, torch.linspace(-1, 1, 20)], 1)
    found = fit(model, inputs, targets)
    assert found["nc1"] == pytest.approx(0.0, abs=1e-20)
    assert found["davies_bouldin"] == pytest.approx(0.0, abs=1e-12)
    assert found["silhouette"] == pytest.approx(1.0)
    assert found["fisher_ratio"] == math.inf


def test_classes_are_needed(fit):
    model = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 2))
    inputs = torch.randn(9, 4)
    regression = fit(model, inputs, torch.randn(9, 2), kind="regression")
    assert "classification" in regression.value("nc1").reason
    assert "classification" in regression.value("dbi_x_mixup").reason
    assert regression.value("feature_norm").status == "ok"
    assert "two classes" in fit(model, inputs, torch.zeros(9).long()).value("silhouette").reason


CLUSTERED = pytest.mark.parametrize(
    "name", ["davies_bouldin", "silhouette", "calinski_harabasz", "fisher_ratio", "nc1", "dbi_x_mixup"]
)


@CLUSTERED
@pytest.mark.parametrize("bias", [-1.0, 0.7], ids=["dead", "constant"])
def test_no_value_of_a_layer_that_does_not_vary(fit, name, bias):
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))
    nn.init.constant_(model[0].weight, 1e-15 if bias > 0 else 0)
    nn.init.constant_(model[0].bias, bias)
    found = fit(model, torch.randn(12, 6), torch.arange(12) % 3)
    for each in (name, "feature_effective_rank"):
        value = found.value(each)
        assert value.status == "not_applicable"
        assert "does not vary" in value.reason
    assert found["feature_norm"] == pytest.approx(max(0, bias) * math.sqrt(8))


def test_what_is_rounding_depends_on_the_precision():
    """Single precision rounds away a spread of 1e-6 of the features, double does not."""
    features = 1 + 1e-6 * torch.randn(20, 5, dtype=torch.float64)
    for dtype, varies in ((torch.float64, True), (torch.float32, False)):
        model = nn.Sequential(nn.Identity(), nn.Linear(5, 3)).to(dtype)
        found = representation(model, features.to(dtype), torch.arange(20) % 3, torch.device("cpu"))
        if varies:
            found.require_variation()
        else:
            with pytest.raises(genbench.NotApplicable, match="does not vary"):
                found.require_variation()


@CLUSTERED
def test_clusters_need_more_examples_than_classes(trained, fit, name):
    model, inputs, targets = (trained.roots[each] for each in ("model", "inputs", "targets"))
    assert targets[:4].tolist() == [0, 1, 2, 0]
    value = fit(model, inputs[:3], targets[:3]).value(name)
    assert value.status == "not_applicable"
    if name != "dbi_x_mixup":  # whose midpoints need pairs
        assert "more examples than classes" in value.reason
    assert fit(model, inputs[:4], targets[:4]).value(name).status == "ok"


def test_classes_of_the_same_centre_have_no_nc1(fit):
    """Their centres differ by rounding only: means of the same numbers in another order."""
    inputs = torch.randn(10, 6).double()
    model = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 2))
    found = fit(model, torch.cat([inputs, inputs.flip(0)]), torch.arange(20) // 10).value("nc1")
    assert found.status == "not_applicable"
    assert "same centre" in found.reason


def test_no_value_of_a_layer_that_is_dead(fit):
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))
    nn.init.zeros_(model[0].weight)
    nn.init.constant_(model[0].bias, -1.0)
    found = fit(model, torch.randn(12, 6), torch.arange(12) % 3)
    assert found.value("pgdl_mixup_margin").status == "not_applicable"
