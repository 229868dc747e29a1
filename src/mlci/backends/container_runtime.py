"""The container runtime of this machine: docker, podman or buildah, whichever is there."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from typing import Literal, get_args

from mlci.errors import InputError
from mlci_dataclasses import dataclass

RuntimeName = Literal["docker", "podman", "buildah"]
#: Chooses a runtime where several are there.
VARIABLE = "MLCI_CONTAINER_RUNTIME"
INSTALL_HINT = "Install docker, podman or buildah; on Debian and Ubuntu: apt-get install buildah"

#: A daemon that does not answer within this time is none.
_ANSWER_S = 15.0
#: The variables of a user's environment that a runtime gets: where its daemon, images and settings are.
_NAMES = frozenset(
    [
        "DBUS_SESSION_BUS_ADDRESS",
        "HOME",
        "LANG",
        "LOGNAME",
        "PATH",
        "REGISTRY_AUTH_FILE",
        "SSH_AUTH_SOCK",
        "TMPDIR",
        "USER",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "NO_PROXY",
        "http_proxy",
        "https_proxy",
        "no_proxy",
    ]
)
_PREFIXES = ("BUILDAH_", "BUILDKIT_", "CONTAINER_", "CONTAINERS_", "DOCKER_", "STORAGE_", "XDG_")


@dataclass(frozen=True)
class ContainerRuntime:
    """A runtime that answers: its name, its program, and the variables that it gets."""

    name: RuntimeName
    program: str
    environment: Mapping[str, str]


def find_runtime(environment: Mapping[str, str]) -> ContainerRuntime:
    """Return the first runtime of docker, podman and buildah that answers, or the one that the environment chooses.

    Raises: InputError, if there is none.
    """
    chosen = environment.get(VARIABLE, "")
    names = get_args(RuntimeName)
    if chosen and chosen not in names:
        raise InputError(f'{VARIABLE} is "{chosen}"', f"It is one of {', '.join(names)}, or unset.")
    variables = {name: value for name, value in environment.items() if name in _NAMES or name.startswith(_PREFIXES)}
    silent = []
    for name in (chosen,) if chosen else names:
        program = shutil.which(name, path=environment.get("PATH", os.defpath))
        if program is None:
            continue
        runtime = ContainerRuntime(name, os.path.abspath(program), variables)
        if _answers(runtime):
            return runtime
        silent.append(name)
    if silent:
        problem = f"{' and '.join(silent)} {'is' if len(silent) == 1 else 'are'} there, but can't be used"
        start = "Start its daemon (docker), or its machine (podman machine start)." if "docker" in silent else ""
        raise InputError(f"there is no container runtime: {problem}", f"{start} {INSTALL_HINT}".strip())
    raise InputError(f"there is no container runtime{f' {chosen}' if chosen else ''}", INSTALL_HINT)


def _answers(runtime: ContainerRuntime) -> bool:
    """Return True if the runtime works: a client's daemon answers, or the images can be read."""
    arguments = {
        "docker": ("version", "--format", "{{.Server.Version}}"),
        "podman": ("info", "--format", "{{.Version.Version}}"),
        "buildah": ("images", "--quiet"),
    }
    try:
        done = subprocess.run(
            [runtime.program, *arguments[runtime.name]],
            env=dict(runtime.environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_ANSWER_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
