"""`generalization-layer` and `generalization-layer-dropout`."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from genbench.base.data import Task
from genbench.base.errors import InvalidInput
from genbench.contract.protocol import Protocol
from genbench.models.resnet import resnet
from genbench.networks.roles import module_roles
from genbench.regularizers.added_layers import SkippedBlock
from genbench.training.optimizer import LearningRates, make_optimizer

IMAGES = Task("classification", (3, 32, 32), 10)


def built(spelled, variant, build, task=IMAGES):
    return spelled(variant).build(build(task), task)


def parameters(model):
    return sum(each.numel() for each in model.parameters())


def plain(task):
    """A network of no known family: it names no encoder."""
    return nn.Sequential(nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, task.outputs))


@pytest.mark.parametrize(("depth", "layers", "count"), [(20, 22, 343_450), (56, 58, 926_746)])
def test_depth_and_parameters_of_the_papers_table(spelled, depth, layers, count):
    model = built(spelled, "gld", lambda task: resnet(task, depth=depth))
    weighted = [each for each in model.modules() if isinstance(each, nn.Linear | nn.Conv2d)]
    assert (len(weighted), parameters(model)) == (layers, count)
    assert model(torch.randn(2, 3, 32, 32)).shape == (2, 10)
    (added,) = module_roles(model)["generalization_layers"]
    assert added == "encoder.generalization_layers"


def test_dropout_acts_on_the_added_units_only(problem, spelled):
    model = problem.network("gld[rate=0.6,layers=1]")
    rates = {name: each.p for name, each in model.named_modules() if isinstance(each, nn.Dropout)}
    assert {name: rate for name, rate in rates.items() if rate} == {"encoder.generalization_layers.2": 0.6}
    again = problem.network("gld[rate=0.6,layers=1]", "dropout[rate=0.1]")
    assert sorted(each.p for each in again.modules() if isinstance(each, nn.Dropout)) == [0.1, 0.1, 0.6]


def test_gld_is_square_layers_behind_the_encoder(problem):
    model = problem.network("gld[bias=true]").eval()
    hidden = problem.network().encoder(problem.inputs)
    added = model.encoder.generalization_layers
    for index in (0, 3):
        hidden = F.relu(hidden @ added[index].weight.T + added[index].bias)
    torch.testing.assert_close(model(problem.inputs), model.classifier(hidden))


def test_block_behind_the_encoder(problem):
    model = problem.network("gl")
    block = model.encoder.generalization_layer
    hidden = problem.network().encoder(problem.inputs)
    inner = F.relu(hidden @ block.first.weight.T + block.first.bias)
    expected = inner @ block.second.weight.T + block.second.bias + 1.0 * hidden
    torch.testing.assert_close(model.encoder(problem.inputs), expected)
    assert block.first.weight.shape == block.second.weight.shape == (6, 6)


def test_before_a_layer_the_shortcut_lands_behind_it(problem):
    build = problem.with_(build=plain)
    model, original = build.network('gl[before="2"]'), build.network()
    block = model[2]
    hidden = F.relu(original[0](problem.inputs))
    inner = original[2](F.relu(block.first(hidden)))
    assert block.shortcut.weight.shape == (4, 6)
    expected = original[4](F.relu(inner + block.shortcut(hidden)))
    torch.testing.assert_close(model(problem.inputs), expected)


def test_in_a_network_without_an_encoder_it_stands_before_the_classifier(problem):
    model = problem.with_(build=plain).network("gl")
    assert [type(each) for each in model][-2:] == [SkippedBlock, nn.Linear]
    assert list(model.state_dict())[:4] == ["0.weight", "0.bias", "2.weight", "2.bias"]


def test_replacing_a_stage(spelled):
    model = built(spelled, "gl[replaces=stage2]", resnet)
    before = resnet(IMAGES)
    block = model.encoder.stage2
    assert block.first.weight.shape == (16, 16, 3, 3)
    assert block.second.weight.shape == (32, 16, 3, 3)
    assert block.shortcut.weight.shape == (32, 16, 1, 1)
    assert parameters(model) < parameters(before)
    images = torch.randn(2, 3, 32, 32)
    assert model(images).shape == (2, 10)
    hidden = model.encoder.stage1(model.encoder.stem(images))
    assert block(hidden).shape == (2, 32, 16, 16)
    assert not [name for name in model.roles["block_outputs"] if "stage2" in name]


def test_a_module_in_no_sequence_keeps_its_roles(spelled):
    model = built(spelled, "gl[after=stage1.0.convolution1]", resnet)
    assert model(torch.randn(2, 3, 32, 32)).shape == (2, 10)
    assert isinstance(model.get_submodule("encoder.stage1.0.convolution1.generalization_layer"), SkippedBlock)
    for names in module_roles(model).values():
        for name in names:
            model.get_submodule(name)


def test_between_two_layers(problem, spelled):
    model = built(spelled, 'gl[after="1",before="2"]', plain, problem.task)
    assert isinstance(model[2], SkippedBlock)
    with pytest.raises(InvalidInput, match="what leaves '0' does not enter '2'"):
        built(spelled, 'gl[after="0",before="2"]', plain, problem.task)


@pytest.mark.parametrize(
    ("settings", "values"),
    [
        ("", [1.0, 1 - 0.9 / 2, 0.1, 0.1]),
        ("decay_end=0.5", [1.0, 0.28, 0.1, 0.1]),
        ("decay_start=0.8,decay_end=1", [1.0, 1.0, 1.0, 0.1]),
        ("skip=0.8,final_skip=0.4,decay_end=1", [0.8, 0.64, 0.48, 0.4]),
    ],
)
def test_skip_along_training(spelled, settings, values):
    layer = spelled(f"gl[{settings}]")
    assert [layer.skip_at(each) for each in (0, 0.4, 0.8, 1)] == pytest.approx(values)


def test_skip_is_kept_with_the_weights(problem):
    outcome = problem.train("gl[decay_end=0.3]")
    name = "encoder.generalization_layer.skip"
    assert outcome.initial_state[name] == 1
    assert outcome.final_state[name].item() == pytest.approx(0.1)


def test_learning_rate_is_a_tenth_from_an_epoch_on(problem, spelled):
    for variant, expected in (("gl", [0.1, 0.1]), ("gl[slow_after=20]", [1.0, 0.1])):
        layer = spelled(variant)
        model = problem.network(variant)
        protocol = Protocol(learning_rate=1.0)
        optimizer = make_optimizer(model, protocol, [layer])
        rates = LearningRates(optimizer, protocol, 10)
        found = []
        for index in (0, 200):
            rates.set(index)
            (group,) = [each for each in optimizer.param_groups if each["learning_rate_factor"] != 1.0]
            found.append(group["lr"])
        assert found == pytest.approx(expected)
        assert {id(each) for each in group["params"]} == {
            id(each) for each in model.encoder.generalization_layer.parameters()
        }


def test_two_of_them_keep_their_own_settings(problem):
    outcome = problem.train("gl[decay_end=0.3]", 'gl[after="encoder.layer1",final_skip=0.5,decay_end=0.3]')
    skips = sorted(each.item() for name, each in outcome.final_state.items() if name.endswith("skip"))
    assert skips == pytest.approx([0.1, 0.5])


def test_weight_decay_on_the_added_layers_alone(problem):
    variant = "gl[learning_rate_factor=1]"
    decayed = problem.train(variant, "weight-decay[strength=0.5,on=generalization_layers]").final_state
    by_hand = problem.network(variant)
    groups = make_optimizer(by_hand, problem.protocol, []).param_groups
    assert {group["weight_decay"] for group in groups} == {0.0}
    free = problem.train(variant).final_state
    name = "encoder.generalization_layer.second.weight"
    assert decayed[name].norm() < 0.9 * free[name].norm()


@pytest.mark.parametrize("build", [plain, resnet])
def test_one_layer_changes_none_of_the_other_initial_weights(spelled, build):
    task = Task("classification", (5,), 3) if build is plain else IMAGES
    torch.manual_seed(0)
    without = build(task)
    torch.manual_seed(0)
    with_layer = built(spelled, "gl", build, task)
    state = with_layer.state_dict()
    kept = [name for name in without.state_dict() if name in state]
    assert all(torch.equal(without.state_dict()[name], state[name]) for name in kept)
    assert len(kept) >= len(without.state_dict()) - 2


@pytest.mark.parametrize(
    ("variant", "message"),
    [
        ("gl[after=encodr]", r"after: the network has no module 'encodr'; did you mean 'encoder'\?; it has "),
        ("gld[after=stage9]", "it has encoder, classifier, encoder.flatten, encoder.layer1"),
        ("gl[after=classifier]", "after 'classifier', the last layer, there is nothing"),
        ("gld[after=classifier]", "after 'classifier', the last layer, there is nothing"),
        ("gl[after=block_outputs]", "'block_outputs' is several modules: encoder.layer1, encoder.layer2"),
        ("gl[replaces=classifier]", "'classifier' is the classifier"),
        ("gl[replaces=encoder,after=encoder]", "'replaces' says where it goes"),
        ("gl[before=classifier,blocks=2]", "several blocks need 'after'"),
        ("gl[decay_start=0.9,decay_end=0.5]", "decay_start = 0.9 must lie below decay_end = 0.5"),
        ("gld[drop=channels]", r"drop = channels: tensors of shape \(6,\) have none"),
    ],
)  # fmt: skip
def test_bad_places(problem, variant, message):
    with pytest.raises(InvalidInput, match=message):
        problem.network(variant)
