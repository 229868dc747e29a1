"""Describes the Python interpreter that runs this file, as JSON, or the one of this process.

`mlci_emulator.jobs.python_overlay` starts it by path with the interpreter that jobs run with, which may be any
from 3.6 on. Standard library only.
"""

import json
import os
import site
import sys
import sysconfig


def describe():
    # type: () -> dict[str, object]
    """Return what a layer above this interpreter needs to know.

    `base` is the executable below its virtual environment, or its own, `library` the folder of packages relative to a
    prefix, and `sites` are the folders that hold its packages.
    """
    sites = list(getattr(site, "getsitepackages", list)())  # virtualenv before version 20 had a site module without it
    if site.ENABLE_USER_SITE:
        sites.append(site.getusersitepackages())
    return {
        "base": getattr(sys, "_base_executable", None) or os.path.realpath(sys.executable),
        "version": ".".join(str(part) for part in sys.version_info[:3]),
        "library": sysconfig.get_path("purelib", "posix_prefix", {"base": "", "platbase": ""}).lstrip("/"),
        "sites": [folder for folder in sites if os.path.isdir(folder)],
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(describe()))
