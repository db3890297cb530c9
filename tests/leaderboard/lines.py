"""The lines of an entry's files, read, written and edited."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

Edit = Callable[[dict[str, Any]], Any]


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def write(path: Path, lines: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(each) + "\n" for each in lines))


def edit(path: Path, change: Edit, which: int | None = None) -> None:
    """Change the lines of a file, or one of them; one that the change returns False for is taken out."""
    lines = read(path)
    kept = [
        line
        for number, line in enumerate(lines)
        if not ((which is None or number == which) and change(line) is False)
    ]
    write(path, kept)
