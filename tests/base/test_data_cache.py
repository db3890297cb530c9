from pathlib import Path

import pytest

from genbench.base.files import cache_folder, replacing


def test_cache_folder_follows_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("GENBENCH_CACHE", str(tmp_path / "cache"))
    assert cache_folder() == tmp_path / "cache"
    monkeypatch.delenv("GENBENCH_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "genbench"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "genbench"


def test_replacing_writes_whole_files_only(tmp_path):
    target = tmp_path / "below" / "file"
    with replacing(target) as temporary:
        temporary.write_text("first")
        assert not target.exists()
    assert target.read_text() == "first"

    def fail():
        with replacing(target) as temporary:
            temporary.write_text("half")
            raise RuntimeError("interrupted")

    with pytest.raises(RuntimeError):
        fail()
    assert target.read_text() == "first"
    assert [path.name for path in target.parent.iterdir()] == ["file"]
