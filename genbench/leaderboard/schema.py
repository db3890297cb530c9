"""What the lines of an entry hold: one model for each kind of line, strict, nothing beyond what it names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from annotated_types import Ge, Le
from pydantic import BaseModel, ConfigDict, StringConstraints, TypeAdapter, ValidationError

from genbench.base.errors import explained
from genbench.base.values import Status, StopReason

__all__ = ["FORMAT", "LINES", "check_line"]

FORMAT = 1
"""Raised when a file of an entry changes its meaning."""

Key = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
Name = Annotated[str, StringConstraints(min_length=1, max_length=300)]
Line = Annotated[str, StringConstraints(max_length=2000)]
Counted = Annotated[int, Ge(0)]
Number = float | None
Seconds = Annotated[float, Ge(0)]
OPEN_SETTINGS = dict[Name, Any]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
PlainName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class SuiteName(_Strict):
    name: Name
    version: Annotated[int, Ge(1)]


class Declared(_Strict):
    """What a torch-free reader must know of a component to expand the grid."""

    kind: Literal["dataset", "model", "protocol", "regularizer"]
    name: Name
    spelled: list[Name]
    version: Annotated[int, Ge(1)]
    defaults: OPEN_SETTINGS
    lists: list[Name]


class Header(_Strict):
    format: int
    suite: SuiteName
    submitter: Annotated[str, StringConstraints(max_length=100)]
    genbench: Line
    trainer: Counted
    components: list[Declared]
    joins: PlainName = ""


class WeightsFile(_Strict):
    """Which archive holds the weights of an entry's fits, and at which address, if at any."""

    format: Literal[1]
    file: PlainName
    bytes: Counted
    sha256: Sha256
    url: Annotated[str, StringConstraints(pattern=r"^(https?://\S{1,2000})?$")]


class Vouched(_Strict):
    bytes: Counted
    sha256: Sha256


class KeptRecord(_Strict):
    """What an archive of weights holds of a fit beside its weights."""

    history: dict[Name, list[Any]] | None
    test_history: dict[Name, list[Any]] = {}
    states: list[Name]
    weights: Vouched
    time: Line


class Environment(_Strict):
    hash: Key
    content: dict[str, Any]


class Part(_Strict):
    name: Name
    version: Annotated[int, Ge(1)]
    settings: OPEN_SETTINGS
    source: Line


class Identity(_Strict):
    measure: Part
    probes: list[Part]


class MeasureLine(_Strict):
    measure: Name
    aliases: list[Name]
    identity: Identity
    version: Annotated[int, Ge(1)]
    plugin: Name
    plugin_version: Line
    source: Line
    family: Line
    direction: Literal["+", "-", "?"]
    cost_class: Literal["A", "B", "C", "D", "E", "F"]
    held_out: bool
    siblings: bool
    summary: Line


class TaskLine(_Strict):
    kind: Literal["classification", "regression"]
    input_shape: list[Counted]
    outputs: Annotated[int, Ge(1)]


class TrialLine(_Strict):
    dataset: Part
    splits: dict[Name, bool | int | float | None]
    checksum: Line
    task: TaskLine
    model: Part
    protocol: Part
    regularizers: list[Part]
    seed: Counted
    threads: Annotated[int, Ge(1)]


class FitLine(_Strict):
    key: Key
    trial: TrialLine
    seeds: dict[Name, Annotated[int, Ge(0), Le((1 << 64) - 1)]]
    stop_reason: Literal[tuple(str(each) for each in StopReason)]  # type: ignore[valid-type]
    stop_note: Line
    epochs: Counted
    steps: Counted
    train_loss: Number
    test_loss: Number
    train_error: Number
    train_error_clean: Number
    test_error: Number
    gap: Number
    loss_gap: Number
    normalized_train_loss: Number = None
    normalized_test_loss: Number = None
    output_normalized_train_loss: Number = None
    output_normalized_test_loss: Number = None
    train_examples: Annotated[int, Ge(1)]
    test_examples: Annotated[int, Ge(1)]
    environment: Key
    device: Line
    seconds: Seconds


class FailureLine(_Strict):
    key: Key
    trial: TrialLine
    status: Line
    reason: Annotated[str, StringConstraints(min_length=1, max_length=2000)]


class ValueLine(_Strict):
    fit: Key
    measure: Name
    key: Key
    status: Literal[tuple(str(each) for each in Status)]  # type: ignore[valid-type]
    value: Number
    infinite: Literal[1, -1] | None = None
    reason: Line = ""
    seconds: Seconds


class Compared(_Strict):
    name: Name
    recorded: Number
    found: Number
    agrees: bool


class Rerun(_Strict):
    key: Key
    outcome: list[Compared]
    values: list[Compared]


class Attestation(_Strict):
    format: int
    records: Sha256
    attester: Annotated[str, StringConstraints(max_length=100)]
    seed: Counted
    same_machine_class: bool
    tolerance: dict[Name, float]
    environment: dict[str, Any]
    fits: list[Rerun]
    left_out: list[Name]
    agrees: bool
    # Those made before draws were signed have none of these.
    state: Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{32})?$")] = ""
    sample: Counted = 0
    draw: Annotated[str, StringConstraints(max_length=8000)] = ""


LINES: Mapping[str, type[BaseModel]] = {
    "entry.json": Header,
    "environments.jsonl": Environment,
    "measures.jsonl": MeasureLine,
    "fits.jsonl": FitLine,
    "failures.jsonl": FailureLine,
    "values.jsonl": ValueLine,
    "attestation": Attestation,
    "weights.json": WeightsFile,
    "fit.json": KeptRecord,
}
"""The model of the lines of each file."""

_ADAPTERS = {name: TypeAdapter(model) for name, model in LINES.items()}


def check_line(kind: str, content: Any) -> list[str]:
    """What is wrong with a parsed line, in a line each: the place within it, and what should stand there."""
    try:
        _ADAPTERS[kind].validate_python(content)
    except ValidationError as fault:
        return [_explained(each) for each in fault.errors(include_url=False)[:5]]
    return []


def _explained(fault: Any) -> str:
    from genbench.leaderboard.files import shown

    where = ".".join(str(each)[:60] for each in fault["loc"]) or "the line"
    if fault["type"] == "extra_forbidden":
        return f"unknown key {shown(where)}"
    if fault["type"] == "missing":
        return f"key {shown(where)} is missing"
    given = fault["input"]
    said = f", not {shown(str(given))}" if isinstance(given, str | int | float | bool | None) else ""
    return f"{shown(where)}: {explained(fault)}{said}"
