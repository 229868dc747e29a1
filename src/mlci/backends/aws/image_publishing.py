"""Builds the images of a flow where their content is new, pushes them to ECR, and returns them by digest."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from mlci.backends.aws.ecr_images import ImageAddress, PushedImages, image_address
from mlci.backends.container_runtime import ContainerRuntime, find_runtime
from mlci.backends.image_builds import ImageBuilder, run_logged
from mlci.backends.stop_signal import StopSignal
from mlci.errors import CloudError, InputError, Problem
from mlci.plan.models import Plan, PlannedImage
from mlci_dataclasses import dataclass

#: The platform of SageMaker's usual machines.
_PLATFORM = "linux/amd64"


@dataclass(frozen=True)
class ImagePublisher:
    """The images of one run. `log_file` returns the log of a step by its name."""

    pushed: PushedImages
    environment: Mapping[str, str]
    log_file: Callable[[str], Path]
    log: Callable[[str], None]

    def check(self, planned: Plan) -> None:
        """Raise InputError, if an image has to be built and nothing here can build it."""
        new = [image for image in planned.images if self.pushed.digest(image_address(image.uri)) is None]
        if not new:
            return
        try:
            find_runtime(self.environment)
        except InputError as error:
            at = planned.flow.position("steps", new[0].steps[0], "image")
            what = f'the image of step "{new[0].steps[0]}" ({new[0].context.folder}) can\'t be built: {error}'
            raise InputError([Problem(at.file, at.line, at.column, what)]) from error

    def published(self, images: Iterable[PlannedImage]) -> dict[str, str]:
        """Return the URI by digest of each image that is in ECR."""
        found = {}
        for image in images:
            address = image_address(image.uri)
            digest = self.pushed.digest(address)
            if digest is not None:
                found[image.uri] = address.by_digest(digest)
        return found

    def publish(self, images: Iterable[PlannedImage], stop: StopSignal) -> dict[str, str]:
        """Build and push the images that are not in ECR, and return the URI by digest of each.

        Raises: CloudError.
        """
        uris = self.published(images)
        for image in images:
            if image.uri in uris:
                self.log(f"the image of {image.context.folder} is in ECR: {uris[image.uri]}")
            elif not stop.is_set() and (digest := self._pushed(image, stop)):
                uris[image.uri] = image_address(image.uri).by_digest(digest)
                self.log(f"pushed the image of {image.context.folder}: {uris[image.uri]}")
        return uris

    def _pushed(self, image: PlannedImage, stop: StopSignal) -> str | None:
        """Build and push an image, and return its digest; None if the run was stopped."""
        address, runtime = image_address(image.uri), find_runtime(self.environment)
        with _logged_in(runtime, address.registry, self.pushed.authorization()) as (runtime, login):
            builder = ImageBuilder(runtime, self.log_file, self.log, lambda uri: self._options(runtime, address))
            if not builder.has(image.uri) and not builder.build(image, stop):
                return None
            log_file = self.log_file(image.steps[0])
            code = run_logged(push_command(runtime, image.uri, login), runtime, log_file, stop)
        if code is None:
            return None
        # Another build may have pushed it meanwhile: then the push was refused, and the image is there.
        digest = self.pushed.digest(address)
        if digest is None:
            what = f"the image of {image.context.folder} can't be pushed: {runtime.name} ended with exit code {code}"
            raise CloudError(what, hint=f"Its output: {log_file}")
        return digest

    def _options(self, runtime: ContainerRuntime, address: ImageAddress) -> Sequence[str]:
        """Return the further options of a build: docker takes the layers of the newest image in the repository.

        Source: https://docs.docker.com/build/cache/backends/inline/
        """
        options = ["--platform", _PLATFORM]
        if runtime.name == "docker":
            options += ["--build-arg", "BUILDKIT_INLINE_CACHE=1"]
            newest = self.pushed.newest(address.repository)
            options += ["--cache-from", address.by_digest(newest)] if newest else []
        return options


def push_command(runtime: ContainerRuntime, uri: str, login: Path) -> list[str]:
    """Return the command that pushes an image. `login` is the file with the registry's password.

    Sources: https://docs.docker.com/reference/cli/docker/image/push/; docs/buildah-push.1.md of buildah.
    """
    if runtime.name == "docker":  # it finds the file by DOCKER_CONFIG
        return [runtime.program, "push", uri]
    return [runtime.program, "push", "--authfile", str(login), uri, f"docker://{uri}"]


@contextmanager
def _logged_in(runtime: ContainerRuntime, registry: str, authorization: str) -> Iterator[tuple[ContainerRuntime, Path]]:
    """Yield the runtime with a login to a registry, and the file that holds it.

    The password is in no argument, and in none of the user's own files. Those of docker are used as well.
    """
    with tempfile.TemporaryDirectory(prefix="mlci-login-") as name:
        folder, login = Path(name), Path(name, "config.json")
        settings: dict[str, object] = {}
        if runtime.name == "docker":
            home = runtime.environment.get("HOME", "")
            own = Path(runtime.environment.get("DOCKER_CONFIG") or f"{home}/.docker")
            settings = _without_helpers(own / "config.json", registry)
            for entry in sorted(own.iterdir()) if own.is_dir() else ():  # contexts, and plugins such as buildx
                if entry.name != "config.json":
                    (folder / entry.name).symlink_to(entry)
            runtime = replace(runtime, environment={**runtime.environment, "DOCKER_CONFIG": name})
        auths = settings.get("auths")
        settings["auths"] = {**(auths if isinstance(auths, dict) else {}), registry: {"auth": authorization}}
        descriptor = os.open(login, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:
            json.dump(settings, file)
        yield runtime, login


def _without_helpers(file: Path, registry: str) -> dict[str, object]:
    """Return a configuration of docker without a credential helper for this registry: it would be asked first."""
    try:
        settings = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(settings, dict):
        return {}
    helpers = settings.get("credHelpers")
    if isinstance(helpers, dict):
        settings["credHelpers"] = {host: helper for host, helper in helpers.items() if host != registry}
    settings.pop("credsStore", None)
    return settings
