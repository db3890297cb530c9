"""Many trainings in one process: the bits of each alone, whatever becomes of the others."""

from __future__ import annotations

import weakref
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest
import torch
from training.test_member import CASES, Case, assert_same, expected, member, refuse

from genbench.base.values import StopReason
from genbench.contract.regularizer import Regularizer
from genbench.training.conductor import Conductor, OutOfRoom
from genbench.training.member import Member
from genbench.training.pace import WINDOW_SECONDS, Pace
from genbench.training.tape import Tape

CPU = torch.device("cpu")
SIDE_BY_SIDE = ["normalized", "crops", "adam", "mixup", "gld", "pretrained", "sam", "kept", "early"]


@dataclass
class Training:
    """A case as a work."""

    name: str
    case: Case
    memory: float = 1.0
    how: dict[str, Any] = field(default_factory=dict)
    begun: int = 0
    breaks: BaseException | None = None
    breaks_at: int = 1

    def begin(self) -> Member:
        self.begun += 1
        if self.breaks is not None and self.begun <= self.breaks_at:
            raise self.breaks
        return member(self.case, **self.how)

    def end(self, given: Member) -> Any:
        return given.outcome()


def all_ended(conductor: Conductor, *works: Training) -> dict[str, Any]:
    for each in works:
        conductor.admit(each)
    found: dict[str, Any] = {}
    while conductor.works:
        found |= {each.work.name: each.fault or each.result for each in conductor.round()}
    return found


@pytest.mark.parametrize("at_once", [1, 3, 9])
@pytest.mark.parametrize(
    "how", [{}, {"capture": Tape}, {"capture": refuse}], ids=["plain", "replayed", "calls"]
)
def test_company_changes_no_bit(at_once, how, monkeypatch):
    monkeypatch.setattr("genbench.training.conductor.PART", 3)
    torch.manual_seed(11)
    before = torch.get_rng_state()
    works = [Training(name, CASES[name], how=how) for name in SIDE_BY_SIDE]
    found = all_ended(Conductor(CPU, at_once), *works)
    assert torch.equal(torch.get_rng_state(), before)
    for name in SIDE_BY_SIDE:
        assert_same(found[name], expected(CASES[name]))


def test_a_training_that_diverges_or_fails_leaves_the_others_alone():
    class Raises(Regularizer):
        def after_update(self, step):
            if step.index == 5:
                raise ValueError("no luck")

    class Failing(Case):
        def objects(self):
            return [Raises()]

    diverging = Case(protocol={"learning_rate": 1e30})
    found = all_ended(
        Conductor(CPU, 4), Training("plain", CASES["plain"]), Training("diverges", diverging),
        Training("fails", Failing()), Training("unmade", CASES["plain"], breaks=OSError("no data")),
        Training("normalized", CASES["normalized"]),
    )  # fmt: skip
    assert found["diverges"].stop_reason is StopReason.DIVERGED
    assert [str(found[each]) for each in ("fails", "unmade")] == ["no luck", "no data"]
    for name in ("plain", "normalized"):
        assert_same(found[name], expected(CASES[name]))


def test_a_member_that_fails_takes_its_hooks_along():
    class Raises(Regularizer):
        captures = ("1",)

        def penalty(self, step):
            raise ValueError("no luck")

    made = []

    class Failing(Case):
        def objects(self):
            return [Raises()]

        def assignment(self, stack):
            made.append(super().assignment(stack))
            return made[-1]

    assert "fails" in all_ended(Conductor(CPU), Training("fails", Failing()))
    assert not any(each._forward_hooks or each._forward_pre_hooks for each in made[0].model.modules())


def test_out_of_memory_halves_the_company_and_trains_the_others_later_alike():
    works = [Training(name, CASES[name]) for name in SIDE_BY_SIDE]
    works[4].breaks = torch.OutOfMemoryError("no room")
    conductor = Conductor(CPU, 8)
    found = all_ended(conductor, *works)
    assert conductor.at_once == 2  # of five
    assert [each.begun for each in works] == [1, 1, 2, 2, 2, 1, 1, 1, 1]
    for name in SIDE_BY_SIDE:
        assert_same(found[name], expected(CASES[name]))


def test_who_leaves_for_want_of_memory_is_gone_before_the_next_one_needs_some(monkeypatch):
    class Large(Regularizer):
        def after_update(self, step):
            if step.index == 3 and large.begun == 1:
                raise torch.OutOfMemoryError("no room")

    class Alive(Training):
        def begin(self):
            there = super().begin()
            members.append((self.name, weakref.ref(there)))
            return there

    class Failing(Case):
        def objects(self):
            return [Large()]

    def advance(conductor, pair, ended):
        seen.append((pair[0].name, [name for name, each in members if each() is not None]))
        real(conductor, pair, ended)

    real, members, seen = Conductor._advance, [], []
    monkeypatch.setattr(Conductor, "_advance", advance)
    large = Alive("large", Failing())
    works = [large, *(Alive(name, CASES[name]) for name in ("plain", "adam", "clip"))]
    all_ended(Conductor(CPU, 4), *works)
    assert [each.begun for each in works] == [2, 1, 1, 2]
    after = [there for (before, _), (_, there) in pairwise(seen) if before == "large"]
    assert after[:2] == [["large", "plain", "adam", "clip"], ["plain", "adam"]]


def test_out_of_memory_alone_fails_with_what_was_predicted():
    work = Training("large", CASES["plain"], 3e9, breaks=torch.OutOfMemoryError("no room"), breaks_at=2)
    conductor = Conductor(CPU, 8)
    found = all_ended(conductor, work, Training("plain", CASES["plain"]))
    assert isinstance(found["large"], OutOfRoom)
    assert str(found["large"]) == "out of memory with this training alone: 3.0 GB were predicted"
    assert_same(found["plain"], expected(CASES["plain"]))


def test_members_wait_for_room():
    works = [Training(name, CASES[name], memory) for name, memory in (("plain", 1), ("adam", 9), ("clip", 1))]
    conductor = Conductor(CPU, 3, fits=lambda memory: memory < 5)
    for each in works:
        conductor.admit(each)
    conductor.round()
    assert conductor.company == 1, "the second has to wait, and the third behind it"
    while conductor.works:
        conductor.round()
    assert [each.begun for each in works] == [1, 1, 1]


def paced(rates: dict[int, float], most: int) -> list[int]:
    """The sizes of a company whose throughput depends on its size as given."""
    pace, now, steps, sizes = Pace(most), 0.0, 0.0, []
    for _ in range(12):
        sizes.append(pace.at_once)
        pace.watch(now, int(steps), pace.at_once)
        now += WINDOW_SECONDS
        steps += rates[pace.at_once] * WINDOW_SECONDS
    return list(dict.fromkeys(sizes)), pace.at_once


def test_a_company_doubles_while_that_makes_it_faster():
    assert paced({4: 100, 8: 150, 16: 210, 20: 230}, 20) == ([4, 8, 16, 20], 20)
    assert paced({4: 100, 8: 150, 16: 151}, 32) == ([4, 8, 16], 8)
    assert paced({2: 100}, 2) == ([2], 2)


def test_a_company_that_is_not_whole_is_not_judged():
    pace = Pace(16)
    for now in range(100):
        pace.watch(now, 0, company=3)
    assert pace.at_once == 4
    pace.halved(3)
    assert pace.at_once == 3
