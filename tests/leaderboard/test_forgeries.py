"""Entries that somebody forged with care: every key fits, and what the core knows better gives them away."""

from __future__ import annotations

import copy
import dataclasses
import functools
import random
from pathlib import Path
from typing import Any

import pytest
from leaderboard.forging import Forgery, forged

from genbench.leaderboard import markdown
from genbench.leaderboard.alarms import alarms
from genbench.leaderboard.core_faults import could_say
from genbench.leaderboard.entry import Entry, read_entry
from genbench.leaderboard.lookalikes import looks_like
from genbench.leaderboard.validate import check_entry

ENTRIES = Path(__file__).parents[2] / "leaderboard" / "entries"


def line(forgery: Forgery, measure: str) -> dict[str, Any]:
    return next(each for each in forgery.measures if each["measure"] == measure)


def flipped(forgery):
    line(forgery, "param_norm")["direction"] = "-"


def of_version_99(forgery):
    found = line(forgery, "param_norm")
    found["version"] = found["identity"]["measure"]["version"] = 99


def invented(forgery):
    found = copy.deepcopy(line(forgery, "param_norm"))
    found["measure"] = found["identity"]["measure"]["name"] = "wonder_norm"
    forgery.measures.append(found)
    forgery.values += [
        {**each, "measure": "wonder_norm"} for each in forgery.values if each["measure"] == "param_norm"
    ]


def of_another_family(forgery):
    line(forgery, "param_norm")["family"] = "margin"


def cheaper(forgery):
    line(forgery, "train_loss")["cost_class"] = "A"


def held_out(forgery):
    line(forgery, "train_loss")["held_out"] = True


def of_other_settings(forgery):
    line(forgery, "param_norm")["identity"]["measure"]["settings"]["power"] = 7


def from_another_source(forgery):
    line(forgery, "param_norm")["identity"]["measure"]["source"] = "mine"


def component_of_version_99(forgery):
    for each in forgery.header["components"]:
        if each["kind"] == "model":
            each["version"] = 99
    for fit in forgery.fits:
        fit["trial"]["model"]["version"] = 99


def of_other_defaults(forgery):
    for each in forgery.header["components"]:
        if each["kind"] == "model":
            each["defaults"]["activation"] = "tanh"
    for fit in forgery.fits:
        fit["trial"]["model"]["settings"]["activation"] = "tanh"


def on_other_data(forgery):
    for fit in forgery.fits:
        fit["trial"]["checksum"] = "sha256:" + 64 * "0"


def of_another_task(forgery):
    for fit in forgery.fits:
        fit["trial"]["task"]["outputs"] = 3


def of_one_test_example(forgery):
    for fit in forgery.fits:
        fit.update(test_examples=1, test_error=float(fit["test_error"] > 0.1))


def trained_on_more(forgery):
    for fit in forgery.fits:
        fit.update(train_examples=200, train_error=0.5)


def trained_for_longer(forgery):
    forgery.fits[0]["epochs"] = 1000


def of_fewer_steps(forgery):
    forgery.fits[0]["steps"] = 1


def two_outcomes_swapped(forgery):
    first, second = forgery.fits[0], forgery.fits[-1]
    for name in ("train_loss", "train_error", "train_error_clean", "test_loss", "test_error"):
        first[name], second[name] = second[name], first[name]


def values_of_another_fit(forgery):
    first, last = forgery.value("random", 0), forgery.value("random", -1)
    first["value"], last["value"] = last["value"], first["value"]


def not_applicable(forgery):
    forgery.value("param_norm").update(status="not_applicable", value=None, reason="it does not suit me")


def of_siblings(forgery):
    line(forgery, "param_norm")["siblings"] = True


def by_another_name(forgery):
    line(forgery, "param_norm")["aliases"] = ["my_norm"]


def resting_on_a_later_probe(forgery):
    probes = line(forgery, "train_loss")["identity"]["probes"]
    probes[0]["version"] = 99


def of_a_plugin_that_looks_like_the_core(forgery):
    found = line(forgery, "param_norm")
    found["measure"] = found["identity"]["measure"]["name"] = "с\u043ere:param_norm"
    found["plugin"] = "с\u043ere"
    for each in forgery.values:
        each["measure"] = found["measure"] if each["measure"] == "param_norm" else each["measure"]


def losses_without_their_measure(forgery):
    forgery.fits[0]["train_loss"] *= 1.01


def measured_as_another_error(forgery):
    forgery.value("train_loss")["value"] *= 1.01


def of_a_fraction_of_an_example(forgery):
    forgery.fits[0]["test_error"] += 0.4 / forgery.fits[0]["test_examples"]


def below_zero(forgery):
    forgery.fits[0]["test_loss"] = -0.1


def reached_its_target_without_one(forgery):
    for fit in forgery.fits:
        fit["stop_reason"] = "target"
        fit["trial"]["protocol"]["settings"]["target_loss"] = None


def off_the_grid(forgery):
    forgery.fits[0]["trial"]["protocol"]["settings"]["learning_rate"] = 0.05


def on_other_threads(forgery):
    for fit in forgery.fits:
        fit["trial"]["threads"] = 4


def on_more_test_examples(forgery):
    for fit in forgery.fits:
        fit["test_examples"] *= 2


def ended_without_a_target(forgery):
    forgery.fits[0]["stop_reason"] = "max_epochs"
    forgery.fits[0]["epochs"] = 1


FORGERIES = {
    flipped: "direction is '-'; of the installed measure it is '+'",
    of_version_99: "is version 99; installed is",
    invented: "the core has no such measure",
    of_another_family: "family is 'margin'",
    cheaper: "cost_class is 'A'",
    held_out: "held_out is True; of the installed measure it is False",
    of_other_settings: "the settings of 'param_norm' are not those of the installed one",
    from_another_source: "the settings of 'param_norm' are not those of the installed one",
    component_of_version_99: "is version 99; installed is",
    of_other_defaults: "its defaults are not those of the installed one",
    on_other_data: "its checksum is not that of the installed one",
    of_another_task: "its task is not that of the installed one",
    of_one_test_example: "test_examples is 1; it must be 898",
    trained_on_more: "train_examples is 200; it must be 100",
    trained_for_longer: "its protocol ends after 3",
    of_fewer_steps: "steps: 1 in 3 epochs of 100 examples",
    two_outcomes_swapped: "train_loss of",
    values_of_another_fit: "random of",
    not_applicable: "is said not to apply because 'it does not suit me', which no measure says",
    of_siblings: "siblings is True; of the installed measure it is False",
    by_another_name: "aliases is ['my_norm']",
    resting_on_a_later_probe: "99, which is not installed",
    of_a_plugin_that_looks_like_the_core: "can be taken for the core",
    losses_without_their_measure: "in fits.jsonl",
    measured_as_another_error: "in fits.jsonl",
    of_a_fraction_of_an_example: "is no whole number of 898 examples",
    below_zero: "is -0.1; it is never below 0",
    reached_its_target_without_one: "is no point of the suite's grid",
    off_the_grid: "is no point of the suite's grid",
    on_other_threads: "4 threads, 1 in the suite",
    on_more_test_examples: "test_examples is 1,796; it must be 898",
    ended_without_a_target: "stop_reason: max_epochs after 1 epochs of 3",
}


def test_resealing_alone_changes_nothing(entry):
    forged(entry, lambda forgery: None)
    assert check_entry(entry).faults == []


@pytest.mark.parametrize("forgery", FORGERIES, ids=lambda each: each.__name__)
def test_a_forgery_whose_keys_fit_is_refused(entry, forgery):
    forged(entry, forgery)
    faults = check_entry(entry).faults
    assert any(FORGERIES[forgery] in each for each in faults), faults


def test_measures_that_the_suite_asks_for_are_counted_by_what_is_installed(entry):
    suite = entry / "suite.toml"
    text = suite.read_text()
    assert '"param_norm"' in text
    suite.write_text(text.replace('"param_norm"', '"family:norm", "param_norm"'))
    checked = check_entry(entry)
    assert checked.faults == []
    (missing,) = [each for each in checked.missing if "asks for are not there" in each]
    assert int(missing.split()[0]) > 3


@pytest.mark.parametrize(
    "name", ["d\u0456gits", "Digits", "digit\u0455", "d1gits", "di-gits", "ｄｉｇｉｔｓ"]
)
def test_a_suite_that_can_be_taken_for_another_is_refused(entry, name):
    suite, header = entry / "suite.toml", entry / "entry.json"
    for path in (suite, header):
        path.write_text(path.read_text().replace('"tiny"', f'"{name}"'))
    assert any("can be taken for suite 'digits'" in each for each in check_entry(entry).faults)


def test_a_name_is_itself_and_no_other():
    assert looks_like("digits", ["digits", "mnist"]) == ""
    assert looks_like("digits-2", ["digits"]) == looks_like("my-suite", ["digits"]) == ""
    assert looks_like("с\u043er\u0435", ["core"]) == "core"


@pytest.mark.parametrize(
    ("text", "parts", "could"),
    [
        ("needs 3 layers", ("needs ", "", " layers"), True),
        ("needs layers", ("needs ", "", " layers"), False),
        ("it needs 3 layers", ("needs ", "", " layers"), False),
        ("needs 3 layers!", ("needs ", "", " layers"), False),
        ("anything", ("", ""), False),
        ("the network is linear", ("the network is linear",), True),
    ],
)
def test_a_reason_is_compared_with_what_measures_say(text, parts, could):
    assert could_say(text, parts) is could


# --- what no fault proves ---------------------------------------------------------------------------


@functools.cache
def published(name: str = "digits") -> Entry:
    entry, problems = read_entry(ENTRIES / name)
    assert entry is not None, problems
    return entry


def changed(**parts: Any) -> Entry:
    return dataclasses.replace(published(), **parts)


def with_values(measure: str, made: Any) -> Entry:
    """The published entry with other values of one measure, from its fits."""
    entry = published()
    values = {key: dict(each) for key, each in entry.values.items()}
    for key in values:
        values[key][measure] = {**values[key][measure], **made(key, entry.fits[key])}
    return changed(values=values)


@pytest.mark.parametrize("name", ["digits", "mnist", "cifar10-jpeg"])
@pytest.mark.slow
def test_honest_entries_raise_no_alarm(name):
    assert alarms(published(name)) == []
    assert check_entry(ENTRIES / name).faults == []


@pytest.mark.parametrize(
    "made",
    [
        lambda key, fit: {"value": fit["gap"]},
        lambda key, fit: {"value": 3.0 - fit["test_error"] ** 3},
        lambda key, fit: {"value": fit["loss_gap"] + 1e-3 * random.Random(key).random()},
    ],
    ids=["the gap", "a function of the test error", "the gap of the losses with some noise"],
)
def test_a_measure_made_of_the_outcome_is_an_alarm(made):
    (line,) = alarms(with_values("path_norm", made))
    assert line.startswith("alarm: measure 'path_norm' orders the fits as their ")


def test_test_errors_drawn_at_random_are_an_alarm():
    draw = random.Random(0)
    fits = {
        key: {**fit, "test_error": round(draw.uniform(0.02, 0.4) * 898) / 898}
        for key, fit in published().fits.items()
    }
    (line,) = alarms(changed(fits=fits))
    assert "do not depend on the configuration" in line


def test_seeds_that_change_nothing_are_an_alarm():
    fits = {key: {**fit, "test_error": fit["trial"]["model"]["settings"]["width"] / 898} for key, fit in
            published().fits.items()}  # fmt: skip
    assert "alarm: the seeds of every configuration have the same test error" in alarms(changed(fits=fits))[0]


def unfavourable(entry: Entry) -> list[str]:
    """The third of the fits with the largest gaps."""
    return sorted(entry.fits, key=lambda key: entry.fits[key]["gap"])[-len(entry.fits) // 3 :]


@pytest.mark.parametrize(
    "status",
    [
        "crashed",
        "not_applicable",
        *(pytest.param(each, marks=pytest.mark.slow) for each in ("error", "timeout", "skipped", "nan")),
    ],
)
def test_unfavourable_values_that_are_called_missing_are_an_alarm(status):
    hidden = set(unfavourable(published()))

    def missing(key, fit):
        return {"status": status, "value": None, "reason": "it died"} if key in hidden else {}

    (line,) = alarms(with_values("path_norm", missing))
    assert "'path_norm'" in line
    assert ("not to apply" if status == "not_applicable" else "lost to faults, or no number") in line


def test_a_few_values_of_many_measures_that_are_called_lost_are_an_alarm():
    entry = published()
    gone = {"status": "timeout", "value": None, "reason": "it took too long"}
    values = {
        key: {name: {**each, **gone} for name, each in entry.values[key].items()}
        for key in unfavourable(entry)
    }
    assert any(
        "values of the core are said to be lost" in each
        for each in alarms(changed(values={**entry.values, **values}))
    )


def test_unfavourable_trials_that_are_said_to_have_failed_are_an_alarm():
    entry = published()
    gone = unfavourable(entry)
    fits = {key: fit for key, fit in entry.fits.items() if key not in gone}
    (line,) = alarms(changed(fits=fits, failures={key: {"reason": "out of memory"} for key in gone}))
    assert f"{len(gone)} of {len(entry.fits)} trials are said to have failed" in line


def test_whole_configurations_that_a_measure_is_said_not_to_apply_to_are_an_alarm():
    rate = max(fit["trial"]["protocol"]["settings"]["learning_rate"] for fit in published().fits.values())

    def excused(key, fit):
        hide = fit["trial"]["protocol"]["settings"]["learning_rate"] == rate
        return {"status": "not_applicable", "value": None, "reason": "no"} if hide else {}

    (line,) = alarms(with_values("path_norm", excused))
    assert "'path_norm' is said not to apply to" in line


def test_outcomes_exchanged_among_all_fits_are_an_alarm():
    entry = published()
    keys = sorted(entry.fits)
    others = random.Random(1).sample(keys, len(keys))
    fits = {
        key: {**entry.fits[key], "test_error": entry.fits[other]["test_error"]}
        for key, other in zip(keys, others, strict=True)
    }
    (line,) = alarms(changed(fits=fits))
    assert "do not depend on the configuration" in line


# --- what is left: each stands in the leaderboard's README ------------------------------------------


def two_test_errors_exchanged() -> Entry:
    fits = {key: dict(fit) for key, fit in published().fits.items()}
    first, last = sorted(fits, key=lambda key: fits[key]["gap"])[0], unfavourable(published())[-1]
    fits[first]["test_error"], fits[last]["test_error"] = fits[last]["test_error"], fits[first]["test_error"]
    return changed(fits=fits)


def an_oracle_in_a_haze() -> Entry:
    draw = random.Random(0)
    return with_values("path_norm", lambda key, fit: {"value": fit["gap"] + draw.gauss(0, 0.02)})


def values_in_a_plausible_order() -> Entry:
    entry = published()
    gaps = {key: fit["gap"] for key, fit in entry.fits.items()}
    return with_values(
        "path_norm", lambda key, fit: {"value": entry.values[key]["path_norm"]["value"] * (1 + gaps[key])}
    )


def a_core_measure_in_disguise() -> Entry:
    entry = published()
    line = {**entry.measures["path_norm"], "measure": "mine:path", "plugin": "mine", "direction": "-"}
    return changed(measures={**entry.measures, "mine:path": line})


def on_a_machine_that_nobody_has() -> Entry:
    environments = {key: {**each, "processor": "Abacus"} for key, each in published().environments.items()}
    return changed(environments=environments)


REMAINING = {
    "Few outcomes changed": two_test_errors_exchanged,
    "A blurred oracle": an_oracle_in_a_haze,
    "A plausible invention": values_in_a_plausible_order,
    "A plugin's word for itself": a_core_measure_in_disguise,
    "A machine that nobody has": on_a_machine_that_nobody_has,
}


@pytest.mark.parametrize("cheat", REMAINING)
def test_a_cheat_that_raises_no_alarm_stands_in_the_readme(cheat):
    assert alarms(REMAINING[cheat]()) == []
    legend = (Path(markdown.__file__).parent / "templates" / "legend.md").read_text()
    assert f"**{cheat}.**" in legend
    assert legend.count("\n1. **") == 1
    assert "\n6. **" not in legend
