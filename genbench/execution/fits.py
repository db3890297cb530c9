"""The fits of a run folder as the runner sees them: those there, those to compare, those that are done."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property

from genbench.base.canonical import digest
from genbench.planning.plan import Plan, Trial
from genbench.runs.index import Index, signature
from genbench.runs.store import Folder, StoredFit

__all__ = ["Fits"]


class Fits:
    """What there is of the trials of a plan.

    Parameters
    ----------
    asked : str
        Digest of what is to be computed on each fit.
    """

    def __init__(self, plan: Plan, folder: Folder, asked: str):
        self._plan = plan
        self._folder = folder
        self._asked = asked
        self._index = Index(folder.path)
        self._whole: set[str] = set()
        self._sound: dict[str, str] = {}
        self._configurations: dict[str, list[str]] = {}
        for each in plan.whole:
            self._configurations.setdefault(each.configuration, []).append(each.key)

    def close(self) -> None:
        """Let go of the index."""
        self._index.close()

    def get(self, key: str) -> StoredFit | None:
        """The fit of a key; its weights are read and compared with their hash once in a run."""
        sign = self._sign_of_fit(key)
        stored = self._folder.fit(key, check_weights=key not in self._whole)
        if stored is not None:
            self._whole.add(key)
            self._sound[key] = sign
        return stored

    def has(self, key: str) -> bool:
        """Whether there is a sound fit of a key; its files are read again only where they changed."""
        sign = self._sign_of_fit(key)
        return bool(sign and self._sound.get(key) == sign) or self.get(key) is not None

    def has_others(self) -> bool:
        """Whether there are fits of which no trial of the suite has the key."""
        others = set(self._folder.fit_keys()).difference(*self._configurations.values())
        return any(self._folder.fit(each) is not None for each in others)

    def _sign_of_fit(self, key: str) -> str:
        return signature(self._folder.fit_folder(key), ("",))

    def siblings(self, trial: Trial) -> list[str]:
        """The fits of the same configuration with other seeds, in this folder and of the whole suite."""
        keys = self._configurations[trial.configuration]
        return [each for each in keys if each != trial.key and self.has(each)]

    def waits_for(self, trial: Trial) -> list[str]:
        """Fits of the same configuration that are still to be trained, by this command or another one."""
        keys = self._configurations[trial.configuration]
        return [each for each in keys if not self.has(each) and self._folder.failure(each) is None]

    @cached_property
    def unfinished(self) -> list[Trial]:
        """The trials but those of configurations of which a command before found nothing missing.

        That counts while their files are what they were, and the fits to compare them with the same.
        """
        complete = self._index.complete()
        mine = {each.key for each in self._plan.trials}
        finished: set[str] = set()
        for keys in self._configurations.values() if complete else ():
            signs = {each: signature(self._folder.fit_folder(each)) for each in keys}
            there = [each for each in keys if signs[each]]
            asked = self._asked_of(there)
            if mine.isdisjoint(set(keys) - set(there)) and all(
                complete.get(each) == (signs[each], asked) for each in there
            ):
                finished.update(there)
        return [each for each in self._plan.trials if each.key not in finished]

    def sign(self, key: str) -> str:
        """What tells the files of a fit and its values from those of another moment."""
        return signature(self._folder.fit_folder(key))

    def keep_complete(self, found: Iterable[tuple[str, str, Sequence[str]]]) -> None:
        """Remember fits of which nothing is missing: key, what `sign` said before that was seen, siblings."""
        marks = [(key, sign, self._asked_of([key, *siblings])) for key, sign, siblings in found]
        if marks:
            self._index.add_complete(marks)

    def _asked_of(self, there: Sequence[str]) -> str:
        """What is asked of the fits of one configuration: the battery, and those that are compared."""
        return digest([self._asked, sorted(there)])
