"""The images of a local run: which jobs run in theirs, and those that the run builds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import field, replace
from pathlib import Path

from mlci.backends.container_runtime import ContainerRuntime, find_runtime
from mlci.backends.image_builds import ImageBuilder
from mlci.backends.isolation import Isolation
from mlci.backends.stop_signal import StopSignal
from mlci.errors import InputError, Problem
from mlci.plan.models import Plan, PlannedImage
from mlci.step_types import STEP_TYPES
from mlci_dataclasses import dataclass


@dataclass
class LocalImages:
    """The images of one run. `check` finds the runtime, where some job needs one.

    A job of a step whose image the flow builds runs in it, unless the user chose another isolation; with `container`,
    each job runs in its image. What serves a model runs in the project's Python all the same. `log_file` returns the
    log of a step by its name.
    """

    isolation: Isolation
    environment: Mapping[str, str]
    log_file: Callable[[str], Path]
    log: Callable[[str], None]
    runtime: ContainerRuntime | None = None
    built: set[str] = field(default_factory=set)
    scripted: frozenset[str] = frozenset()

    def of(self, planned: Plan) -> Callable[[str], bool]:
        """Return a function that tells whether a job on an image will run in it."""
        built = {image.uri for image in planned.images} if self.isolation == "auto" else set()
        return lambda uri: self.isolation == "container" or uri in built

    def check(self, planned: Plan) -> None:
        """Raise InputError, if a job can't run in its image here."""
        steps = planned.flow.steps.values()
        self.scripted = frozenset(step.name for step in steps if STEP_TYPES[step.uses].container is not None)
        images = [image for image in planned.images if self.scripted.intersection(image.steps)]
        if self.isolation == "container":
            self.runtime = find_runtime(self.environment)
            self._require_images(planned, self.runtime)
        elif self.isolation == "auto" and images:
            try:
                self.runtime = find_runtime(self.environment)
            except InputError as error:
                image = images[0]
                what = f'the image of step "{image.steps[0]}" ({image.context.folder}) can\'t be built: {error}'
                hint = "Or run without the image, in the project's Python: --isolation namespace, link or paths"
                at = planned.flow.position("steps", image.steps[0], "image")
                raise InputError([Problem(at.file, at.line, at.column, what, hint)]) from error

    def _require_images(self, planned: Plan, runtime: ContainerRuntime) -> None:
        built = {image.uri for image in planned.images}
        builder = self._builder(runtime)
        problems = []
        for uri in dict.fromkeys(step.image for step in planned.steps.values() if step.name in self.scripted):
            if not uri or uri in built or builder.has(uri):
                continue
            name = next(name for name, step in planned.steps.items() if step.image == uri)
            at = planned.flow.position("steps", name, "image")
            what = (
                f'step "{name}": the image {uri} is not on this machine, and --isolation container runs jobs in theirs'
            )
            problems.append(Problem(at.file, at.line, at.column, what, f"{runtime.name} pull {uri}"))
        if problems:
            raise InputError(problems)

    def publish(self, images: Iterable[PlannedImage], stop: StopSignal) -> None:
        """Build the images that are not here.

        Raises: CloudError.
        """
        for image in images:
            names, others = self._split(image)
            if others and self.isolation in ("auto", "container"):
                self.log(
                    f"warning: the model of {' and '.join(others)} is served by the project's Python on this machine, "
                    f"and not in the image of {image.context.folder}"
                )
            if not names:
                continue
            image, steps = replace(image, steps=names), " and ".join(names)
            if self.runtime is None:
                self.log(
                    f"warning: with --isolation {self.isolation}, the image of {image.context.folder} is neither built "
                    f"nor used: on this machine {steps} run without it"
                )
                continue
            builder = self._builder(self.runtime)
            if builder.has(image.uri) or (not stop.is_set() and builder.build(image, stop)):
                self.built.add(image.uri)
                self.log(f"{steps} run in the image of {image.context.folder} ({self.runtime.name}): {image.uri}")

    def _split(self, image: PlannedImage) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the steps whose jobs run in the image, and the others."""
        names = tuple(name for name in image.steps if name in self.scripted)
        return names, tuple(name for name in image.steps if name not in self.scripted)

    def is_contained(self, uri: str) -> bool:
        """Return True if a job on this image runs in it."""
        return uri in self.built

    def _builder(self, runtime: ContainerRuntime) -> ImageBuilder:
        return ImageBuilder(runtime, self.log_file, self.log)
