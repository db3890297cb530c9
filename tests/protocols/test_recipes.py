"""The built-in protocols against what their sources say."""

import dataclasses

import pytest

from genbench.base.errors import InvalidInput
from genbench.contract.components import Kind, declaration
from genbench.contract.protocol import NEUTRAL, Protocol, learning_rate
from genbench.host.signatures import describe
from genbench.protocols import (
    curve_fitting,
    hard_settings,
    initialization_scale,
    interpolate,
    random_labels,
    random_pretraining,
    resnet,
    vanilla_sgd,
    wide_resnet,
)

ALL = [
    interpolate.Interpolate,
    resnet.Resnet,
    wide_resnet.WideResnet,
    vanilla_sgd.VanillaSgd,
    random_labels.RandomLabels,
    random_pretraining.RandomPretraining,
    initialization_scale.InitializationScale,
    curve_fitting.CurveFitting,
    hard_settings.LowLearningRate,
    hard_settings.NoAugmentation,
]


def rate(protocol, epoch):
    return learning_rate(protocol, epoch * 391, 391)


@pytest.mark.parametrize("protocol", ALL)
def test_is_a_component_with_all_settings_of_a_protocol(protocol):
    component = describe(protocol, "core")
    assert component.kind is Kind.PROTOCOL
    assert list(component.settings) == [each.name for each in dataclasses.fields(Protocol)]
    assert component.summary
    assert component.declared.source


def test_names():
    names = [declaration(each).name for each in ALL]
    assert names == [
        "interpolate", "resnet", "wide-resnet", "vanilla-sgd", "random-labels", "random-pretraining",
        "initialization-scale", "curve-fitting", "low-learning-rate", "no-augmentation",
    ]  # fmt: skip


def test_what_came_later_is_neutral_where_nothing_is_said():
    assert {name: getattr(Protocol(), name) for name in NEUTRAL} == dict(NEUTRAL)


def test_resnet_is_the_recipe_of_he_et_al():
    recipe = resnet.Resnet()
    assert (recipe.optimizer, recipe.momentum, recipe.nesterov) == ("sgd", 0.9, False)
    assert (recipe.weight_decay, recipe.batch_size, recipe.augmentation) == (1e-4, 128, "crop-flip")
    assert (recipe.max_epochs, recipe.target_loss) == (200, None)
    epochs = [0, 99, 100, 149, 150, 199]
    assert [rate(recipe, epoch) for epoch in epochs] == pytest.approx([0.1, 0.1, 0.01, 0.01, 0.001, 0.001])


def test_wide_resnet_is_the_recipe_of_zagoruyko_and_komodakis():
    recipe = wide_resnet.WideResnet()
    assert (recipe.optimizer, recipe.momentum, recipe.nesterov) == ("sgd", 0.9, True)
    assert (recipe.weight_decay, recipe.batch_size, recipe.augmentation) == (5e-4, 128, "crop-flip")
    assert (recipe.max_epochs, recipe.target_loss) == (200, None)
    epochs = [59, 60, 119, 120, 159, 160]
    expected = [0.1, 0.02, 0.02, 0.004, 0.004, 0.0008]
    assert [rate(recipe, epoch) for epoch in epochs] == pytest.approx(expected)


def test_vanilla_sgd_has_nothing_but_sgd():
    recipe = vanilla_sgd.VanillaSgd()
    assert recipe == vanilla_sgd.VanillaSgd(momentum=0.0, weight_decay=0.0, nesterov=False)
    assert (recipe.optimizer, recipe.schedule, recipe.augmentation) == ("sgd", "constant", "none")
    assert recipe.target_loss is recipe.gradient_clip is None


def test_interpolate_stops_at_a_hundredth():
    recipe = interpolate.Interpolate()
    assert (recipe.target_loss, recipe.schedule, recipe.momentum) == (0.01, "constant", 0.9)
    assert (recipe.augmentation, recipe.weight_decay) == ("none", 0.0)


def test_expected_epochs_are_never_more_than_the_cap():
    build = interpolate.Interpolate
    assert build(learning_rate=1e-6).expected_epochs == 300
    assert build(learning_rate=0.01, batch_size=64).expected_epochs == pytest.approx(112.4)
    assert build(learning_rate=0.03, batch_size=16).expected_epochs == pytest.approx(18.5, rel=0.01)
    assert build(optimizer="adam", learning_rate=0.001).expected_epochs == 40
    assert build(optimizer="adam", max_epochs=5).expected_epochs == 5
    assert resnet.Resnet().expected_epochs == 200


def test_random_labels_are_those_of_chance():
    recipe = random_labels.RandomLabels()
    assert (recipe.label_noise, recipe.label_noise_kind) == (1.0, "uniform")
    assert (recipe.momentum, recipe.weight_decay, recipe.augmentation) == (0.0, 0.0, "none")


def test_random_pretraining_is_that_of_the_source():
    recipe = random_pretraining.RandomPretraining()
    assert (recipe.pretrain_epochs, recipe.max_epochs) == (30, 80)
    assert (recipe.pretrain_label_noise, recipe.pretrain_label_noise_kind) == (1.0, "permuted")
    assert (recipe.target_loss, recipe.target_rule) == (0.006, "closest")
    assert recipe.expected_epochs == 110


def test_initialization_scale_steps_twice():
    recipe = initialization_scale.InitializationScale(initialization_std=0.1)
    rates = [rate(recipe, epoch) for epoch in (0, 50, 100, 150)]
    assert rates == pytest.approx([0.01, 0.01, 0.001, 0.0001])
    assert (recipe.max_epochs, recipe.initialization_std) == (200, 0.1)


def test_curve_fitting_is_slow_and_full_batch():
    recipe = curve_fitting.CurveFitting()
    assert (recipe.learning_rate, recipe.momentum, recipe.max_epochs) == (1e-5, 0.0, 20_000)
    later = curve_fitting.CurveFitting(
        learning_rate=1e-7, schedule="step", decay_epochs=(200, 400, 600, 800), max_epochs=1000
    )
    rates = [learning_rate(later, epoch, 1) for epoch in (0, 200, 999)]
    assert rates == pytest.approx([1e-7, 1e-8, 1e-11])


def test_hard_settings_take_one_thing_away():
    usual = wide_resnet.WideResnet()
    for recipe, changed in (
        (hard_settings.LowLearningRate(), {"learning_rate": 0.01}),
        (hard_settings.NoAugmentation(), {"augmentation": "none"}),
    ):
        assert dataclasses.asdict(recipe) == {**dataclasses.asdict(usual), **changed}


def test_the_closest_loss_needs_a_target():
    with pytest.raises(InvalidInput, match="needs a target_loss"):
        Protocol(target_rule="closest")
