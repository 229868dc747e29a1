"""Describes the Python interpreter that runs this file, as JSON, or the one of this process.

`mlci_emulator.jobs.python_overlay` starts it by path with the interpreter that jobs run with, which may be any
from 3.6 on. Standard library only.
"""

import json
import os
import sys
import sysconfig


def describe():
    # type: () -> dict[str, object]
    """Return what a layer above this interpreter needs to know.

    `base` is the executable below its virtual environment, or its own, `library` the folder of packages relative to a
    prefix, and `sites` are the folders that hold its packages.
    """
    names = ("site-packages", "dist-packages")
    return {
        "base": getattr(sys, "_base_executable", None) or os.path.realpath(sys.executable),
        "version": ".".join(str(part) for part in sys.version_info[:3]),
        "library": sysconfig.get_path("purelib", "posix_prefix", {"base": "", "platbase": ""}).lstrip("/"),
        "sites": [entry for entry in sys.path if os.path.basename(entry) in names and os.path.isdir(entry)],
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(describe()))
