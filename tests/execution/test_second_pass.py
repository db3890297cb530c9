"""Measures over siblings and over a validation split in whole runs: when they come, and how they are marked."""

import re
from itertools import combinations
from pathlib import Path

import pytest
import torch
from running import InlineProcess, command, values

from genbench.cli import progress
from genbench.datasets.digits import digits
from genbench.executors.local import LocalExecutor
from genbench.fitting import splits
from genbench.fitting.building import build
from genbench.fitting.roots import roots
from genbench.host import Host
from genbench.host.signatures import describe
from genbench.planning.plan import Trial
from genbench.runs.store import Folder

MEASURES = "param_norm,seed_disagreement,interpolation_barrier,interpolation_barrier_simplex," + (
    "seed_disagreement_val[pairs=all],val_gap,stiffness_cos_val"
)
GROUP = ["seed_disagreement", "interpolation_barrier", "interpolation_barrier_simplex"]
HELD_OUT = ["seed_disagreement_val[pairs=all]", "val_gap", "stiffness_cos_val"]

PARTS = "train_size = 100, validation_size = 60"
SUITE = """\
title = "Two configurations of small networks on digits"
version = 1
dataset = {{ name = "digits", {splits} }}
model = {{ name = "mlp", width = 8, depth = 1, normalization = "batch" }}
protocol = {{ name = "interpolate", learning_rate = [0.03, 0.1], batch_size = 32, max_epochs = 3 }}
seeds = {seeds}
measures = ["param_norm"]
targets = ["gap"]
"""

pytestmark = pytest.mark.usefixtures("inline")


def written(folder: Path, seeds: int, sizes: str) -> Path:
    file = folder / f"suite-{seeds}.toml"
    file.write_text(SUITE.format(seeds=seeds, splits=sizes))
    return file


def run(*words: object) -> str:
    ended = command(*words, "--measures", MEASURES)
    assert ended.code == 0, ended.err
    return ended.err


def by_fit(folder: Path) -> dict[str, dict[str, dict]]:
    run = Folder(folder)
    return {key: dict(run.measured(key).values) for key in run.fit_keys()}


@pytest.fixture(scope="module")
def three_seeds(tmp_path_factory, cache):
    """The folder of a run of three seeds with a validation split."""
    folder = tmp_path_factory.mktemp("three")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LocalExecutor, "worker", InlineProcess)
        run("run", "--suite", written(folder, 3, PARTS), "--out", folder / "run")
    return folder / "run"


def test_all_seeds_have_all_values_and_the_marks_that_they_deserve(three_seeds):
    found = list(values(three_seeds))
    assert len(found) == 6 * 7
    assert {each["status"] for each in found} == {"ok"}
    # Each seed was trained on digits of its own, so that a sibling tells of digits that the fit never saw.
    assert {each["measure"] for each in found if each["held_out"]} == {*GROUP, *HELD_OUT}
    board = command("rank", three_seeds, "--json").json
    rows = {row["measure"]: row for row in board["rows"]}
    assert {name for name, row in rows.items() if row["held_out"]} == {*GROUP, *HELD_OUT}
    assert rows["param_norm"]["rank_low"] == 1
    assert min(rows[name]["rank_low"] or 9 for name in (*GROUP, *HELD_OUT)) == 1
    assert any("Ranked apart" in note for note in board["notes"])
    assert "held-out " in command("rank", three_seeds).out


def outputs(stored, host):
    """Of a fit on the digits held out, read as it reads them: normalized with its own numbers."""
    trial = Trial.from_dict(stored.record["trial"])
    data = splits.prepare(describe(digits, "core"), {}, None)
    mine = splits.load_training(data, seed_index=trial.seed, train_size=100, validation_size=60)
    model = build(trial, host).network().eval()
    model.load_state_dict(stored.load_states()["final"])
    return model(mine.validation.inputs)


@torch.no_grad()
def test_siblings_predict_from_inputs_as_each_of_them_reads_them(three_seeds):
    folder, host = Folder(three_seeds), Host.load()
    configurations: dict[str, dict] = {}
    for key in folder.fit_keys():
        stored = folder.fit(key)
        configurations.setdefault(Trial.from_dict(stored.record["trial"]).configuration, {})[key] = stored
    for fits in configurations.values():
        alone = {key: outputs(stored, host) for key, stored in fits.items()}
        predicted = [each.argmax(1).tolist() for each in alone.values()]
        differ = sum(a != b for pair in combinations(predicted, 2) for a, b in zip(*pair, strict=True)) / 180
        for key, stored in fits.items():
            others = [each for each in fits.values() if each is not stored]
            needed = frozenset({"siblings", "validation"})
            given = roots(stored, host, root=None, device="cpu", needed=needed, siblings=others[::-1])
            others.sort(key=lambda each: each.record["trial"]["seed"])
            for sibling, other in zip(given["siblings"], others, strict=True):
                expected = alone[other.key]
                found = sibling(given["validation"].inputs)
                assert torch.allclose(found, expected, rtol=1e-4, atol=1e-5)
                sibling._forward_pre_hooks.clear()
                unread = sibling(given["validation"].inputs)
                assert not torch.allclose(unread, expected, rtol=1e-4, atol=1e-5)
            value = folder.measured(key).values["seed_disagreement_val[pairs=all]"]["value"]
            assert value == pytest.approx(differ, abs=1e-12)


def test_shards_leave_what_compares_seeds_to_measure(three_seeds, tmp_path, monkeypatch):
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.0)
    suite = written(tmp_path, 3, PARTS)
    told = [run("run", "--suite", suite, "--out", tmp_path / "run", "--shard", f"{i}/2") for i in (1, 2)]
    assert "must wait until all seeds of a configuration are trained" in told[0]
    counts = re.findall(r"(\d+)/(\d+) trials", run("measure", tmp_path / "run"))
    assert counts
    assert all(int(done) <= int(total) for done, total in counts)
    assert len(set(counts[-1])) == 1
    again, once = by_fit(tmp_path / "run"), by_fit(three_seeds)
    for key, measured in once.items():
        for name, value in measured.items():
            assert again[key][name]["value"] == value["value"], name
            assert again[key][name]["key"] == value["key"], name


def test_with_two_seeds_and_no_validation_split_the_reasons_are_said(tmp_path):
    suite = written(tmp_path, 2, "test_size = 100")
    run("run", "--suite", suite, "--out", tmp_path / "run")
    for measured in by_fit(tmp_path / "run").values():
        reasons = {name: each["reason"] for name, each in measured.items()}
        assert reasons["interpolation_barrier_simplex"] == (
            "needs siblings: the fits of three seeds of a configuration, there are 2"
        )
        for name in HELD_OUT:
            assert reasons[name] == "the suite sets no validation split, `validation_size` of its dataset"
        # All seeds were trained on all digits: nothing is held out from any of them.
        assert not measured["seed_disagreement"]["held_out"]
        assert measured["interpolation_barrier"]["status"] == measured["seed_disagreement"]["status"] == "ok"


def test_seeds_that_share_their_examples_are_minima_of_one_empirical_loss(tmp_path):
    suite = written(tmp_path, 3, "train_size = 100, subset_seed = 1")
    suite.write_text(suite.read_text().replace("max_epochs = 3", "max_epochs = 3, label_noise = 0.5"))
    run("run", "--suite", suite, "--out", tmp_path / "run")
    folder, host = Folder(tmp_path / "run"), Host.load()
    alone = splits.load_training(
        splits.prepare(describe(digits, "core"), {}, None), seed_index=1, train_size=100, label_noise=0.5
    )
    starts = []
    for key in folder.fit_keys():
        stored = folder.fit(key)
        _, data = build(Trial.from_dict(stored.record["trial"]), host).training_data(None, opened=["train"])
        assert torch.equal(data.inputs, alone.inputs)
        assert torch.equal(data.targets, alone.targets)
        starts.append(stored.load_states()["initial"]["classifier.weight"])
    assert len({tuple(each.flatten().tolist()) for each in starts}) == 3  # two rates for each of three seeds
    measured = [each for each in values(tmp_path / "run") if each["measure"] in GROUP]
    assert {each["status"] for each in measured} == {"ok"}
    assert not any(each["held_out"] for each in measured)


def test_one_seed_has_no_siblings(tmp_path):
    suite = written(tmp_path, 1, "train_size = 100")
    run("run", "--suite", suite, "--out", tmp_path / "run")
    for measured in by_fit(tmp_path / "run").values():
        assert {measured[name]["reason"] for name in GROUP} == {
            "needs siblings: no other seed of this configuration is trained"
        }
