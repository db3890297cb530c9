"""What a battery knows before anything is computed."""

import subprocess
import sys

import pytest
from torch import nn

import genbench
from genbench.base.errors import InvalidInput
from genbench.host import Host
from genbench.host.selection import select

measure = genbench.measure(family="test", direction="?")

_MISSPELT = genbench.need("margins", quantil=0.1)
_MISTYPED = genbench.need("margins", quantile="low")
_FOLDED_ROOT = genbench.need("model", folded=True)


def test_needs_are_found_by_parameter_name_and_settings_are_forwarded(plugin):
    @genbench.probe(cost="B")
    def outputs(model, *, chunk: int = 1):
        return chunk

    wanted = genbench.need("outputs", chunk=genbench.setting("size"))

    @measure
    def mine(outputs, again=wanted, *, size: int = 5):
        return 10 * outputs + again

    battery = plugin(outputs, mine).resolve()
    (request,) = battery.requests
    assert [settings for _, settings in battery.probes_below(request)] == [{"chunk": 1}, {"chunk": 5}]
    assert battery.cost_class(request) == "B"
    assert battery.roots_needed(request) == {"model"}
    assert plugin(outputs, mine).compute({"model": nn.Linear(1, 1)})["mine"].value == 15


def test_cost_class_is_the_highest_below_and_the_trajectory_costs_most(plugin):
    @genbench.probe(cost="C")
    def jacobian(model):
        return 0

    @genbench.probe
    def norm(jacobian):
        return 0

    @measure
    def by_jacobian(norm):
        return 0

    @measure
    def by_history(history):
        return 0

    @measure
    def by_siblings(siblings):
        return 0

    battery = plugin(jacobian, norm, by_jacobian, by_history, by_siblings).resolve()
    classes = {each.spelling: battery.cost_class(each) for each in battery.requests}
    assert classes == {"by_jacobian": "C", "by_history": "F", "by_siblings": "A"}
    assert [each.spelling for each in battery.requests if battery.needs_siblings(each)] == ["by_siblings"]


def test_all_problems_are_named_at_once(plugin):
    @genbench.probe
    def margins(logits, *, quantile: float = 0.1):
        return 0

    @measure
    def unknown(marginz):
        return 0

    @measure
    def wrong_setting(margins=_MISSPELT):
        return 0

    @measure
    def wrong_type(margins=_MISTYPED):
        return 0

    @measure
    def root_with_settings(model=_FOLDED_ROOT):
        return 0

    @measure
    def incomplete(margins):
        return 0

    all_wrong = plugin(margins, unknown, wrong_setting, wrong_type, root_with_settings, incomplete)
    with pytest.raises(InvalidInput) as fault:
        all_wrong.resolve()
    text = str(fault.value)
    assert "measure 'unknown' needs 'marginz'" in text
    assert "did you mean 'margins'" in text
    assert "unknown setting 'quantil'; did you mean 'quantile'?" in text
    assert "probe 'margins': quantile = low" in text
    assert "needs 'model', which takes no settings" in text
    assert "probe 'margins' needs 'logits'" in text
    assert len(fault.value.problems) == 5


def test_a_cycle_is_printed_as_a_path(plugin):
    @genbench.probe
    def first(second):
        return 0

    @genbench.probe
    def second(third):
        return 0

    @genbench.probe
    def third(first):
        return 0

    @measure
    def one(first):
        return 0

    with pytest.raises(InvalidInput, match="first -> second -> third -> first"):
        plugin(first, second, third, one).resolve()


def test_importing_the_resolver_imports_no_torch():
    code = "import sys, genbench.host.battery, genbench.host.selection; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_code_computes_what_is_known_and_the_core_comes_first(tmp_path):
    for name, needs in (("left", "margins"), ("right", "left_probe=genbench.need('left:there')")):
        (tmp_path / f"{name}.py").write_text(
            "import genbench\n"
            "@genbench.probe\ndef there(model):\n    return 1\n"
            f"@genbench.measure(family='x', direction='+')\ndef of_{name}({needs}):\n    return 1.0\n"
        )
    host = Host.load([str(tmp_path / "left.py"), str(tmp_path / "right.py")])
    battery = select(["right:of_right", "left:of_left", "param_norm", "margin_mean"], host)
    parts = battery.by_plugins()
    assert [names for names, _ in parts] == [set(), {"left"}, {"left", "right"}]
    assert [{*part.measures} for _, part in parts] == [
        {"param_norm", "margin_mean"}, {"left:of_left"}, {"right:of_right"},
    ]  # fmt: skip
    assert all(part.below.keys() == part.measures.keys() for _, part in parts)
