"""What comes with genbench keeps the laws that it asks of others."""

from __future__ import annotations

import pytest
from regularizers.test_strength_zero import OFF

from genbench.contract.components import Kind
from genbench.host import Host
from genbench.host.settings import parse_variant
from genbench.testing import ExecutorLaws, ObserverLaws, SuiteLaws, checking

HOST = Host.load()

COMPONENTS = [
    component
    for kind in checking.LAWS
    if kind is not Kind.EXECUTOR
    for component in HOST.components(kind)
    if component.plugin == "core" and not any(each.required for each in component.settings.values())
]
ALSO_OFF = {"label-noise": {"deviation": 0.0}}
"""Of numbers, where the other setting is of classes."""

QUICK = {"param_norm", "inverse_margin", "random", "mlp", "digits", "jacobian", "interpolate", "spearman"}
"""One of each kind, whose laws are tried whenever tests are; those of all others where there is time."""


@pytest.fixture(autouse=True)
def _one_thread(one_thread, monkeypatch):
    """As workers compute; nothing is downloaded, so that the laws of data sets that are not here are left out."""

    def refuse(url, headers):
        raise OSError("no network")

    monkeypatch.setattr("genbench.base.downloads.get", refuse)


@pytest.mark.parametrize(
    "component",
    [pytest.param(each, marks=() if each.name in QUICK else pytest.mark.slow) for each in COMPONENTS],
    ids=lambda each: f"{each.kind}-{each.name}",
)
def test_a_built_in_component_keeps_the_laws(component):
    attributes = {"component": component.name}
    if component.kind is Kind.REGULARIZER:
        attributes["off"] = {**parse_variant(OFF[component.name])[1], **ALSO_OFF.get(component.name, {})}

    verdicts = list(type("Laws", (checking.LAWS[component.kind],), attributes).judge())

    assert [each for each in verdicts if each.status == "broken"] == []


@pytest.mark.slow
@pytest.mark.parametrize("law", ExecutorLaws.names())
def test_the_local_executor_keeps_the_law(law):
    verdict = type("Laws", (ExecutorLaws,), {"component": "local"}).judged(law)
    assert verdict.status == "holds", verdict.why


@pytest.mark.parametrize("law", SuiteLaws.names())
def test_a_built_in_suite_keeps_the_law(law):
    verdict = type("Laws", (SuiteLaws,), {"component": "digits-quick"}).judged(law)
    assert verdict.status == "holds", verdict.why


def test_a_plugin_without_hooks_is_no_observer():
    laws = type("Laws", (ObserverLaws,), {"component": "models"})
    assert laws.judged("it_observes").status == "broken"


def test_what_an_observer_imports_is_no_time_of_its_hooks(tmp_path):
    file = tmp_path / "papers.py"
    file.write_text('"""An observer."""\nimport time\ntime.sleep(0.7)\ndef genbench_run_started(run): pass\n')
    laws = type("Laws", (ObserverLaws,), {"component": "papers", "plugins": (str(file),)})
    assert laws.judged("it_is_quick").status == "holds"
