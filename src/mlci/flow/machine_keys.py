"""The keys of a step that say on what it runs: its image, its machines and its time limit."""

from __future__ import annotations

import re

from mlci.flow.durations import format_duration, parse_duration
from mlci.flow.invalid_value import InvalidValue
from mlci.flow.key_reader import KeyReader
from mlci.flow.models import ImageFolder
from mlci.flow.paths import repository_path
from mlci.flow.schema_models import ImageModel
from mlci.flow.yaml_document import Path
from mlci.step_types.sagemaker_jobs import INSTANCE_TYPE

#: Names that ARG of a Dockerfile can have, and that no program takes for an option.
_BUILD_ARGUMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class MachineKeys(KeyReader):
    """The machine's keys of one step. What a type has no key for is None, empty, 0 or 1."""

    def image(self) -> str | ImageFolder | None:
        key = self.step.key("image")
        if key is None or "algorithm" in self.step.raw or self.step.runs_on_build:
            return None  # an algorithm names its image, and a build runs the project's Python
        image, path = self.effective(key)
        is_written = "image" in self.step.raw or self.default("image") is not None
        if not is_written and not self.problems.is_partly_suspect(("defaults", "image")):
            hint = 'Add "image: xgboost:1.7-1", or another, to the step or to "defaults"'
            self.problems.at_key(self.path(), f'step "{self.step.name}" has no image', hint)
        if image is None or self.problems.is_partly_suspect(path):
            return None
        if isinstance(image, ImageModel):
            return self._image_folder(image, path)
        is_named = ":" in image or "/" in image
        is_text = image.isascii() and image.isprintable() and " " not in image
        if not is_named or not is_text or image.startswith("-"):
            hint = "Write framework:version, such as xgboost:1.7-1, the image's full URI, or {build: <folder>}"
            self.problems.at(path, f'"{image[:80]}" is not an image', hint)
        self.check_length(key, path, "the image's URI", len(image))
        return str(image)

    def _image_folder(self, image: ImageModel, path: Path) -> ImageFolder | None:
        paths = {}
        for name in ("build", "dockerfile"):
            try:
                paths[name] = repository_path(getattr(image, name))
            except InvalidValue as invalid:
                self.report((*path, name), invalid)
        if len(paths) < 2:
            return None
        if paths["dockerfile"].startswith("../"):
            hint = "It is relative to the folder, and part of what is built"
            self.problems.at((*path, "dockerfile"), f'"{paths["dockerfile"]}" lies outside of the folder', hint)
            return None
        args = {}
        for name, value in image.args.items():
            place = (*path, "args", name)
            if not _BUILD_ARGUMENT.fullmatch(name):
                hint = "Letters, digits and _, beginning with a letter or _"
                self.problems.at_key(place, f'"{name[:80]}" can\'t be the name of a build argument', hint)
            args[name] = self.known_part(self.text(value, place))
        return ImageFolder(paths["build"], paths["dockerfile"], args)

    def instance(self) -> str:
        key = self.step.key("instance")
        if key is None:
            return ""
        instance, path = self.effective(key)
        if not self.problems.is_suspect(path) and not INSTANCE_TYPE.fullmatch(instance):
            with_prefix = f"ml.{instance}"
            hint = f'Did you mean "{with_prefix}"?' if INSTANCE_TYPE.fullmatch(with_prefix) else ""
            what = f'"{instance[:80]}" is not an instance type'
            self.problems.at(path, what, hint or f"Such as {key.default}")
        return str(instance)

    def instance_count(self) -> int:
        key = self.step.key("instance_count")
        if key is None:
            return 1
        count, path = self.effective(key)
        most = key.job_maximum
        if most is not None and count > most and not self.problems.is_suspect(path):
            self.problems.at(path, f"{self._job()} has at most {most} instances, not {count}")
        return int(count)

    def volume_gb(self) -> int:
        key = self.step.key("volume_gb")
        return int(self.effective(key)[0]) if key else 1

    def timeout_s(self) -> int:
        key = self.step.key("timeout")
        if key is None:
            return 0
        written, path = self.effective(key)
        if self.problems.is_suspect(path):
            return 1
        try:
            seconds = parse_duration(written)
        except InvalidValue as invalid:
            self.report(path, invalid)
            return 1
        if seconds < 1:
            self.problems.at(path, '"timeout" must be at least 1s')
        elif key.job_maximum is not None and seconds > key.job_maximum:
            most = format_duration(key.job_maximum)
            self.problems.at(path, f'{self._job()} runs for at most {most}, and "timeout" is {written}')
        return seconds

    def _job(self) -> str:
        return f"{self.type_phrase} job"
