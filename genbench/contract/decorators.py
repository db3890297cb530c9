"""The decorators with which a plugin declares its components, and the words for what a component needs.

A decorator returns its object unchanged and only leaves a `Declaration` on it. Nothing is registered: the
host collects declared objects from the plugins that it loads.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import typing
from collections.abc import Callable
from typing import Any

from genbench.contract.components import Declaration, ForwardedSetting, Kind, Need

__all__ = [
    "dataset",
    "executor",
    "measure",
    "model",
    "need",
    "probe",
    "protocol",
    "regularizer",
    "setting",
    "statistic",
]


def need(probe: str, *, shared: str | typing.Sequence[str] = (), **settings: Any) -> Any:
    """Name a probe, with settings, as the default of a parameter.

    Parameters
    ----------
    probe : str
        The probe's name; ``"plugin:name"`` for a probe of another plugin.
    shared : str or sequence of str, optional
        Settings of that probe that the component has too: they keep their name, type, default and
        documentation, can be set as if they were its own, and go to the probe. The function has no parameter
        for them. One whose default is to be another, or whose value the function uses, is a setting of the
        function's own, passed on by name.
    **settings
        Settings of that probe. ``genbench.setting("kernel")`` passes on the component's own setting.

    Examples
    --------
    >>> import genbench
    >>> @genbench.measure(family="spectral", direction="+", source="Jiang et al. 2020, eq. 32")
    ... def log_prod_of_spec(norms=genbench.need("spectral_norms", kernel="operator")):
    ...     return 2 * norms.log().sum()

    The same with both settings of the probe, as in ``widest_layer[kernel=operator,fold=false]``:

    >>> @genbench.measure(family="spectral", direction="+")
    ... def widest_layer(norms=genbench.need("spectral_norms", shared=("fold", "kernel"))):
    ...     return norms.max()
    """
    names = (shared,) if isinstance(shared, str) else tuple(shared)
    return Need(probe, tuple(sorted(settings.items())), names)


def setting(name: str) -> Any:
    """Pass the component's own setting `name` on to a probe, inside `need`."""
    return ForwardedSetting(name)


def _decorator(kind: Kind) -> Callable[..., Any]:
    def decorate(target: Any = None, **declared: Any) -> Any:
        if target is None:
            return lambda decorated: decorate(decorated, **declared)
        is_found_again = inspect.isfunction(target) or inspect.isclass(target)
        if not is_found_again:
            raise TypeError(f"genbench.{kind} declares a function or a class, not {target!r}")
        name = declared.pop("name", None) or _default_name(kind, target)
        if "aliases" in declared and not isinstance(declared["aliases"], str):
            declared["aliases"] = tuple(declared["aliases"])
        if kind in (Kind.REGULARIZER, Kind.PROTOCOL):
            _freeze(target)
        target.__genbench__ = Declaration(kind=kind, name=name, **declared)
        return target

    return decorate


def _freeze(target: Any) -> None:
    """Make a class whose base is a frozen dataclass one itself, so that its annotated fields are settings.

    Without it a class would inherit its base's fields and silently lose its own.
    """
    is_derived = inspect.isclass(target) and dataclasses.is_dataclass(target)
    if is_derived and "__dataclass_fields__" not in vars(target):
        dataclasses.dataclass(frozen=True, kw_only=True)(target)


def _default_name(kind: Kind, target: Any) -> str:
    """Measures, probes and statistics keep their underscores; what a suite names has hyphens."""
    name = target.__name__
    if inspect.isclass(target):
        name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
    if kind in (Kind.MEASURE, Kind.PROBE, Kind.STATISTIC):
        return name
    return name.replace("_", "-")


def dataset(
    target: Any = None, /, *, name: str | None = None, version: int = 1, source: str = "",
    checksum: str | None = None, task: Any = None, examples: Any = None, test_examples: Any = None,
) -> Any:  # fmt: skip
    """Declare a data set: ``def digits(root, *, settings) -> genbench.Data``.

    Parameters
    ----------
    checksum : str, optional
        What `Data.checksum` will be for every setting. With it and `task`, planning needs no data.
    task : Task or callable, optional
        The task, or a function from the settings (keyword arguments) to it.
    examples : int or callable, optional
        Size of the training split, or a function from the settings to it; the time of a plan rests on it.
        Without it a data set counts as 50,000 examples.
    test_examples : int or callable, optional
        The same of the test split; what a published result says of its test set is held against it.
    """
    return _decorator(Kind.DATASET)(
        target,
        name=name,
        version=version,
        source=source,
        checksum=checksum,
        task=task,
        examples=examples,
        test_examples=test_examples,
    )


def model(
    target: Any = None, /, *, name: str | None = None, version: int = 1, source: str = "",
    aliases: typing.Sequence[str] = (), capturable: bool | str | None = None,
) -> Any:  # fmt: skip
    """Declare a model: ``def mlp(task, *, settings) -> nn.Module``.

    Parameters
    ----------
    capturable : bool, str or None
        Whether a training step of it can be captured and replayed as a CUDA graph: it looks at no value of a
        tensor, and keeps nothing on the host from pass to pass. A text says why not. None: found out by a
        trial on the CPU, for trainings on CUDA. Where it is True, steps of small networks are replayed on the
        CPU too, if nothing else that takes part objects.
    """
    return _decorator(Kind.MODEL)(
        target, name=name, version=version, source=source, aliases=aliases, capturable=capturable
    )


def regularizer(
    target: Any = None, /, *, name: str | None = None, version: int = 1, source: str = "",
    aliases: typing.Sequence[str] = (),
) -> Any:  # fmt: skip
    """Declare a regularizer: a class derived from `genbench.Regularizer`; its annotated fields are settings.

    A class that is no dataclass yet becomes a frozen one.
    """
    return _decorator(Kind.REGULARIZER)(target, name=name, version=version, source=source, aliases=aliases)


def protocol(target: Any = None, /, *, name: str | None = None, version: int = 1, source: str = "") -> Any:
    """Declare a protocol: a class derived from `genbench.Protocol`; fields with other defaults are its own.

    A class that is no dataclass yet becomes a frozen one.
    """
    return _decorator(Kind.PROTOCOL)(target, name=name, version=version, source=source)


def probe(target: Any = None, /, *, name: str | None = None, version: int = 1, cost: str = "A") -> Any:
    """Declare a probe: a function whose parameters name the probes and roots that it needs.

    Parameters
    ----------
    cost : {"A", "B", "C", "D", "E", "F"}
        What the probe itself does, from weights only (A) to the training trajectory (F).
    """
    return _decorator(Kind.PROBE)(target, name=name, version=version, cost=cost)


def measure(
    target: Any = None, /, *, family: str, direction: str, source: str = "", formula: str = "",
    name: str | None = None, version: int = 1, cost: str = "A", aliases: typing.Sequence[str] = (),
) -> Any:  # fmt: skip
    """Declare a measure: a function of probes and roots that returns one number.

    Parameters
    ----------
    family : str
        Measures of one family are chosen together with ``family:NAME``.
    direction : {"+", "-", "?"}
        ``+`` when a larger value is supposed to mean a larger gap.
    source : str
        Paper and equation.
    cost : {"A", "B", "C", "D", "E", "F"}
        What the function itself adds to the cost of its probes; weights only where left out.
    aliases : sequence of str
        Other names by which suites, commands and rankings find the measure. Values carry its name.
    """
    return _decorator(Kind.MEASURE)(
        target, family=family, direction=direction, source=source, formula=formula,
        name=name, version=version, cost=cost, aliases=aliases,
    )  # fmt: skip


def statistic(target: Any = None, /, *, name: str | None = None, version: int = 1, source: str = "") -> Any:
    """Declare a statistic: ``def spearman(values, target, axes, groups, weights) -> float``."""
    return _decorator(Kind.STATISTIC)(target, name=name, version=version, source=source)


def executor(target: Any = None, /, *, name: str | None = None, version: int = 1) -> Any:
    """Declare an executor: a class with ``submit(job)``, ``results()``, ``cancel(id)``, ``close()``."""
    return _decorator(Kind.EXECUTOR)(target, name=name, version=version)
