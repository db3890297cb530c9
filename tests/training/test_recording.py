import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from genbench.base.errors import InvalidInput
from genbench.training.outcome import MILESTONES
from genbench.training.recording import HistoryKeeper, MilestoneKeeper, SnapshotKeeper, cpu_state


def test_states_are_contiguous_copies():
    model = nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
    state = cpu_state(model)
    assert all(each.is_contiguous() for each in state.values())
    nn.init.zeros_(model.weight)
    assert state["weight"].abs().sum() > 0


class Remembering(nn.Linear):
    def get_extra_state(self):
        return {"calls": 0}


def test_a_state_that_holds_more_than_tensors_is_named():
    with pytest.raises(InvalidInput, match=r"state has '1\._extra_state', a dict,"):
        cpu_state(nn.Sequential(nn.Linear(1, 1), Remembering(1, 1)))


def test_milestones_are_kept_at_the_first_time_and_nested():
    model = nn.Linear(1, 1)
    keeper = MilestoneKeeper(model)
    for step, loss in enumerate([2.0, 0.1, 0.2, 0.09, 0.02, 0.2, 0.004]):
        nn.init.constant_(model.weight, float(step))
        keeper.offer(step, loss)
    assert [(each.threshold, each.step, each.train_loss) for each in keeper.kept] == [
        (0.1, 1, 0.1), (0.05, 4, 0.02), (0.025, 4, 0.02), (0.015, 6, 0.004), (0.01, 6, 0.004),
    ]  # fmt: skip
    assert tuple(each.threshold for each in keeper.kept) == MILESTONES
    assert [each.state["weight"].item() for each in keeper.kept] == [1, 4, 4, 6, 6]
    assert keeper.kept[1].state is keeper.kept[2].state


def test_a_loss_that_is_not_a_number_is_no_milestone():
    keeper = MilestoneKeeper(nn.Linear(1, 1))
    keeper.offer(1, float("nan"))
    assert keeper.kept == []


@given(limit=st.integers(0, 12), steps=st.integers(0, 300))
def test_snapshots_are_evenly_spaced_and_as_many_as_asked_for(limit, steps):
    model = nn.Linear(1, 1, bias=False)
    keeper = SnapshotKeeper(model, limit)
    for step in range(steps + 1):
        nn.init.constant_(model.weight, float(step))
        keeper.offer(step)
    kept = list(keeper.kept)
    assert len(kept) <= limit
    assert len(kept) >= min(steps + 1, (limit + 1) // 2)
    if kept:
        spacing = kept[1] - kept[0] if len(kept) > 1 else 1
        assert kept == list(range(0, kept[-1] + 1, spacing))
        assert len(kept) == 1 or steps - kept[-1] < spacing
    assert all(state["weight"].item() == step for step, state in keeper.kept.items())


def test_a_pinned_snapshot_stays_where_the_others_are_thinned_out():
    model = nn.Linear(1, 1, bias=False)
    keeper = SnapshotKeeper(model, 4)
    for step in range(33):
        nn.init.constant_(model.weight, float(step))
        keeper.offer(step)
        if step == 3:
            keeper.pin(step)
    assert {step: state["weight"].item() for step, state in keeper.kept.items()} == {
        0: 0, 3: 3, 16: 16, 32: 32,
    }  # fmt: skip
    unwanted = SnapshotKeeper(model, 0)
    unwanted.pin(3)
    assert unwanted.kept == {}


def test_history_has_columns_of_one_length():
    rows = []
    keeper = HistoryKeeper(rows.append)
    for step in range(3):
        keeper.add(epoch=step, step=step, train_loss=1, train_error=1, batch_loss=None, learning_rate=0.1)
    assert {len(column) for column in keeper.columns.values()} == {3}
    assert [row["step"] for row in rows] == keeper.columns["step"] == [0, 1, 2]
