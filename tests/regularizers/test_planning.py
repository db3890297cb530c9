"""What planning says of regularizers: names, bad input before anything trains, and what a step will cost."""

import json

import pytest
from running import TINY, command

from genbench import api
from genbench.fitting.prediction import predict
from genbench.host import Host
from genbench.planning.suite import read_suite

pytestmark = pytest.mark.usefixtures("inline")

HOST = Host.load()


def suite_with(folder, regularizers, content=TINY):
    path = folder / "given.toml"
    path.write_text(f"{content}regularizers = {regularizers}\n")
    return path


def run(folder, *variants, content=TINY):
    path = suite_with(folder, json.dumps([list(variants)]), content)
    return command("run", "--suite", path, "--out", folder / "run", "--workers", 1)


@pytest.mark.parametrize(
    ("variants", "message"),
    [
        (["gl[after=encodr]"], "after: the network has no module 'encodr'; did you mean 'encoder'?; it has"),
        (["gl[after=classifier]"], "after 'classifier', the last layer, there is nothing to insert"),
        (["jacobian[strength=-0.1]"], "strength = -0.1: should be greater than or equal to 0"),
        (["wgd[level=50.5]"], "level = 50.5: should be less than or equal to 50"),
        (["median-of-means[groups=5]"], "groups = 5 does not divide a batch of 32 examples"),
        (["wgd[group=3]"], "group = 3 does not divide a batch of 32 examples"),
        (["batch-norm", "wgd"], "with batch normalization ('encoder.layer1.normalization') single examples"),
        (["early-stopping"], "needs a validation split (dataset: validation_size = N), or on = training"),
        (["jacobian[at=normalizations]"], "the network has no modules in the roles block_normalizations"),
        (["layer-norm", "path-norm"], "a sum over paths does not pass through layer norm"),
        (["weight-decay[on=generalization_layers]"], "on: the network has no generalization layers"),
        (["wgd", "median-of-means"], "both replace the gradient; only one can"),
        (["wgd", "sharpness-aware"], "put 'sharpness-aware' before 'winsorized'"),
        (["jacobain"], "unknown regularizer 'jacobain'; did you mean 'jacobian'?"),
        (["gl[afterr=encoder]"], "unknown setting 'afterr'; did you mean 'after'?"),
    ],
)
def test_bad_input_is_one_line_before_anything_trains(tmp_path, variants, message):
    ended = run(tmp_path, *variants)
    assert ended.code == 3
    assert "Traceback" not in ended.err
    (line,) = ended.err.splitlines()
    assert message in line
    assert not (tmp_path / "run").exists()


def test_regression_has_no_margin(tmp_path):
    content = TINY.replace('"digits"', '"polynomial"').replace("100 }", "40 }")
    ended = run(tmp_path, "jacobian", content=content)
    assert ended.code == 3
    assert "is of the classification margin, which regression has not" in ended.err


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("gl", "generalization-layer"), ("gld", "generalization-layer-dropout"), ("jacobian", "jacobian"),
        ("batch-norm", "batch-norm"), ("sgdl", "langevin"), ("gdl", "langevin"), ("wgd", "winsorized"),
        ("wsgd", "winsorized"), ("sam", "sharpness-aware"),
    ],
)  # fmt: skip
def test_short_names(tmp_path, alias, name):
    suite = read_suite(str(suite_with(tmp_path, f'[["{alias}"]]')), HOST)
    (trial, *_) = api.plan_suite(suite, HOST).trials
    assert trial.regularizers[0].name == name
    shown = command("show", f"regularizer:{alias}", "--json")
    assert shown.code == 0
    assert json.loads(shown.out)["name"] == name


@pytest.mark.parametrize("named", ["gl", "generalization-layer"])
@pytest.mark.parametrize("called", ["gl", "generalization-layer"])
def test_set_takes_either_name(tmp_path, named, called):
    path = suite_with(tmp_path, f'[["{named}"]]')
    suite = read_suite(str(path), HOST, [f"regularizers.{called}.final_skip=0.3"])
    (trial, *_) = api.plan_suite(suite, HOST).trials
    assert trial.regularizers[0].settings["final_skip"] == 0.3


@pytest.mark.parametrize(
    ("variant", "more"),
    [
        ("label-smoothing", 1.0), ("sam", 2.0), ("sam[steps=3]", 4.0), ("jacobian", 2.0), ("wgd", 8.0),
        ("gradient-norm", 2.7), ("geometric-complexity", 7 / 3), ("sam[radius=0]", 1.0),
    ],
)  # fmt: skip
def test_dearer_steps_are_predicted(tmp_path, variant, more):
    """Of a training of tiny batches nearly all is steps."""
    content = TINY.replace("batch_size = 32", "batch_size = 2")
    plans = [
        api.plan_suite(read_suite(str(suite_with(tmp_path, each, content)), HOST), HOST)
        for each in ("[[]]", f'[["{variant}"]]')
    ]
    hours = [predict(plan.trials, HOST).core_hours for plan in plans]
    assert 1 + 0.3 * (more - 1) <= hours[1] / hours[0] <= 1.001 * more


def test_memory_of_single_gradients_is_predicted(tmp_path):
    content = TINY.replace("width = 8", "width = 512")
    plans = [
        api.plan_suite(read_suite(str(suite_with(tmp_path, each, content)), HOST), HOST)
        for each in ("[[]]", '[["wgd"]]')
    ]
    before, after = (predict(plan.trials, HOST).memory_bytes for plan in plans)
    weights = 64 * 512 + 512 + 512 * 10 + 10
    assert after - before == pytest.approx(4 * 32 * weights)
