"""What the tests of data sets share: a cache of their own, and no way to the network."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("GENBENCH_CACHE", str(folder))
    monkeypatch.delenv("GENBENCH_DATA", raising=False)
    return folder


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Refuse every connection; the addresses that were asked for."""
    asked: list[str] = []

    def refuse(url: str, headers: Any) -> None:
        asked.append(url)
        raise OSError("no network")

    monkeypatch.setattr("genbench.base.downloads.get", refuse)
    return asked


@pytest.fixture
def listing() -> Callable[[Path], Mapping[str, tuple[int, int]]]:
    """Sizes and times of all files below a folder, to show that nothing was written there."""

    def list_files(folder: Path) -> Mapping[str, tuple[int, int]]:
        return {
            str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in sorted(folder.rglob("*"))
        }

    return list_files
