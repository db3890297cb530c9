"""``genbench list`` and ``genbench show``."""

import json
import re
import sys

import pytest
from rich.console import Console

from genbench.cli import main
from genbench.cli.list import KINDS

PLUGIN = """
import genbench
print("noise")

@genbench.measure(family="mine", direction="-", source="Somebody 2020, eq. 3", formula="max w")
def widest(model, *, power: float = 1.0):
    \"\"\"The widest layer.\"\"\"
"""


@pytest.fixture
def plugin(tmp_path) -> str:
    path = tmp_path / "papers.py"
    path.write_text(PLUGIN)
    return str(path)


@pytest.fixture
def run(capsys):
    """Runs a command; returns its exit code and both outputs."""

    def ran(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(words)
        printed = capsys.readouterr()
        return ended.value.code, printed.out, printed.err

    return ran


def strict(text: str):
    def refuse(word: str) -> None:
        raise AssertionError(word)

    return json.loads(text, parse_constant=refuse)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_listed_as_text_and_as_strict_json(run, kind):
    code, out, err = run("list", kind, "--json")
    assert (code, err) == (0, "")
    rows = strict(out)
    code, text, err = run("list", kind)
    assert (code, err) == (0, "")
    for row in rows:
        assert row["name"] in text


def test_list_alone_counts_every_kind(run):
    code, out, _ = run("list", "--json")
    assert code == 0
    counts = {each["kind"]: each["count"] for each in strict(out)}
    assert list(counts) == list(KINDS)
    assert counts["measures"] > 20
    assert counts["models"] >= 7


def test_an_unknown_kind_gets_the_nearest_one(run):
    code, out, err = run("list", "mesures")
    assert (code, out) == (2, "")
    assert err == "genbench: unknown kind 'mesures'; did you mean 'measures'?\n"


def test_a_plugin_appears_in_lists_and_prints_nothing_among_the_results(run, plugin):
    code, out, err = run("list", "measures", "--json", "--plugin", plugin)
    assert code == 0
    assert "noise" in err
    rows = {each["name"]: each for each in strict(out)}
    assert rows["papers:widest"] == {
        "name": "papers:widest",
        "aliases": [],
        "family": "mine",
        "direction": "-",
        "cost": "A",
        "held_out": False,
        "source": "Somebody 2020, eq. 3",
        "needs": ["model"],
        "settings": ["power=1.0"],
        "version": 1,
        "plugin": "papers",
        "summary": "The widest layer.",
    }


@pytest.mark.parametrize(
    ("words", "code", "line"),
    [
        (["measures", "--family", "nrom"], 2, "unknown family 'nrom'; did you mean 'norm'?"),
        (["measures", "--need", "modle"], 2, "none of these measures needs 'modle'; did you mean 'model'?"),
        (["models", "--family", "norm"], 2, "--family chooses among measures: genbench list measures --family ..."),
        (["--cost", "A"], 2, "--cost chooses among measures: genbench list measures --cost ..."),
    ],
)  # fmt: skip
def test_a_wrong_filter_is_one_line(run, words, code, line):
    assert run("list", *words) == (code, "", f"genbench: {line}\n")


def test_measures_are_filtered_and_fit_a_terminal(run, monkeypatch):
    def console():
        return Console(file=sys.stdout, width=80, force_terminal=True, no_color=True, highlight=False)

    code, out, _ = run("list", "measures", "--cost", "A", "--json")
    assert code == 0
    weights_only = [row["name"] for row in strict(out)]
    assert {row["cost"] for row in strict(out)} == {"A"}
    monkeypatch.setattr("genbench.report.terminal.console", console)
    code, out, _ = run("list", "measures", "--cost", "A")
    lines = re.sub("\x1b\\[[0-9;]*m", "", out).splitlines()
    assert max(map(len, lines)) <= 80
    for name in weights_only:
        assert [line for line in lines if name in line.split()], name
    code, out, _ = run("list", "measures", "--need", "folded_model", "--family", "norm", "--json")
    assert "param_norm" in [row["name"] for row in strict(out)]


def test_show_prints_what_the_audits_found(run, monkeypatch):
    found = {
        "kind": "measure",
        "name": "m",
        "held_out": False,
        "applies_to": {"mlp": "yes", "cnn": "yes", "rnn": "too late", "tree": "too late"},
        "invariances": {
            "shifted": {"mlp": {"verdict": "invariant"}, "cnn": {"verdict": "not applicable", "reason": "-"}},
            "turned": {"mlp": {"verdict": "moves", "change": 0.5}, "cnn": {"verdict": "noise", "change": 0.1}},
        },
        "repeatability": {
            "suite": "digits", "repeats": 3, "largest_ratio": 0.1, "fits": 8, "ratio": 0.25, "icc": 0.9,
        },
        "cost_measured": {"milliseconds": 1.5, "network": "small", "processor": "P"},
    }  # fmt: skip
    monkeypatch.setattr("genbench.report.catalog.card", lambda host, name: found)
    assert run("show", "m")[1].splitlines() == [
        "kind           measure",
        "name           m",
        "applies to     mlp, cnn; not rnn, tree (too late)",
        "repeatability  spread across seeds 25 % of that across models (digits, 8 fits, 3 seeds), "
        "more than a tenth, ICC 0.9",
        "cost measured  1.5 ms alone, small, one thread of P",
        "what moves it  mlp        cnn",
        "  shifted      invariant  –",
        "  turned       +50 %      within noise",
    ]


def test_a_plugin_can_be_left_out(run):
    code, out, _ = run("list", "models", "--no-plugin", "models", "--json")
    assert (code, strict(out)) == (0, [])
    code, out, _ = run("list", "plugins", "--no-plugin", "models", "--json")
    assert {each["name"]: each["status"] for each in strict(out)}["models"] == "disabled"
    code, out, err = run("list", "models", "--no-plugin", "modles")
    assert (code, out) == (2, "")
    assert err == "genbench: --no-plugin modles: no such plugin; did you mean 'models'?\n"


def test_a_broken_plugin_named_on_the_command_line_fails_the_command_which_still_lists_the_rest(
    run, tmp_path
):
    path = tmp_path / "bad.py"
    path.write_text("raise ValueError('no luck')")
    code, out, err = run("list", "models", "--json", "--plugin", str(path))
    assert code == 1
    assert err == "genbench: plugin 'bad' (file bad.py): import failed: ValueError: no luck\n"
    assert len(strict(out)) >= 7


def test_a_plugin_file_that_is_absent_is_wrong_usage(run):
    code, out, err = run("list", "--plugin", "./absent.py")
    assert (code, out) == (2, "")
    assert err.startswith("genbench: --plugin ./absent.py: cannot be read")


def test_show_prints_the_card_of_a_component(run, plugin):
    code, out, _ = run("show", "papers:widest", "--plugin", plugin)
    assert code == 0
    for part in (
        "measure",
        "papers:widest",
        "mine",
        "-",
        "max w",
        "Somebody 2020, eq. 3",
        "model",
        "power = 1.0",
    ):
        assert part in out
    assert out.endswith("The widest layer.\n")
    code, out, _ = run("show", "widest[power=2]", "--plugin", plugin, "--json")
    assert strict(out)["spelling"] == "papers:widest[power=2]"
    assert strict(out)["settings"] == {"power": {"type": "float", "default": 2.0}}


SHARING = """
import genbench
from genbench.base.constraints import Fraction

@genbench.probe
def margins(model, *, quantile: Fraction = 0.1, sign: str = "absolute"):
    \"\"\"Margins.

    Parameters
    ----------
    quantile : float
        The share of examples
        below it.

    Raises
    ------
    NotApplicable
        Never.
    \"\"\"

@genbench.measure(family="mine", direction="-")
def small(margins=genbench.need("margins", shared=("quantile", "sign")), *, power: float = 1.0):
    \"\"\"A margin.\"\"\"
"""


def test_a_setting_shared_with_a_probe_is_shown_with_what_the_probe_says_of_it(run, tmp_path):
    path = tmp_path / "papers.py"
    path.write_text(SHARING)
    code, out, _ = run("show", "papers:small[quantile=0.2]", "--plugin", str(path))
    assert code == 0
    assert out[out.index("settings\n") :].splitlines() == [
        "settings",
        "  power = 1.0    (float)",
        "  quantile = 0.2    (float >= 0 and <= 1)",
        "      As of papers:margins. The share of examples below it.",
        "  sign = absolute    (str)",
        "      As of papers:margins.",
        "",
        "A margin.",
    ]
    _, out, _ = run("show", "papers:small", "--plugin", str(path), "--json")
    assert strict(out)["settings"]["quantile"] == {
        "type": "float >= 0 and <= 1",
        "default": 0.1,
        "probe": "papers:margins",
        "documentation": "The share of examples below it.",
    }


def test_other_names_of_a_measure_are_listed_and_shown(run):
    assert strict(run("show", "cross_entropy", "--json")[1])["aliases"] == ["cross_entropy", "nll"]
    assert strict(run("show", "cross_entropy", "--json")[1])["name"] == "train_loss"
    rows = {row["name"]: row for row in strict(run("list", "measures", "--json")[1])}
    assert rows["train_loss"]["aliases"] == ["cross_entropy", "nll"]
    assert "cross_entropy" not in rows
    assert run("show", "cross_entorpy")[2].endswith("did you mean 'cross_entropy'?\n")


def test_show_prints_the_text_of_a_suite(run):
    code, out, _ = run("show", "digits")
    assert code == 0
    assert 'name = "digits"' in out
    code, json_out, _ = run("show", "digits", "--json")
    assert strict(json_out) == {"kind": "suite", "name": "digits", "text": out}


@pytest.mark.parametrize(
    ("word", "code", "line"),
    [
        ("param_nrom", 2, "nothing is named 'param_nrom'; did you mean 'param_norm'?"),
        ("digts", 2, "nothing is named 'digts'; did you mean 'digits'?"),
        ("model:mpl", 2, "nothing is named 'mpl'; did you mean 'mlp'?"),
        ("resnet", 2, "'resnet' is the name of several things; say which: model:resnet, protocol:resnet"),
        ("mlp[widht=3]", 3, "model 'mlp': unknown setting 'widht'; did you mean 'width'?"),
        ("mlp[width=0]", 3, "model 'mlp': width = 0: should be greater than or equal to 1"),
        ("mlp[", 3, "'mlp[': a variant is spelled name[key=value,...]"),
    ],
)
def test_what_cannot_be_shown_is_one_line_with_the_nearest_word(run, word, code, line):
    assert run("show", word) == (code, "", f"genbench: {line}\n")


def test_show_says_why_a_component_of_a_given_plugin_is_broken(run, tmp_path):
    file = tmp_path / "papers.py"
    file.write_text(PLUGIN.replace("(model, *, power", "(model, power"))
    code, out, err = run("show", "widest", "--plugin", str(file))
    assert (code, out) == (2, "")
    assert "measure 'widest': parameter 'power' has a default; a setting goes behind '*'" in err


def test_show_explains_what_measures_start_from(run):
    card = strict(run("show", "inputs", "--json")[1])
    assert (card["kind"], card["name"]) == ("root", "inputs")
    assert "input_shape" in card["shape"]
    assert "model" in card["other_roots"]
    for part in ("read-only", "enable_grad", "no root has test data"):
        assert part in card["documentation"].replace("\n", " ")
    assert strict(run("show", "root:snapshots", "--json")[1])["cost"].startswith("F")
    assert run("show", "root:inptus")[2].endswith("did you mean 'inputs'?\n")


def test_every_root_has_a_shape():
    from genbench.contract.components import ROOT_SHAPES, ROOTS

    assert list(ROOT_SHAPES) == list(ROOTS)
