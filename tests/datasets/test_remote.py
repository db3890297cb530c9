import hashlib

import pytest
from web import serving

from genbench.base import downloads
from genbench.base.errors import InvalidInput
from genbench.datasets.remote import Publication, RemoteFile

GET = downloads.get


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


@pytest.fixture
def site(monkeypatch):
    """A server with two files; the first place that each is said to be at does not have it."""
    monkeypatch.setattr(downloads, "get", GET)
    with serving() as found:
        found.files = {name: name.encode() for name in ("one.bin", "two.bin")}
        yield found


@pytest.fixture
def published(site):
    files = [
        RemoteFile(name, md5(content), (f"{site.address}mirror/{name}", site.address + name))
        for name, content in site.files.items()
    ]
    return Publication("toy", tuple(files), ("Toy", "."))


def test_downloads_to_the_cache_and_says_so(published, cache, capsys):
    paths = published.fetch(None)
    assert paths["one.bin"] == cache / "downloads" / "toy" / "one.bin"
    assert paths["two.bin"].read_bytes() == b"two.bin"
    said = capsys.readouterr()
    assert said.err.count("downloading") == 4
    assert not said.out
    published.fetch(None)
    assert not capsys.readouterr().err


def test_downloads_only_what_is_missing_and_nothing_into_the_users_folder(
    published, cache, tmp_path, listing, capsys
):
    own = tmp_path / "data" / "Toy"
    own.mkdir(parents=True)
    (own / "one.bin").write_bytes(b"one.bin")
    before = listing(tmp_path / "data")
    paths = published.fetch(tmp_path / "data")
    assert paths == {"one.bin": own / "one.bin", "two.bin": cache / "downloads" / "toy" / "two.bin"}
    assert "one.bin" not in capsys.readouterr().err
    assert listing(tmp_path / "data") == before


def test_damaged_file_in_the_cache_is_downloaded_again(published, cache, capsys):
    path = published.fetch(None)["one.bin"]
    path.write_bytes(b"torn")
    published.fetch(None)
    assert path.read_bytes() == b"one.bin"
    assert "is damaged" in capsys.readouterr().err


def test_damaged_files_of_the_user_are_all_named(published, tmp_path):
    for name in ("one.bin", "two.bin"):
        (tmp_path / name).write_bytes(b"torn")
    with pytest.raises(InvalidInput) as caught:
        published.fetch(tmp_path)
    assert len(caught.value.problems) == 2


def test_wrong_content_from_a_server_is_refused(published, site, cache):
    site.files["one.bin"] = b"<html>sign in</html>"
    with pytest.raises(InvalidInput, match="what came has the MD5"):
        published.fetch(None)
    assert not list((cache / "downloads" / "toy").iterdir())


def test_identity_needs_no_files(published):
    assert published.checksum.startswith("md5s:")
    alone = Publication("toy", published.files[:1], (".",))
    assert alone.checksum == f"md5:{md5(b'one.bin')}"


def test_a_known_sha256_is_what_counts(published, site, cache):
    content = site.files["one.bin"]
    sha256 = hashlib.sha256(content).hexdigest()
    file = RemoteFile("one.bin", "0" * 32, (f"{site.address}one.bin",), sha256)
    alone = Publication("toy", (file,), (".",))
    assert alone.checksum == f"md5:{'0' * 32}", "keys stay as they were"
    path = alone.fetch(None)["one.bin"]
    path.write_bytes(b"torn")
    assert file.fault(path) == (
        f"its SHA-256 is {hashlib.sha256(b'torn').hexdigest()}, the published one {sha256}"
    )
    assert alone.fetch(None)["one.bin"].read_bytes() == content
