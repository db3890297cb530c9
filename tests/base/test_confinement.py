"""A process that is shut in opens what it was left, and nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from genbench.base.confinement import offered

TRIES = """\
import json, os, signal, socket, sys
from pathlib import Path
from genbench.base.confinement import confine

given = json.loads(sys.argv[1])
held = confine(*([Path(each) for each in given[name]] for name in ("readable", "writable", "denied")))

def tried(function, *arguments):
    try:
        function(*arguments)
    except OSError as fault:
        return type(fault).__name__
    return "done"

found = {path: [tried(Path(path).read_bytes), tried(Path(path).write_bytes, b"new")] for path in given["files"]}
found["list"] = tried(os.listdir, given["outside"])
found["parent"] = tried(os.kill, os.getppid(), 0)
found["tcp"] = tried(socket.create_connection, ("127.0.0.1", given["port"]), 1)
found["child"] = os.system("cat " + given["files"][0] + " >/dev/null 2>&1") and "refused"
found["user"] = os.getuid()
print(json.dumps([held, found]))
"""


@pytest.mark.skipif(not offered(), reason="this system has no Landlock")
def test_what_is_left_can_be_opened_and_nothing_else(tmp_path):
    import os
    import socket

    for name in ("outside", "code/secret", "code/open", "work"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "file").write_text("text")
    (tmp_path / "code" / "link").symlink_to(tmp_path / "outside" / "file")
    names = ["outside/file", "code/secret/file", "code/link", "code/open/file", "work/file"]
    files = [str(tmp_path / name) for name in names]
    with socket.create_server(("127.0.0.1", 0)) as server:
        given = {
            "files": files,
            "outside": str(tmp_path / "outside"),
            "port": server.getsockname()[1],
            "readable": [str(tmp_path / "code"), "/usr", "/bin", "/lib", "/lib64", "/not/there"],
            "writable": [str(tmp_path / "work"), "/dev/null"],
            "denied": [str(tmp_path / "code" / "secret")],
        }
        done = subprocess.run(
            [sys.executable, "-c", TRIES, json.dumps(given)],
            capture_output=True, text=True, cwd=Path(__file__).parents[2], check=True,
        )  # fmt: skip
    held, found = json.loads(done.stdout)
    refused = "PermissionError"
    assert [found[each] for each in files] == [
        [refused, refused], [refused, refused], [refused, refused], ["done", refused], ["done", "done"],
    ]  # fmt: skip
    assert (found["list"], found["child"], found["user"]) == (refused, "refused", os.getuid())
    assert held["files"] == f"Landlock {offered()}"
    if held["network"]:
        assert found["tcp"] != "done"
    if offered() >= 6:
        assert found["parent"] == refused
    assert Path(files[0]).read_text() == "text"
