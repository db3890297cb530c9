"""Data sets that another process prepared: taken over whole, or not at all."""

from __future__ import annotations

import os
import shutil

import pytest

from genbench.contract.components import Kind
from genbench.fitting.prepared import adopt, is_prepared, prepare, read_split
from genbench.host import Host
from genbench.host.plugin import PluginSource

PLUGIN = """
import genbench, torch

@genbench.dataset
def blobs(root, *, size: int = 20):
    split = genbench.Split(torch.arange(size * 4.0).view(size, 4), torch.arange(size) % 2)
    return genbench.Data(split, split, genbench.Task("classification", (4,), 2), f"blobs-{size}")
"""


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """The component as the command knows it, and the cache in which its data were prepared."""
    source = PluginSource("b", file="b.py", text=PLUGIN)
    monkeypatch.setenv("GENBENCH_CACHE", str(tmp_path / "there"))
    prepare(Host.of([source]).find(Kind.DATASET, "b:blobs"), {}, None)
    monkeypatch.setenv("GENBENCH_CACHE", str(tmp_path / "here"))
    return Host.described([source]).find(Kind.DATASET, "b:blobs"), tmp_path / "there"


def test_prepared_data_are_taken_over_without_their_code(elsewhere):
    component, cache = elsewhere
    assert is_prepared(component, {}, "blobs-20", ["train"]) is None
    adopt(component, {}, "blobs-20", cache)
    shutil.rmtree(cache)
    found = is_prepared(component, {}, "blobs-20", ["train", "test"])
    assert found is not None
    assert read_split(found, "train").inputs.shape == (20, 4)
    assert is_prepared(component, {"size": 21}, "blobs-21", ["train"]) is None


@pytest.mark.parametrize("name", ["data.json", "test.safetensors"])
@pytest.mark.parametrize("damage", ["gone", "a pipe", "a link", "other bytes"])
def test_what_is_not_whole_is_not(elsewhere, name, damage):
    component, cache = elsewhere
    (file,) = cache.glob(f"prepared/*/{name}")
    whole = file.read_bytes()
    file.unlink()
    if damage == "a pipe":
        os.mkfifo(file)
    if damage == "a link":
        (cache / "other").write_bytes(whole)
        file.symlink_to(cache / "other")
    if damage == "other bytes":
        file.write_bytes(whole.replace(b"0", b"1"))
    adopt(component, {}, "blobs-20", cache)
    assert is_prepared(component, {}, "blobs-20", ["train", "test"]) is None
