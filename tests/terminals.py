"""Programs in a pseudo-terminal of a given width, and what a reader sees there."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time

PATIENCE_SECONDS = 120.0
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
GENBENCH = "from genbench.cli import main; main()"


class Terminal(io.StringIO):
    """A stream that takes itself for a terminal; its columns are those of $COLUMNS."""

    def isatty(self) -> bool:
        return True


def in_terminal(*words: object, columns: int = 80, colour: bool = True, program: str = GENBENCH) -> str:
    """All that ``genbench WORDS``, or another program in Python, writes to a terminal of so many columns."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "NO_COLOR")}
    environment |= {"TERM": "xterm-256color"} | ({} if colour else {"NO_COLOR": "1"})
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", program, *map(str, words)],
        stdin=theirs, stdout=theirs, stderr=theirs, env=environment,
    )  # fmt: skip
    os.close(theirs)
    written, deadline = b"", time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if not select.select([ours], [], [], 1.0)[0]:
            continue
        try:
            more = os.read(ours, 1 << 16)
        except OSError:  # how Linux says that nobody writes any more
            more = b""
        if not more:
            break
        written += more
    else:
        process.kill()
    process.wait()
    os.close(ours)
    return written.decode().replace("\r\n", "\n")


def plain(text: str) -> str:
    """The text without colours and movements of the cursor."""
    return ESCAPES.sub("", text)
