"""Builds the images of a flow on this machine, each where its content is new.

An image is named by the hash of what it is built from, so one of that name is the same image. The builder gets exactly
the files that were hashed, in a folder of their own, and keeps the layers of earlier builds.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from mlci.backends.container_runtime import ContainerRuntime
from mlci.backends.stop_signal import StopSignal
from mlci.errors import CloudError
from mlci.plan.models import PlannedImage
from mlci.stage.models import ImageContext
from mlci_dataclasses import dataclass

_POLL_S = 0.2
_CHUNK_BYTES = 1 << 20
#: The lines of the builder's output that an error repeats.
_LAST_LINES = 6


@dataclass(frozen=True)
class ImageBuilder:
    """Builds images with a runtime. `log_file` returns the log of a step by its name.

    `options` are further options of the build command, for an image's URI.
    """

    runtime: ContainerRuntime
    log_file: Callable[[str], Path]
    log: Callable[[str], None]
    options: Callable[[str], Sequence[str]] = lambda uri: ()

    def has(self, uri: str) -> bool:
        """Return True if the image is on this machine."""
        is_buildah = self.runtime.name == "buildah"
        words = ("inspect", "--type", "image", uri) if is_buildah else ("image", "inspect", uri)
        done = subprocess.run(
            [self.runtime.program, *words],
            env=dict(self.runtime.environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        return done.returncode == 0

    def build(self, image: PlannedImage, stop: StopSignal) -> bool:
        """Build an image; False if the run was stopped. The builder's output is in the logs of the image's steps.

        Raises: CloudError, if the build fails.
        """
        folder = image.context.folder
        log_file = self.log_file(image.steps[0])
        self.log(f"building the image of {folder} with {self.runtime.name}, with its output in {log_file.name}")
        with _build_folder(image.context) as location:
            command = build_command(self.runtime, image, location, self.options(image.uri))
            code = run_logged(command, self.runtime, log_file, stop)
        if code is None:
            return False
        if code != 0:
            lines = log_file.read_text(encoding="utf-8", errors="replace").rstrip().splitlines()[-_LAST_LINES:]
            tail = "\n".join(lines)
            raise CloudError(f"the image of {folder} can't be built: {tail}", hint=f"The whole output: {log_file}")
        return True


def build_command(
    runtime: ContainerRuntime, image: PlannedImage, folder: Path, options: Sequence[str] = ()
) -> list[str]:
    """Return the command that builds an image.

    Sources: https://docs.docker.com/reference/cli/docker/buildx/build/; docs/buildah-build.1.md of buildah, and
    docs/source/markdown/podman-build.1.md.in of podman.
    """
    words = [runtime.program, "build"]
    if runtime.name == "buildah":
        # A chroot needs nothing that a container may not do, and buildah runs jobs in one as well.
        words += ["--isolation", "chroot"]
    if runtime.name != "docker":
        words.append("--layers")  # docker always keeps them
    words += [*options, "--tag", image.uri, "--file", str(folder / image.context.dockerfile)]
    for name, value in image.context.args.items():
        words += ["--build-arg", f"{name}={value}"]
    return [*words, str(folder)]


def run_logged(command: Sequence[str], runtime: ContainerRuntime, log_file: Path, stop: StopSignal) -> int | None:
    """Run a command with its output in a log, and return its exit code; None if the run was stopped."""
    log_file.parent.mkdir(parents=True, exist_ok=True)
    with log_file.open("ab") as log:
        process = subprocess.Popen(
            command,
            env=dict(runtime.environment),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        while True:
            try:
                return process.wait(_POLL_S)
            except subprocess.TimeoutExpired:
                if stop.is_set():
                    _end(process)
                    return None
            except BaseException:
                _end(process)
                raise


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill a build with all that it has started."""
    try:
        os.killpg(process.pid, 9)
    except ProcessLookupError:
        pass
    process.wait()


@contextmanager
def _build_folder(context: ImageContext) -> Iterator[Path]:
    """Yield a folder that holds what was hashed, and nothing else."""
    import tempfile  # late: few flows build images

    with tempfile.TemporaryDirectory(prefix="mlci-image-") as name:
        folder = Path(name)
        for file in context.files:
            target = folder / file.path
            target.parent.mkdir(parents=True, exist_ok=True)
            _copy(file.source, target, file.sha256)
            target.chmod(0o755 if file.path in context.executables else 0o644)
        yield folder


def _copy(source: Path | str, target: Path, sha256: str) -> None:
    digest = hashlib.sha256()
    with open(source, "rb") as reader, target.open("wb") as writer:
        while chunk := reader.read(_CHUNK_BYTES):
            digest.update(chunk)
            writer.write(chunk)
    if digest.hexdigest() != sha256:
        raise CloudError(f"{source} changed while the run was being prepared", hint="Run again.")
