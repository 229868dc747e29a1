"""Builds the command and the environment of a script, as its container would have them, for every kind of job."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING

from mlci_dataclasses import dataclass
from mlci_emulator.jobs.python_overlay import JobPython

if TYPE_CHECKING:
    from mlci_asl import Json


#: The variables that a script inherits from the user's environment: search paths, locale, proxies, and the number of
#: processors. A script gets no others, for three reasons: the image would not have them, so a script must not come to
#: depend on them; a pull request must not read AWS credentials and tokens; and MLCI_* or PYTHONPATH would change what
#: the script does.
INHERITED_VARIABLES = frozenset(
    [
        "PATH",
        "HOME",
        "USER",
        "LOGNAME",
        "LANG",
        "LANGUAGE",
        "TZ",
        "LD_LIBRARY_PATH",
        "DYLD_LIBRARY_PATH",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "REQUESTS_CA_BUNDLE",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "NO_PROXY",
        "http_proxy",
        "https_proxy",
        "no_proxy",
        "OMP_NUM_THREADS",
        "MKL_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "CUDA_VISIBLE_DEVICES",
        "NVIDIA_VISIBLE_DEVICES",
    ]
)

#: Those of them that a script gets in an image, which brings its own paths and locale.
VARIABLES_IN_IMAGES = frozenset(
    ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy", "TZ"]
)

#: HOME leads to the user's AWS credentials. These variables point boto3 to empty files instead.
NO_CREDENTIALS = {
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}


@dataclass(frozen=True)
class ContainerCommand:
    """A script's command, environment and working folder. Paths are as the script sees them.

    `private` are variables that stand in no request. In a job that runs in its image, `working_folder` is "" for the
    image's own, and `arguments` are those of the image's own entry point where there is no command, and `required` is a
    program that it must have.
    """

    command: tuple[str, ...]
    environment: Mapping[str, str]
    working_folder: str
    private: Mapping[str, str] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    required: str = ""


def host_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the part of the user's environment that scripts may see.

    >>> host_environment({"LANG": "C", "LC_ALL": "C", "AWS_SECRET_ACCESS_KEY": "…", "MLCI_CLOUD": "local"})
    {'LANG': 'C', 'LC_ALL': 'C'}
    """
    return {name: value for name, value in environment.items() if name in INHERITED_VARIABLES or name.startswith("LC_")}


def base_environment(host: Mapping[str, str], python: JobPython, temporary: Path) -> dict[str, str]:
    """Return the variables that every script gets, for every kind of job."""
    if python.is_in_image:
        return {**host, **NO_CREDENTIALS, "PYTHONUNBUFFERED": "1"}
    return {
        **host,
        **NO_CREDENTIALS,
        **python.variables,
        "PATH": os.pathsep.join([*python.folders, host.get("PATH", os.defpath)]),
        "PYTHONUNBUFFERED": "1",  # so that the log can be followed
        "TMPDIR": str(temporary),
    }


def local_command(command: Sequence[str], python: JobPython) -> tuple[str, ...]:
    """Return the command with this machine's interpreter in place of `python` and `python3`.

    >>> local_command(["python3", "-v", "/opt/ml/x.py"], JobPython("/usr/bin/python3.12"))
    ('/usr/bin/python3.12', '-v', '/opt/ml/x.py')
    """
    first, *rest = command
    return (python.executable if first in ("python", "python3") and not python.is_in_image else first, *rest)


def write_json(file: Path, value: Json) -> None:
    """Write one of the configuration files that a container reads."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(value), encoding="utf-8")
