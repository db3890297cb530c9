"""From a suite to its trials: points, keys, seeds and axes. No data and no torch are needed."""

import dataclasses
import hashlib
import json
import textwrap

import pytest

from genbench.base.canonical import stream_seed
from genbench.base.data import Task
from genbench.base.errors import InvalidInput, UsageError
from genbench.contract.protocol import NEUTRAL, TRAINER_VERSION
from genbench.host import Host
from genbench.host.plugin import PluginSource
from genbench.planning.axes import ABSENT, axis_named, axis_values, rounding_faults
from genbench.planning.plan import DataFacts, Plan, Trial, make_plan
from genbench.planning.suite import load_suite

TASK = Task("classification", (1, 8, 8), 10)

PLUGIN = """
import genbench
from genbench.contract.protocol import Protocol

@genbench.dataset
def made(root, *, examples: int = 100, noise: float = 0.0): ...

@genbench.model
def narrow(task, *, width: int = 8, gate: float | None = None, shape: tuple[int, ...] = (1, 2)): ...

@genbench.model(version=2)
def deep(task, *, depth: int = 2): ...

@genbench.protocol
class Plain(Protocol):
    learning_rate: float = 0.1

@genbench.regularizer
class Replacing(genbench.Regularizer):
    replaces_gradient = True
    strength: float = 1.0

@genbench.regularizer
class Wrapping(genbench.Regularizer):
    def gradient(self, step, inner):
        return inner()

@genbench.regularizer
class Gentle(genbench.Regularizer):
    rate: float = 0.1
"""

GRID = """
dataset = { name = "made", train_size = [20, 40] }
model = [{ name = "narrow", width = [8, 16] }, "deep"]
protocol = { name = "plain", learning_rate = [0.1, 0.2], batch_size = 10 }
regularizers = [[], ["gentle"]]
seeds = 2
"""


def host_of(text: str = PLUGIN, **source) -> Host:
    """The plugin as if it were built in, so that its names are bare."""
    return Host.of([PluginSource("room", file="room.py", text=text, distribution="genbench", **source)])


def look_up(component, settings) -> DataFacts:
    return DataFacts("sha256:0123", TASK)


@pytest.fixture
def plan(tmp_path):
    """Plans a suite given as text."""

    def planned(
        text: str = GRID, *, host: Host | None = None, look_up=look_up, file="own.toml", **options
    ) -> Plan:
        path = tmp_path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
        return make_plan(load_suite(path, host or host_of()), look_up, **options)

    return planned


def keys(plan: Plan) -> set[str]:
    return {each.key for each in plan.trials}


# Points


def test_a_plan_has_every_point_of_the_grid_once(plan):
    trials = plan().trials
    assert len(trials) == 2 * 3 * 2 * 2 * 2
    assert len({each.key for each in trials}) == len(trials)


def test_a_point_named_twice_is_one_trial(plan):
    text = """
    dataset = "made"
    protocol = "plain"
    [[grid]]
    model = { name = "narrow", width = [8, 8.0, 16] }
    """.replace("8.0", "8")
    text += (
        '    [[grid]]\n    model = [{ name = "narrow", width = 16 }, "narrow", "deep"]\n    seeds = [0, 1]\n'
    )
    trials = plan(text).trials
    found = [(each.model.name, each.model.settings.get("width"), each.seed) for each in trials]
    assert found == [
        ("narrow", 8, 0),
        ("narrow", 16, 0),
        ("narrow", 16, 1),
        ("narrow", 8, 1),
        ("deep", None, 0),
        ("deep", None, 1),
    ]


def test_a_trial_survives_being_written_as_json(plan):
    for trial in plan().trials:
        again = Trial.from_dict(json.loads(json.dumps(trial.as_dict())))
        assert again.key == trial.key
        assert again.configuration == trial.configuration
        assert again.seeds() == trial.seeds()
        assert again.coordinates() == trial.coordinates()


def test_a_data_set_is_identified_once_whatever_the_sizes_of_its_splits(plan):
    asked = []

    def counting(component, settings):
        asked.append((component.name, dict(settings)))
        return DataFacts("sha256:0123", TASK)

    text = """
    dataset = { name = "made", examples = [50, 60], train_size = [10, 20], normalize = [true, false] }
    model = "deep"
    protocol = "plain"
    seeds = 5
    """
    plan(text, look_up=counting)
    assert asked == [("made", {"examples": 50, "noise": 0.0}), ("made", {"examples": 60, "noise": 0.0})]


# Limits and shards


def test_a_limit_takes_the_first_trials(plan):
    assert plan(limit=5).trials == plan().trials[:5]
    assert plan(limit=1000).trials == plan().trials


HUGE = """
dataset = { name = "made", train_size = %s }
model = { name = "narrow", width = %s }
protocol = { name = "plain", max_epochs = %s, batch_size = %s }
seeds = 1000
""" % (4 * (list(range(1, 301)),))


def test_more_than_a_million_trials_need_a_limit(plan):
    with pytest.raises(
        InvalidInput, match=r"suite 'own' has 8,100,000,000,000 trials, more than 1,000,000; give --limit"
    ):
        plan(HUGE)
    assert len(plan(HUGE, limit=3).trials) == 3


def test_a_million_trials_need_no_limit(tmp_path):
    text = 'dataset = "made"\nmodel = { name = "narrow", width = %s }\nprotocol = "plain"\nseeds = %d'
    path = tmp_path / "own.toml"
    for seeds, too_many in ((10_000, False), (10_001, True)):
        path.write_text(text % (list(range(1, 101)), seeds))
        suite = load_suite(path, host_of())
        assert (suite.size > 1_000_000) is too_many


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_below_one_is_a_usage_error(plan, limit):
    with pytest.raises(UsageError, match=f"--limit {limit}"):
        plan(limit=limit)


@pytest.mark.parametrize(("count", "limit"), [(1, None), (3, None), (7, None), (8, 5)])
def test_shards_are_a_partition_of_the_plan(plan, count, limit):
    whole = plan(limit=limit)
    shards = [plan(limit=limit, shard=(index, count)) for index in range(1, count + 1)]
    found = [each.key for shard in shards for each in shard.trials]
    assert sorted(found) == sorted(keys(whole))
    assert len(found) == len(whole.trials)
    assert max(len(each.trials) for each in shards) - min(len(each.trials) for each in shards) <= 1
    assert all(each.whole == whole.trials for each in shards)


@pytest.mark.parametrize("shard", [(0, 3), (4, 3), (1, 0), (-1, 2)])
def test_a_shard_that_does_not_exist_is_a_usage_error(plan, shard):
    with pytest.raises(UsageError, match="must be I/N"):
        plan(shard=shard)


# Regularizers together


@pytest.mark.parametrize(
    ("stack", "problem"),
    [
        ('["replacing", "replacing"]', "both replace the gradient"),
        ('["replacing", "wrapping"]', "would swallow"),
    ],
)
def test_regularizers_that_cannot_stand_together_are_refused_when_planning(plan, stack, problem):
    with pytest.raises(InvalidInput, match=f"suite 'own': regularizers: .*{problem}"):
        plan(GRID.replace('["gentle"]', stack))
    assert plan(GRID.replace('["gentle"]', '["wrapping", "replacing", "gentle"]')).trials


# Keys


def test_a_key_is_the_hash_of_what_determines_the_fit_written_by_hand(plan):
    text = 'dataset = "made"\nmodel = "deep"\nprotocol = "plain"\nregularizers = [["gentle"]]\nseeds = [3]'
    (trial,) = plan(text).trials
    protocol = {key: value for key, value in trial.protocol.settings.items() if key not in NEUTRAL}
    assert protocol["learning_rate"] == 0.1
    content = {
        "dataset": {
            "checksum": "sha256:0123",
            "name": "made",
            "settings": {"examples": 100, "noise": 0},
            "source": "",
            "splits": {"normalize": True, "test_size": None, "train_size": None, "validation_size": 0},
            "version": 1,
        },
        "model": {"name": "deep", "settings": {"depth": 2}, "source": "", "version": 2},
        "protocol": {
            "name": "plain",
            "settings": {
                key: int(value) if isinstance(value, float) and value.is_integer() else value
                for key, value in protocol.items()
            },
            "source": "",
            "version": 1,
        },
        "regularizers": [{"name": "gentle", "settings": {"rate": 0.1}, "source": "", "version": 1}],
        "seed": 3,
        "trainer": {"threads": 1, "version": TRAINER_VERSION},
    }
    by_hand = json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
    assert trial.key == hashlib.sha256(by_hand).hexdigest()[:32]


def test_settings_that_came_later_enter_the_key_where_they_change_something(plan):
    text = 'dataset = "made"\nmodel = "deep"\nseeds = [3]\nprotocol = { name = "plain"%s }'
    (before,) = plan(text % "").trials
    (neutral,) = plan(
        text
        % "".join(f", {key} = {json.dumps(value)}" for key, value in NEUTRAL.items() if value is not None)
    ).trials
    assert neutral.key == before.key
    recorded = before.as_dict()
    recorded["protocol"]["settings"] = {
        key: value for key, value in recorded["protocol"]["settings"].items() if key not in NEUTRAL
    }
    assert Trial.from_dict(recorded).key == before.key
    (changed,) = plan(text % ", pretrain_epochs = 3").trials
    assert changed.key != before.key
    assert changed.coordinates()["protocol.pretrain_epochs"] == 3


def test_one_draw_of_the_data_for_all_seeds_enters_the_key_where_it_is_asked_for(plan):
    text = 'dataset = { name = "made"%s }\nmodel = "deep"\nprotocol = "plain"\nseeds = [3, 5]'
    own, none, shared = (
        plan(text % words).trials for words in ("", ', subset_seed = "none"', ", subset_seed = 0")
    )
    assert [each.key for each in none] == [each.key for each in own]
    assert not {each.key for each in shared} & {each.key for each in own}
    assert [each.data_seed for each in own] == [3, 5]
    assert [each.data_seed for each in shared] == [0, 0]
    recorded = own[0].as_dict()
    del recorded["splits"]["subset_seed"]
    assert Trial.from_dict(recorded).key == own[0].key
    assert Trial.from_dict(recorded).data_seed == 3


def test_keys_depend_on_neither_order_nor_path_nor_other_levels(plan):
    turned = """
    seeds = [1, 0]
    protocol = { batch_size = 10, learning_rate = [0.2, 0.1], name = "plain" }
    regularizers = [["gentle"], []]
    model = ["deep", { width = [16, 8], name = "narrow" }]
    dataset = { train_size = [40, 20], name = "made" }
    """
    assert keys(plan(turned, file="elsewhere/other.toml")) == keys(plan())
    fewer = plan(GRID.replace("[20, 40]", "20"))
    assert keys(fewer) < keys(plan())


def test_spelling_out_a_default_changes_no_key_and_one_equals_one_point_zero(plan):
    plain = 'dataset = "made"\nmodel = "deep"\nprotocol = "%s"\n'
    spelled = plan(plain % "plain[learning_rate=0.1,momentum=0.9]")
    assert keys(spelled) == keys(plan(plain % "plain"))
    assert keys(plan(plain % "plain[learning_rate=1]")) == keys(plan(plain % "plain[learning_rate=1.0]"))


@pytest.mark.parametrize(
    "change",
    [
        ("@genbench.model(version=2)", "@genbench.model(version=3)"),
        ("@genbench.dataset", "@genbench.dataset(version=2)"),
        ("@genbench.protocol", "@genbench.protocol(version=2)"),
        ("@genbench.regularizer\nclass Gentle", "@genbench.regularizer(version=2)\nclass Gentle"),
        ("depth: int = 2", "depth: int = 3"),
        ("learning_rate: float = 0.1", "learning_rate: float = 0.2"),
        ("examples: int = 100", "examples: int = 101"),
    ],
)
def test_a_version_or_a_default_of_any_part_changes_the_key(plan, change):
    text = 'dataset = "made"\nmodel = "deep"\nprotocol = "plain"\nregularizers = [["gentle"]]'
    before = keys(plan(text))
    assert PLUGIN.count(change[0]) == 1
    assert keys(plan(text, host=host_of(PLUGIN.replace(*change)))).isdisjoint(before)


def test_checksum_threads_trainer_and_seed_change_the_key(plan, monkeypatch):
    text = 'dataset = "made"\nmodel = "deep"\nprotocol = "plain"\n'
    found = [
        plan(text),
        plan(text, look_up=lambda component, settings: DataFacts("sha256:9999", TASK)),
        plan(text + "threads = 2"),
        plan(text + "seeds = [1]"),
    ]
    monkeypatch.setattr("genbench.planning.plan.TRAINER_VERSION", TRAINER_VERSION + 1)
    found.append(plan(text))
    assert len(set().union(*map(keys, found))) == len(found)


def test_wording_limits_and_what_is_measured_or_kept_change_no_key(plan):
    text = 'dataset = "made"\nmodel = "deep"\nprotocol = "plain"\n'
    more = 'title = "x"\nversion = 2\nkeep = ["final"]\nmeasures = []\nlimits = { training_seconds = 5 }\n'
    assert keys(plan(text + more)) == keys(plan(text))


def test_the_source_enters_the_key_of_local_components_only(plan):
    text = 'dataset = "made"\nmodel = "deep"\nprotocol = "plain"\n'
    commented = PLUGIN + "# another line\n"

    def local(source: str) -> Host:
        return Host.of([PluginSource("mine", file="mine.py", text=source)])

    assert keys(plan(text, host=host_of(commented))) == keys(plan(text))
    assert keys(plan(text, host=local(commented))).isdisjoint(keys(plan(text, host=local(PLUGIN))))


def test_a_configuration_is_what_the_fits_of_several_seeds_share(plan):
    trials = plan().trials
    for trial in trials:
        others = [each for each in trials if each.configuration == trial.configuration]
        assert [each.seed for each in others] == [0, 1]
        assert len({canonical(each) for each in others}) == 1


def canonical(trial: Trial) -> str:
    return json.dumps(dataclasses.asdict(dataclasses.replace(trial, seed=0)), sort_keys=True)


# Seeds


def test_a_stream_is_seeded_with_what_it_depends_on_and_nothing_else(plan):
    text = """
    dataset = { name = "made", train_size = 20 }
    model = "deep"
    protocol = "plain[batch_size=10]"
    seeds = [3]
    """
    (trial,) = plan(text).trials
    data = ["made", {"examples": 100, "noise": 0.0}]
    task = {"kind": "classification", "input_shape": [1, 8, 8], "outputs": 10}
    assert trial.seeds() == {
        "subset": stream_seed("subset", 3, data),
        "noise": stream_seed("noise", 3, data),
        "initialization": stream_seed("initialization", 3, "deep", {"depth": 2}, task),
        "order": stream_seed("order", 3, *data, 20, 10),
        "augmentation": stream_seed("augmentation", 3, *data, 20, 10),
        "dropout": stream_seed("dropout", 3, *data, 20, 10),
        "regularizer": 3,
    }


def seeds_of(plan, change: tuple[str, str] = ("", ""), **options) -> dict[str, int]:
    text = """
    dataset = { name = "made", examples = 100, train_size = 20 }
    model = { name = "narrow", width = 8 }
    protocol = { name = "plain", learning_rate = 0.1, batch_size = 10, label_noise = 0.0, weight_decay = 0.0 }
    regularizers = [[]]
    seeds = [0]
    """
    assert change[0] in text
    (trial,) = plan(text.replace(*change), **options).trials
    return trial.seeds()


@pytest.mark.parametrize(
    ("change", "streams"),
    [
        (("learning_rate = 0.1", "learning_rate = 0.5"), set()),
        (("weight_decay = 0.0", "weight_decay = 0.1"), set()),
        (("label_noise = 0.0", "label_noise = 0.2"), set()),
        (("[[]]", '[["gentle"]]'), set()),
        (("train_size = 20", "train_size = 30"), {"order", "augmentation", "dropout"}),
        (("batch_size = 10", "batch_size = 20"), {"order", "augmentation", "dropout"}),
        (("width = 8", "width = 16"), {"initialization"}),
        (("examples = 100", "examples = 200"), {"subset", "noise", "order", "augmentation", "dropout"}),
        (("examples = 100", "examples = 100, subset_seed = 4"), {"subset", "noise"}),
        (
            ("seeds = [0]", "seeds = [1]"),
            {"subset", "noise", "initialization", "order", "augmentation", "dropout", "regularizer"},
        ),
    ],
)
def test_configurations_are_paired_by_the_seeds_that_they_share(plan, change, streams):
    before, after = seeds_of(plan), seeds_of(plan, change)
    assert {name for name in before if before[name] != after[name]} == streams


def test_smaller_training_sets_are_drawn_with_the_seed_that_larger_ones_are_drawn_with(plan):
    """Together with one permutation for each seed this nests them; so does label noise."""
    found = [each.seeds() for each in plan().trials if each.seed == 0]
    assert len({each["subset"] for each in found}) == 1
    assert len({each["noise"] for each in found}) == 1


# Axes


def test_an_axis_is_a_coordinate_with_more_than_one_level(plan):
    assert plan().axes == {
        "dataset.train_size": [20, 40],
        "model.name": ["narrow", "deep"],
        "model.width": [8, 16, ABSENT],
        "protocol.learning_rate": [0.1, 0.2],
        "regularizers": ["none", "gentle"],
    }


def test_a_setting_that_a_component_lacks_has_a_level_of_its_own(plan):
    trials = plan().trials
    widths = axis_values([each.coordinates() for each in trials])["model.width"]
    assert {width for width, trial in zip(widths, trials, strict=True) if trial.model.name == "deep"} == {"-"}


def test_a_regularizer_in_two_strengths_is_an_axis(plan):
    text = GRID.replace('["gentle"]', '[{ name = "gentle", rate = [0.1, 0.2] }, "wrapping"]')
    axes = plan(text).axes
    assert axes["regularizers"] == ["none", "gentle+wrapping"]
    assert axes["regularizers.gentle.rate"] == [ABSENT, 0.1, 0.2]


def test_levels_are_scalars_that_a_table_can_hold(plan):
    text = GRID.replace("width = [8, 16]", 'shape = [[1], [2, 3]], gate = ["none", 0.5]')
    axes = plan(text).axes
    assert axes["model.shape"] == ["[1]", "[2,3]", ABSENT]
    assert axes["model.gate"] == ["none", 0.5, ABSENT]


def test_the_last_part_of_an_axis_suffices_where_it_is_unique():
    axes = ["model.name", "model.width", "dataset.name", "regularizers", "regularizers.dropout.rate"]
    assert axis_named("width", axes) == "model.width"
    assert axis_named("model.width", axes) == "model.width"
    assert axis_named("rate", axes) == "regularizers.dropout.rate"
    assert axis_named("regularizers", axes) == "regularizers"
    with pytest.raises(UsageError, match=r"axis 'name' is ambiguous: model.name, dataset.name"):
        axis_named("name", axes)
    with pytest.raises(UsageError, match=r"unknown axis 'model.widht'; did you mean 'model.width'\?"):
        axis_named("model.widht", axes)
    with pytest.raises(UsageError, match=r"unknown axis 'widht'; did you mean 'model.width'\?"):
        axis_named("widht", axes)


def test_levels_that_differ_by_rounding_only_are_refused(plan):
    words = r"protocol.learning_rate: 0.3 and 0.30000000000000004 differ by rounding only"
    within = GRID.replace("learning_rate = [0.1, 0.2]", "learning_rate = [0.3, 0.30000000000000004]")
    assert within != GRID
    with pytest.raises(InvalidInput, match=words):
        plan(within)


def test_levels_that_differ_are_no_faults_however_near():
    near = {
        "a": [0.3, 0.3000001],
        "b": [1, 2, "-"],
        "c": [2**60, 2**60 + 1],
        "d": [0.0, 5e-324],
        "e": [True, 1.0],
    }
    assert rounding_faults(near) == []
    assert len(rounding_faults({"a": [0.3, 0.1 + 0.2, "none"], "b": [1.0, 1 - 2.0**-53]})) == 2
