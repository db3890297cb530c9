"""Rows and cards of what there is."""

import re

import pytest

from genbench.base.errors import InvalidInput, UsageError
from genbench.base.files import as_json
from genbench.contract.components import Kind
from genbench.host import Host
from genbench.host.plugin import PluginSource
from genbench.report.catalog import card, only, rows

KINDS = [*(f"{kind}s" for kind in Kind), "suites", "plugins"]

PLUGIN = """
from typing import Any, Literal

import genbench
from genbench.base.constraints import Count, Fraction

@genbench.probe(cost="C")
def slopes(model, inputs): ...

@genbench.measure(
    family="mine", direction="-", source="Somebody 2020, eq. 3", formula="max |f'|", aliases=["steep"]
)
def steepest(
    slopes,
    *,
    share: Fraction = 0.5,
    order: Count = 2,
    mode: Literal["a", "b"] = "a",
    cap: float | None = None,
    sizes: tuple[int, ...] = (1, 2),
    free: Any = None,
    needed: str,
):
    \"\"\"The steepest slope.

    With more to say.
    \"\"\"

@genbench.model
def resnet(task, *, size: int = 3):
    \"\"\"Not the core's.\"\"\"
"""


@pytest.fixture(scope="module")
def host() -> Host:
    return Host.load([PluginSource("papers", file="papers.py", text=PLUGIN)])


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_rows_that_are_plain_data_with_the_same_columns(host, kind):
    found = rows(host, kind)
    assert as_json(found)
    assert len({tuple(each) for each in found}) <= 1
    names = [each["name"] for each in found]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("kind", [each for each in KINDS if each not in ("statistics", "suites", "plugins")])
def test_every_built_in_component_says_what_it_is(host, kind):
    built_in = [each for each in rows(host, kind) if each["plugin"] == "core"]
    assert built_in
    assert [each["name"] for each in built_in if not each["summary"]] == []


def test_every_built_in_measure_has_family_direction_and_cost(host):
    for each in rows(host, "measures"):
        if each["plugin"] == "core":
            assert each["family"], each
            assert each["direction"] in ("+", "-", "?")
            assert each["cost"] in "ABCDEF"


def test_every_built_in_measure_has_a_formula(host):
    built_in = [each for each in host.components(Kind.MEASURE) if each.plugin == "core"]
    assert [each.name for each in built_in if not each.declared.formula] == []


MEASURES = [
    {"name": "one", "family": "norm", "cost": "A", "needs": ["layers", "model"]},
    {"name": "two", "family": "norm", "cost": "C", "needs": ["inputs", "jacobians", "model"]},
    {"name": "three", "family": "margin", "cost": "B", "needs": ["inputs", "logits", "model"]},
]


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ({"family": "norm"}, ["one", "two"]),
        ({"cost": "A-B"}, ["one", "three"]),
        ({"cost": "C"}, ["two"]),
        ({"need": "inputs"}, ["two", "three"]),
        ({"family": "norm", "need": "inputs", "cost": "B-D"}, ["two"]),
        ({"family": "margin", "cost": "A"}, []),
    ],
)
def test_measures_are_chosen_by_family_cost_and_need(filters, names):
    chosen = {"family": None, "cost": None, "need": None} | filters
    assert [each["name"] for each in only(MEASURES, **chosen)] == names


@pytest.mark.parametrize(
    ("filters", "words"),
    [
        ({"family": "nrom"}, "unknown family 'nrom'; did you mean 'norm'?"),
        ({"cost": "C-A"}, "--cost C-A: a cost class is one of ABCDEF, or a range such as A-C"),
        ({"cost": "Z"}, "--cost Z: a cost class is one of ABCDEF, or a range such as A-C"),
        ({"need": "logist"}, "none of these measures needs 'logist'; did you mean 'logits'?"),
    ],
)
def test_a_wrong_filter_gets_the_nearest_word(filters, words):
    chosen = {"family": None, "cost": None, "need": None} | filters
    with pytest.raises(UsageError, match=re.escape(words)):
        only(MEASURES, **chosen)


AUDITED = {
    "invariance": {
        "networks": {"mlp": "A network", "rnn": "Another"},
        "changes": {"shift": "shifted", "turn": "turned"},
        "measures": {
            "param_norm": {
                "version": 1,
                "networks": {
                    "mlp": {
                        "status": "ok",
                        "changes": {
                            "shift": {"verdict": "invariant"},
                            "turn": {"verdict": "moves", "change": 0.5},
                        },
                    },
                    "rnn": {"status": "not_applicable", "reason": "too late"},
                },
            },
            "train_loss": {"version": 99, "networks": {}},
        },
    },
    "repeatability": {
        "suite": "digits", "repeats": 3, "largest_ratio": 0.1,
        "measures": {"param_norm": {"version": 1, "fits": 8, "within": 1.0, "between": 4.0, "ratio": 0.25, "icc": 0.9}},
    },
    "cost": {
        "network": "small", "environment": {"processor": "P"},
        "measures": {"param_norm": {"version": 1, "milliseconds": 1.5}},
    },
}  # fmt: skip


@pytest.fixture
def audited(monkeypatch):
    """Tables of audits in place of those that come with genbench."""
    monkeypatch.setattr("genbench.auditing.stored.stored", AUDITED.__getitem__)
    monkeypatch.setattr("genbench.report.catalog.stored", AUDITED.__getitem__)


def test_a_card_has_what_the_audits_found(host, audited):
    found = card(host, "param_norm")
    assert found["applies_to"] == {"mlp": "yes", "rnn": "too late"}
    assert found["invariances"] == {
        "shifted": {"mlp": {"verdict": "invariant"}},
        "turned": {"mlp": {"verdict": "moves", "change": 0.5}},
    }
    assert found["repeatability"]["ratio"] == 0.25
    assert found["repeatability"]["suite"] == "digits"
    assert found["cost_measured"] == {"milliseconds": 1.5, "network": "small", "processor": "P"}


@pytest.mark.parametrize("word", ["train_loss", "param_norm[fold=false]", "papers:steepest[needed=x]"])
def test_a_card_says_nothing_of_what_was_not_audited(host, audited, word):
    """Another version, other settings, another plugin."""
    assert not {"applies_to", "invariances", "repeatability", "cost_measured"} & set(card(host, word))


def test_the_core_is_listed_before_plugins(host):
    names = [each["name"] for each in rows(host, "models")]
    assert names[-1] == "papers:resnet"
    assert names[:-1] == sorted(names[:-1])


def test_the_cost_of_a_measure_is_that_of_the_costliest_probe_below_it(host):
    found = {each["name"]: each for each in rows(host, "measures")}
    assert found["papers:steepest"]["cost"] == "C"


def test_every_component_has_a_card(host):
    for kind in Kind:
        for each in host.components(kind):
            found = card(host, f"{kind}:{each.full_name}")
            assert as_json(found)
            assert (found["kind"], found["name"]) == (kind, each.full_name)
            assert list(found["settings"]) == list(each.settings)


def test_a_card_says_everything(host):
    found = card(host, "papers:steepest[order=3,needed=x]")
    assert found == {
        "kind": "measure",
        "name": "papers:steepest",
        "spelling": "papers:steepest[needed=x,order=3]",
        "plugin": "papers",
        "version": 1,
        "family": "mine",
        "direction": "-",
        "formula": "max |f'|",
        "cost": "C (one backward pass or Jacobian)",
        "held_out": False,
        "claim": "a larger value is said to mean a smaller gap",
        "aliases": ["steep"],
        "starts_from": ["inputs", "model"],
        "source": "Somebody 2020, eq. 3",
        "needs": ["slopes"],
        "settings": {
            "share": {"type": "float >= 0 and <= 1", "default": 0.5},
            "order": {"type": "int >= 1", "default": 3},
            "mode": {"type": "a | b", "default": "a"},
            "cap": {"type": "float | none", "default": None},
            "sizes": {"type": "list of int", "default": (1, 2)},
            "free": {"type": "anything", "default": None},
            "needed": {"type": "str", "default": None},
        },
        "documentation": "The steepest slope.\n\nWith more to say.",
    }


def test_a_bare_name_or_alias_of_the_only_plugin_that_has_it_is_found(host):
    assert card(host, "slopes")["name"] == "papers:slopes"
    assert card(host, "steep")["name"] == "papers:steepest"


def test_the_core_has_precedence_and_the_plugin_can_be_named(host):
    assert card(host, "model:resnet")["plugin"] == "built-in"
    assert card(host, "papers:resnet")["plugin"] == "papers"
    assert card(host, "model:papers:resnet")["plugin"] == "papers"


def test_a_name_of_several_kinds_asks_which(host):
    with pytest.raises(UsageError, match=r"'resnet' .* say which: model:resnet, protocol:resnet"):
        card(host, "resnet")


def test_a_name_of_several_plugins_says_which_plugins():
    text = "import genbench\n@genbench.model\ndef net(task): ...\n"
    host = Host.of(PluginSource(name, file="p.py", text=text) for name in ("one", "two"))
    with pytest.raises(InvalidInput, match="model 'net' is offered by several plugins: one:net, two:net"):
        card(host, "net")


def test_what_there_is_not_gets_the_nearest_name(host):
    with pytest.raises(UsageError, match=r"nothing is named 'steepst'; did you mean 'steep'\?"):
        card(host, "steepst")
    with pytest.raises(UsageError, match=r"nothing is named 'digts'; did you mean 'digits'\?"):
        card(host, "digts")


def test_a_variant_with_wrong_settings_is_invalid_input(host):
    with pytest.raises(InvalidInput, match="order = 0: should be greater than or equal to 1"):
        card(host, "papers:steepest[order=0,needed=x]")


def test_every_suite_has_name_version_and_title(host):
    found = {each["name"]: each for each in rows(host, "suites")}
    assert found["digits"]["version"] == 2
    assert all(each["title"] for each in found.values())


def test_a_suite_that_cannot_be_read_is_a_row_that_says_so(tmp_path):
    (tmp_path / "bad.toml").write_text("title = ")
    listed = [str(tmp_path / "bad.toml"), str(tmp_path / "absent.toml")]
    text = f"def genbench_suites():\n    return {listed!r}\n"
    host = Host.of([PluginSource("papers", file="papers.py", text=text)])
    titles = [each["title"] for each in rows(host, "suites")]
    assert len(titles) == 2
    assert all(each.startswith("cannot be read: ") for each in titles)


def test_plugins_are_rows_with_status_origin_and_what_they_hold(host):
    found = {each["name"]: each for each in rows(host, "plugins")}
    assert found["measures"]["origin"] == "built-in"
    assert found["papers"] == {
        "name": "papers",
        "status": "ok",
        "origin": "file papers.py",
        "version": "",
        "components": ["1 probe", "1 measure", "1 model"],
        "problem": "",
    }
