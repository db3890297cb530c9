"""From what a suite keeps of a training to the measures along it."""

import shutil
from itertools import pairwise

import pytest
import torch
from running import TINY, command, values

from genbench.runs.store import Folder

ALONG = (
    "traj_length,dist_over_traj,ph_dimension,e_alpha,trajectory_magnitude,tk_complexity,coherence_early,"
    "coherence_late,coherence_bound,grad_noise_epoch1"
)


def run_of(tmp_path, keep, measures=ALONG, length="batch_size = 32, max_epochs = 10"):
    """A run of one fit, of 40 steps where nothing else is said, measured; its folder."""
    text = TINY.replace("seeds = 2", "seeds = 1").replace("[0.03, 0.1]", "0.05")
    text = text.replace("batch_size = 32, max_epochs = 3", length)
    file = tmp_path / "suite.toml"
    file.write_text(f"{text}keep = {keep}\n")
    folder = tmp_path / "run"
    ended = command("run", "--suite", file, "--out", folder, "--workers", 1, "--measures", measures)
    assert ended.code == 0, ended.err
    return folder


def found_in(folder):
    return {each["measure"]: each for each in values(folder)}


@pytest.mark.usefixtures("inline")
def test_all_that_is_needed_along_training_is_kept(tmp_path):
    keep = '["initial", "final", { snapshots = 100 }, { trajectory = 30 }]'
    folder = run_of(tmp_path, keep)
    found = found_in(folder)
    assert {name: each["reason"] for name, each in found.items() if each["status"] != "ok"} == {}
    (key,) = Folder(folder).fit_keys()
    stored = Folder(folder).fit(key)
    states = stored.load_states()
    assert {"snapshot-0", f"snapshot-{stored.record['steps']}"}.isdisjoint(states)  # they are there by name
    names = ["initial", *(f"snapshot-{step}" for step in range(1, 40)), "final"]
    points = torch.stack([torch.cat([each.flatten() for each in states[name].values()]) for name in names])
    length = sum((b - a).double().norm().item() for a, b in pairwise(points))
    assert found["traj_length"]["value"] == pytest.approx(length, rel=1e-5)
    straight = (points[-1] - points[0]).double().norm().item()
    assert found["dist_over_traj"]["value"] == pytest.approx(straight / length, rel=1e-5)


@pytest.mark.usefixtures("inline")
def test_few_snapshots_and_the_recorded_walk_go_together(tmp_path):
    folder = run_of(tmp_path, '["initial", "final", { snapshots = 3 }, { trajectory = 30 }]')
    assert {each["status"] for each in found_in(folder).values()} == {"ok"}
    (key,) = Folder(folder).fit_keys()
    kept = {each for each in Folder(folder).fit(key).load_states() if each.startswith("snapshot-")}
    assert kept == {"snapshot-16", "snapshot-32", "snapshot-4"}  # 4: the end of the first epoch


@pytest.mark.usefixtures("inline")
def test_a_fit_of_one_step_has_its_two_snapshots(tmp_path):
    keep = '["initial", "final", { snapshots = 3 }, { trajectory = 3 }]'
    measures = "dist_over_traj,coherence_early,coherence_late"
    found = found_in(run_of(tmp_path, keep, measures, length="batch_size = 100, max_epochs = 1"))
    assert {each["status"] for each in found.values()} == {"ok"}
    assert found["dist_over_traj"]["value"] == pytest.approx(1, rel=1e-6)
    assert found["coherence_early"]["value"] != found["coherence_late"]["value"]


@pytest.mark.usefixtures("inline")
def test_a_run_that_kept_nothing_along_training_says_so(finished, tmp_path):
    shutil.copytree(finished, tmp_path / "run")
    ended = command("measure", tmp_path / "run", "--measures", f"{ALONG},grad_cosine_init", "--workers", 1)
    assert ended.code == 0, ended.err
    found = {name: each for name, each in found_in(tmp_path / "run").items() if name in ALONG.split(",")}
    assert len(found) == 10
    assert {(each["status"], each["reason"]) for each in found.values()} == {
        ("not_applicable", "not kept: the suite's `keep` needs { snapshots = N } and { trajectory = N }")
    }
    assert found_in(tmp_path / "run")["grad_cosine_init"]["status"] == "ok"


@pytest.mark.usefixtures("inline")
def test_snapshots_without_the_steps_between_leave_the_way_unknown(tmp_path):
    found = found_in(run_of(tmp_path, '["initial", "final", { snapshots = 5 }]'))
    for name in ("traj_length", "tk_complexity", "ph_dimension"):
        assert found[name]["reason"] == "not kept: the suite's `keep` needs { trajectory = N }"
    for name in ("coherence_early", "coherence_bound", "grad_noise_epoch1"):
        assert found[name]["status"] == "ok"
