"""One step of the flow, from how it is written, with the checks of what AWS would refuse."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from mlci.flow import limits, names
from mlci.flow.dependencies import GATE
from mlci.flow.durations import parse_duration, spell_duration
from mlci.flow.invalid_value import Refused
from mlci.flow.models import (
    BuildImage,
    InputPath,
    Json,
    OutputPath,
    Rule,
    Scalar,
    Source,
    Step,
    StepOutput,
    Text,
)
from mlci.flow.paths import repository_path, source
from mlci.flow.problems import Near, Problems
from mlci.flow.reference_check import Reach, check_step
from mlci.flow.rules import build_rules
from mlci.flow.schema_models import (
    DEFAULT_INSTANCE,
    DEFAULT_INSTANCE_COUNT,
    DEFAULT_TIMEOUT,
    DEFAULT_VOLUME_GB,
    BuildSpelling,
    DefaultsSpelling,
    StepSpelling,
)
from mlci.flow.yaml_document import Document, Path
from mlci.step_types import STEP_TYPES

_Value = TypeVar("_Value")
_CODE_FOLDER = "/opt/ml/processing/input/code/"

#: Keys that one type of step takes: which, and what to do in the other.
_KEYS_OF_ONE_TYPE: Mapping[str, tuple[str, str]] = {
    "args": ("processing", 'Give a training step\'s script its values as "hyperparameters"'),
    "outputs": ("processing", 'A training step has one output, "model"'),
    "metrics": ("processing", "Write metrics in a processing step that reads the model"),
    "hyperparameters": ("training", 'Give a processing step\'s script its values as "args"'),
}


@dataclass(frozen=True)
class WrittenStep:
    """A step as the file has it: `spelling` is what is right of `raw`. `uses` is None where the type is wrong."""

    name: str
    raw: Mapping[str, Json]
    spelling: StepSpelling
    uses: str | None

    def path(self, *rest: str | int) -> Path:
        return ("steps", self.name, *rest)


@dataclass(frozen=True)
class Surroundings:
    """What a step is built in: the file, its defaults, its filled-in texts, and the other steps."""

    document: Document
    defaults: DefaultsSpelling
    texts: Mapping[Path, Text]
    steps: Mapping[str, Reach]
    has_gate: bool
    problems: Problems


def reach_of(step: WrittenStep, problems: Problems) -> Reach:
    """What other parts of the flow may name of this step."""
    spelling = step.spelling
    outputs: tuple[str, ...] | None = tuple(spelling.outputs)
    if step.uses is None or problems.is_partly_suspect(step.path("outputs")):
        outputs = None
    else:
        outputs = STEP_TYPES[step.uses].outputs or outputs
    inputs = step.raw.get("inputs", {})
    return Reach(
        inputs=tuple(inputs) if isinstance(inputs, dict) else None,
        outputs=outputs,
        writes_metrics="metrics" in step.raw,
    )


def build_step(step: WrittenStep, around: Surroundings) -> Step:
    """The step. Where something in it is wrong, that is reported, and a stand-in takes its place."""
    return _Building(step, around).step()


class _Building:
    def __init__(self, step: WrittenStep, around: Surroundings) -> None:
        self._step, self._spelling, self._around = step, step.spelling, around
        self._problems = around.problems
        # Checks that depend on the type are left out where the type is unknown.
        self._limits = limits.JOB_LIMITS[step.uses] if step.uses else None

    def step(self) -> Step:
        self._check_keys()
        spelling = self._spelling
        return Step(
            name=self._step.name,
            uses=spelling.uses,
            run=self._run(),
            image=self._image(),
            instance=self._instance(),
            instance_count=self._instance_count(),
            volume_gb=self._effective("volume_gb", spelling.volume_gb, self._defaults.volume_gb, DEFAULT_VOLUME_GB)[0],
            timeout_s=self._timeout_s(),
            inputs=self._inputs(),
            outputs=self._outputs(),
            args=self._args(),
            hyperparameters=self._hyperparameters(),
            env=self._env(),
            include=self._include(),
            when=self._when(),
            after=self._after(),
            is_after_gate=GATE in self._after_written(),
            metrics=self._metrics(),
            request=spelling.request,
        )

    @property
    def _defaults(self) -> DefaultsSpelling:
        return self._around.defaults

    def _path(self, *rest: str | int) -> Path:
        return self._step.path(*rest)

    def _effective(
        self, key: str, own: _Value | None, default: _Value | None, otherwise: _Value
    ) -> tuple[_Value, Path]:
        """The value that holds for this step, and where it stands."""
        if own is not None:
            return own, self._path(key)
        if default is not None:
            return default, ("defaults", key)
        return otherwise, self._path(key)

    def _refused(self, path: Path, refused: Refused) -> None:
        self._problems.at(path, refused.what, refused.hint)

    def _check_keys(self) -> None:
        for key, (uses, hint) in _KEYS_OF_ONE_TYPE.items():
            if key in self._step.raw and self._step.uses not in (None, uses):
                what = f'"{key}" is for {uses} steps, and "{self._step.name}" is a {self._step.uses} step'
                self._problems.at_key(self._path(key), what, hint)
                self._problems.suspect(self._path(key))

    def _check_count(self, key: str, count: int, most: int, what: str) -> None:
        if count > most and not self._problems.is_suspect(self._path(key)):
            self._problems.at_key(self._path(key), f'step "{self._step.name}" has {count} {what}', f"AWS allows {most}")

    # What runs, and on what.

    def _run(self) -> str:
        path, written = self._path("run"), self._spelling.run
        if path[-1] not in self._step.raw or self._problems.is_suspect(path):
            return written
        try:
            script = repository_path(written)
        except Refused as refused:
            self._refused(path, refused)
            return written
        if script == ".":
            self._problems.at(path, f'"{written}" is a folder, and "run" names a script')
        if self._step.uses == "processing" and len(_CODE_FOLDER + script) > limits.MAX_ARGUMENT_CHARS:
            most = limits.MAX_ARGUMENT_CHARS - len(_CODE_FOLDER)
            self._problems.at(path, f"the script's path has {len(script)} characters", f"AWS allows {most}")
        return script

    def _image(self) -> str | BuildImage:
        is_given = "image" in self._step.raw or self._defaults.image is not None
        if not is_given and not self._problems.is_partly_suspect(("defaults", "image")):
            hint = 'Add "image: xgboost:1.7-1", or another, to the step or to "defaults"'
            self._problems.at_key(self._path(), f'step "{self._step.name}" has no image', hint)
        image: str | BuildSpelling
        image, path = self._effective("image", self._spelling.image, self._defaults.image, "none:0")
        if self._problems.is_partly_suspect(path):
            return "none:0"
        if isinstance(image, BuildSpelling):
            return self._build_image(image.build, (*path, "build"))
        is_named = ":" in image or "/" in image
        if not is_named or not image.isascii() or not image.isprintable() or " " in image:
            hint = "Write framework:version, such as xgboost:1.7-1, or the image's full URI"
            self._problems.at(path, f'"{image[:80]}" is not an image', hint)
        elif len(image) > limits.MAX_IMAGE_CHARS:
            self._problems.at(
                path, f"the image's URI has {len(image)} characters", f"AWS allows {limits.MAX_IMAGE_CHARS}"
            )
        return image

    def _build_image(self, folder: str, path: Path) -> BuildImage:
        try:
            return BuildImage(repository_path(folder))
        except Refused as refused:
            self._refused(path, refused)
            return BuildImage(folder)

    def _instance(self) -> str:
        instance, path = self._effective("instance", self._spelling.instance, self._defaults.instance, DEFAULT_INSTANCE)
        if not self._problems.is_suspect(path) and not limits.INSTANCE_TYPE.fullmatch(instance):
            with_prefix = f"ml.{instance}"
            hint = f'Did you mean "{with_prefix}"?' if limits.INSTANCE_TYPE.fullmatch(with_prefix) else ""
            what = f'"{instance[:80]}" is not an instance type'
            self._problems.at(path, what, hint or f"Such as {DEFAULT_INSTANCE}")
        return instance

    def _instance_count(self) -> int:
        count, path = self._effective(
            "instance_count", self._spelling.instance_count, self._defaults.instance_count, DEFAULT_INSTANCE_COUNT
        )
        most = self._limits.max_instances if self._limits else None
        if most and count > most and not self._problems.is_suspect(path):
            self._problems.at(path, f"a {self._step.uses} job has at most {most} instances, not {count}")
        return count

    def _timeout_s(self) -> int:
        written, path = self._effective("timeout", self._spelling.timeout, self._defaults.timeout, DEFAULT_TIMEOUT)
        if self._problems.is_suspect(path):
            return 1
        try:
            seconds = parse_duration(written)
        except Refused as refused:
            self._refused(path, refused)
            return 1
        if seconds < 1:
            self._problems.at(path, '"timeout" must be at least 1s')
        elif self._limits and seconds > self._limits.max_timeout_s:
            most = spell_duration(self._limits.max_timeout_s)
            self._problems.at(path, f'a {self._step.uses} job runs for at most {most}, and "timeout" is {written}')
        return seconds

    # What it reads and writes.

    def _inputs(self) -> dict[str, Source]:
        raw = self._step.raw.get("inputs")
        if self._limits and self._step.uses and isinstance(raw, dict):
            self._check_count("inputs", len(raw), self._limits.max_inputs, "inputs")
            for name in raw:
                self._check_name(names.INPUT[self._step.uses], name, self._path("inputs", name))
        sources = {name: self._source(text, self._path("inputs", name)) for name, text in self._spelling.inputs.items()}
        return {name: found for name, found in sources.items() if found is not None}

    def _source(self, text: str, path: Path) -> Source | None:
        """What this input names; None, and a problem, where it names nothing."""
        parts = self._around.texts.get(path, (text,))
        if len(parts) == 1 and isinstance(parts[0], StepOutput):
            return parts[0]
        if self._problems.is_suspect(path):
            return None
        if any(isinstance(part, StepOutput) for part in parts):
            hint = "Read the output whole, and add the path in args: ${{ inputs.<name> }}/<path>"
            self._problems.at(path, f'input "{path[-1]}" adds a text to a reference', hint)
            return None
        try:
            return source(text)
        except Refused as refused:
            self._refused(path, refused)
            return None

    def _check_name(self, naming: names.Naming, name: str, path: Path) -> None:
        try:
            naming.check(name)
        except Refused as refused:
            self._problems.at_key(path, refused.what, refused.hint)

    def _outputs(self) -> tuple[str, ...]:
        fixed = STEP_TYPES[self._step.uses].outputs if self._step.uses else None
        if fixed is not None:
            return fixed
        outputs = self._spelling.outputs
        self._check_count("outputs", len(outputs), limits.MAX_PROCESSING_OUTPUTS, "outputs")
        for index, name in enumerate(outputs):
            path = self._path("outputs", index)
            if self._problems.is_suspect(path):
                continue
            if name in outputs[:index]:
                self._problems.at(path, f'the output "{name}" is given twice', "Remove one")
            self._check_name(names.OUTPUT, name, path)
        return tuple(outputs)

    def _metrics(self) -> str | None:
        path, written = self._path("metrics"), self._spelling.metrics
        if written is None or self._problems.is_suspect(path):
            return None
        output, *rest = written.split("/")
        outputs = self._around.steps[self._step.name].outputs
        if not rest or not {"", ".", ".."}.isdisjoint([output, *rest]) or not written.isprintable():
            hint = "Write <output>/<path of a JSON file in it>, such as evaluation/metrics.json"
            self._problems.at(path, f'"{written[:80]}" does not name a file in an output', hint)
        elif outputs is not None and output not in outputs:
            what = f'"metrics" is in "{output}", which is no output of step "{self._step.name}"'
            hint = f"Add it: outputs: [{', '.join([*outputs, output])}]" if len(outputs) < 5 else ""
            self._problems.at(path, what, hint, Near(output, outputs))
        return written

    # What the script is given.

    def _text(self, value: Scalar, path: Path) -> Text:
        """The value as text: numbers as the file has them, so that 0.20 stays 0.20."""
        if path in self._around.texts:
            return self._around.texts[path]
        if isinstance(value, str):
            return (value,)
        return (self._around.document.written(path) or str(value),)

    def _args(self) -> tuple[Text, ...]:
        args = self._spelling.args
        self._check_count("args", len(args), limits.MAX_ARGUMENTS, "args")
        texts = [self._text(value, self._path("args", index)) for index, value in enumerate(args)]
        for index, text in enumerate(texts):
            path = self._path("args", index)
            known = _known_part(text)
            if self._problems.is_suspect(path):
                continue
            if "\n" in known or "\r" in known:
                self._problems.at(path, f"argument {index + 1} holds a line break, which AWS does not allow")
            self._check_length(path, f"argument {index + 1}", len(known), limits.MAX_ARGUMENT_CHARS)
        return tuple(texts)

    def _check_length(self, path: Path, what: str, count: int, most: int) -> None:
        if count > most and not self._problems.is_suspect(path):
            self._problems.at(path, f"{what} has {count} characters", f"AWS allows {most}")

    def _hyperparameters(self) -> dict[str, Scalar | Text]:
        most = limits.MAX_HYPERPARAMETERS - limits.SCRIPT_MODE_HYPERPARAMETERS
        written = self._spelling.hyperparameters
        if self._problems.is_suspect(self._path("hyperparameters")):
            return {}
        self._check_count("hyperparameters", len(written), most, "hyperparameters")
        values: dict[str, Scalar | Text] = {}
        for name, value in written.items():
            path = self._path("hyperparameters", name)
            self._check_name(names.HYPERPARAMETER, name, path)
            text = self._around.texts.get(path, ())
            has_reference = any(not isinstance(part, str) for part in text)
            values[name] = text if has_reference else value
            sent = json.dumps(_known_part(text) if has_reference else value)
            self._check_length(path, f'the value of "{name}"', len(sent), limits.MAX_HYPERPARAMETER_VALUE_CHARS)
        return values

    def _env(self) -> dict[str, Text]:
        written: dict[str, tuple[Scalar, Path]] = {}
        written |= {name: (value, ("defaults", "env", name)) for name, value in self._defaults.env.items()}
        written |= {name: (value, self._path("env", name)) for name, value in self._spelling.env.items()}
        self._check_count("env", len(written), limits.MAX_ENV_ENTRIES, "environment variables")
        env: dict[str, Text] = {}
        for name, (value, path) in written.items():
            if self._problems.is_suspect(path):
                continue
            env[name] = self._text(value, path)
            if self._limits and self._step.uses:
                self._check_name(names.ENV[self._step.uses], name, path)
                most = self._limits.max_env_value_chars
                self._check_length(path, f'the value of "{name}"', len(_known_part(env[name])), most)
        return env

    def _include(self) -> tuple[str, ...]:
        written: list[tuple[str, Path]] = []
        written += [(glob, ("defaults", "include", index)) for index, glob in enumerate(self._defaults.include)]
        written += [(glob, self._path("include", index)) for index, glob in enumerate(self._spelling.include)]
        for glob, path in written:
            try:
                if not self._problems.is_suspect(path):
                    repository_path(glob)
            except Refused as refused:
                self._refused(path, refused)
        return tuple(dict.fromkeys(glob for glob, _ in written))

    # When it runs.

    def _when(self) -> tuple[Rule, ...]:
        if "if" not in self._step.raw:
            return ()
        reader = f'"if" of step "{self._step.name}"'
        rules = build_rules(self._step.raw["if"], self._path("if"), reader, self._around.steps, self._problems)
        for rule in rules:
            if rule.step == self._step.name and not self._problems.is_partly_suspect(self._path("if")):
                what = f"{reader} reads the metrics of the step itself, which are not there before it runs"
                self._problems.at(self._path("if"), what)
        return rules

    def _after_written(self) -> list[str]:
        after = self._spelling.after
        return [after] if isinstance(after, str) else after

    def _after(self) -> tuple[str, ...]:
        is_list = isinstance(self._spelling.after, list)
        found = []
        for index, name in enumerate(self._after_written()):
            path = self._path("after", index) if is_list else self._path("after")
            if self._problems.is_suspect(path):
                continue
            if name == GATE:
                if not self._around.has_gate:
                    what = f'step "{self._step.name}" runs after the gate, and the flow has none'
                    self._problems.at(path, what, 'Add "gate" with at least one rule')
            elif name == self._step.name:
                self._problems.at(path, f'step "{name}" runs after itself')
            elif check_step(
                path, None, name, f'step "{self._step.name}" runs after', self._around.steps, self._problems
            ):
                found.append(name)
        return tuple(dict.fromkeys(found))


def _known_part(text: Text) -> str:
    """The text as far as it is known before the run: an output's URI is not, a path in the container is."""
    words = []
    for part in text:
        match part:
            case str():
                words.append(part)
            case InputPath(name):
                words.append(f"/opt/ml/processing/input/{name}")
            case OutputPath(name):
                words.append(f"/opt/ml/processing/output/{name}")
            case StepOutput():
                pass
    return "".join(words)
