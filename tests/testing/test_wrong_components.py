"""Each law is there to be broken: for every one there is a component that breaks it, and is caught by its name."""

from __future__ import annotations

import pytest
from testing.wrong import WRONG

from genbench.host import Host
from genbench.testing import ObserverLaws, checking

BASES = {**checking.LAWS, "observer": ObserverLaws}
CASES = [(kind, law) for kind, texts in WRONG.items() for law in texts]


def host(given: tuple[str, ...]) -> Host:
    """The built-in rooms that laws look at, and the wrong component."""
    loaded = Host.load(given, rooms={"models", "datasets", "regularizers", "protocols", "suites"})
    assert loaded.problems(asked_for=True) == []
    return loaded


@pytest.fixture(autouse=True)
def _one_thread(one_thread):
    """As workers compute."""


def cases():
    """Each wrong component; those whose law starts workers take long."""
    for kind, law in CASES:
        is_slow = kind == "executor" and law not in ("it_has_slots", "without_jobs_results_end")
        yield pytest.param(kind, law, marks=pytest.mark.slow if is_slow else (), id=f"{kind}-{law}")


@pytest.mark.parametrize(("kind", "law"), list(cases()))
def test_a_wrong_component_is_caught_by_the_name_of_the_law(kind, law, tmp_path):
    file = tmp_path / "papers.py"
    file.write_text(WRONG[kind][law])
    given = (str(file),)
    name = "papers" if kind == "observer" else "papers:wrong"
    attributes = {"component": name, "plugins": given, "host": host(given)}

    verdict = type("LawsOfWrong", (BASES[kind],), attributes).judged(law)

    assert (verdict.status, bool(verdict.why)) == ("broken", True)


def test_thirty_and_more_are_caught():
    assert len(CASES) >= 30


# What cannot be caught on this machine, or is a process of its own, has tests elsewhere.
ELSEWHERE = {
    "the_device_does_not_matter", "a_step_can_be_captured", "it_is_documented", "it_observes", "it_reads",
}  # fmt: skip


@pytest.mark.parametrize("kind", ["measure", "model", "regularizer", "dataset", "statistic", "executor"])
def test_no_law_is_without_a_component_that_breaks_it(kind):
    laws = {*checking.LAWS[kind].names()}
    assert laws - ELSEWHERE - WRONG[kind].keys() == set()
