"""Stiffness, coherence and gradient noise against loops over pairs, and against cases that papers work out."""

import itertools
import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from genbench.measures.gradient_interaction import coherence_from_batches
from genbench.probes.gradients import BatchGradients

GRADIENTS = "stiffness_sign", "stiffness_cos", "coherence_alpha", "coherence_m_alpha", "noise_scale", "gsnr"

REAL = [[1, 0, 0, 0, 0, 1], [0, -1, 0, 0, 0, -1], [0, 0, -1, 0, 0, -1], [0, 0, 0, 1, 0, 1]]
RANDOM = [[*row[:5], 0] for row in REAL]
LABELS = [1, -1, -1, 1]


def linear(fit, inputs, targets, **settings):
    """A linear model at w = 0 under the squared error; its gradients are −2 y x."""
    inputs = torch.tensor(inputs, dtype=torch.float64)
    model = nn.Linear(inputs.shape[1], 1, bias=False).double()
    nn.init.zeros_(model.weight)
    targets = torch.tensor(targets, dtype=torch.float64).unsqueeze(1)
    return fit(model, inputs, targets, kind="regression", **settings)


@pytest.fixture
def gradients(small_fit):
    """Gradients of the examples' losses, as lists of numbers."""
    model, parameters = small_fit.roots["model"], list(small_fit.roots["model"].parameters())
    rows = []
    for x, y in zip(small_fit.roots["inputs"], small_fit.roots["targets"], strict=True):
        loss = F.cross_entropy(model(x.unsqueeze(0)), y.unsqueeze(0))
        rows.append(torch.cat([each.flatten() for each in torch.autograd.grad(loss, parameters)]).tolist())
    return rows


def dot(one, other):
    return math.fsum(a * b for a, b in zip(one, other, strict=True))


def cosine(one, other):
    lengths = math.sqrt(dot(one, one) * dot(other, other))
    return dot(one, other) / lengths if lengths else 0.0  # an example behind dead units has no gradient


def sign(one, other):
    product = dot(one, other)
    return (product > 0) - (product < 0)


def mean(values):
    values = list(values)
    return math.fsum(values) / len(values)


def mean_vector(gradients):
    return [mean(column) for column in zip(*gradients, strict=True)]


@pytest.mark.parametrize("agreement", [sign, cosine])
def test_stiffness(small_fit, gradients, agreement):
    indices = range(len(gradients))
    pairs = {(i, j): agreement(gradients[i], gradients[j]) for i in indices for j in indices if i != j}
    classes = {
        (a, b): mean(value for (i, j), value in pairs.items() if (i % 3, j % 3) == (a, b))
        for a in range(3)
        for b in range(3)
    }
    name = agreement.__name__
    assert small_fit["stiffness_sign" if name == "sign" else "stiffness_cos"] == pytest.approx(
        mean(pairs.values()), rel=1e-9
    )
    assert small_fit[f"stiffness_within[agreement={name}]"] == pytest.approx(
        mean(classes[a, a] for a in range(3)), rel=1e-9
    )
    assert small_fit[f"stiffness_between[agreement={name}]"] == pytest.approx(
        mean(value for (a, b), value in classes.items() if a != b), rel=1e-9
    )


def test_confusion(small_fit, gradients):
    pairs = [(one, other) for place, one in enumerate(gradients) for other in gradients[:place]]
    assert small_fit["gradient_confusion"] == pytest.approx(max(-dot(*pair) for pair in pairs), rel=1e-9)
    assert small_fit["gradient_confusion[cosine=true]"] == pytest.approx(
        max(-cosine(*pair) for pair in pairs), rel=1e-9
    )


def test_moments(small_fit, gradients):
    average = mean_vector(gradients)
    of_mean, size = dot(average, average), mean(dot(each, each) for each in gradients)
    deviations = [[a - b for a, b in zip(each, average, strict=True)] for each in gradients]
    variance = mean(dot(each, each) for each in deviations)
    assert small_fit["coherence_alpha"] == pytest.approx(of_mean / size, rel=1e-9)
    assert small_fit["coherence_m_alpha"] == pytest.approx(40 * of_mean / size, rel=1e-9)
    assert small_fit["grad_noise_final"] == pytest.approx(variance, rel=1e-9)
    assert small_fit["grad_noise_final[batch=8]"] == pytest.approx(variance / 8 * 32 / 39, rel=1e-9)
    assert small_fit["noise_scale"] == pytest.approx(variance / of_mean, rel=1e-9)
    assert small_fit["noise_scale"] == pytest.approx(1 / small_fit["coherence_alpha"] - 1, rel=1e-9)
    assert small_fit["grad_norm_train"] == pytest.approx(math.sqrt(of_mean), rel=1e-9)
    assert small_fit["grad_norm_train[squared=true]"] == pytest.approx(of_mean, rel=1e-9)
    ratios = [
        mu**2 / mean((value - mu) ** 2 for value in column)
        for mu, column in zip(average, zip(*gradients, strict=True), strict=True)
        if mu != 0
    ]
    assert small_fit["gsnr"] == pytest.approx(mean(ratios), rel=1e-6)


def test_the_toy_data_of_walker(fit):
    assert linear(fit, REAL, LABELS)["coherence_alpha"] == pytest.approx(0.625, rel=1e-12)
    assert linear(fit, RANDOM, LABELS)["coherence_alpha"] == pytest.approx(0.25, rel=1e-12)
    assert linear(fit, REAL, LABELS)["stiffness_cos"] == pytest.approx(0.5, rel=1e-12)
    assert linear(fit, RANDOM, LABELS)["stiffness_sign"] == 0


@pytest.mark.parametrize("copies", [1, 3])
def test_copies_of_orthogonal_gradients(fit, copies):
    toy = linear(fit, torch.eye(5).tolist() * copies, [1.0] * 5 * copies)
    assert toy["coherence_alpha"] == pytest.approx(1 / 5, rel=1e-12)
    assert toy["coherence_m_alpha"] == pytest.approx(copies, rel=1e-12)


def test_equal_gradients_are_fully_coherent(fit):
    toy = linear(fit, [[1.0, 2.0]] * 4, [1.0] * 4)
    for name in ("coherence_alpha", "stiffness_sign", "stiffness_cos"):
        assert toy[name] == pytest.approx(1, rel=1e-12)
    assert toy["noise_scale"] == pytest.approx(0, abs=1e-12)
    assert toy["grad_norm_train"] == pytest.approx(2 * math.sqrt(5), rel=1e-12)


def test_opposed_gradients_have_no_coherence(fit):
    toy = linear(fit, [[1.0, 2.0], [1.0, 2.0]], [1.0, -1.0])
    assert toy["coherence_alpha"] == 0
    assert toy["noise_scale"] == math.inf
    assert toy["stiffness_cos"] == pytest.approx(-1, rel=1e-12)
    assert toy["gradient_confusion"] == pytest.approx(20, rel=1e-12)
    assert toy.value("gsnr").reason == "the mean gradient vanishes"


def test_the_scale_of_the_gradients_does_not_matter(fit):
    one, other = (linear(fit, REAL, [factor * y for y in LABELS]) for factor in (1, 1e-3))
    for name in ("stiffness_sign", "stiffness_cos", "coherence_alpha", "noise_scale"):
        assert other[name] == pytest.approx(one[name], rel=1e-9)


def test_gradients_of_different_size_weigh_the_same_in_stiffness(fit):
    toy = linear(fit, [[1.0, 1.0], [1000.0, 0.0]], [1.0, 1.0])
    assert toy["stiffness_cos"] == pytest.approx(math.sqrt(0.5), rel=1e-12)


def test_coherence_from_batches_of_one_is_coherence(small_fit):
    assert small_fit["coherence_from_batches[batch=1]"] == pytest.approx(
        small_fit["coherence_alpha"], rel=1e-9
    )


@pytest.mark.parametrize("batch", [2, 3])
@pytest.mark.parametrize("m", [6, 7])
def test_over_all_partitions_the_inverse_for_a_finite_sample_is_unbiased(gradients, m, batch):
    """Every order of the examples is taken, whether or not `batch` divides their number."""
    rows = torch.tensor(gradients[:m], dtype=torch.float64)
    coherence = rows.mean(0).square().sum() / rows.square().sum(1).mean()
    count = m // batch
    orders = torch.tensor(list(itertools.permutations(range(m))))
    spread = torch.zeros((), dtype=torch.float64)
    for chosen in orders.tensor_split(count, dim=1):
        apart = rows[chosen].mean(1) - rows.mean(0)
        spread += chosen.shape[1] * apart.square().sum(1).mean()
    found = BatchGradients(spread, rows.mean(0).square().sum(), count, m)
    assert float(coherence_from_batches(found)) == pytest.approx(coherence.item(), rel=1e-12)


def test_no_example_is_left_over(fit):
    """With one of 34 examples left out the mean gradient would be that of an order's noise."""
    torch.manual_seed(3)
    inputs = torch.randn(34, 40, dtype=torch.float64)
    inputs -= inputs.mean(0)
    inputs[:, 0] += 0.02
    opposed = linear(fit, inputs.tolist(), [1.0] * 34)
    alpha = opposed["coherence_alpha"]
    assert alpha < 1e-4
    assert 0.7 < opposed["coherence_from_batches[batch=10]"] / alpha < 1.4


def test_the_identity_of_the_theorem(small_fit):
    """α_W = k α / (1 + (k − 1) α) is what the published inverse inverts, and the other corrects."""
    published = small_fit["coherence_from_batches[batch=8,inverse=theorem]"]
    corrected = small_fit["coherence_from_batches[batch=8]"]
    assert 1 / corrected - 1 == pytest.approx((1 / published - 1) * 39 / 32, rel=1e-9)
    of_batches = 8 * published / (1 + 7 * published)
    assert of_batches / (8 - 7 * of_batches) == pytest.approx(published, rel=1e-9)


def test_batches_see_equal_and_orthogonal_gradients(fit):
    equal = linear(fit, [[1.0, 2.0]] * 6, [1.0] * 6)
    assert equal["coherence_from_batches[batch=2]"] == pytest.approx(1, rel=1e-12)
    orthogonal = linear(fit, torch.eye(6).tolist(), [1.0] * 6)
    assert orthogonal["coherence_from_batches[batch=2]"] == pytest.approx(1 / 6, rel=1e-12)
    assert orthogonal["coherence_from_batches[batch=3]"] == pytest.approx(1 / 6, rel=1e-12)


def test_permuted_examples_and_labels_change_nothing(fit, small_fit):
    roots = small_fit.roots
    order = torch.randperm(40, generator=torch.Generator().manual_seed(1))
    moved = fit(roots["model"], roots["inputs"][order], roots["targets"][order])
    for name in (*GRADIENTS, "stiffness_within", "stiffness_between", "gradient_confusion"):
        assert moved[name] == pytest.approx(small_fit[name], rel=1e-9), name


def test_where_there_is_nothing_to_compare(fit, small_fit):
    roots = small_fit.roots
    one = fit(roots["model"], roots["inputs"][:1], roots["targets"][:1])
    assert one.value("stiffness_cos").reason == "needs two examples"
    assert "no two batches" in one.value("coherence_from_batches").reason
    of_one_class = fit(roots["model"], roots["inputs"][:2], torch.zeros(2, dtype=torch.long))
    assert of_one_class.value("stiffness_between").reason == "the examples taken are of one class"
    of_three = fit(roots["model"], roots["inputs"][:3], torch.arange(3))
    assert of_three.value("stiffness_within").reason == "no class has two examples among those taken"
    still = linear(fit, REAL, [0] * 4)
    for name in (*GRADIENTS[:5], "gradient_confusion", "coherence_from_batches[batch=2]"):
        assert still.value(name).reason == "all gradients vanish", name
    assert "classification only" in linear(fit, REAL, LABELS).value("stiffness_within").reason


@pytest.mark.parametrize("batch", [1, 2, 3])
def test_kurtosis_over_all_batches(small_fit, gradients, batch):
    rows = torch.tensor(gradients, dtype=torch.float64)
    means = torch.stack(
        [rows[list(some)].mean(0) for some in itertools.combinations(range(len(rows)), batch)]
    )
    deviations = means - means.mean(0)
    moving = deviations.abs().amax(0) > 1e-12
    moments = [deviations[:, moving].pow(exponent).mean(0) for exponent in (2, 4)]
    expected = (moments[1] / moments[0].square() - 3).quantile(0.5)
    assert small_fit[f"gradient_kurtosis[batch={batch}]"] == pytest.approx(float(expected), rel=1e-6)


def test_a_batch_of_all_but_one_example_is_as_far_from_gaussian_as_one(fit):
    toy = linear(fit, torch.randn(9, 2, generator=torch.Generator().manual_seed(0)).tolist(), [1.0] * 9)
    assert toy["gradient_kurtosis[batch=8]"] == pytest.approx(toy["gradient_kurtosis[batch=1]"], rel=1e-9)


def test_sums_of_many_examples_are_gaussian(fit):
    generator = torch.Generator().manual_seed(0)
    inputs, targets = torch.randn(2000, 30, generator=generator), torch.randn(2000, generator=generator)
    toy = linear(fit, inputs.tolist(), targets.tolist())
    # Of one example it is that of a product of two independent Gaussians, 9 - 3; of b about that over b.
    assert toy["gradient_kurtosis[batch=1]"] == pytest.approx(6, abs=1)
    assert toy["gradient_kurtosis[batch=60]"] == pytest.approx(0.1, abs=0.05)


def test_kurtosis_needs_gradients_that_differ(fit):
    same = linear(fit, [[1.0, 2.0]] * 30, [3.0] * 30)
    assert same.value("gradient_kurtosis").reason == "the gradients of all batches are the same"
    few = linear(fit, REAL, LABELS)
    assert few.value("gradient_kurtosis").reason == "batches of 16 from 4 examples are all the same"


def test_kurtosis_leaves_out_gradients_whose_fourth_powers_vanish(fit):
    generator = torch.Generator().manual_seed(0)
    inputs, targets = torch.randn(40, 2, generator=generator), torch.randn(40, generator=generator).tolist()
    inputs = inputs.double()
    alone = linear(fit, inputs[:, :1].tolist(), targets)
    both = linear(fit, (inputs * torch.tensor([1, 1e-90], dtype=torch.float64)).tolist(), targets)
    assert both["gradient_kurtosis"] == pytest.approx(alone["gradient_kurtosis"], rel=1e-9)
    none = linear(fit, (inputs * 1e-90).tolist(), targets).value("gradient_kurtosis")
    assert none.reason == "the gradients are so small that their fourth powers vanish"


def test_a_gradient_that_does_not_vary_has_no_signal_to_noise_ratio(fit):
    """The gradient −2 x of the first weight is the same for all; that of the second has mean 2, variance 1."""
    toy = linear(fit, [[0.1, -0.5], [0.1, -1.5]] * 5, [1.0] * 10)
    assert toy["gsnr"] == pytest.approx(2**2 / 1, rel=1e-9)
    same = linear(fit, [[0.1, 0.3]] * 7, [1.0] * 7)
    one = linear(fit, [[0.1, 0.3]], [1.0])
    for each in (same, one):
        assert each.value("gsnr").reason == "the gradients of all examples are the same"
