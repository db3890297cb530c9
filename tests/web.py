"""A web of one server on this machine, which can break off, refuse and lie."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Site:
    """What a server has and how it behaves.

    Attributes
    ----------
    address : str
        Ends in a slash.
    files : dict of bytes
        By name.
    breaks : list of int
        Bytes after which the next answers break off, one each.
    answers : list of int
        Codes of the next answers, before any file.
    knows_ranges : bool
    asked : list of str
        The word ``Range`` of each request; empty where there was none.
    """

    def __init__(self) -> None:
        self.address = ""
        self.files: dict[str, bytes] = {}
        self.breaks: list[int] = []
        self.answers: list[int] = []
        self.knows_ranges = True
        self.asked: list[str] = []


@contextmanager
def serving() -> Iterator[Site]:
    """A site, for as long as the block lasts."""
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *words: object) -> None:
            pass

        def do_GET(self) -> None:
            wanted = self.headers.get("Range", "")
            site.asked.append(wanted)
            if site.answers:
                self.send_error(site.answers.pop(0))
                return
            content = site.files.get(self.path.lstrip("/"))
            if content is None:
                self.send_error(404)
                return
            start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and site.knows_ranges else 0
            rest = content[start:]
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(rest)))
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            self.end_headers()
            self.wfile.write(rest[: site.breaks.pop(0)] if site.breaks else rest)
            self.wfile.flush()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    site.address = f"http://127.0.0.1:{server.server_port}/"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
