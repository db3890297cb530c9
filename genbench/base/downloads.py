"""Files from the web, through pooch: whole and with the hash that they must have, or not there at all."""

from __future__ import annotations

import logging
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import urlsplit

from genbench.base.errors import GenbenchError, MissingResult, UsageError, first_line
from genbench.base.files import disk_full, file_hash

if TYPE_CHECKING:
    import requests

__all__ = ["HASHES", "NotDownloaded", "check_url", "download", "is_url"]

RETRIES = 3
SECONDS_WITHOUT_ANSWER = 30.0
SECONDS_BETWEEN_LINES = 5.0
CHUNK = 1 << 16
"""Bytes at a time; what a connection brought of the last ones when it broke is lost."""
HASHES = {"sha256": "SHA-256", "md5": "MD5"}
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
# What a server answers that may have another answer a moment later.
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})


class NotDownloaded(MissingResult):
    """A file did not come, or not whole; the text is one line that says why, and nothing was left on disk."""


def is_url(text: str) -> bool:
    """Whether a word is an address in the web rather than a path."""
    return text.lower().startswith(("https://", "http://"))


def check_url(url: str) -> None:
    """Refuse an address over which anybody between could send something else.

    Raises
    ------
    UsageError
        It is not https, and not of this machine.
    """
    parts = urlsplit(url)
    if parts.scheme != "https" and parts.hostname not in LOOPBACK:
        raise UsageError(f"{url}: is fetched over https only")


def download(url: str, target: Path, known_hash: str | None) -> None:
    """Bring a file; a connection that breaks is taken up again where it broke.

    Parameters
    ----------
    target : Path
        Its name on disk, which the file gets only when it is whole.
    known_hash : str or None
        ``sha256:`` or ``md5:`` with hexadecimal digits; None where nobody has said it.

    Raises
    ------
    UsageError
        The address is not https.
    NotDownloaded
        The host cannot be reached, has no such file, breaks off again and again, or sends something else.
    DiskFull
    """
    check_url(url)
    import pooch

    pooch.get_logger().setLevel(logging.WARNING)  # what it would say is said here
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=target.parent, prefix=".part-") as folder:
            keeper = pooch.create(
                target.parent,
                base_url="",
                registry={target.name: known_hash},
                urls={target.name: url},
                retry_if_failed=RETRIES,
            )
            target.unlink(missing_ok=True)  # without a hash an old file would be taken for the new one
            keeper.fetch(target.name, downloader=_Resuming(Path(folder) / "part", known_hash))
    except GenbenchError:
        raise
    except OSError as fault:  # those of requests are among them
        raise disk_full(fault, target) or NotDownloaded(f"{url}: {_why(fault)}") from None


class _Resuming:
    """A downloader of pooch's that goes on where its last try ended, if the server can."""

    def __init__(self, part: Path, known_hash: str | None):
        self._part, self._known_hash = part, known_hash

    def __call__(self, url: str, output_file: Any, pooch: Any, check_only: bool = False) -> None:
        """Bring the rest of the file; what a broken connection brought is kept for the next try."""
        have = self._part.stat().st_size if self._part.exists() else 0
        with get(url, {"Range": f"bytes={have}-"} if have else {}) as response:
            if response.status_code == 416:
                self._part.unlink()
            _check_answer(url, response)
            there = response.headers.get("Content-Range", "").startswith(f"bytes {have}-")
            goes_on = response.status_code == 206 and there
            with self._part.open("ab" if goes_on else "wb") as out:
                _copy(response, out, url.rpartition("/")[2], have if goes_on else 0)
        if self._known_hash:  # here, since pooch would bring another file four times
            kind, _, due = self._known_hash.partition(":")
            if (actual := file_hash(self._part, kind)) != due:
                raise NotDownloaded(f"{url}: what came has the {HASHES[kind]} {actual}, not {due}")
        self._part.replace(output_file)


def get(url: str, headers: dict[str, str]) -> requests.Response:
    """The answer of a server, its content not read yet."""
    import requests

    try:
        # As it is: a file that is compressed on its way has other bytes, and no place to go on from.
        plain = {"Accept-Encoding": "identity", **headers}
        return requests.get(url, headers=plain, stream=True, timeout=SECONDS_WITHOUT_ANSWER)
    except requests.exceptions.ConnectTimeout:
        raise
    except requests.exceptions.ConnectionError as fault:  # as without a network: waiting would not help
        raise NotDownloaded(f"{url}: {_why(fault)}") from None


def _check_answer(url: str, response: requests.Response) -> None:
    check_url(response.url)
    if response.status_code in PASSING or response.status_code == 416:
        response.raise_for_status()  # which pooch tries again
    if not response.ok:
        raise NotDownloaded(f"{url}: the server answers {response.status_code} {response.reason}")


def _copy(response: requests.Response, out: IO[bytes], name: str, came: int) -> None:
    """What comes, into a file; every few seconds a line tells how much is there."""
    length = response.headers.get("Content-Length")
    whole = f" of {(came + int(length)) / 1e6:,.0f}" if length and length.isdigit() else ""
    told = time.monotonic()
    for chunk in response.iter_content(CHUNK):
        out.write(chunk)
        came += len(chunk)
        if time.monotonic() - told >= SECONDS_BETWEEN_LINES:
            told = time.monotonic()
            sys.stderr.write(f"genbench: {came / 1e6:,.0f}{whole} MB of {name}\n")


def _why(fault: OSError) -> str:
    """A fault of the network in a few words; those of the libraries take five lines."""
    from requests import exceptions

    if isinstance(fault, exceptions.Timeout):
        return f"no answer within {SECONDS_WITHOUT_ANSWER:.0f} seconds"
    if isinstance(fault, exceptions.HTTPError) and fault.response is not None:
        return f"the server answers {fault.response.status_code} {fault.response.reason}"
    if isinstance(fault, exceptions.SSLError):
        return "the host's certificate is not valid"
    if isinstance(fault, exceptions.ChunkedEncodingError):
        return f"the connection broke off {RETRIES + 1} times"
    if isinstance(fault, exceptions.ConnectionError):
        return "the host cannot be reached"
    return first_line(fault)
