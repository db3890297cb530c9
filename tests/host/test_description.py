"""Plugins told in plain data: the same components come back, and what makes no sense costs its plugin alone."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

import pytest
from annotated_types import Ge, Gt, Le

from genbench.base.canonical import canonical_json
from genbench.base.constraints import Count, Probability
from genbench.contract.components import Kind
from genbench.host import Host
from genbench.host.annotations import OtherType, as_type, in_plain_data
from genbench.host.description import described, recalled
from genbench.host.elsewhere import Deputies, Elsewhere
from genbench.host.host import new_manager
from genbench.host.plugin import PluginSource
from genbench.host.settings import check, complete, spell

PLUGIN = '''
from pathlib import Path
from typing import Annotated, Literal

import genbench
from annotated_types import Ge


@genbench.probe(cost="B")
def outputs(model, inputs, *, scale: float = 1.0):
    """What comes out."""


@genbench.measure(family="mine", direction="-", source="here", aliases=["short"], version=3)
def largest(
    found=genbench.need("outputs", shared="scale"),
    norms=genbench.need("spectral_norms", kernel=genbench.setting("kernel"), fold=True),
    *,
    kernel: Literal["circular", "operator"] = "operator",
    sizes: tuple[int, ...] = (1, 2),
    power: Annotated[int, Ge(1)] | None = None,
    needed: str,
):
    """The largest.

    Of all outputs.
    """


@genbench.regularizer
class Pull(genbench.Regularizer):
    """Pulls."""

    strength: float = 0.5


@genbench.model
def net(task, *, width: int = 4): ...


@genbench.dataset(checksum="abc", task=lambda **settings: 1 / 0)
def blobs(root, *, size: int = 10): ...


def genbench_suites():
    return [Path("one.toml")]


def genbench_run_started(run): ...
'''


def source(text: str, name: str = "mine") -> PluginSource:
    return PluginSource(name, file=f"{name}.py", text=text)


def both(text: str) -> tuple[Any, Any]:
    """The plugin as it is imported, and as it is known from its description."""
    host = Host.of([source(text)])
    return host.plugins[0], recalled(source(text), described(source(text), new_manager()), Deputies())


def test_components_are_the_same_but_for_their_objects():
    (there, here) = (Host.load([source(PLUGIN)]), Host.described([source(PLUGIN)]))
    assert here.problems() == there.problems() == []
    for kind in Kind:
        for one, other in zip(there.components(kind), here.components(kind), strict=True):
            for name in (
                "full_name",
                "settings",
                "needs",
                "documentation",
                "code",
                "keyed_by_source",
                "version",
            ):
                assert getattr(one, name) == getattr(other, name), (one.full_name, name)
            for name in ("aliases", "family", "direction", "source", "formula", "cost", "checksum"):
                assert getattr(one.declared, name) == getattr(other.declared, name), (one.full_name, name)
            assert isinstance(other.object, Elsewhere) == (other.plugin == "mine")
    assert here.suites().keys() == there.suites().keys()
    assert [each.name for each in here.plugins_with("genbench_run_started")] == ["mine"]
    assert here.elsewhere == {"mine"}


def test_a_broken_plugin_is_told_in_the_same_words():
    for text in ("raise ValueError('no')", "x = 1", "import genbench\n@genbench.model\ndef net(): ...\n"):
        there, here = both(text)
        assert (here.status, here.problems) == (there.status, there.problems)


@pytest.mark.parametrize(
    "annotation",
    [Any, int, float | None, str, bool, Literal["a", 2, None], tuple[int, ...], list[float], dict[str, int],
     tuple[tuple[int, ...], ...], Count, Probability, Annotated[float, Gt(0), Le(2)] | None, list, tuple],
)  # fmt: skip
def test_types_come_back_from_plain_data(annotation):
    told = json.loads(json.dumps(in_plain_data(annotation)))
    assert as_type(told, pytest.fail) == annotation


@pytest.mark.parametrize(
    "annotation", [complex, list[complex], Annotated[int, "other"], Annotated[int, Ge("a")]]
)
def test_a_type_that_is_no_plain_data_is_asked_of_its_code(annotation):
    told = in_plain_data(annotation)
    found = as_type(told, lambda value: value + 1)
    assert isinstance(found, OtherType)
    assert found.check(1) == 2


OWN_TYPES = '''
from enum import Enum
from fractions import Fraction
from typing import Annotated

import genbench
from annotated_types import Interval


class Norm(str, Enum):
    ONE = "one"
    TWO = "two"


@genbench.measure(family="mine", direction="+")
def sized(
    model,
    *,
    norm: Norm = Norm.ONE,
    share: Annotated[float, Interval(gt=0, lt=1)] = 0.5,
    part: Fraction | None = None,
):
    """A measure."""
'''


def test_settings_of_types_that_their_code_alone_knows_are_as_where_it_is_imported():
    hosts = Host.load([source(OWN_TYPES)]), Host.described([source(OWN_TYPES)])
    there, here = (each.find("measure", "sized") for each in hosts)
    for given in ({}, {"norm": "two"}, {"share": 0.25}):
        one, other = complete(there, given), complete(here, given)
        assert canonical_json(one) == canonical_json(other)
        assert spell(there, one) == spell(here, other)
    assert spell(here, complete(here, {"norm": "two"})) == "mine:sized[norm=two]"
    for given in ({"norm": "three"}, {"share": 1}):
        assert check(there, given)[1] == check(here, given)[1] != []
    assert check(here, {"part": 0.5})[1] == ["part = 0.5: it is taken for what is no plain data"]


HOSTILE = {
    "a version that cannot be shown": "class V(int):\n    def __repr__(self): raise SystemExit\n"
    "@genbench.measure(family='bad', direction='+', version=V(3))\ndef weird(model): ...\n",
    "a name that cannot be compared": "class N(str):\n    def __eq__(self, other): raise RuntimeError\n"
    "    __hash__ = str.__hash__\n    def partition(self, mark): raise RuntimeError\n"
    "@genbench.measure(family=N('bad'), direction='+', name=N('weird'))\ndef weird(model): ...\n",
    "half of a pair of surrogates": "def weird(model): ...\nweird.__doc__ = 'doc \\ud800'\n"
    "genbench.measure(family='b\\ud800d', direction='+', source='\\ud800')(weird)\n",
    "a default of its own kind": "class D(float):\n    def __eq__(self, other): raise RuntimeError\n"
    "@genbench.measure(family='bad', direction='+')\ndef weird(model, *, size: float = D(3)): ...\n",
}


@pytest.mark.parametrize("what", HOSTILE)
def test_what_a_description_holds_is_plain(what):
    text = f"import genbench\n{HOSTILE[what]}\n@genbench.measure(family='g', direction='+')\ndef good(model): ...\n"
    here = recalled(source(text), described(source(text), new_manager()), Deputies())
    assert "good" in [each.name for each in here.components]
    for each in here.components:
        plain = [each.name, each.declared.family, each.declared.source, each.documentation]
        assert {type(part) for part in plain} == {str}
        assert type(each.version) is int
        "".join(plain).encode()
        assert all(type(setting.default) is float for setting in each.settings.values())


def test_of_two_plugins_of_one_name_the_first_counts():
    host = Host.described(
        [source("raise ValueError", "models"), source(PLUGIN), source("x = 1"), source("", "a")]
    )
    strange = [each for each in host.plugins if each.source.asked_for or each.source.file]
    assert [each.status for each in strange] == ["broken", "ok", "broken", "broken"]
    assert strange[0].problems == ["another plugin is named 'models'"]
    assert strange[2].problems == ["another plugin is named 'mine'"]
    assert host.lookup("model", "mine:net") is not None
    kept_out = Host.described([source(PLUGIN)], ["mine"])
    assert kept_out.plugins[-1].status == "disabled"


def test_an_endless_text_is_cut():
    text = "import genbench\n@genbench.model\ndef net(task): ...\nnet.__doc__ = 'x' * 10_000_000\n"
    assert len(described(source(text), new_manager())) < 1_000_000


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda content: [], "cannot be told"),
        (lambda content: {**content, "problems": 3}, "cannot be told"),
        (lambda content: {**content, "hooks": [[]]}, "cannot be told"),
        (lambda content: _changed(content, name="a b"), "a name has letters"),
        (lambda content: _changed(content, version=0), "version is a whole number"),
        (lambda content: _changed(content, direction="up"), "direction is one of"),
        (lambda content: _changed(content, kind="virus"), "cannot be told"),
        (lambda content: _changed(content, settings=[{"name": "a", "type": {"list": []}}]), "cannot be told"),
        (lambda content: _changed(content, needs=[["a", {"name": 3}]]), "cannot be told"),
        (lambda content: _changed(content, documentation=None), "cannot be told"),
    ],
)
def test_a_description_that_makes_no_sense_costs_its_plugin_or_component_alone(change, said):
    text = "import genbench\n@genbench.measure(family='g', direction='+')\ndef good(model): ...\n"
    content = change(json.loads(described(source(text), new_manager())))
    here = recalled(source(text), json.dumps(content), Deputies())
    assert here.components == []
    assert any(said in each for each in here.problems)


def _changed(content: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {**content, "components": [{**content["components"][0], **changes}]}
