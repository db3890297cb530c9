"""Networks that the user names on the command line: a model of some plugin, or a function of their own."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genbench.base.errors import InvalidInput, UsageError, first_line, nearest, nearest_beside
from genbench.base.files import file_hash
from genbench.contract.components import Component, Kind
from genbench.host import Host
from genbench.host.settings import complete, parse_variant

if TYPE_CHECKING:
    from torch import nn

    from genbench.base.data import Task

__all__ = ["Factory", "built_by", "find_factory", "folder_of", "named_model"]


@dataclass(frozen=True)
class Factory:
    """What makes a network for a task.

    Attributes
    ----------
    word : str
        As the user spelled it.
    function : callable
        Takes the task as its first argument where `takes_task`, and the settings.
    settings : mapping
        Those given.
    is_component : bool
        Whether it is a model of a plugin, whose settings are checked.
    """

    word: str
    function: Callable[..., Any]
    settings: Mapping[str, Any]
    takes_task: bool
    is_component: bool = False

    def parameters(self) -> list[str]:
        """Names of the settings that it takes; of arguments by any name nothing is known."""
        return _parameters(self.function)[1 if self.takes_task else 0 :]

    def source_hash(self) -> str:
        """SHA-256, shortened, of the file that holds the function; empty where there is none."""
        try:
            file = inspect.getsourcefile(self.function)
            return file_hash(Path(file), "sha256")[:16] if file else ""
        except (TypeError, OSError):
            return ""

    def network(self, task: Task, **settings: Any) -> nn.Module:
        """A network.

        Parameters
        ----------
        task : Task
        settings : optional
            Instead of, or beside, those given.

        Raises
        ------
        InvalidInput
            The function raises, or returns something else.
        """
        from torch import nn

        given = (task,) if self.takes_task else ()
        try:
            # What it prints is not to stand among the results.
            with contextlib.redirect_stdout(sys.stderr):
                made = self.function(*given, **{**self.settings, **settings})
        except InvalidInput:
            raise
        except Exception as fault:  # the user's own code runs here
            raise InvalidInput(
                f"model '{self.word}' raised {type(fault).__name__}: {first_line(fault)}"
            ) from fault
        if not isinstance(made, nn.Module):
            raise InvalidInput(f"model '{self.word}' returns a {type(made).__name__}, not a torch.nn.Module")
        return made


def find_factory(word: str, host: Host, folder: Path | None = None) -> Factory:
    """The factory that is meant by ``NAME``, ``FILE.py:FUNCTION`` or ``MODULE:FUNCTION``, with settings.

    Parameters
    ----------
    word : str
        Settings stand in brackets: ``torchvision.models:resnet18[num_classes=10]``.
    folder : Path, optional
        Where a file or module is looked for; the command's own where left out.

    Raises
    ------
    UsageError, InvalidInput
        There is none, it cannot be imported, or has no such settings.
    """
    component, settings = named_model(word, host)
    if component is not None:
        return Factory(word, component.object, complete(component, settings), True, is_component=True)
    return _own_factory(word, folder or Path.cwd())


def named_model(word: str, host: Host) -> tuple[Component | None, dict[str, Any]]:
    """The model that a word names, None where that is a function of the user's own; the settings in brackets.

    Raises
    ------
    InvalidInput
        A bare name, or one with a plugin's, that no model has.
    """
    name, settings = parse_variant(word)
    component = host.lookup(Kind.MODEL, name)
    owner, colon, _ = name.partition(":")
    is_own = owner not in {each.name for each in host.plugins} if colon else name.endswith(".py")
    if component is None and not is_own:
        host.find(Kind.MODEL, name)  # says which names are near
    return component, settings


def folder_of(word: str, folder: Path) -> Path:
    """Where the code of a factory of the user's own lies, whose file or module is looked for in a folder."""
    place = parse_variant(word)[0].rpartition(":")[0]
    return (folder / place).resolve().parent if place.endswith(".py") else folder


def built_by(word: str, folder: str, task: Task, **settings: Any) -> nn.Module:
    """The network that a function of the user's makes.

    Parameters
    ----------
    word : str
        ``FILE.py:FUNCTION`` or ``MODULE:FUNCTION``, with settings in brackets.
    folder : str
        Where that file or module is looked for.
    """
    return _own_factory(word, Path(folder)).network(task, **settings)


def _own_factory(word: str, folder: Path) -> Factory:
    name, settings = parse_variant(word)
    place, colon, attribute = name.rpartition(":")
    if not colon:
        raise UsageError(f"--model {word}: name the function too, as in {name}:make")
    module = _imported(place, word, folder)
    function = getattr(module, attribute, None)
    if function is None:
        public = [each for each in vars(module) if callable(getattr(module, each)) and each[0] != "_"]
        raise UsageError(f"--model {word}: '{place}' has no '{attribute}'{nearest(attribute, public)}")
    if not callable(function):
        raise UsageError(f"--model {word}: '{attribute}' is a {type(function).__name__}, not a function")
    known = _parameters(function)
    open_ended = any(each.kind is each.VAR_KEYWORD for each in _signature(function).values())
    for setting in settings:
        if setting not in known and not open_ended:
            raise InvalidInput(f"model '{word}': unknown setting '{setting}'{nearest(setting, known)}")
    return Factory(word, function, settings, "task" in known[:1])


def _signature(function: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(function).parameters
    except (TypeError, ValueError):  # some functions of compiled modules have none
        return {}


def _parameters(function: Callable[..., Any]) -> list[str]:
    open_ended = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    return [name for name, each in _signature(function).items() if each.kind not in open_ended]


def _imported(place: str, word: str, folder: Path) -> Any:
    """A module of that name, or a file as one; both find the modules that lie beside them."""
    try:
        with contextlib.redirect_stdout(sys.stderr):
            if not place.endswith(".py"):
                _look_in(folder)
                return importlib.import_module(place)
            file = (folder / place).resolve()
            if not file.is_file():
                raise UsageError(f"--model {word}: there is no file '{place}'{nearest_beside(file, '*.py')}")
            _look_in(file.parent)
            specification = importlib.util.spec_from_file_location(f"genbench_model_{file.stem}", file)
            assert specification is not None
            assert specification.loader is not None
            module = importlib.util.module_from_spec(specification)
            sys.modules[module.__name__] = module
            specification.loader.exec_module(module)
            return module
    except UsageError:
        raise
    except ModuleNotFoundError as fault:
        if fault.name == place.partition(".")[0] or fault.name == place:
            raise UsageError(f"--model {word}: there is no module '{place}'; a file ends in .py") from None
        raise InvalidInput(f"--model {word}: '{place}' cannot be imported: {first_line(fault)}") from fault
    except Exception as fault:  # the user's own code runs here
        raise InvalidInput(
            f"--model {word}: '{place}' cannot be imported: {type(fault).__name__}: {first_line(fault)}"
        ) from fault


def _look_in(folder: Path) -> None:
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
