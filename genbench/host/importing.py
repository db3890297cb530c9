"""The process that imports a plugin to see whether it survives it, and tells what the plugin declares.

See `genbench.host.probation`, which starts it.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from pathlib import Path

from genbench.base.children import die_with_parent
from genbench.base.confinement import keep_whole
from genbench.host.description import described
from genbench.host.host import new_manager
from genbench.host.plugin import PluginSource
from genbench.host.probation import PASSED
from genbench.host.process import Lasting


def main() -> None:
    """Import the plugin that standard input describes, and write on a descriptor what came of it."""
    die_with_parent()
    keep_whole([Path(each) for each in json.loads(sys.argv[2])])
    told = int(sys.argv[1])
    os.set_inheritable(told, False)
    process, lasting = os.getpid(), Lasting()
    source, text = PluginSource(**json.load(sys.stdin)), ""
    with contextlib.suppress(Exception):
        text = described(source, new_manager())
    if os.getpid() == process:
        content = f"{str(lasting) or PASSED}\n{text}".encode("utf-8", "replace")
        while content:
            content = content[os.write(told, content) :]
    os._exit(0)


if __name__ == "__main__":
    main()
