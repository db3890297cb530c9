"""Where the numbers of a run come from: suite, versions, hardware, seeds, plugins."""

from __future__ import annotations

import collections
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from genbench.base.files import read_text

if TYPE_CHECKING:
    from genbench.runs.store import Folder

__all__ = ["provenance"]


def provenance(folder: Folder, records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What the fits of these records were trained with.

    Returns
    -------
    dict
        ``environments``, those of the fits with the number of ``fits`` trained in each, the most used first;
        ``seeds``, the seed indices; ``test_examples``, the sizes of the test set; ``checksums`` of the data;
        ``suite``, the text of the suite as it was run.
    """
    known = folder.environments()
    used = collections.Counter(each["environment"] for each in records)
    return {
        "environments": [
            {"hash": name, "fits": count, **_described(known.get(name))}
            for name, count in sorted(used.items(), key=lambda each: (-each[1], each[0]))
        ],
        "seeds": sorted({each["trial"]["seed"] for each in records}),
        "test_examples": sorted({each["test_examples"] for each in records}),
        "checksums": sorted({each["trial"]["checksum"] for each in records}),
        "suite": read_text(folder.suite_file),
    }


def _described(environment: dict[str, Any] | None) -> dict[str, Any]:
    if environment is None:
        return {}
    simple = ("genbench", "commit", "python", "system", "processor", "cores", "device", "packages")
    plugins = [
        {name: each[name] for name in ("name", "origin", "version")}
        for each in environment["plugins"]
        if each["origin"] != "built-in"
    ]
    return {**{name: environment.get(name) for name in simple}, "plugins": plugins}
