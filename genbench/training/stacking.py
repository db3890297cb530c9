"""A conductor that lets trainings of equal shapes make their steps together, an epoch at a time."""

from __future__ import annotations

from collections.abc import Hashable

from genbench.networks.ambient import ordinary_torch
from genbench.training.conductor import Conductor, Ended, Work
from genbench.training.member import Member, Stage
from genbench.training.stack import Stack, StackedSteps

__all__ = ["StackingConductor"]

Pair = tuple[Work, Member]


class StackingConductor(Conductor):
    """Takes works as any conductor; members whose steps are `StackedSteps` advance by whole epochs.

    Between epochs a stack loses those that are over and takes in those that are new. Others have their turns
    beside.
    """

    def round(self) -> list[Ended]:
        """Let every stack train for an epoch, and the others make some steps; return the works that ended."""
        ended: list[Ended] = []
        with ordinary_torch():
            self._fill(ended)
            alike: dict[Hashable, list[Pair]] = {}
            for pair in list(self._company):
                steps = pair[1].phase.steps
                if isinstance(steps, StackedSteps):
                    alike.setdefault(steps.shape, []).append(pair)
                else:
                    self._advance(pair, ended)
            for pairs in alike.values():
                most = Stack.most(_steps(pairs[0]))
                for first in range(0, len(pairs), most):
                    self._train_epoch(pairs[first : first + most], ended)
        return ended

    def _train_epoch(self, pairs: list[Pair], ended: list[Ended]) -> None:
        """Judge the last epoch of each; those that go on make one, up to its evaluation."""
        for pair in pairs:
            self._advance(pair, ended)
        going = [pair for pair in pairs if pair[1].stage is Stage.STEP and pair in self._company]
        if not going:
            return
        try:
            stack = self._stack_of(going)
            stack.begin_epoch()
            while going and _steps(going[0]).more():
                going = self._make_step(stack, going, ended)
            stack.evaluate()
        except Exception as fault:
            for pair in going:
                self._drop(pair, fault, ended)
            return
        for pair in going:
            self._close_epoch(pair, ended)

    def _make_step(self, stack: Stack, going: list[Pair], ended: list[Ended]) -> list[Pair]:
        """One step of those that are still there; returns those that are after it."""
        ready: list[Pair] = []
        for pair in going:
            if pair[1].phase.ready():
                ready.append(pair)
            else:  # its time is over
                stack.silence(stack.rows.index(_steps(pair)))
                self._close_epoch(pair, ended)
        if ready:
            stack.step()
            self.steps += len(ready)
        left = []
        for pair in ready:
            try:
                if pair[1].phase.move():
                    left.append(pair)
                    continue
            except Exception as fault:
                stack.silence(stack.rows.index(_steps(pair)))
                self._drop(pair, fault, ended)
            else:
                self._close_epoch(pair, ended)
        return left

    def _close_epoch(self, pair: Pair, ended: list[Ended]) -> None:
        try:
            pair[1].end_epoch()
        except Exception as fault:
            self._drop(pair, fault, ended)

    def _drop(self, pair: Pair, fault: Exception, ended: list[Ended]) -> None:
        self._leave(pair)
        self._fault(pair[0], fault, ended)

    def _stack_of(self, pairs: list[Pair]) -> Stack:
        """The stack of an epoch before where its rows are the same, else a new one."""
        rows = tuple(_steps(pair) for pair in pairs)
        known = rows[0].stack
        if known is not None and known.rows == rows:
            return known
        stack = Stack(rows)
        for row in rows:
            row.stack = stack
        return stack


def _steps(pair: Pair) -> StackedSteps:
    steps = pair[1].phase.steps
    assert isinstance(steps, StackedSteps)
    return steps
