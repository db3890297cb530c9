"""Downloads: whole and right, or one line and nothing on disk; no host but this machine is asked."""

from __future__ import annotations

import hashlib
from types import SimpleNamespace

import pytest
from web import serving

from genbench.base import downloads
from genbench.base.downloads import NotDownloaded, download
from genbench.base.errors import UsageError

CONTENT = bytes(range(256)) * 40
HASH = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"


@pytest.fixture
def site(monkeypatch):
    waited = []
    monkeypatch.setattr(downloads, "CHUNK", 100)
    monkeypatch.setattr("pooch.core.time", SimpleNamespace(sleep=waited.append))
    with serving() as found:
        found.files["a.bin"] = CONTENT
        found.waited = waited
        yield found


def test_a_file_comes_whole(site, tmp_path):
    download(site.address + "a.bin", tmp_path / "deep" / "b.bin", HASH)
    assert [each.name for each in (tmp_path / "deep").iterdir()] == ["b.bin"]
    assert (tmp_path / "deep" / "b.bin").read_bytes() == CONTENT


def test_a_connection_that_breaks_is_taken_up_where_it_broke(site, tmp_path):
    site.breaks = [4000, 1000]
    download(site.address + "a.bin", tmp_path / "a.bin", HASH)
    assert site.asked == ["", "bytes=4000-", "bytes=5000-"]
    assert site.waited == [1, 2]
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


def test_a_server_that_knows_no_ranges_is_asked_for_everything_again(site, tmp_path):
    site.breaks, site.knows_ranges = [4000], False
    download(site.address + "a.bin", tmp_path / "a.bin", HASH)
    assert site.asked == ["", "bytes=4000-"]
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


def test_a_server_that_is_busy_is_asked_again(site, tmp_path):
    site.answers = [503]
    download(site.address + "a.bin", tmp_path / "a.bin", HASH)
    assert site.waited == [1]


def test_a_part_that_is_longer_than_the_file_now_is_given_up(site, tmp_path):
    site.breaks, site.answers = [], []
    part = tmp_path / "part"
    part.write_bytes(b"x" * 9)
    site.answers = [416]
    resuming = downloads._Resuming(part, HASH)
    with pytest.raises(OSError, match="416"):
        resuming(site.address + "a.bin", tmp_path / "a.bin", None)
    resuming(site.address + "a.bin", tmp_path / "a.bin", None)
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("gone", "the server answers 404 Not Found"),
        ("other", f"what came has the SHA-256 {hashlib.sha256(b'<html>').hexdigest()}, not {HASH[7:]}"),
        ("broken", "the connection broke off 4 times"),
        ("busy", "the server answers 503 Service Unavailable"),
    ],
)
def test_what_does_not_come_is_one_line_and_leaves_nothing(site, tmp_path, fault, said):
    if fault == "gone":
        site.files.clear()
    elif fault == "other":
        site.files["a.bin"] = b"<html>"
    elif fault == "broken":
        site.breaks = [10] * 9
    else:
        site.answers = [503] * 9
    with pytest.raises(NotDownloaded) as caught:
        download(site.address + "a.bin", tmp_path / "a.bin", HASH)
    assert str(caught.value) == f"{site.address}a.bin: {said}"
    assert list(tmp_path.iterdir()) == []
    assert len(site.asked) == (1 if fault in ("gone", "other") else 4)


def test_a_host_that_cannot_be_reached_is_named_at_once(site, tmp_path):
    with serving() as gone:
        address = gone.address
    with pytest.raises(NotDownloaded) as caught:
        download(address + "a.bin", tmp_path / "a.bin", HASH)
    assert str(caught.value) == f"{address}a.bin: the host cannot be reached"
    assert site.waited == []
    assert list(tmp_path.iterdir()) == []


def test_plain_http_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"^http://example.org/a: is fetched over https only$"):
        download("http://example.org/a", tmp_path / "a", None)


def test_a_download_that_takes_long_tells_how_much_is_there(site, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(downloads, "SECONDS_BETWEEN_LINES", 0.0)
    monkeypatch.setattr(downloads, "CHUNK", 1 << 13)
    download(site.address + "a.bin", tmp_path / "a.bin", HASH)
    assert capsys.readouterr().err.count(" of 0 MB of a.bin") == 2  # 10 KiB, eight at a time
