"""What processing and training containers have in common: the command and environment that a script gets."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlci_asl import Json


#: What a script gets of the user's environment: what finds programs and libraries, says how text looks, leads to the
#: network, and says how many processors to use. The rest stays outside, because the image would not have it either, so
#: that a script can't come to depend on it; because AWS credentials and tokens are none of a pull request's business;
#: and because MLCI_* or PYTHONPATH would change what the script does.
PASSED_ON = frozenset(
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

#: HOME leads to the user's AWS credentials; boto3 looks here instead, and finds nothing.
WITHOUT_CREDENTIALS = {
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}


@dataclass(frozen=True)
class Container:
    """What to run in a job's folder once that is filled. Paths are as the script sees them."""

    command: tuple[str, ...]
    environment: Mapping[str, str]
    working_folder: str


def host_environment(given: Mapping[str, str]) -> dict[str, str]:
    """The part of the user's environment that scripts may see.

    >>> host_environment({"LANG": "C", "LC_ALL": "C", "AWS_SECRET_ACCESS_KEY": "…", "MLCI_CLOUD": "local"})
    {'LANG': 'C', 'LC_ALL': 'C'}
    """
    return {name: value for name, value in given.items() if name in PASSED_ON or name.startswith("LC_")}


def base_environment(host: Mapping[str, str], python: str, temporary: Path) -> dict[str, str]:
    """What every script gets, whatever its job is."""
    folders = [os.path.dirname(python), host.get("PATH", os.defpath)]
    return {
        **host,
        **WITHOUT_CREDENTIALS,
        "PATH": os.pathsep.join(folder for folder in folders if folder),
        "PYTHONUNBUFFERED": "1",  # so that the log can be followed
        "TMPDIR": str(temporary),
    }


def local_command(command: Sequence[str], python: str) -> tuple[str, ...]:
    """The command with the interpreter of this machine for `python` and `python3`.

    >>> local_command(["python3", "-v", "/opt/ml/x.py"], "/usr/bin/python3.12")
    ('/usr/bin/python3.12', '-v', '/opt/ml/x.py')
    """
    first, *rest = command
    return (python if first in ("python", "python3") else first, *rest)


def write_json(file: Path, value: Json) -> None:
    """One of the configuration files that a container finds."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(value), encoding="utf-8")
