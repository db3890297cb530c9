"""The process that imports a plugin to see whether it survives it, and says so on a descriptor.

See `genbench.host.probation`, which starts it.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys

from genbench.host import Host
from genbench.host.plugin import PluginSource
from genbench.host.probation import PASSED
from genbench.host.process import Lasting


def main() -> None:
    """Import the plugin that standard input describes, ask its hooks, and say that this was survived."""
    spoken = int(sys.argv[1])
    os.set_inheritable(spoken, False)
    lasting = Lasting()
    with contextlib.suppress(Exception):  # told where it is loaded, in the same words
        Host.of([PluginSource(**json.load(sys.stdin))]).suites()
    os.write(spoken, str(lasting).encode() or PASSED)
    os._exit(0)


if __name__ == "__main__":
    main()
