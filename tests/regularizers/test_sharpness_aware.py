"""`sharpness-aware` against steps by hand."""

import pytest
import torch
from regularizers.problems import small_convnet
from torch.nn import functional as F

from genbench.base.errors import InvalidInput


def slopes(model, inputs, targets):
    model.zero_grad()
    F.cross_entropy(model(inputs), targets).backward()
    return [each.grad.clone() for each in model.parameters()]


def by_hand(problem, inputs, targets, radius, adaptive, relative, steps):
    """The gradient at the end of the way uphill, from the network's weights."""
    model = problem.network()
    weights = [each.detach().clone() for each in model.parameters()]
    length = sum(float(each.square().sum()) for each in weights) ** 0.5 if relative else 1.0
    for _ in range(steps):
        found = slopes(model, inputs, targets)
        scales = [each.abs() if adaptive else torch.ones_like(each) for each in weights]
        norm = sum(float((s * g).square().sum()) for s, g in zip(scales, found, strict=True)) ** 0.5
        with torch.no_grad():
            for parameter, s, g in zip(model.parameters(), scales, found, strict=True):
                parameter += radius / steps * length * s * s * g / norm
    return slopes(model, inputs, targets)


@pytest.mark.parametrize("adaptive", [False, True])
@pytest.mark.parametrize("relative", [False, True])
@pytest.mark.parametrize("steps", [1, 3])
def test_agrees_with_steps_by_hand(problem, gradients_of, adaptive, relative, steps):
    settings = f"radius=0.2,steps={steps},adaptive={str(adaptive).lower()},relative={str(relative).lower()}"
    found, loss = gradients_of(problem, f"sharpness-aware[{settings}]")
    expected = by_hand(problem, problem.inputs, problem.targets, 0.2, adaptive, relative, steps)
    for each, wanted in zip(found.values(), expected, strict=True):
        torch.testing.assert_close(each, wanted, rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(loss, F.cross_entropy(problem.network()(problem.inputs), problem.targets))


@pytest.mark.parametrize("steps", [1, 2])
@pytest.mark.parametrize("relative", [False, True])
def test_a_worst_step_for_each_example(problem, gradients_of, steps, relative):
    settings = f"radius=0.1,per_example=true,steps={steps},relative={str(relative).lower()}"
    found, _ = gradients_of(problem, f"sam[{settings}]")
    rows = [
        by_hand(problem, problem.inputs[i : i + 1], problem.targets[i : i + 1], 0.1, False, relative, steps)
        for i in range(24)
    ]
    for number, each in enumerate(found.values()):
        wanted = torch.stack([row[number] for row in rows]).mean(0)
        torch.testing.assert_close(each, wanted, rtol=1e-3, atol=1e-5)


def test_weights_come_back_to_the_bit(changed, gradients_of):
    model = changed.network()
    before = [each.detach().clone() for each in model.parameters()]
    gradients_of(changed, "sharpness-aware[radius=0.5]", model=model)
    assert all(torch.equal(*pair) for pair in zip(before, model.parameters(), strict=True))


def test_statistics_of_batch_normalization_count_the_first_pass_only(normalized):
    model = normalized.train("sharpness-aware", batch_size=24, max_epochs=1).final_state
    plain = normalized.train(batch_size=24, max_epochs=1).final_state
    name = "encoder.layer1.normalization.running_mean"
    torch.testing.assert_close(model[name], plain[name])


def test_where_the_gradient_is_zero_there_is_no_way_up(problem, gradients_of):
    flat = problem.with_(inputs=torch.zeros_like(problem.inputs))
    model = flat.network()
    found, _ = gradients_of(flat, "sharpness-aware", model=model)
    expected = slopes(flat.network(), flat.inputs, flat.targets)
    for each, wanted in zip(found.values(), expected, strict=True):
        assert each.isfinite().all()
        assert each.shape == wanted.shape


def test_images(images):
    assert images.with_(build=small_convnet).train("sam[per_example=true]").train_loss > 0


def test_single_examples_need_a_network_without_batch_normalization(normalized):
    with pytest.raises(InvalidInput, match="per_example: with batch normalization"):
        normalized.train("sam[per_example=true]")
