"""What is handed over is what was read, to the bit and in memory as it lay."""

from __future__ import annotations

import dataclasses
import json

import pytest
import torch

from genbench.base.data import Split
from genbench.fitting.handing import hand_over, handed
from genbench.fitting.roots import OF_A_FIT, Sibling, roots, roots_from, start_of
from genbench.host import Host
from genbench.runs.store import Folder


@pytest.fixture
def stored(finished):
    folder = Folder(finished)
    return [folder.fit(key) for key in folder.fit_keys()]


def test_a_fit_that_was_handed_over_has_the_roots_that_it_has_in_its_run_folder(stored, tmp_path):
    host, needed = Host.load(), OF_A_FIT | {"siblings"}
    fit, other = stored[0], stored[1]
    start = start_of(fit, host, root=None, needed=needed, siblings=[other])
    hand_over(start, {"python": "3"}, tmp_path)
    again, environment = handed(tmp_path)
    assert environment == {"python": "3"}
    own = roots(fit, host, root=None, device="cpu", needed=needed, siblings=[other])
    theirs = roots_from(again, host, device="cpu", needed=needed)
    assert own.keys() == theirs.keys()
    for name in ("inputs", "targets"):
        assert torch.equal(own[name], theirs[name])
        assert own[name].stride() == theirs[name].stride()
        assert theirs[name].data_ptr() % 64 == 0
    for name in ("model", "initial_model"):
        for mine, yours in zip(own[name].parameters(), theirs[name].parameters(), strict=True):
            assert torch.equal(mine, yours)
    assert torch.equal(own["siblings"][0](own["inputs"]), theirs["siblings"][0](theirs["inputs"]))
    assert own["history"] == theirs["history"]


def test_no_figure_of_the_test_split_is_handed_over(stored, tmp_path):
    start = start_of(stored[0], Host.load(), root=None, needed=OF_A_FIT)
    hand_over(start, {}, tmp_path)
    record = json.loads((tmp_path / "start.json").read_text())
    assert not [name for name in record["history"] if "test" in name]
    assert set(record) == {"trial", "history", "steps", "states", "siblings", "environment"}
    figures = [repr(stored[0].record[name]) for name in ("test_error", "test_loss")]
    text = (tmp_path / "start.json").read_text()
    assert repr(record["history"]["train_loss"][-1]) in text
    assert not [each for each in figures if each in text]


def test_validation_and_siblings_of_other_examples_survive(stored, tmp_path):
    start = start_of(stored[0], Host.load(), root=None, needed=OF_A_FIT)
    held_out = Split(torch.randn(3, 1, 8, 8), torch.tensor([1, 2, 3]))
    theirs = Sibling({"weight": torch.randn(2, 2)}, torch.full((1, 1, 1), 2.0), torch.full((1, 1, 1), 0.5))
    start = dataclasses.replace(start, validation=held_out, siblings=[theirs])
    hand_over(start, {}, tmp_path)
    again, _ = handed(tmp_path)
    assert torch.equal(again.validation.inputs, held_out.inputs)
    assert torch.equal(again.validation.targets, held_out.targets)
    (sibling,) = again.siblings
    assert torch.equal(sibling.state["weight"], theirs.state["weight"])
    assert torch.equal(sibling.scale, theirs.scale)
    assert torch.equal(sibling.shift, theirs.shift)
