"""From a suite to its trials: every point of the grid resolved, with its key. Pure; needs no data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property, partial
from typing import Any

from genbench.base.canonical import canonical_json, digest, stream_seed
from genbench.base.data import NEUTRAL_SPLITS, SplitSettings, Task
from genbench.base.errors import InvalidInput, UsageError
from genbench.base.names import plugin_of
from genbench.contract.components import Component
from genbench.contract.protocol import NEUTRAL, TRAINER_VERSION
from genbench.contract.regularizer import check_composition
from genbench.host.elsewhere import Elsewhere, NoAnswer
from genbench.planning.axes import axis_values, rounding_faults
from genbench.planning.grid import Alternative, Grid
from genbench.planning.suite import Suite

__all__ = ["Chosen", "DataFacts", "Plan", "Trial", "alike_together", "make_plan", "sees_other_examples"]


LARGEST_GRID = 1_000_000


@dataclass(frozen=True)
class Chosen:
    """A component with all its settings, in plain data.

    Attributes
    ----------
    source : str
        Hash of the module that holds it, where that enters the key: for code that can change in place.
    """

    name: str
    version: int
    settings: Mapping[str, Any]
    source: str = ""

    @classmethod
    def of(cls, component: Component, settings: Mapping[str, Any]) -> Chosen:
        """From a component and its settings; code that can change in place brings its hash."""
        source = component.source_hash if component.keyed_by_source else ""
        return cls(component.full_name, component.version, dict(settings), source)

    def as_dict(self) -> dict[str, Any]:
        """Plain data; the settings are a copy, what is in them is not."""
        return {**vars(self), "settings": dict(self.settings)}


@dataclass(frozen=True)
class DataFacts:
    """What planning must know of a data set: the checksum of its content, and its task."""

    checksum: str
    task: Task


@dataclass(frozen=True)
class Trial:
    """One point of the grid: everything resolved, nothing left to defaults."""

    dataset: Chosen
    splits: Mapping[str, Any]
    checksum: str
    task: Task
    model: Chosen
    protocol: Chosen
    regularizers: tuple[Chosen, ...]
    seed: int
    threads: int = 1

    @cached_property
    def key(self) -> str:
        """Hash of what determines the fit, and of nothing else."""
        return self.key_by(TRAINER_VERSION)

    def key_by(self, trainer: int) -> str:
        """The key as a trainer of this version gave it."""
        determining = self._determining()
        determining["trainer"]["version"] = trainer
        return digest({**determining, "seed": self.seed})

    @cached_property
    def configuration(self) -> str:
        """Hash shared by the fits of one configuration, whatever their seed."""
        return digest(self._determining())

    def _determining(self) -> dict[str, Any]:
        return {
            "dataset": {
                **self.dataset.as_dict(),
                "splits": _without(NEUTRAL_SPLITS, self.splits),
                "checksum": self.checksum,
            },
            "model": self.model.as_dict(),
            "protocol": {**self.protocol.as_dict(), "settings": _without(NEUTRAL, self.protocol.settings)},
            "regularizers": [each.as_dict() for each in self.regularizers],
            "trainer": {"version": TRAINER_VERSION, "threads": self.threads},
        }

    @property
    def chosen(self) -> tuple[Chosen, ...]:
        """The components that it is made of, with their settings."""
        return (self.dataset, self.model, self.protocol, *self.regularizers)

    @property
    def components(self) -> tuple[str, ...]:
        """Their full names."""
        return tuple(each.name for each in self.chosen)

    @property
    def plugins(self) -> frozenset[str]:
        """The plugins, besides the core, that its own components come from."""
        return frozenset(filter(None, map(plugin_of, self.components)))

    @property
    def data_seed(self) -> int:
        """Seed index by which training examples and label noise are drawn: its own, or one for all seeds."""
        shared = self.splits.get("subset_seed")
        return self.seed if shared is None else shared

    def seeds(self) -> dict[str, int]:
        """Seeds of the streams of random numbers that training draws from, by stream.

        That of ``regularizer`` is the seed index itself: each regularizer's stream adds its name and place.

        The learning rate and the like enter none of them: trials that differ in those alone start from the
        same weights and see the same examples in the same order.
        """
        data = [self.dataset.name, self.dataset.settings]
        order = [*data, self.splits["train_size"], self.protocol.settings["batch_size"]]
        return {
            "subset": stream_seed("subset", self.data_seed, data),
            "noise": stream_seed("noise", self.data_seed, data),
            "initialization": stream_seed(
                "initialization", self.seed, self.model.name, self.model.settings, asdict(self.task)
            ),
            "order": stream_seed("order", self.seed, *order),
            "augmentation": stream_seed("augmentation", self.seed, *order),
            "dropout": stream_seed("dropout", self.seed, *order),
            "regularizer": self.seed,
        }

    def coordinates(self) -> dict[str, Any]:
        """Value on every possible axis, under the axis's full name."""
        found: dict[str, Any] = {}
        parts = (("dataset", self.dataset), ("model", self.model), ("protocol", self.protocol))
        for part, chosen in parts:
            found[f"{part}.name"] = chosen.name
            found.update((f"{part}.{name}", value) for name, value in chosen.settings.items())
        found.update((f"dataset.{name}", value) for name, value in self.splits.items())
        names = [each.name for each in self.regularizers]
        found["regularizers"] = "+".join(names) or "none"
        for each in self.regularizers:
            found.update((f"regularizers.{each.name}.{name}", value) for name, value in each.settings.items())
        return {name: _level(value) for name, value in found.items()}

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for records and workers; `from_dict` reads it back."""
        return {
            "dataset": self.dataset.as_dict(),
            "splits": dict(self.splits),
            "checksum": self.checksum,
            "task": asdict(self.task),
            "model": self.model.as_dict(),
            "protocol": self.protocol.as_dict(),
            "regularizers": [each.as_dict() for each in self.regularizers],
            "seed": self.seed,
            "threads": self.threads,
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Trial:
        """The inverse of `as_dict`."""
        task = content["task"]
        return cls(
            dataset=Chosen(**content["dataset"]),
            splits=content["splits"],
            checksum=content["checksum"],
            task=Task(task["kind"], tuple(task["input_shape"]), task["outputs"]),
            model=Chosen(**content["model"]),
            protocol=Chosen(**content["protocol"]),
            regularizers=tuple(Chosen(**each) for each in content["regularizers"]),
            seed=content["seed"],
            threads=content["threads"],
        )


def _without(neutral: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if name not in neutral or value != neutral[name]}


def _level(value: Any) -> Any:
    """A value as a level of an axis: a scalar, so that tables can hold it; None is written ``none``."""
    if value is None:
        return "none"
    return canonical_json(value) if isinstance(value, list | tuple | Mapping) else value


@dataclass(frozen=True)
class Plan:
    """The trials of a suite, in the suite's order, each once.

    Attributes
    ----------
    trials : tuple of Trial
        Those of the shard, where the plan is one.
    whole : tuple of Trial
        Those of all shards: siblings may belong to another one.
    left_out : mapping
        Reason to the number of points that make no trials, because nothing is known of their data.
    """

    suite: Suite
    trials: tuple[Trial, ...]
    whole: tuple[Trial, ...]
    left_out: Mapping[str, int] = field(default_factory=dict)

    @cached_property
    def axes(self) -> dict[str, list[Any]]:
        """For each axis, by its full name, the levels in order of appearance."""
        return {
            name: list(dict.fromkeys(v))
            for name, v in axis_values([each.coordinates() for each in self.trials]).items()
        }


def make_plan(
    suite: Suite,
    look_up: Callable[[Component, Mapping[str, Any]], DataFacts],
    *,
    limit: int | None = None,
    shard: tuple[int, int] | None = None,
) -> Plan:
    """Expand a suite.

    Parameters
    ----------
    look_up : callable
        From a data set and its settings to its checksum and task; raises `NoAnswer` where its code is not to
        be had.
    limit : int, optional
        Take the first so many trials only.
    shard : (int, int), optional
        ``(i, n)``: every n-th trial starting with the i-th, counted from 1.

    Raises
    ------
    InvalidInput
        The grid has more than a million points and no limit is given, regularizers that cannot stand
        together, or two levels of an axis that differ by rounding only.
    UsageError
        A limit below 1, or a shard that does not exist.
    """
    if limit is not None and limit < 1:
        raise UsageError(f"--limit {limit}: must be at least 1")
    if shard is not None and not 1 <= shard[0] <= shard[1]:
        raise UsageError(f"--shard {shard[0]}/{shard[1]}: must be I/N with 1 <= I <= N")
    if suite.size > LARGEST_GRID and limit is None:
        raise InvalidInput(
            f"suite '{suite.name}' has {suite.size:,} trials, more than {LARGEST_GRID:,}; "
            "give --limit N to run the first N"
        )
    _check_stacks(suite)
    unique: dict[str, Trial] = {}
    left_out: Counter[str] = Counter()
    for trial in _points(suite, look_up, left_out):
        unique.setdefault(trial.key, trial)
        if limit is not None and len(unique) >= limit:
            break
    whole = tuple(unique.values())
    if left_out and not whole:
        raise InvalidInput(left_out)
    one_of_each = {each.configuration: each for each in whole}.values()  # seeds change no coordinate
    if faults := rounding_faults(axis_values([each.coordinates() for each in one_of_each])):
        raise InvalidInput(f"suite '{suite.name}': {each}" for each in faults)
    trials = whole if shard is None else whole[shard[0] - 1 :: shard[1]]
    return Plan(suite, trials, whole, left_out)


def _check_stacks(suite: Suite) -> None:
    problems: dict[str, None] = {}
    for grid in suite.grids:
        for stack in grid.regularizers:
            first = [(each.component, each.points[0]) for each in stack if each.points]
            problems.update(dict.fromkeys(_composition_faults(first)))
    if problems:
        raise InvalidInput(f"suite '{suite.name}': regularizers: {each}" for each in problems)


def _composition_faults(stack: Sequence[tuple[Component, Mapping[str, Any]]]) -> list[str]:
    elsewhere = [component.object for component, _ in stack if isinstance(component.object, Elsewhere)]
    if elsewhere:
        named = [[component.full_name, dict(settings)] for component, settings in stack]
        return elsewhere[0].composition(named, elsewhere)
    return check_composition([component.object(**settings) for component, settings in stack])


def _points(suite: Suite, look_up: Callable[..., DataFacts], left_out: Counter[str]) -> Iterator[Trial]:
    split_names = {each.name for each in fields(SplitSettings)}
    facts: dict[str, DataFacts | str] = {}
    for grid in suite.grids:
        for (data, settings), *rest in _combinations(grid):
            own = {name: value for name, value in settings.items() if name not in split_names}
            splits = {name: value for name, value in settings.items() if name in split_names}
            known = canonical_json([data.full_name, own])
            if known not in facts:
                try:
                    facts[known] = look_up(data, own)
                except NoAnswer as fault:
                    facts[known] = f"dataset '{data.full_name}' {fault}"
            found = facts[known]
            if isinstance(found, str):
                left_out[found] += 1
                continue
            model, protocol, stack, seed = rest
            yield Trial(
                dataset=Chosen.of(data, own),
                splits=splits,
                checksum=found.checksum,
                task=found.task,
                model=Chosen.of(*model),
                protocol=Chosen.of(*protocol),
                regularizers=tuple(Chosen.of(*each) for each in stack),
                seed=seed,
                threads=suite.threads,
            )


def _combinations(grid: Grid) -> Iterator[tuple[Any, ...]]:
    return _product(
        lambda: _flat(grid.dataset),
        lambda: _flat(grid.model),
        lambda: _flat(grid.protocol),
        lambda: _stacks(grid),
        lambda: grid.seeds,
    )


def _stacks(grid: Grid) -> Iterator[tuple[Any, ...]]:
    for alternatives in grid.regularizers:
        yield from _product(*(partial(_flat, [each]) for each in alternatives))


def _flat(alternatives: Iterable[Alternative]) -> Iterator[tuple[Component, Mapping[str, Any]]]:
    return ((each.component, point) for each in alternatives for point in each.points)


def _product(*parts: Callable[[], Iterable[Any]]) -> Iterator[tuple[Any, ...]]:
    """Like `itertools.product`, which would make all values of all parts before the first combination."""
    if not parts:
        yield ()
        return
    for first in parts[0]():
        for rest in _product(*parts[1:]):
            yield (first, *rest)


def alike_together(trials: Sequence[Trial]) -> list[Trial]:
    """Trials whose steps may be made together, one behind the other; no others change places."""
    if not any(each.protocol.settings.get("stacked") for each in trials):
        return list(trials)
    places: dict[str, int] = {}

    def place(trial: Trial) -> int:
        sizes = [trial.dataset.as_dict(), trial.splits["train_size"], trial.protocol.settings["batch_size"]]
        return places.setdefault(canonical_json([trial.model.as_dict(), sizes]), len(places))

    return sorted(trials, key=place)


def sees_other_examples(trial: Trial) -> bool:
    """Whether fits with other seeds were trained on other examples: on parts of the data, each its own."""
    return trial.splits["train_size"] is not None and trial.splits.get("subset_seed") is None
