"""What every test may ask for."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

# Nothing fails because it took long: other work may share the machine.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")

if "PYTEST_XDIST_WORKER" in os.environ:
    # Tests run side by side, one process to a core: threads of their own would wait for each other. Torch and
    # the programs that tests start read this when they are imported, which is later.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# What is printed stays in a buffer for a while where users run programs.
os.environ.pop("PYTHONUNBUFFERED", None)

if TYPE_CHECKING:
    from declared import Plugin


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data files beside the checkout; tests that need it skip where it is absent."""
    root = Path(os.environ.get("GENBENCH_SHARED", Path(__file__).parents[2] / "shared"))
    if not (root / "data").is_dir():
        pytest.skip(
            f"no real data: {root / 'data'} is absent (set GENBENCH_SHARED to the folder that has it)"
        )
    return root / "data"


@pytest.fixture(scope="session")
def tiny_suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A suite of four small fits, as a file."""
    from running import TINY

    file = tmp_path_factory.mktemp("suite") / "tiny.toml"
    file.write_text(TINY)
    return file


@pytest.fixture(scope="session")
def finished(cache: Path, tiny_suite: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run of the tiny suite, made by one worker; copy it to change it."""
    from running import command

    folder = tmp_path_factory.mktemp("finished") / "tiny"
    ended = command("run", "--suite", tiny_suite, "--out", folder, "--workers", 1)
    assert ended.code == 0, ended.err
    return folder


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache of this test session alone, for what genbench downloads and prepares."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("GENBENCH_CACHE", str(folder))
        patch.delenv("GENBENCH_DATA", raising=False)
        yield folder


@pytest.fixture(scope="session", autouse=True)
def trusting() -> Iterator[list[tuple[Any, str, Any]]]:
    """Plugins are described, and answer, in this process, where that is not the point: others take seconds."""
    from genbench.host import elsewhere, host

    real = [(host, name, getattr(host, name)) for name in ("fatal", "tried")]
    real.append((elsewhere, "_Deputy", elsewhere._Deputy))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(host, "fatal", lambda sources: {})
        patch.setattr(host, "tried", _tried_here)
        patch.setattr(elsewhere, "_Deputy", _DeputyHere)
        yield real


@pytest.fixture
def processes_of_plugins(trusting: list[tuple[Any, str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    """Plugins are described, and answer, in processes of their own, as they are for users."""
    for module, name, real in trusting:
        monkeypatch.setattr(module, name, real)


def _tried_here(sources: Iterable[Any], kept: Sequence[Path] = ()) -> dict[str, Any]:
    from genbench.host.description import described
    from genbench.host.host import new_manager
    from genbench.host.probation import Tried

    return {each.name: Tried("", described(each, new_manager())) for each in sources}


class _DeputyHere:
    """Answers as the process does that is a plugin's deputy."""

    def __init__(self, sources: Sequence[Any], kept: Sequence[Path]):
        from genbench.host import Host

        self._host = Host.of(sources)

    @property
    def cache(self) -> Path:
        """That of everybody."""
        from genbench.base.files import cache_folder

        return cache_folder()

    def answer(self, question: Any, seconds: float) -> Any:
        from genbench.fitting.deputy import answer

        return json.loads(json.dumps(answer(self._host, json.loads(json.dumps(question)))))

    def close(self) -> None:
        pass


@pytest.fixture(scope="session", autouse=True)
def patience() -> Iterator[None]:
    """Commands do not say after a while that they are still at work: tests count lines, slowly at times."""
    from genbench.cli import waiting

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(waiting, "SECONDS_BEFORE_A_LINE", 600.0)
        yield


@pytest.fixture
def one_thread() -> Iterator[None]:
    """torch computes with one thread while the test runs."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def plugin() -> type[Plugin]:
    """Build a `declared.Plugin`."""
    from declared import Plugin

    return Plugin


@pytest.fixture
def inline(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Jobs are done in this process, without workers of their own, where isolation is not the point."""
    import torch
    from running import InlineProcess

    from genbench.executors.local import LocalExecutor

    monkeypatch.setattr(LocalExecutor, "worker", InlineProcess)
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
