"""Several run folders of one suite made one: everything is checked first, then linked or copied.

Copying folders by hand gives the same union. Here suites are compared, keys recomputed and results that
disagree found before anything is written.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from genbench.base.errors import InvalidInput
from genbench.base.files import replacing, unwritable
from genbench.base.outcomes import RESULTS
from genbench.base.values import Status
from genbench.contract.protocol import TRAINER_VERSION
from genbench.planning.plan import Trial
from genbench.planning.sameness import differences, suite_digest
from genbench.runs.grid import GRID_FILE
from genbench.runs.store import Folder, StoredFit

__all__ = ["Merged", "merge"]

CONFLICTS_SHOWN = 20


@dataclass
class Merged:
    """What a merge did.

    Attributes
    ----------
    fits, passes : int
        Fits, and passes of measuring, that the merged folder holds now.
    linked, copied, there : int
        Files that were hard-linked, that were copied because their file system does not link, and that lay
        in the merged folder before.
    left_out : list of str
        A line for each record that was damaged, or that `keep_first` decided against.
    """

    fits: int = 0
    passes: int = 0
    linked: int = 0
    copied: int = 0
    there: int = 0
    left_out: list[str] = field(default_factory=list)


@dataclass
class _Chosen:
    """Of one key: whether there is a fit, and the files that count, by their place in a run folder."""

    has_fit: bool = False
    files: dict[Path, Path] = field(default_factory=dict)
    passes: int = 0


def merge(sources: Sequence[Path], target: Path, *, keep_first: bool = False) -> Merged:
    """Bring the records of several run folders into one.

    Parameters
    ----------
    sources : sequence of Path
        Run folders of one suite, none of them twice; `target` may be among them, and its records come first.
    keep_first : bool
        Where two fits of one key differ, or two values, keep what the run named first has; otherwise that
        ends the merge before anything is written.

    Raises
    ------
    InvalidInput
        A source is no run folder, the suites differ, a key is not that of its trial, records disagree, or
        `target` cannot be written.
    """
    merged = Merged()
    folders = [Folder(path, merged.left_out.append, refuse_unreadable=True) for path in sources]
    if (target / "suite.toml").exists():
        place = target.resolve()
        others = [each for each in folders if each.path.resolve() != place]
        folders = [Folder(target, merged.left_out.append, refuse_unreadable=True), *others]
    elif target.exists() and not target.is_dir():
        raise InvalidInput(f"output folder '{target}': is a file")
    _check_suites(folders)
    chosen, conflicts = _choose(folders)
    if conflicts and not keep_first:
        more = len(conflicts) - CONFLICTS_SHOWN
        raise InvalidInput(
            [
                *conflicts[:CONFLICTS_SHOWN],
                *([f"and {more} more"] if more > 0 else []),
                "nothing was merged; --keep-first keeps what the run named first has",
            ]
        )
    merged.left_out += conflicts
    try:
        _write(folders, target, chosen, merged)
    except OSError as fault:
        raise unwritable(target, fault, "output folder ") from None
    return merged


def _check_suites(folders: Sequence[Folder]) -> None:
    first, *others = folders
    suite = first.suite_content()
    problems = []
    for each in others:
        content = each.suite_content()
        if suite_digest(content) != suite_digest(suite):
            keys = ", ".join(differences(suite, content))
            problems.append(
                f"'{each.path}' holds a run of suite '{content.get('name', '?')}', '{first.path}' one of "
                f"'{suite.get('name', '?')}'; they differ in {keys}, so that they cannot be merged"
            )
    if problems:
        raise InvalidInput(problems)


def _choose(folders: Sequence[Folder]) -> tuple[dict[str, _Chosen], list[str]]:
    """What to keep of each key, the first folder's before the others', and a line for each conflict."""
    wrong: list[str] = []
    conflicts: list[str] = []
    chosen = {}
    for key in sorted({key for each in folders for key in each.fit_keys()}):
        stored = {each: fit for each in folders if (fit := each.fit(key, check_weights=True)) is not None}
        wrong += [
            f"'{folder.path}': fit {key}: its key is not that of its trial"
            for folder, fit in stored.items()
            if not _has_its_key(fit)
        ]
        if not wrong:
            chosen[key] = _of_one_key(key, stored, folders, conflicts)
    if wrong:
        raise InvalidInput(wrong)
    return chosen, conflicts


def _has_its_key(fit: StoredFit) -> bool:
    try:
        trial = Trial.from_dict(fit.record["trial"])
        return fit.key in {trial.key_by(trainer) for trainer in range(1, TRAINER_VERSION + 1)}
    except (KeyError, TypeError):
        return False


def _of_one_key(
    key: str, stored: Mapping[Folder, StoredFit], folders: Sequence[Folder], conflicts: list[str]
) -> _Chosen:
    chosen = _Chosen()
    if not stored:
        for each in folders:
            chosen.files.update(_placed(each, each.records(key, "failures")))
        return chosen
    (first, kept), *others = stored.items()
    chosen.has_fit = True
    agreeing = [first]
    for folder, fit in others:
        if differing := _differing(kept.record, fit.record):
            conflicts.append(
                f"fit {key} of '{folder.path}' is not that of '{first.path}': {', '.join(differing)}"
            )
        else:
            agreeing.append(folder)
    for name in ("weights.safetensors", "fit.json"):  # in this order: the record vouches for the weights
        chosen.files.update(_placed(first, [kept.folder / name]))
    passes = _passes(key, agreeing, conflicts)
    chosen.files |= passes
    chosen.passes = len(passes)
    return chosen


def _passes(key: str, folders: Sequence[Folder], conflicts: list[str]) -> dict[Path, Path]:
    """The passes of measuring that agree with those of the folders before, by their place."""
    passes: dict[Path, Path] = {}
    known: dict[str, tuple[Folder, Mapping[str, Any]]] = {}
    for folder in folders:
        for path, content in folder.records(key, "values").items():
            against = list(_contradicted(content, known))
            conflicts += [f"fit {key}: {measure}: {_where(folder, other)}" for measure, other in against]
            if not against:
                passes.setdefault(path.relative_to(folder.path), path)
                for value in content["values"]:
                    if not Status(value["status"]).is_fault:
                        known.setdefault(value["key"], (folder, value))
    return passes


def _differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """In what two trainings of one trial ended differently; in words, with the numbers."""
    found = [
        f"{name} {one.get(name)} and {other.get(name)}"
        for name in ("stop_reason", "epochs", *RESULTS)
        if one.get(name) != other.get(name)
    ]
    same = one["weights"]["sha256"] == other["weights"]["sha256"]
    return found or ([] if same else ["its weights"])


def _contradicted(
    content: Mapping[str, Any], known: Mapping[str, tuple[Folder, Mapping[str, Any]]]
) -> Iterator[tuple[str, Folder]]:
    """Measures whose value in a pass is not the one known under its key, with the folder of that one."""
    for value in content["values"]:
        folder, other = known.get(value["key"], (None, None))
        if folder is None or other is None or Status(value["status"]).is_fault:
            continue
        if any(value.get(part) != other.get(part) for part in ("status", "value", "infinite")):
            yield value["measure"], folder


def _where(folder: Folder, other: Folder) -> str:
    return f"the value of '{folder.path}' is not that of '{other.path}'"


def _placed(folder: Folder, paths: Iterable[Path]) -> dict[Path, Path]:
    """Files by their place within a run folder."""
    return {path.relative_to(folder.path): path for path in paths}


def _write(folders: Sequence[Folder], target: Path, chosen: Mapping[str, _Chosen], merged: Merged) -> None:
    for name in ("fits", "environments"):
        (target / name).mkdir(parents=True, exist_ok=True)
    files: dict[Path, Path] = {}
    for folder in reversed(folders):  # of a file that several have, the first one's
        names = [folder.path / "environments" / f"{each}.json" for each in folder.environments()]
        grid = [each for each in [folder.path / GRID_FILE] if each.is_file()]
        files.update(_placed(folder, [folder.suite_file, *grid, *names]))
    for each in chosen.values():
        files |= each.files
        merged.fits += each.has_fit
        merged.passes += each.passes
    done = Counter(_bring(path, target / place) for place, path in files.items())
    merged.linked, merged.copied, merged.there = (done[each] for each in (os.link, shutil.copyfile, None))


def _bring(path: Path, place: Path) -> Callable[..., Any] | None:
    """Link a file to its place, or copy it where that cannot be; returns how, None where it lay there."""
    if place.exists() and place.samefile(path):
        return None
    how: Callable[..., Any] = shutil.copyfile
    with replacing(place) as temporary:
        # Another file system, one without hard links, or files of somebody else.
        with suppress(OSError):
            os.link(path.resolve(), temporary)
            how = os.link
        if how is shutil.copyfile:
            shutil.copyfile(path, temporary)
    return how
