"""Plugins whose code runs in other processes: what stands for it here, and how that is asked.

The process that a command runs in imports no plugin. It knows of each what `genbench.host.description` tells;
where code has to be asked, because settings are to be checked, a data set made or a network built, a process
that has loaded the plugins in question, and no others, answers within a time limit. It may die of it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import select
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from genbench.base.canonical import canonical_json
from genbench.base.children import child_environment, kill_group
from genbench.base.errors import GenbenchError, InvalidInput, UsageError, printable
from genbench.base.files import cache_folder, passing_folder
from genbench.base.names import CORE
from genbench.host.plugin import PluginSource

__all__ = ["Deputies", "Elsewhere", "NoAnswer"]

STARTING_SECONDS = 60.0
"""To import torch and the plugins."""
ASKING_SECONDS = 30.0
"""For an answer, where nothing else is said."""
LONGEST_ANSWER = 64 << 20
SILENCES_ENOUGH = 4
"""A component that gave no answer with so many different settings is asked no more."""
MOST_PRINTED = 1 << 17
"""Bytes of what a plugin prints that are shown."""
PRINTED_SECONDS = 2.0
"""For what an ended process printed to be shown; others may hold its output open for ever."""
LOOK_SECONDS = 0.5
"""How often it is looked whether a silent process is still there."""
MODULE = "genbench.fitting.deputy"
DOWNLOADS = "downloads"
"""The folder of the cache that holds downloads."""


class NoAnswer(Exception):
    """Code elsewhere died, hung or raised what no component should; the text says which."""


class Elsewhere:
    """Stands for the object of a component whose code is not imported here.

    Parameters
    ----------
    kind, name : str
        The component's kind and full name.
    documentation : str
    deputies : Deputies
        Who is asked.
    remote : bool
        Whether it is an executor that works on other machines.
    """

    def __init__(self, kind: str, name: str, documentation: str, deputies: Deputies, remote: bool = False):
        self.__doc__ = documentation
        self.remote = remote
        self.kind, self.name = kind, name
        self.plugin = name.partition(":")[0]
        self._deputies = deputies

    def __call__(self, **settings: Any) -> Elsewhere:
        """See whether it can be made with these settings; code that gives no answer is found out later.

        Raises
        ------
        InvalidInput
            It cannot, for the reason that it gives.
        """
        with contextlib.suppress(NoAnswer):
            self.ask("construct", settings=settings)
        return self

    def composition(self, stack: Sequence[Any], others: Collection[Elsewhere]) -> list[str]:
        """Why regularizers, names with settings, cannot be used together, as their code tells."""
        if any(self._deputies.why_silent(name, settings) for name, settings in stack):
            return []
        with contextlib.suppress(NoAnswer):
            plugins = {each.plugin for each in others}
            return list(map(str, self._deputies.ask(plugins, "composition", {"stack": stack})))
        return []

    def ask(self, what: str, *, seconds: float = ASKING_SECONDS, **given: Any) -> Any:
        """Have its code asked; see `genbench.fitting.deputy` for what.

        Raises
        ------
        InvalidInput
            Its own answer.
        NoAnswer
            There was none, now or before.
        """
        settings = given.get("settings", {})
        if why := self._deputies.why_silent(self.name, settings):
            raise NoAnswer(why)
        try:
            return self._deputies.ask(
                [self.plugin], what, {"kind": self.kind, "name": self.name, **given}, seconds
            )
        except NoAnswer as fault:
            self._deputies.silenced(self.name, settings, str(fault))
            raise


class Deputies:
    """The processes that answer for plugins, one for each set of them that is asked together.

    Parameters
    ----------
    sources : iterable of PluginSource
        All plugins, of which each process loads the core's and those that it answers for.
    kept : sequence of Path
        What they must not write, beside the cache.
    """

    def __init__(self, sources: Sequence[PluginSource] = (), kept: Sequence[Path] = ()):
        self.sources, self.kept = list(sources), list(kept)
        self._silent: dict[str, dict[str, str]] = {}
        self._processes: dict[frozenset[str], _Deputy] = {}
        weakref.finalize(self, _close_all, self._processes)

    def ask(
        self, plugins: Collection[str], what: str, given: Mapping[str, Any], seconds: float = ASKING_SECONDS
    ) -> Any:
        """Ask the process that has these plugins loaded.

        Parameters
        ----------
        what : str
            One of `genbench.fitting.deputy.QUESTIONS`, or ``genbench.MODULE:FUNCTION``.

        Raises
        ------
        InvalidInput, UsageError
            What it says is wrong with what was given.
        NoAnswer
            It died, took too long, or raised something else.
        """
        company = frozenset(plugins)
        deputy = self._processes.pop(company, None) or self._deputy(company)
        try:
            answer = deputy.answer({"what": what, "given": given}, seconds)
        except NoAnswer:
            deputy.close()
            raise
        self._processes[company] = deputy
        if "problems" in answer:
            problems = [printable(str(each)) for each in answer["problems"]] or ["it is not valid"]
            if answer.get("exit_code") == UsageError.exit_code:
                raise UsageError("\n".join(problems))
            raise InvalidInput(problems)
        if "raised" in answer:
            raise NoAnswer(f"raised {printable(str(answer['raised']))}")
        return answer.get("answer")

    def silenced(self, name: str, settings: Mapping[str, Any], why: str) -> None:
        """Remember that the code of a component with these settings gave no answer, and what became of it."""
        self._silent.setdefault(name, {})[canonical_json(settings)] = why

    def why_silent(self, name: str, settings: Mapping[str, Any]) -> str:
        """Why a component need not be asked again, with these settings or with any; empty where it may be."""
        known = self._silent.get(name)
        if not known:
            return ""
        why = known.get(canonical_json(settings), "")
        return why or (next(iter(known.values())) if len(known) >= SILENCES_ENOUGH else "")

    def cache(self, plugins: Collection[str]) -> Path | None:
        """Where what the process for these plugins prepared lies, while it lives."""
        deputy = self._processes.get(frozenset(plugins))
        return None if deputy is None else deputy.cache

    def close(self) -> None:
        """End the processes."""
        _close_all(self._processes)

    def _deputy(self, company: frozenset[str]) -> _Deputy:
        sources = [each for each in self.sources if each.namespace in {CORE, *company}]
        return _Deputy(sources, self.kept)


def _close_all(processes: dict[frozenset[str], _Deputy]) -> None:
    while processes:
        processes.popitem()[1].close()


class _Deputy:
    """One process, which answers one question after the other.

    Its cache is a folder of its own, gone with it, but for what is downloaded.
    """

    def __init__(self, sources: Sequence[PluginSource], kept: Sequence[Path]):
        self._folder = passing_folder("deputy")
        self.cache = Path(self._folder.name).resolve()
        downloads = _downloads()
        if downloads is not None:
            (self.cache / DOWNLOADS).symlink_to(downloads)
            kept = [*kept, downloads.parent]
        bounds = {"kept": [str(each.absolute()) for each in kept], "writable": [str(downloads or self.cache)]}
        heard, spoken = os.pipe()
        sys.stderr.flush()
        self._process = subprocess.Popen(
            (sys.executable, "-P", "-m", MODULE, str(spoken), json.dumps(bounds)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,  # what a plugin prints must not end up among the results
            env=child_environment(GENBENCH_CACHE=str(self.cache), TMPDIR=str(self.cache)),
            pass_fds=(spoken,),
            start_new_session=True,
        )
        os.close(spoken)
        self._showing = threading.Thread(target=_pass_on, args=(self._process.stdout,), daemon=True)
        self._showing.start()
        self._heard = heard
        self._left = b""
        self._asked = 0
        try:
            self.answer([dataclasses.asdict(each) for each in sources], STARTING_SECONDS)
        except NoAnswer:
            self.close()
            raise

    def answer(self, question: Any, seconds: float) -> dict[str, Any]:
        """What it says; raises `NoAnswer`."""
        deadline = time.monotonic() + seconds
        self._asked += 1
        late = NoAnswer(f"takes more than {seconds:g} s")
        self._send(json.dumps({"number": self._asked, "question": question}).encode() + b"\n", deadline, late)
        try:
            answer = json.loads(self._line(deadline, late))
            if answer.pop("number") != self._asked:  # a line that a plugin wrote there would shift all others
                raise ValueError
        except (ValueError, RecursionError, AttributeError, KeyError):
            raise NoAnswer("gives an answer that makes no sense") from None
        return dict(answer)

    def close(self) -> None:
        """End the process and all that it started; what it printed has been shown then."""
        kill_group(self._process)
        if self._showing is not threading.current_thread():  # in which garbage may be collected, and this
            self._showing.join(PRINTED_SECONDS)
        with contextlib.suppress(OSError):
            os.close(self._heard)
        self._folder.cleanup()

    def _send(self, content: bytes, deadline: float, late: NoAnswer) -> None:
        """Write a line, of which a process that hangs may read nothing."""
        assert self._process.stdin is not None
        place = self._process.stdin.fileno()
        os.set_blocking(place, False)
        while content:
            _, ready, _ = select.select([], [place], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                raise late
            try:
                content = content[os.write(place, content) :]
            except BlockingIOError:
                continue
            except OSError:
                raise NoAnswer(self._ended()) from None

    def _line(self, deadline: float, late: NoAnswer) -> bytes:
        while b"\n" not in self._left:
            patience = max(0.0, min(deadline - time.monotonic(), LOOK_SECONDS))
            ready, _, _ = select.select([self._heard], [], [], patience)
            if ready:
                said = os.read(self._heard, 1 << 20)
                if not said:
                    raise NoAnswer(self._ended())
                self._left += said
                if len(self._left) > LONGEST_ANSWER:
                    raise NoAnswer("gives an answer without an end")
            elif self._process.poll() is not None:  # children of its may hold the other end
                raise NoAnswer(self._ended())
            elif time.monotonic() > deadline:
                raise late
        line, _, self._left = self._left.partition(b"\n")
        return line

    def _ended(self) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = self._process.wait(5.0)
            return (
                f"ends the process with code {code}" if code >= 0 else f"kills the process (signal {-code})"
            )
        return "closes its channel"


def _pass_on(printed: IO[bytes]) -> None:
    """Show what a plugin prints while it is asked, as far as anybody would read it."""
    left = MOST_PRINTED
    with printed:
        while said := os.read(printed.fileno(), 1 << 16):
            shown, left = said[:left], max(0, left - len(said))
            with contextlib.suppress(OSError):
                os.write(2, shown)


def _downloads() -> Path | None:
    """Where the core keeps what it downloads, and believes by checksum only; None without a cache."""
    try:
        folder = cache_folder().absolute() / DOWNLOADS
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, GenbenchError):
        return None
    return folder.resolve()
