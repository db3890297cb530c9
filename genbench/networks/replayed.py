"""A function of tensors that is called many times, as the operators of one of its calls.

Most of the time that a pass of a small network takes is spent in Python and in what records derivatives. Its
operators take less than half, and alone they give the same bits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from types import CodeType
from typing import Any

import torch
from torch import Tensor

from genbench.networks.operators import Call, CannotRecord, Memory, Recorder, Streams, is_view, tensors_in

__all__ = ["Replayed"]

Results = tuple[Tensor | None, ...]
View = tuple[Any, ...]

MOST_BYTES = 2**26
"""Where more is at work, Python is not what takes time, and two copies of it would."""

_SHORT = {
    torch.ops.aten._log_softmax.default: torch._log_softmax,
    torch.ops.aten._log_softmax_backward_data.default: torch._log_softmax_backward_data,
    torch.ops.aten.add_.Tensor: Tensor.add_,
    torch.ops.aten.addmm.default: torch.addmm,
    torch.ops.aten.argmax.default: torch.argmax,
    torch.ops.aten.clone.default: torch.clone,
    torch.ops.aten.mm.default: torch.mm,
    torch.ops.aten.relu.default: torch.relu,
    torch.ops.aten.stack.default: torch.stack,
    torch.ops.aten.sum.default: torch.sum,
    torch.ops.aten.sum.dim_IntList: torch.sum,
    torch.ops.aten.t.default: torch.t,
    torch.ops.aten.view.default: Tensor.view,
}
"""Functions that do the same as an operator that is called by its name, sooner."""


class Replayed:
    """A function on the CPU, of which the operators alone are called once they have been seen.

    The first call is made as it is; the second is noted; at the third, what was noted is compared with what
    the function does, to the last bit. Where that differs, where values are looked at or much memory is at
    work, it stays a function.

    Parameters
    ----------
    function : callable
        Of tensors, which have the same shapes and strides at each call, and which it leaves as they are;
        returns tensors, or None where there is none. What else it reads and changes are numbers in the memory
        of tensors that stay where they are, and states of generators.
    generators : sequence of torch.Generator
        Of which it draws, besides torch's global one.
    """

    def __init__(self, function: Callable[..., Results], generators: Sequence[torch.Generator] = ()):
        self._function = function
        self._streams = Streams(generators)
        self._program: _Program | None = None
        self._calls = 0
        self._settled: Callable[..., Results] | None = None

    @property
    def replays(self) -> bool | None:
        """Whether its operators alone are called; None before that is known."""
        return None if self._settled is None else self._settled is self._program

    def __call__(self, *given: Tensor) -> Results:
        """What the function returns."""
        if self._settled is not None:
            return self._settled(*given)
        self._calls += 1
        if self._calls == 1:
            return self._function(*given)
        return self._noted(*given) if self._program is None else self._compared(*given)

    def _noted(self, *given: Tensor) -> Results:
        recorder, states = Recorder(MOST_BYTES), self._streams.now()
        try:
            with recorder.recording():
                results = self._function(*given)
        except Exception:  # its own, which it raises again; or of an operator that Python cannot call
            recorder.put_back()
            self._streams.go_back(states)
            self._settled = self._function
            return self._function(*given)
        try:
            self._program = _Program(recorder.calls, given, results)
        except CannotRecord:
            self._settled = self._function
        return results

    def _compared(self, *given: Tensor) -> Results:
        assert self._program is not None
        states, memory = self._streams.now(), Memory()
        memory.keep(self._program.kept)
        replayed: tuple[Iterable[Tensor | None], ...] | None = None
        with suppress(RuntimeError):  # of an operator that Python cannot call
            replayed = (self._program(*given), memory.now(), self._streams.now())
        memory.put_back()
        self._streams.go_back(states)
        results = self._function(*given)
        found = (results, memory.now(), self._streams.now())
        same = replayed is not None and all(map(_same, found, replayed))
        self._settled = self._program if same else self._function
        return results


def _same(one: Iterable[Tensor | None], other: Iterable[Tensor | None]) -> bool:
    pairs = zip(one, other, strict=True)
    return all(a is b if a is None or b is None else torch.equal(a, b) for a, b in pairs)


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of a program, with the names that it binds and those that it reads."""

    text: str
    binds: Sequence[str]
    reads: Sequence[str]
    sees: bool
    """Whether it makes a view only, which nobody misses that does not look through it."""


class _Program:
    """Calls of operators as the lines of one function, from what is given to what is returned.

    Parameters
    ----------
    calls : sequence of Call
    given, results : tensors
        Of the call in which they were noted.

    Attributes
    ----------
    kept : list of Tensor
        What it reads and does not make.

    Raises
    ------
    CannotRecord
        A tensor is a view of others that no operator made, or an operator returned a number.
    """

    def __init__(self, calls: Sequence[Call], given: Sequence[Tensor], results: Results):
        self.kept: list[Tensor] = []
        self._names: dict[View, str] = {}
        self._made: set[int] = set()
        self._objects: dict[str, Any] = {}
        parameters = [self._bind(_view(each), f"given{place}") for place, each in enumerate(given)]
        lines = [line for call in calls if (line := self._line(call)) is not None]
        returned = ["None" if each is None else self._name(each) for each in results]
        source = [
            f"def run({', '.join(parameters)}):",
            *(f"    {each}" for each in _forgetting(lines, returned)),
            f"    return ({', '.join(returned)},)",
        ]
        exec(_compiled("\n".join(source)), self._objects)  # names and signs, all made here
        self._run: Callable[..., Results] = self._objects["run"]

    def __call__(self, *given: Tensor) -> Results:
        with torch.no_grad():
            return self._run(*given)

    def _line(self, call: Call) -> _Line | None:
        """The line of a call; None where all that it returns is at hand."""
        several = isinstance(call.found, tuple | list)
        returned = list(call.found) if several else [call.found]
        read: list[str] = []
        given = [self._said(each, read) for each in call.given]
        given += [f"{name}={self._said(each, read)}" for name, each in call.named.items()]
        if not read and not tensors_in(returned):
            return None  # of types and shapes, which stay what they are
        if not all(each is None or isinstance(each, Tensor) for each in returned):
            raise CannotRecord(f"{call.operator} returns what is no tensor")
        views = [None if each is None else _view(each) for each in returned]
        sees = is_view(call.operator)
        if sees:
            if all(view in self._names for view in views):
                return None
            if all(name.startswith("kept") for name in read):
                for each in returned:
                    self._keep(each)
                return None
        bound = [self._result(view) for view in views]
        left = ", ".join(bound) + ("," if several else "")
        operator = self._object(_SHORT.get(call.operator, call.operator._op))
        return _Line(f"{left} = {operator}({', '.join(given)})", bound, read, sees)

    def _result(self, view: View | None) -> str:
        if view is None or view in self._names:
            return "_"  # nothing, or what it was given, to which it wrote
        return self._bind(view, f"made{len(self._names)}")

    def _bind(self, view: View, name: str) -> str:
        if view in self._names:
            raise CannotRecord("one tensor is given twice")
        self._names[view] = name
        self._made.add(view[0])
        return name

    def _name(self, tensor: Tensor) -> str:
        view = _view(tensor)
        if view not in self._names:
            if view[0] in self._made:
                raise CannotRecord("memory is seen in a way that no operator made")
            self._keep(tensor)
        return self._names[view]

    def _keep(self, tensor: Tensor) -> None:
        tensor = tensor.detach()
        self._names[_view(tensor)] = self._object(tensor, "kept")
        self.kept.append(tensor)

    def _object(self, value: Any, kind: str = "object") -> str:
        name = f"{kind}{len(self._objects)}"
        self._objects[name] = value
        return name

    def _said(self, value: Any, read: list[str]) -> str:
        """The sign of what an operator was given; the names of tensors in it are noted, too."""
        if isinstance(value, Tensor):
            read.append(self._name(value))
            return read[-1]
        if isinstance(value, tuple | list) and tensors_in(value):
            return f"[{', '.join(self._said(each, read) for each in value)}]"
        return self._object(value)


@lru_cache(maxsize=256)
def _compiled(source: str) -> CodeType:
    """Of networks that are made alike the lines are the same, and compiling takes long."""
    return compile(source, "<operators>", "exec")


def _view(tensor: Tensor) -> View:
    """What tells tensors apart that lie in the same memory, which comes first."""
    memory, offset = tensor.untyped_storage()._cdata, tensor.storage_offset()
    return memory, offset, tensor.shape, tensor.stride(), tensor.dtype, tensor.is_conj(), tensor.is_neg()


def _forgetting(lines: Sequence[_Line], returned: Iterable[str]) -> list[str]:
    """The lines that are of use, with each name forgotten behind its last one, so that memory comes free."""
    texts: list[str] = []
    used = {*returned}
    for line in reversed(lines):
        if line.sees and used.isdisjoint(line.binds):
            continue
        names = dict.fromkeys((*line.binds, *line.reads))
        gone = [each for each in names if each.startswith("made") and each not in used]
        used.update(names)
        texts += [f"del {', '.join(gone)}"] if gone else []
        texts.append(line.text)
    return texts[::-1]
