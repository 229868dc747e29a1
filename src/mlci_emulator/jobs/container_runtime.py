"""Runs a job's command in its image: by docker or podman, or in a chroot of the image that buildah unpacks.

An image is never pulled: one that is not there is the caller's to refuse. docker and podman share this machine's
network with the container, so that a script reaches a server of this machine, and mount the job's folder at /opt/ml.
With buildah, the job's supervisor does what a runtime does, as far as a job needs it: it enters namespaces of its own,
and a chroot of the image. So that works where no container may be started, such as inside of one; it needs root.

Sources: https://docs.docker.com/reference/cli/docker/container/run/; docs/source/markdown/podman-run.1.md of podman;
docs/buildah-from.1.md, buildah-mount.1.md and buildah-inspect.1.md of buildah.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import field
from pathlib import Path
from typing import Any, Literal

from mlci_dataclasses import dataclass

RuntimeName = Literal["docker", "podman", "buildah"]

_CONTAINER_PATH = "/opt/ml"
#: The time that a runtime has to answer; unpacking a large image is the longest of what is asked.
_ANSWER_S = 300.0
#: The variables that programs and runtimes obey. Sources: ld.so(8); https://docs.docker.com/reference/cli/docker/
#: ("Environment variables"); docs/source/markdown/podman.1.md of podman ("ENVIRONMENT VARIABLES").
#: A text, which is compiled when a container starts: that takes as long as all other imports of jobs together.
_OF_CLIENTS = (
    r"(LD|DYLD|XDG|CONTAINERS|PODMAN|BUILDAH|GLIBC)_"
    r"|(PATH|HOME|TMPDIR|GODEBUG|GCONV_PATH|SSL_CERT_(FILE|DIR)|REGISTRY_AUTH_FILE|STORAGE_(DRIVER|OPTS|CONF))$"
    r"|CONTAINER_(HOST|CONNECTION|SSHKEY)$"
    r"|DOCKER_(API_VERSION|CERT_PATH|CONFIG|CONTENT_TRUST\w*|CONTEXT|CUSTOM_HEADERS|HOST|TLS|TLS_VERIFY)$"
)
_DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class ContainerUnavailable(Exception):
    """A job can't run in its image; the text says why."""


@dataclass(frozen=True)
class ContainerRuntime:
    """A program that runs containers, and the environment in which it finds its daemon and its images."""

    name: RuntimeName
    program: str
    environment: Mapping[str, str] = field(default_factory=dict)

    def has_image(self, image: str) -> bool:
        """Return True if the image is on this machine."""
        return self._ask(*self.inspection(image)).returncode == 0

    def pull_command(self, image: str) -> str:
        """Return the command by which a user fetches an image."""
        return f"{self.name} pull {image}"

    def remove(self, container: str) -> None:
        """Kill and remove a container, if there is one of that name."""
        self._ask(*self.removal(container)[1:])

    def removal(self, container: str) -> tuple[str, ...]:
        """Return the command that kills and removes a container."""
        force = () if self.name == "buildah" else ("--force",)
        return (self.program, "rm", *force, container)

    def inspection(self, image: str) -> tuple[str, ...]:
        """Return the arguments of the command that describes an image."""
        return ("inspect", "--type", "image", image) if self.name == "buildah" else ("image", "inspect", image)

    def _ask(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Return a command's output.

        Raises: ContainerUnavailable, if the runtime does not answer.
        """
        try:
            return subprocess.run(
                [self.program, *arguments],
                env=dict(self.environment),
                cwd="/",
                stdin=subprocess.DEVNULL,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                timeout=_ANSWER_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ContainerUnavailable(f"{self.name} does not answer: {error}") from error

    def succeeds(self, *arguments: str) -> bool:
        """Return True if a command of the runtime succeeds."""
        return self._ask(*arguments).returncode == 0

    def answer(self, *arguments: str) -> str:
        """Return what a command of the runtime prints.

        Raises: ContainerUnavailable, if it fails.
        """
        done = self._ask(*arguments)
        if done.returncode != 0:
            raise ContainerUnavailable(f"{self.name} {arguments[0]} failed: {done.stderr.strip()[-500:]}")
        return done.stdout


@dataclass(frozen=True)
class LocalImage:
    """An image on this machine, and the runtime that has it."""

    runtime: ContainerRuntime
    name: str


@dataclass(frozen=True)
class ContainedCommand:
    """A command to run in an image. Without one, the image's own entry point gets the arguments.

    `working_folder` is "" for the image's own. `environment` adds to the image's variables. `required` is a program
    that the image must have, because on SageMaker it starts the job, and "" if there is none.
    """

    command: tuple[str, ...]
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    working_folder: str = ""
    required: str = ""


@dataclass(frozen=True)
class ContainerNetwork:
    """The network of a container: this machine's, unless it `is_offline`.

    `hosts` is the file in which the names of a job's instances are looked up. `network_of` is the process that holds
    a network of their own.
    """

    hosts: Path | None = None
    is_offline: bool = False
    network_of: int = 0


_HOST_NETWORK = ContainerNetwork()


@dataclass(frozen=True)
class ContainedLaunch:
    """The process that runs a command in its image.

    `root` is the folder of the image's files, which the supervisor makes the process's root; None where a runtime does
    so. `removal` is the command that removes the container afterwards.
    """

    command: tuple[str, ...]
    environment: Mapping[str, str]
    working_folder: str
    root: Path | None
    removal: tuple[str, ...]


@contextmanager
def container(
    image: LocalImage,
    name: str,
    folder: Path,
    contained: ContainedCommand,
    network: ContainerNetwork = _HOST_NETWORK,
) -> Iterator[ContainedLaunch]:
    """Yield the process that runs a command in a container of that name, which has `folder` as its /opt/ml.

    Raises: ContainerUnavailable, if the container can't be made.
    """
    runtime = image.runtime
    if runtime.name == "buildah":
        with _unpacked(image, name, contained) as launch:
            yield launch
        return
    if contained.required and not _has_program(image, contained.required):
        raise ContainerUnavailable(_missing(image, contained.required))
    yield ContainedLaunch(
        command=_run_command(image, name, folder, contained, network),
        # Values are passed by the client's environment: those in its arguments would be for everyone to see.
        environment=_client_environment(runtime, contained.environment),
        working_folder="/",
        root=None,
        removal=runtime.removal(name),
    )


def _run_command(
    image: LocalImage, name: str, folder: Path, contained: ContainedCommand, network: ContainerNetwork
) -> tuple[str, ...]:
    """Return the command of docker or podman."""
    runtime = image.runtime
    if network.network_of:
        what = f"{runtime.name} does not give several instances a network without a way out."
        raise ContainerUnavailable(f"{what} Leave network_isolation out for local runs, or use one instance.")
    words = [runtime.program, "run", "--rm", "--pull", "never", "--name", name]
    words += ["--network", "none" if network.is_offline else "host"]
    if network.hosts is not None:
        words += ["--volume", f"{network.hosts}:/etc/hosts:ro"]
    words += ["--volume", f"{folder}:{_CONTAINER_PATH}"]
    if runtime.name == "podman":
        words += ["--security-opt", "label=disable"]  # SELinux keeps containers from folders of this machine
    if runtime.name == "docker" and sys.platform == "linux" and os.geteuid() != 0 and not _is_rootless(runtime):
        # Files of root in the job's folder could not be removed. Root has HOME=/root, which others can't write to.
        words += ["--user", f"{os.geteuid()}:{os.getegid()}", "--env", "HOME=/tmp"]
    clients = _client_environment(runtime, contained.environment)
    for variable, value in contained.environment.items():
        is_there = clients.get(variable) == value
        words += ["--env", variable if is_there else f"{variable}={value}"]
    if contained.working_folder:
        words += ["--workdir", contained.working_folder]
    if contained.command:
        words += ["--entrypoint", contained.command[0]]
    return (*words, image.name, *contained.command[1:], *contained.arguments)


def _client_environment(runtime: ContainerRuntime, variables: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a runtime's client, with a job's variables but those that the client would obey: which
    library it loads, which daemon it asks, where its files are."""
    passed_on = {name: value for name, value in variables.items() if not re.match(_OF_CLIENTS, name)}
    return {**passed_on, **runtime.environment}


def _has_program(image: LocalImage, name: str) -> bool:
    """Return True if an image has a program; an image without a shell is not asked."""
    words = ("run", "--rm", "--pull", "never", "--network", "none", "--entrypoint", "/bin/sh", image.name)
    return image.runtime.succeeds(*words, "-c", f"command -v {name}")


def _missing(image: LocalImage, program: str) -> str:
    return (
        f"the image {image.name} has no program `{program}`, by which SageMaker starts the job. Install SageMaker's "
        "training toolkit in it (pip install sagemaker-training), or let the flow build it (image: {build: <folder>})."
    )


def _is_rootless(runtime: ContainerRuntime) -> bool:
    """Return True if a daemon runs as this user, so that root in a container is this user.

    Source: https://docs.docker.com/engine/security/rootless/
    """
    return "name=rootless" in runtime.answer("info", "--format", "{{json .SecurityOptions}}")


@contextmanager
def _unpacked(image: LocalImage, name: str, contained: ContainedCommand) -> Iterator[ContainedLaunch]:
    """Yield the process that runs in the files of an image, which buildah mounts."""
    runtime = image.runtime
    if os.geteuid() != 0:
        raise ContainerUnavailable("buildah runs jobs as root only. Install podman, which any user can use.")
    config = _image_config(image)
    user = str(config.get("User") or "").partition(":")[0]
    if user not in ("", "0", "root"):
        raise ContainerUnavailable(f'the image runs as the user "{user}", and with buildah jobs run as root only.')
    runtime.answer("from", "--pull-never", "--name", name, image.name)
    try:
        root = Path(runtime.answer("mount", name).strip())
        image_variables = dict(text.partition("=")[::2] for text in config.get("Env") or [])
        folders = image_variables.get("PATH", _DEFAULT_PATH).split(":")
        if contained.required and not any(os.path.lexists(f"{root}{each}/{contained.required}") for each in folders):
            raise ContainerUnavailable(_missing(image, contained.required))
        yield ContainedLaunch(
            command=_command(config, contained),
            environment={"PATH": _DEFAULT_PATH, "HOME": "/root", **image_variables, **contained.environment},
            working_folder=contained.working_folder or str(config.get("WorkingDir") or "/"),
            root=root,
            removal=runtime.removal(name),
        )
    finally:
        runtime.remove(name)


def _image_config(image: LocalImage) -> Mapping[str, Any]:
    described = json.loads(image.runtime.answer(*image.runtime.inspection(image.name)))
    config = described["Docker"]["config"]
    return config if isinstance(config, dict) else {}


def _command(config: Mapping[str, Any], contained: ContainedCommand) -> tuple[str, ...]:
    """Return the whole command, with the image's own entry point where none is given."""
    entry: Sequence[str] = contained.command or config.get("Entrypoint") or []
    arguments: Sequence[str] = contained.arguments or ([] if contained.command else config.get("Cmd") or [])
    return (*entry, *arguments)
