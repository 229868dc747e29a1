"""Installs a step's requirements file before its script starts, by the pip of the Python that runs the script.

The value is `{"file": path, "digest": text}`; the path is relative to the code. A local run makes an environment that
holds all of it already, and says so by the digest in a variable.

Standard library only; Python 3.6 and newer.
"""

import os
import subprocess
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Sequence

#: Holds the digest of what is installed already. `mlci.backends.job_pythons` has the same name, and a test compares it.
INSTALLED = "MLCI_INSTALLED_REQUIREMENTS"
#: An image may belong to root, and to a distribution that wants no pip; a job's container is nobody else's.
_SETTINGS = {"PIP_ROOT_USER_ACTION": "ignore", "PIP_BREAK_SYSTEM_PACKAGES": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


def prepare(value: "Dict[str, Any]", job: "Any") -> None:
    """Install the file, or exit with the reason."""
    installed = job.environment.pop(INSTALLED, None)
    name = value["file"]
    if installed == value["digest"]:
        return
    folder, file = os.path.split(os.path.join(job.folder, name))
    started = time.time()
    _say("installing {} with {}".format(name, sys.executable))
    code = pip(["install", "-r", file], folder, job.environment, job.filters)
    if code:
        sys.exit("mlci: {} could not be installed: pip ended with exit code {}".format(name, code))
    _say("installed {} in {:.0f} s".format(name, time.time() - started))


def pip(
    arguments: "List[str]", folder: str, environment: "Dict[str, str]", filters: "Sequence[Callable[[bytes], bytes]]"
) -> int:
    """Run pip in a folder, and return its exit code. By -I, no module of the repository is taken for Python's.

    The URL of an index may hold a secret, so its output passes through the filters that there are by now.
    """
    line = [sys.executable or "python3", "-I", "-m", "pip", *arguments]
    variables = dict(_SETTINGS, **environment)
    variables.pop("PYTHONPATH", None)
    if not filters:
        return subprocess.call(line, cwd=folder, env=variables, stdin=subprocess.DEVNULL)
    none, pipe, same = subprocess.DEVNULL, subprocess.PIPE, subprocess.STDOUT
    with subprocess.Popen(line, cwd=folder, env=variables, stdin=none, stdout=pipe, stderr=same) as process:
        for text in process.stdout or ():
            for each in filters:
                text = each(text)
            sys.stdout.buffer.write(text)
            sys.stdout.flush()
    return int(process.returncode)


def _say(text: str) -> None:
    sys.stdout.write("mlci: {}\n".format(text))
    sys.stdout.flush()
