"""Files that strangers sent: read within limits, parsed strictly, no link followed, nothing executed."""

from __future__ import annotations

import errno
import io
import json
import math
import os
import re
import stat
import sys
import unicodedata
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from genbench.base.errors import InvalidInput
from genbench.base.files import PLAIN

__all__ = [
    "LIMITS",
    "Limit",
    "as_lines",
    "compressed",
    "is_entry_file",
    "parse",
    "read_files",
    "read_lines",
    "unsafe_text",
]

MEBIBYTE = 1 << 20


class Limit:
    """How much of one file is read: bytes as stored, bytes when unpacked, lines."""

    def __init__(self, stored: int, unpacked: int, lines: int):
        self.stored, self.unpacked, self.lines = stored, unpacked, lines


LIMITS: Mapping[str, Limit] = {
    "entry.json": Limit(MEBIBYTE, MEBIBYTE, 50_000),
    "suite.toml": Limit(MEBIBYTE, MEBIBYTE, 10_000),
    "environments.jsonl": Limit(16 * MEBIBYTE, 16 * MEBIBYTE, 1_000),
    "measures.jsonl": Limit(32 * MEBIBYTE, 32 * MEBIBYTE, 5_000),
    "fits.jsonl": Limit(64 * MEBIBYTE, 64 * MEBIBYTE, 20_000),
    "failures.jsonl": Limit(64 * MEBIBYTE, 64 * MEBIBYTE, 20_000),
    "values.jsonl": Limit(64 * MEBIBYTE, 128 * MEBIBYTE, 500_000),
    "weights.json": Limit(MEBIBYTE, MEBIBYTE, 1_000),
}
"""The files of an entry; records may also be compressed, with ``.gz`` behind the name. The largest within
them is checked in less than 500 MB."""

OPTIONAL = frozenset({"failures.jsonl", "weights.json"})

ATTESTATION = Limit(16 * MEBIBYTE, 16 * MEBIBYTE, 1_000_000)
SIGNATURE = Limit(8_000, 8_000, 200)
PLAIN_NAME = re.compile(r"[A-Za-z0-9._-]{1,80}")
MOST_FILES = 100
LONGEST_LINE = MEBIBYTE
DEEPEST = 12
LONGEST_TEXT = 20_000
LONGEST_WORD = 100
# What reverses or hides the text around it.
REFUSED_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})


def read_files(folder: Path) -> dict[str, bytes]:
    """The files of an entry by name, without ``.gz``, unpacked.

    Raises
    ------
    InvalidInput
        A line for each: what is no folder, a link or anything else that is no plain file, a name that no
        entry has, a file beyond its limit, a file that does not unpack.
    """
    try:
        opened = _opened(folder)
    except OSError as fault:
        raise InvalidInput(f"'{folder}': is no folder, or a link to one ({fault.strerror})") from None
    problems, found = [], {}
    try:
        names = sorted(os.listdir(opened))  # noqa: PTH208 - of the folder that was opened, whatever its path says
        if len(names) > MOST_FILES:
            raise InvalidInput(f"'{folder}': holds {len(names)} files; an entry has at most {MOST_FILES}")
        for name in names:
            try:
                plain, content = _read(opened, name)
                if plain in found:
                    raise InvalidInput("is there twice, compressed and not")
                found[plain] = content
            except InvalidInput as fault:
                plain = name if PLAIN_NAME.fullmatch(name) else shown(name)
                problems += [f"{plain}: {each}" for each in fault.problems]
    finally:
        if isinstance(opened, int):
            os.close(opened)
    problems += [
        f"{name}: is missing" for name in LIMITS if name not in found and name not in OPTIONAL
    ] if not problems else []  # fmt: skip
    if problems:
        raise InvalidInput(problems)
    return found


def _opened(folder: Path) -> int | Path:
    """A folder that cannot become another one meanwhile; its path where the system opens no folders."""
    if os.open in os.supports_dir_fd:
        return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    if folder.is_symlink() or not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    return folder


def _within(folder: int | Path, name: str) -> tuple[str | Path, dict[str, int]]:
    """A file of a folder, as functions of `os` take it."""
    return (name, {"dir_fd": folder}) if isinstance(folder, int) else (folder / name, {})


def _read(folder: int | Path, name: str) -> tuple[str, bytes]:
    plain = name.removesuffix(".gz")
    packed = plain != name
    limit = _limit(name)
    if limit is None:
        raise InvalidInput(f"no file of an entry, which are {', '.join(LIMITS)} (.jsonl perhaps with .gz)")
    place, within = _within(folder, name)
    if not stat.S_ISREG(os.lstat(place, **within).st_mode):
        raise InvalidInput("is a link, a folder or a device; an entry has plain files only")
    # Between the look and the opening it could have become another; the flags refuse that too.
    with os.fdopen(os.open(place, PLAIN | getattr(os, "O_NOFOLLOW", 0), **within), "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size > limit.stored:
            raise InvalidInput(f"has {size:,} bytes; the limit is {limit.stored:,}")
        content = file.read(limit.stored + 1)
    if packed:
        content = _unpacked(content, limit.unpacked)
    lines = content.count(b"\n")
    if lines > limit.lines:
        raise InvalidInput(f"has {lines:,} lines; the limit is {limit.lines:,}")
    return plain, content


def is_entry_file(name: str) -> bool:
    """Whether an entry may have a file of this name."""
    return _limit(name) is not None


def _limit(name: str) -> Limit | None:
    plain = name.removesuffix(".gz")
    if plain != name and not plain.endswith(".jsonl"):
        return None
    if plain.startswith("attestation-"):
        return ATTESTATION if plain.endswith(".json") else SIGNATURE if plain.endswith(".json.sig") else None
    return LIMITS.get(plain)


def _unpacked(content: bytes, limit: int) -> bytes:
    machine = zlib.decompressobj(wbits=31)
    try:
        unpacked = machine.decompress(content, limit + 1)
    except zlib.error:
        raise InvalidInput("is no gzip file, or a damaged one") from None
    if len(unpacked) > limit:
        raise InvalidInput(f"unpacks to more than {limit:,} bytes")
    if not machine.eof or machine.unused_data:
        raise InvalidInput("is cut off, or has something behind its end")
    return unpacked


def compressed(content: bytes) -> bytes:
    """A gzip file, the same bytes for the same content: without time and name."""
    machine = zlib.compressobj(9, zlib.DEFLATED, 31)
    return machine.compress(content) + machine.flush()


def as_lines(records: Iterable[Mapping[str, Any]]) -> bytes:
    """Strict JSON, a record a line, keys sorted."""
    texts = (
        json.dumps(each, sort_keys=True, allow_nan=False, ensure_ascii=False, separators=(", ", ": "))
        for each in records
    )
    return "".join(f"{text}\n" for text in texts).encode()


def read_lines(name: str, content: bytes, problems: list[str]) -> Iterator[tuple[str, Any]]:
    """Each record with the words that say where it stands; what cannot be parsed becomes a problem."""
    for number, line in enumerate(io.BytesIO(content), start=1):
        line = line.rstrip(b"\n")
        if not line:
            continue
        where = f"{name}: line {number}"
        if len(line) > LONGEST_LINE:
            problems.append(f"{where}: has {len(line):,} bytes; the limit is {LONGEST_LINE:,}")
            continue
        try:
            yield where, parse(line)
        except ValueError as fault:
            problems.append(f"{where}: {fault}")


def parse(text: bytes) -> Any:
    """Strict JSON: no NaN, no infinity, no key twice, nothing deep, no sign that hides others.

    Raises
    ------
    ValueError
        With one line that says what is wrong.
    """
    try:
        content = json.loads(
            text.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_constant=_refuse,
            parse_float=_finite,
            parse_int=_whole,
        )
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8") from None
    except RecursionError:
        raise ValueError(f"is nested more than {DEEPEST} deep") from None
    except json.JSONDecodeError as fault:
        raise ValueError(f"is no JSON: {fault.msg} at character {fault.pos}") from None
    _check_content(content)
    return content


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # Lines in hundreds of thousands have the same keys and many of the same words: each is kept once.
    found = {
        sys.intern(key): sys.intern(value) if type(value) is str and len(value) < LONGEST_WORD else value
        for key, value in pairs
    }
    if len(found) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise ValueError(f"has the key {shown(key)} twice")
            seen.add(key)
    return found


def _refuse(word: str) -> Any:
    raise ValueError(f"holds {word}, which JSON does not have")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"holds {text[:20]}, which is too large for a number")
    return number


def _whole(text: str) -> int:
    if len(text) > 25:
        raise ValueError(f"holds a number of {len(text)} digits")
    return int(text)


def _check_content(content: Any) -> None:
    waiting = [(content, 1)]
    while waiting:
        each, depth = waiting.pop()
        if depth > DEEPEST:
            raise ValueError(f"is nested more than {DEEPEST} deep")
        if isinstance(each, dict):
            waiting += [(value, depth + 1) for value in each.values()]
            waiting += [(key, depth + 1) for key in each]
        elif isinstance(each, list):
            waiting += [(value, depth + 1) for value in each]
        elif isinstance(each, str) and (why := unsafe_text(each)):
            raise ValueError(f"holds a text {why}")


def unsafe_text(text: str) -> str:
    """Why a text cannot be shown to anybody, or nothing: it is far too long, or hides signs."""
    if len(text) > LONGEST_TEXT:
        return f"of {len(text):,} characters; the limit is {LONGEST_TEXT:,}"
    if text.isascii() and text.isprintable():
        return ""
    for sign in text:
        if sign not in "\n\t" and unicodedata.category(sign) in REFUSED_CATEGORIES:
            return f"with the control character U+{ord(sign):04X}"
    return ""


def shown(text: str) -> str:
    """A name from outside in one harmless line."""
    text = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    short = text if len(text) <= 80 else text[:77] + "..."
    return ascii(short) if unsafe_text(short) or "\n" in short or "'" in short else f"'{short}'"
