"""Suites: what a TOML file means, and that everything wrong with it is said at once."""

import textwrap
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genbench.base.errors import InvalidInput, UsageError
from genbench.base.toml import as_toml
from genbench.contract.components import Kind
from genbench.host import Host
from genbench.host.plugin import PluginSource
from genbench.planning.sameness import suite_digest
from genbench.planning.suite import load_suite, read_suite

PLUGIN = """
import genbench
from genbench.base import constraints

@genbench.model
def stacked(task, *, widths: tuple[int, ...] = (8,), gate: constraints.Positive | None = None, free=0): ...

@genbench.regularizer
class Picky(genbench.Regularizer):
    low: float = 0.0
    high: float = 1.0

    def __post_init__(self):
        if self.low >= self.high:
            raise ValueError(f"low = {self.low} is not below high = {self.high}")

@genbench.measure(family="own", direction="+")
def own_norm(model): ...
"""

BASE = """
dataset = "digits"
model = "mlp"
"""


@pytest.fixture(scope="module")
def host() -> Host:
    return Host.load([PluginSource("papers", file="papers.py", text=PLUGIN)])


@pytest.fixture
def read(tmp_path, host):
    """Reads a suite from its text."""

    def suite(text: str, *overrides: str, **options):
        path = tmp_path / "own.toml"
        path.write_text(textwrap.dedent(text))
        return load_suite(path, host, overrides, **options)

    return suite


@pytest.fixture
def problems(tmp_path, read):
    """What is wrong with a suite, each line without the file that it must begin with."""

    def found(text: str, *overrides: str) -> list[str]:
        with pytest.raises(InvalidInput) as caught:
            read(text, *overrides)
        prefix = f"{tmp_path / 'own.toml'}: "
        assert all(each.startswith(prefix) for each in caught.value.problems)
        return [each.removeprefix(prefix) for each in caught.value.problems]

    return found


def points(alternatives) -> list[tuple[str, dict]]:
    return [(each.component.full_name, point) for each in alternatives for point in each.points]


def values(alternatives, setting) -> list:
    return [point[setting] for _, point in points(alternatives)]


# What a suite means


def test_a_suite_needs_a_data_set_and_a_model_and_nothing_else(read):
    suite = read(BASE)
    (grid,) = suite.grids
    assert (suite.name, suite.title, suite.version, suite.size) == ("own", "own", 1, 1)
    assert points(grid.protocol)[0][0] == "interpolate"
    assert grid.regularizers == ((),)
    assert list(grid.seeds) == [0]
    assert suite.measures == "all"
    assert suite.targets == ("gap",)
    assert suite.keep == ("initial", "final")


def test_a_list_is_an_axis(read):
    suite = read(
        """
        dataset = { name = "digits", train_size = [200, 800] }
        model = { name = "mlp", width = [32, 64, 128], depth = [1, 2], dropout = 0.1 }
        protocol = { name = "interpolate", learning_rate = [0.01, 0.03] }
        seeds = 3
        """
    )
    (grid,) = suite.grids
    assert suite.size == 2 * 3 * 2 * 2 * 3
    widths_and_depths = [(point["width"], point["depth"]) for _, point in points(grid.model)]
    assert widths_and_depths == [(32, 1), (32, 2), (64, 1), (64, 2), (128, 1), (128, 2)]
    assert set(values(grid.model, "dropout")) == {0.1}
    assert values(grid.dataset, "train_size") == [200, 800]


def test_every_point_has_all_settings(read, host):
    (grid,) = read(BASE).grids
    ((_, model),) = points(grid.model)
    assert model == host.find("model", "mlp").defaults()
    ((_, data),) = points(grid.dataset)
    assert data == {
        "test_fraction": 0.5,
        "train_size": None,
        "validation_size": 0,
        "test_size": None,
        "normalize": True,
        "subset_seed": None,
    }


def test_a_list_of_components_is_an_axis_too(read):
    (grid,) = read(
        """
        dataset = "digits"
        model = [{ name = "mlp", width = [8, 16] }, "papers:stacked", "mlp[depth=3]", "mlp[width=[1,2]]"]
        protocol = ["interpolate", "vanilla-sgd"]
        """
    ).grids
    assert [name for name, _ in points(grid.model)] == ["mlp", "mlp", "papers:stacked", "mlp", "mlp", "mlp"]
    assert [point.get("depth") for _, point in points(grid.model)] == [2, 2, None, 3, 2, 2]
    assert [point.get("width") for _, point in points(grid.model)] == [8, 16, None, 128, 1, 2]
    assert [name for name, _ in points(grid.protocol)] == ["interpolate", "vanilla-sgd"]


@pytest.mark.parametrize(
    ("written", "read_as"),
    [
        ("[4, 2]", [(4, 2)]),
        ("[]", [()]),
        ("[[4, 2], [8]]", [(4, 2), (8,)]),
        ("[[]]", [()]),
    ],
)
def test_a_list_is_the_value_of_a_setting_that_is_a_list_and_a_list_of_lists_its_axis(read, written, read_as):
    (grid,) = read(f'dataset = "digits"\nmodel = {{ name = "stacked", widths = {written} }}').grids
    assert values(grid.model, "widths") == read_as


def test_regularizers_are_alternatives_each_a_list(read):
    suite = read(
        BASE + 'regularizers = [[], ["weight-decay", { name = "dropout", rate = [0.1, 0.2] }],'
        ' ["dropout[rate=0.3]"]]'
    )
    (grid,) = suite.grids
    assert [[each.component.name for each in stack] for stack in grid.regularizers] == [
        [],
        ["weight-decay", "dropout"],
        ["dropout"],
    ]
    assert suite.size == 1 + 2 + 1


@pytest.mark.parametrize(("written", "seeds"), [("3", [0, 1, 2]), ("[5, 2, 5]", [5, 2]), ("[0]", [0])])
def test_seeds_are_a_number_or_a_list(read, written, seeds):
    (grid,) = read(BASE + f"seeds = {written}").grids
    assert list(grid.seeds) == seeds


def test_grid_tables_are_a_union_and_share_what_stands_above_them(read):
    suite = read(
        """
        dataset = "digits"
        seeds = 2
        [[grid]]
        model = { name = "mlp", width = [8, 16] }
        [[grid]]
        model = "papers:stacked"
        seeds = [7]
        """
    )
    assert [each.size for each in suite.grids] == [4, 1]
    assert suite.size == 5


def test_none_can_be_written_in_toml(read):
    (grid,) = read(BASE + 'protocol = { name = "interpolate", target_loss = ["none", 0.1] }').grids
    assert values(grid.protocol, "target_loss") == [None, 0.1]


def test_what_is_kept_and_limited_is_read(read):
    suite = read(
        BASE + 'keep = ["final", "milestones", { snapshots = 20 }, { trajectory = 9 }]\n'
        "limits = { component_seconds = 5 }\nthreads = 2\n"
    )
    assert suite.keep == ("final", "milestones", {"snapshots": 20}, {"trajectory": 9})
    assert (suite.limits.component_seconds, suite.limits.training_seconds) == (5.0, 86_400.0)
    assert suite.threads == 2


def test_measures_are_names_variants_families_and_cost_classes(read):
    assert read(BASE + 'measures = "all"').measures == "all"
    assert read(BASE + "measures = []").measures == ()
    words = ["param_norm", "papers:own_norm", "own_norm", "family:margin", "cost:A-C"]
    assert read(BASE + f"measures = {words}").measures == tuple(words)


def test_a_suite_has_the_name_that_it_says_else_that_of_its_file(read):
    assert read(BASE).name == "own"
    assert read('name = "digits"\n' + BASE).name == "digits"


@pytest.fixture(scope="module")
def built_in(host):
    """The built-in suites by name, read once."""
    return {name: read_suite(name, host) for name in host.suites()}


def test_every_built_in_suite_is_valid_and_not_empty(built_in):
    assert {"digits", "digits-quick"} <= set(built_in)
    for name, suite in built_in.items():
        assert suite.name == name
        assert suite.size > 0


def test_wording_is_no_part_of_what_a_suite_is(read):
    words = 'title = "a"\nnotes = "b"\npredicted_gpu_hours = 3'
    assert suite_digest(read(BASE + words).content) == suite_digest(read(BASE + 'title = "c"').content)
    assert suite_digest(read(BASE).content) != suite_digest(read(BASE + "version = 2").content)


# What is wrong with a suite


def test_everything_wrong_is_said_at_once_with_file_key_and_nearest_word(problems):
    text = """
    titel = "Wrong in every way"
    version = 0
    threads = "two"
    dataset = { name = "digit", train_size = 5 }
    model = [{ name = "mlp", widht = 3, depth = ["a", 0] }, { width = 3 }, 7, "mlp["]
    protocol = { name = "interpolate", optimizer = "sdg", learning_rate = [-1, 0.1] }
    regularizers = [["drop-out"], [{ name = "weight-decay", strength = -1 }]]
    seeds = -1
    measures = ["param_nrom", "family:norms", "inverse_margin[quantle=0.1]"]
    targets = ["gap", "test-err"]
    keep = ["initial", "finale", { snapshots = 0 }, { snapshot = 2 }, "trajectroy"]
    limits = { component_second = 3, training_seconds = "long" }
    """
    found = problems(text)
    expected = [
        "unknown key 'titel'; did you mean 'title'?",
        "version: should be greater than or equal to 1, not 0",
        "threads: should be a valid integer, not 'two'",
        "dataset: unknown dataset 'digit'; did you mean 'digits'?",
        "model 'mlp': unknown setting 'widht'; did you mean 'width'?",
        "model 'mlp': depth = a: should be an integer",
        "model 'mlp': depth = 0: should be greater than or equal to 1",
        "model: must be a name or a table with a name, not {'width': 3}",
        "model: must be a name or a table with a name, not 7",
        "model: 'mlp[': a variant is spelled name[key=value,...]",
        "protocol 'interpolate': optimizer = sdg: should be 'sgd', 'adam', 'adamw' or 'rmsprop'; "
        "did you mean 'sgd'?",
        "protocol 'interpolate': learning_rate = -1: should be greater than 0",
        "regularizers: unknown regularizer 'drop-out'; did you mean 'dropout'?",
        "regularizers 'weight-decay': strength = -1: should be greater than or equal to 0",
        "seeds: must be a number of seeds or a list of them, not -1",
        "measures: unknown measure 'param_nrom'; did you mean 'param_norm'?",
        "measures: unknown family 'norms'; did you mean 'norm'?",
        "targets: unknown target 'test-err'; did you mean 'test_error'?",
        "keep: takes initial, final, milestones, test_history, { snapshots = N } and { trajectory = N }, "
        "not 'finale'; did you mean 'final'?",
        "keep: takes initial, final, milestones, test_history, { snapshots = N } and { trajectory = N }, "
        "not {'snapshot': 2}; did you mean 'snapshots'?",
        "keep: takes initial, final, milestones, test_history, { snapshots = N } and { trajectory = N }, "
        "not 'trajectroy'; did you mean 'trajectory'?",
        "snapshots: should be greater than or equal to 1, not 0",
        "limits: unknown key 'component_second'; did you mean 'component_seconds'?",
        "training_seconds: should be a valid number, not 'long'",
    ]
    assert [each for each in expected if each not in found] == []
    (variant,) = [each for each in found if "quantle" in each]
    assert variant.startswith("measures: ")
    assert "did you mean 'quantile'" in variant
    assert len(found) == len(expected) + 1


def test_what_is_missing_is_said(problems):
    assert problems("seeds = 1") == ["dataset: is missing", "model: is missing"]


@pytest.mark.parametrize("text", ["dataset = \n", 'dataset = "digits', "a = 1\na = 2\n"])
def test_malformed_toml_names_file_and_line(tmp_path, host, text):
    path = tmp_path / "broken.toml"
    path.write_text("title = 'fine'\n" + text)
    with pytest.raises(InvalidInput, match=r"broken.toml: not valid TOML: .*line [123]"):
        load_suite(path, host)


def test_a_file_that_is_no_text_is_invalid_input(tmp_path, host):
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidInput, match=r"binary.toml: cannot be read"):
        load_suite(tmp_path / "binary.toml", host)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (BASE + "seeds = 0", "seeds: has no values"),
        (BASE + "seeds = []", "seeds: has no values"),
        ('dataset = "digits"\nmodel = []', "model: has no values"),
        (
            'dataset = "digits"\nmodel = { name = "mlp", width = [] }',
            "model 'mlp': width = []: has no values",
        ),
        (BASE + "regularizers = []", "regularizers: has no values"),
        (BASE + "grid = []", "grid: the grid is empty"),
        (
            BASE + "[[grid]]\nseeds = 2\n[[grid]]\nseeds = 0",
            "grid 2: seeds: has no values",
        ),
    ],
)
def test_an_empty_grid_names_the_axis_without_values(problems, text, problem):
    (found,) = problems(text)
    assert found.startswith(problem)
    assert "empty" in found


def test_faults_in_grid_tables_say_which_grid(problems):
    text = """
    dataset = "digits"
    [[grid]]
    model = "mlp"
    [[grid]]
    model = { name = "mlp", width = 0 }
    sead = 3
    """
    assert problems(text) == [
        "grid 2: unknown key 'sead'; did you mean 'seeds'?",
        "grid 2: model 'mlp': width = 0: should be greater than or equal to 1",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("grid = 3", "grid: must be [[grid]] tables"),
        ('regularizers = ["dropout"]', "regularizers: must be a list of alternatives, each a list"),
        ("limits = 3", "limits: must be a table, not 3"),
        ("title = 2020-01-01", "title: cannot be datetime.date(2020, 1, 1)"),
        ("predicted_gpu_hours = inf", "predicted_gpu_hours: cannot be inf"),
        (
            'protocol = { name = "interpolate", learning_rate = nan }',
            "learning_rate = nan: a number must be finite",
        ),
        ("measures = [3]", "measures: should be a valid string"),
        ("seeds = true", "seeds: must be a number of seeds"),
        ("seeds = [1, -2]", "seeds: must be a number of seeds"),
        ("name = 3", "name: should be a valid string, not 3"),
    ],
)
def test_a_wrong_type_is_said(problems, text, problem):
    assert any(problem in each for each in problems(BASE + text))


def test_settings_that_are_wrong_together_are_found_before_anything_runs(problems):
    text = BASE + 'regularizers = [[{ name = "picky", low = [0.0, 0.5], high = [0.4, 0.6] }]]'
    assert problems(text) == ["regularizers 'picky': low = 0.5 is not below high = 0.4"]


def test_measures_need_not_exist_where_others_are_computed_instead(read):
    assert read(BASE + 'measures = ["lost:norm"]', check_measures=False).measures == ("lost:norm",)


def test_an_unknown_suite_gets_the_nearest_name_and_a_missing_file_its_own(host):
    with pytest.raises(UsageError, match=r"unknown suite 'digts'; did you mean 'digits'\?"):
        read_suite("digts", host)
    with pytest.raises(UsageError, match=r"suite file './absent.toml' does not exist"):
        read_suite("./absent.toml", host)


# Large grids


def test_a_huge_grid_is_counted_and_not_made(read):
    numbers = list(range(1, 1001))
    suite = read(
        f"""
        dataset = {{ name = "digits", train_size = {numbers} }}
        model = {{ name = "mlp", width = {numbers}, depth = {numbers} }}
        protocol = {{ name = "interpolate", max_epochs = {numbers}, batch_size = {numbers} }}
        seeds = 100000
        """
    )
    assert suite.size == 10**20
    (grid,) = suite.grids
    (model,) = grid.model
    assert (model.points[999]["width"], model.points[999]["depth"]) == (1, 1000)
    assert (model.points[1000]["width"], model.points[1000]["depth"]) == (2, 1)


def test_every_value_of_a_huge_grid_is_checked(problems):
    numbers = [*range(1, 1000), 0]
    text = f"""
    dataset = "digits"
    model = {{ name = "mlp", width = {numbers}, depth = {numbers} }}
    """
    assert problems(text) == [
        "model 'mlp': width = 0: should be greater than or equal to 1",
        "model 'mlp': depth = 0: should be greater than or equal to 1",
    ]


# --set


def test_an_override_reaches_every_alternative(read):
    text = """
    dataset = "digits"
    model = ["mlp", { name = "mlp", width = [8, 16] }, "mlp[depth=3]"]
    regularizers = [[], ["dropout"], ["weight-decay", { name = "dropout", rate = 0.1 }]]
    """
    (grid,) = read(text, "model.width=4", "regularizers.dropout.rate=[0.3,0.4]", "seeds=[4]").grids
    assert [(point["width"], point["depth"]) for _, point in points(grid.model)] == [(4, 2), (4, 2), (4, 3)]
    assert [
        values([each], "rate")
        for stack in grid.regularizers
        for each in stack
        if each.component.name == "dropout"
    ] == [
        [0.3, 0.4],
        [0.3, 0.4],
    ]
    assert list(grid.seeds) == [4]


def test_an_override_reaches_every_grid_table(read):
    text = """
    dataset = "digits"
    [[grid]]
    model = "mlp"
    [[grid]]
    model = { name = "mlp", width = [1, 2] }
    seeds = 2
    """
    suite = read(text, "model.width=4", "protocol.learning_rate=0.5", "seeds=3")
    assert [values(grid.model, "width") for grid in suite.grids] == [[4], [4]]
    assert [values(grid.protocol, "learning_rate") for grid in suite.grids] == [[0.5], [0.5]]
    assert len(suite.grids[1].seeds) == 3


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("title=new words", "new words"),
        ('targets=["test_error"]', ("test_error",)),
        ("limits.component_seconds=2.5", 2.5),
        ("predicted_gpu_hours=3", 3.0),
    ],
)
def test_an_override_is_json_where_it_is_json_else_a_text(read, override, value):
    suite = read(BASE, override)
    name = override.partition("=")[0].rpartition(".")[2]
    assert getattr(suite.limits if name == "component_seconds" else suite, name) == value


def test_an_override_with_null_can_be_kept_as_toml(read):
    suite = read(BASE, "protocol.target_loss=null")
    assert values(suite.grids[0].protocol, "target_loss") == [None]
    assert suite_digest(read(as_toml(suite.content)).content) == suite_digest(suite.content)


def test_an_override_is_checked_like_the_file(problems):
    assert problems(BASE, "model.widht=4", "sedes=3") == [
        "unknown key 'sedes'; did you mean 'seeds'?",
        "model 'mlp': unknown setting 'widht'; did you mean 'width'?",
    ]


@pytest.mark.parametrize(
    "override",
    ["seeds", "=3", "model..width=3", "seeds.first=3", "regularizers.rate=1", "regularizers.dropout.rate=1"],
)
def test_a_malformed_override_is_a_usage_error(read, override):
    with pytest.raises(UsageError, match=f"--set {override}"):
        read(BASE + "seeds = 2", override)


def test_an_override_changes_the_suite_that_it_makes_and_not_the_file(read, tmp_path):
    read(BASE, "model.width=4")
    assert (tmp_path / "own.toml").read_text() == BASE


# What a run folder keeps

VALUES = st.recursive(
    st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=10),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), VALUES, max_size=4))
def test_any_content_survives_being_written_as_toml(content):
    assert tomllib.loads(as_toml(content)) == content


def test_the_built_in_suites_survive_being_written_as_toml(host, built_in, tmp_path):
    for name, suite in built_in.items():
        kept = tmp_path / "suite.toml"
        kept.write_text(as_toml({"name": name, **suite.content}))
        assert suite_digest(load_suite(kept, host).content) == suite_digest(suite.content)
        assert tomllib.loads(kept.read_text()) == {"name": name, **suite.content}


def test_suites_name_components_by_kind(host):
    assert host.find(Kind.MODEL, "stacked").full_name == "papers:stacked"
