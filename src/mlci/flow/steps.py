"""One step of the flow, from how it is written, with the checks of what AWS would refuse."""

from __future__ import annotations

import json
from typing import Any

from mlci.flow.dependencies import GATE
from mlci.flow.durations import format_duration, parse_duration
from mlci.flow.invalid_value import InvalidValue
from mlci.flow.metric_sources import build_definitions, build_metrics_files, is_read_in_place
from mlci.flow.models import (
    InputPath,
    Json,
    MetricDefinition,
    MetricsFiles,
    OutputPath,
    Rule,
    Scalar,
    Source,
    Step,
    StepOutput,
    Text,
    Value,
)
from mlci.flow.names import check_name
from mlci.flow.paths import repository_path, source
from mlci.flow.problems import listed
from mlci.flow.reference_check import check_step
from mlci.flow.rules import build_rules
from mlci.flow.schema_models import InputModel
from mlci.flow.script_keys import ScriptKeys
from mlci.flow.secret_variables import split_variables
from mlci.flow.selections import build_selections
from mlci.flow.written_step import StepContext, WrittenStep
from mlci.flow.yaml_document import Path
from mlci.step_types import owners_of
from mlci.step_types.base import Key
from mlci.step_types.sagemaker_jobs import INSTANCE_TYPE


def build_step(step: WrittenStep, context: StepContext) -> Step:
    """Return the step. A wrong value is reported, and a stand-in takes its place."""
    return _Building(step, context).step()


#: The keys that a Step has a field for, or that decide when it runs. The values of all others are in `Step.values`.
_BUILT_KEYS = frozenset(
    {
        "args",
        "env",
        "hyperparameters",
        "image",
        "include",
        "inputs",
        "instance",
        "instance_count",
        "metric_definitions",
        "metrics",
        "outputs",
        "request",
        "requirements",
        "run",
        "source",
        "timeout",
        "volume_gb",
        "working_dir",
    }
)


#: As long as the URI of an output can be: a bucket of 63 characters, the names of flow, step and output, and a run's.
_LONGEST_URI = "s3://" + "x" * 235


class _Building:
    def __init__(self, step: WrittenStep, context: StepContext) -> None:
        self._step, self._context, self._problems = step, context, context.problems
        self._uses = step.step_type.name

    def step(self) -> Step:
        self._check_keys()
        self._check_max_parallel()
        env, secrets = split_variables(self._step, self._env(), self._problems)
        script = ScriptKeys(self._step, self._context)
        source_folder, working_dir = script.folders()
        input_paths, output_paths = script.paths()
        outputs, metrics, metric_definitions = self._outputs(), self._metrics(), self._metric_definitions()
        return Step(
            name=str(self._path()[1]),
            uses=self._uses,
            run=script.run(),
            source=source_folder,
            working_dir=working_dir,
            image=self._image(),
            instance=self._instance(),
            instance_count=self._instance_count(),
            volume_gb=self._volume_gb(),
            timeout_s=self._timeout_s(),
            inputs=self._inputs(),
            outputs=outputs,
            selections=build_selections(self._step, self._context),
            input_paths=input_paths,
            output_paths=output_paths,
            args=self._args(),
            hyperparameters=self._hyperparameters(),
            env=env,
            secrets=secrets,
            include=self._include(),
            requirements=self._requirements(),
            when=self._when(),
            cell=self._step.cell,
            fail_fast=self._fail_fast(),
            after=self._after(),
            is_after_gate=GATE in self._after_written(),
            metrics=metrics,
            metric_definitions=metric_definitions,
            collects_metrics=self._collects_metrics(metrics, metric_definitions, outputs),
            request=self._request(),
            values=self._values(),
        )

    def _path(self, *rest: str | int) -> Path:
        return self._step.path(*rest)

    def _default(self, key: str) -> Any:
        """The value of a key in `defaults`."""
        return getattr(self._context.defaults, key)

    def _effective(self, key: Key) -> tuple[Any, Path]:
        """The value that holds for this step, and where it stands."""
        own = self._step.written(key.name)
        if own is not None:
            return own, self._path(key.name)
        default = self._default(key.name)
        if default is not None:
            return default, ("defaults", key.name)
        return key.default, self._path(key.name)

    def _report(self, path: Path, invalid: InvalidValue) -> None:
        self._problems.at(path, invalid.what, invalid.hint)

    def _check_keys(self) -> None:
        """Reports the keys that belong to other types."""
        step_type = self._step.step_type
        for key in self._step.raw if self._step.is_type_known else ():
            owners = owners_of(key)
            if not owners or self._uses in owners:
                continue
            own = listed([each.name for each in step_type.keys])
            hint = step_type.hints.get(key, f"{_article(self._uses).capitalize()} {self._uses} step takes {own}")
            what = f'"{key}" is for {" and ".join(owners)} steps, and "{self._step.name}" is '
            self._problems.at_key(self._path(key), f"{what}{_article(self._uses)} {self._uses} step", hint)
            self._problems.suspect(self._path(key))

    def _check_max_parallel(self) -> None:
        path = self._path("max_parallel")
        if "max_parallel" in self._step.raw and "matrix" not in self._step.raw and not self._problems.is_suspect(path):
            what = f'"max_parallel" limits the cells of a matrix, and step "{self._step.name}" has none'
            self._problems.at_key(path, what, "Remove it, or give the step a matrix")

    def _fail_fast(self) -> bool:
        written = [self._step.written("fail_fast"), self._default("fail_fast")]
        return next((value for value in written if value is not None), True)

    def _check_count(self, key: Key, count: int, what: str) -> None:
        path = self._path(key.name)
        if key.max_items is not None and count > key.max_items and not self._problems.is_suspect(path):
            self._problems.at_key(path, f'step "{self._step.name}" has {count} {what}', f"AWS allows {key.max_items}")

    def _check_length(self, key: Key, path: Path, what: str, count: int) -> None:
        if key.max_chars is not None and count > key.max_chars and not self._problems.is_suspect(path):
            self._problems.at(path, f"{what} has {count} characters", f"AWS allows {key.max_chars}")

    def _check_name(self, key: Key, name: str, path: Path) -> bool:
        try:
            if key.names is not None:
                check_name(key.names, name)
        except InvalidValue as invalid:
            self._problems.at_key(path, invalid.what, invalid.hint)
            return False
        return True

    def _check_value(self, key: Key, value: Json) -> None:
        """Reports what the step's type finds wrong with a value, as far as the value is known."""
        for rest, what, hint in key.problems(value) if key.problems else ():
            path = self._path(key.name, *rest)
            if not self._problems.is_suspect(path):
                self._problems.at(path, what, hint)

    def _values(self) -> dict[str, Value]:
        keys = [key.name for key in self._step.step_type.keys if key.name not in _BUILT_KEYS]
        written = {name: self._step.written(name) for name in keys}
        for key in self._step.step_type.keys:
            if isinstance(value := written.get(key.name), str):
                self._check_length(key, self._path(key.name), f'"{key.name}"', len(value))
        return {name: self._value(value, self._path(name)) for name, value in written.items() if value is not None}

    def _value(self, value: Json, path: Path) -> Value:
        """A value as it is written, and each text with references in it as a Text."""
        match value:
            case str():
                return self._context.texts.get(path, value)
            case list():
                return [self._value(part, (*path, index)) for index, part in enumerate(value)]
            case dict():
                return {key: self._value(part, (*path, key)) for key, part in value.items()}
            case _:
                return value

    # What runs, and on what.

    def _image(self) -> str | None:
        key = self._step.key("image")
        if key is None:
            return None
        image, path = self._effective(key)
        is_written = "image" in self._step.raw or self._default("image") is not None
        if not is_written and not self._problems.is_partly_suspect(("defaults", "image")):
            hint = 'Add "image: xgboost:1.7-1", or another, to the step or to "defaults"'
            self._problems.at_key(self._path(), f'step "{self._step.name}" has no image', hint)
        if image is None or self._problems.is_partly_suspect(path):
            return None
        is_named = ":" in image or "/" in image
        if not is_named or not image.isascii() or not image.isprintable() or " " in image:
            hint = "Write framework:version, such as xgboost:1.7-1, or the image's full URI"
            self._problems.at(path, f'"{image[:80]}" is not an image', hint)
        self._check_length(key, path, "the image's URI", len(image))
        return str(image)

    def _instance(self) -> str:
        key = self._step.key("instance")
        if key is None:
            return ""
        instance, path = self._effective(key)
        if not self._problems.is_suspect(path) and not INSTANCE_TYPE.fullmatch(instance):
            with_prefix = f"ml.{instance}"
            hint = f'Did you mean "{with_prefix}"?' if INSTANCE_TYPE.fullmatch(with_prefix) else ""
            what = f'"{instance[:80]}" is not an instance type'
            self._problems.at(path, what, hint or f"Such as {key.default}")
        return str(instance)

    def _instance_count(self) -> int:
        key = self._step.key("instance_count")
        if key is None:
            return 1
        count, path = self._effective(key)
        most = key.job_maximum
        if most is not None and count > most and not self._problems.is_suspect(path):
            self._problems.at(path, f"{self._job()} has at most {most} instances, not {count}")
        return int(count)

    def _volume_gb(self) -> int:
        key = self._step.key("volume_gb")
        return int(self._effective(key)[0]) if key else 1

    def _timeout_s(self) -> int:
        key = self._step.key("timeout")
        if key is None:
            return 0
        written, path = self._effective(key)
        if self._problems.is_suspect(path):
            return 1
        try:
            seconds = parse_duration(written)
        except InvalidValue as invalid:
            self._report(path, invalid)
            return 1
        if seconds < 1:
            self._problems.at(path, '"timeout" must be at least 1s')
        elif key.job_maximum is not None and seconds > key.job_maximum:
            most = format_duration(key.job_maximum)
            self._problems.at(path, f'{self._job()} runs for at most {most}, and "timeout" is {written}')
        return seconds

    def _job(self) -> str:
        return f"{_article(self._uses)} {self._uses} job"

    # What it reads and writes.

    def _inputs(self) -> dict[str, Source]:
        key, raw = self._step.key("inputs"), self._step.raw.get("inputs")
        if key is None:
            return {}
        if isinstance(raw, dict):
            self._check_count(key, len(raw), "inputs")
            for name in raw:
                self._check_name(key, name, self._path("inputs", name))
        sources = {
            name: self._source(value.source, self._path("inputs", name, "from"), name)
            if isinstance(value, InputModel)
            else self._source(value, self._path("inputs", name), name)
            for name, value in self._step.written("inputs").items()
        }
        return {name: found for name, found in sources.items() if found is not None}

    def _source(self, text: str, path: Path, name: str) -> Source | None:
        """Return the source that this input names; report a problem and return None if it names nothing."""
        parts = self._context.texts.get(path, (text,))
        if len(parts) == 1 and isinstance(parts[0], StepOutput):
            return parts[0]
        if self._problems.is_suspect(path):
            return None
        if any(isinstance(part, StepOutput) for part in parts):
            hint = "Read the output whole, and add the path in args: ${{ inputs.<name> }}/<path>"
            self._problems.at(path, f'input "{name}" adds a text to a reference', hint)
            return None
        try:
            return source(text)
        except InvalidValue as invalid:
            self._report(path, invalid)
            return None

    def _outputs(self) -> tuple[str, ...]:
        key, fixed = self._step.key("outputs"), self._step.step_type.outputs
        written = self._step.written("outputs") or []
        if key is None:
            return fixed or ()
        if fixed is not None:
            self._check_fixed_outputs(written, fixed)
            return fixed
        self._check_count(key, len(written), "outputs")
        names = list(written)
        for index, name in enumerate(names):
            path = self._path("outputs", name if isinstance(written, dict) else index)
            if self._problems.is_suspect(path):
                continue
            if name in names[:index]:
                self._problems.at(path, f'the output "{name}" is given twice', "Remove one")
            self._check_name(key, name, path)
        return tuple(names)

    def _check_fixed_outputs(self, written: list[str] | dict[str, str], fixed: tuple[str, ...]) -> None:
        """Reports outputs that the step's type does not have."""
        for index, name in enumerate(written):
            path = self._path("outputs", name if isinstance(written, dict) else index)
            if name not in fixed and not self._problems.is_suspect(path):
                what = f'"{name}" is no output of {_article(self._uses)} {self._uses} step'
                self._problems.at_key(path, what, f'Its only output is "{listed(fixed)}"'.replace('""', '"'))

    def _metrics(self) -> tuple[MetricsFiles, ...]:
        if self._step.key("metrics") is None or "metrics" not in self._step.raw:
            return ()
        outputs = self._context.steps[self._step.name].outputs
        return build_metrics_files(self._step.written("metrics"), self._path("metrics"), outputs, self._problems)

    def _metric_definitions(self) -> tuple[MetricDefinition, ...]:
        key, path = self._step.key("metric_definitions"), self._path("metric_definitions")
        if key is None or key.name not in self._step.raw or self._problems.is_suspect(path):
            return ()
        definitions = [definition.model_dump() for definition in self._step.written(key.name)]
        return build_definitions(definitions, path, key, self._problems)

    def _collects_metrics(
        self, files: tuple[MetricsFiles, ...], definitions: tuple[MetricDefinition, ...], outputs: tuple[str, ...]
    ) -> bool:
        """True if the job writes one file of its metrics, to an output of mlci's own where outputs are files."""
        if not files and not definitions:
            return False
        container, request = self._step.step_type.container, self._step.written("request") or {}
        field = container.metrics_field if container else None
        if field is not None and field in request:
            hint = "Remove it, or write the metrics in a step that reads this one's output"
            what = f'{field} is how the metrics of step "{self._step.name}" get to S3'
            self._problems.at_key(self._path("request", field), what, hint)
        if self._step.step_type.outputs is not None:  # an archive
            return True
        if is_read_in_place(files, definitions):
            return False
        key = self._step.key("outputs")
        if key is not None and key.max_items is not None and len(outputs) == key.max_items:
            what = f'step "{self._step.name}" has {len(outputs)} outputs, and its metrics need one more'
            at = self._path("metrics" if files else "metric_definitions")
            self._problems.at_key(at, what, f"AWS allows {key.max_items}")
        return True

    # What the script is given.

    def _text(self, value: Scalar, path: Path) -> Text:
        """The value as text: numbers as the file has them, so that 0.20 stays 0.20."""
        if path in self._context.texts:
            return self._context.texts[path]
        if isinstance(value, str):
            return (value,)
        return (self._context.document.written(path) or str(value),)

    def _args(self) -> tuple[Text, ...]:
        key = self._step.key("args")
        if key is None:
            return ()
        args = self._step.written("args") or []
        self._check_count(key, len(args), "args")
        texts = [self._text(value, self._path("args", index)) for index, value in enumerate(args)]
        for index, text in enumerate(texts):
            path = self._path("args", index)
            if not self._problems.is_suspect(path):
                self._check_length(key, path, f"argument {index + 1}", len(self._known_part(text)))
        self._check_value(key, [self._known_part(text, _LONGEST_URI) for text in texts])
        return tuple(texts)

    def _hyperparameters(self) -> dict[str, Scalar | Text]:
        key = self._step.key("hyperparameters")
        if key is None or self._problems.is_suspect(self._path("hyperparameters")):
            return {}
        written = self._step.written("hyperparameters") or {}
        self._check_count(key, len(written), "hyperparameters")
        values: dict[str, Scalar | Text] = {}
        known: dict[str, Json] = {}
        for name, value in written.items():
            path = self._path("hyperparameters", name)
            is_named_well = self._check_name(key, name, path)
            text = self._context.texts.get(path, ())
            has_reference = any(not isinstance(part, str) for part in text)
            values[name] = text if has_reference else value
            known_value = self._known_part(text) if has_reference else value
            self._check_length(key, path, f'the value of "{name}"', len(json.dumps(known_value)))
            if is_named_well:
                known[name] = known_value
        self._check_value(key, known)
        return values

    def _request(self) -> dict[str, Json]:
        key = self._step.key("request")
        request: dict[str, Json] = self._step.written("request") or {}
        if key is not None and not self._problems.is_partly_suspect(self._path("request")):
            self._check_value(key, request)
        return request

    def _env(self) -> dict[str, tuple[Text, Path]]:
        """Return the variables, and the place of each in the file."""
        key = self._step.key("env")
        if key is None:
            return {}
        written: dict[str, tuple[Scalar, Path]] = {}
        written |= {name: (value, ("defaults", "env", name)) for name, value in self._default("env").items()}
        written |= {name: (value, self._path("env", name)) for name, value in self._step.written("env").items()}
        self._check_count(key, len(written), "environment variables")
        env: dict[str, tuple[Text, Path]] = {}
        for name, (value, path) in written.items():
            if self._problems.is_suspect(path):
                continue
            text = self._text(value, path)
            env[name] = text, path
            self._check_name(key, name, path)
            self._check_length(key, path, f'the value of "{name}"', len(self._known_part(text)))
        return env

    def _include(self) -> tuple[str, ...]:
        if self._step.key("include") is None:
            return ()
        written: list[tuple[str, Path]] = []
        written += [(glob, ("defaults", "include", index)) for index, glob in enumerate(self._default("include"))]
        written += [(glob, self._path("include", index)) for index, glob in enumerate(self._step.written("include"))]
        for glob, path in written:
            try:
                if not self._problems.is_suspect(path):
                    repository_path(glob)
            except InvalidValue as invalid:
                self._report(path, invalid)
        return tuple(dict.fromkeys(glob for glob, _ in written))

    def _requirements(self) -> str | None:
        key = self._step.key("requirements")
        if key is None:
            return None
        written, path = self._effective(key)
        if written is None or self._problems.is_suspect(path):
            return None
        try:
            return repository_path(written)
        except InvalidValue as invalid:
            self._report(path, invalid)
            return None

    # When it runs.

    def _when(self) -> tuple[Rule, ...]:
        if "if" not in self._step.raw:
            return ()
        reader = f'"if" of step "{self._step.name}"'
        rules = build_rules(self._step.raw["if"], self._path("if"), reader, self._context.steps, self._problems)
        for rule in rules:
            if rule.step == self._step.name and not self._problems.is_partly_suspect(self._path("if")):
                what = f"{reader} reads the metrics of the step itself, which are not there before it runs"
                self._problems.at(self._path("if"), what)
        return rules

    def _after_written(self) -> list[str]:
        after: str | list[str] = self._step.written("after")
        return [after] if isinstance(after, str) else after

    def _after(self) -> tuple[str, ...]:
        is_list = isinstance(self._step.written("after"), list)
        found = []
        for index, name in enumerate(self._after_written()):
            path = self._path("after", index) if is_list else self._path("after")
            if self._problems.is_suspect(path):
                continue
            if name == GATE:
                if not self._context.has_gate:
                    what = f'step "{self._step.name}" runs after the gate, and the flow has none'
                    self._problems.at(path, what, 'Add "gate" with at least one rule')
            elif name == self._step.name:
                self._problems.at(path, f'step "{name}" runs after itself')
            elif check_step(
                path, None, name, f'step "{self._step.name}" runs after', self._context.steps, self._problems
            ):
                found.append(name)
        return tuple(dict.fromkeys(found))

    def _known_part(self, text: Text, uri: str = "") -> str:
        """The text as far as it is known before the run: a path in the container is; `uri` stands for an output's."""
        container, words = self._step.step_type.container, []
        for part in text:
            match part:
                case str():
                    words.append(part)
                case InputPath(name) if container:
                    words.append(container.input(name))
                case OutputPath(name) if container:
                    words.append(container.output(name))
                case _:
                    words.append(uri)
        return "".join(words)


def _article(noun: str) -> str:
    return "an" if noun[0] in "aeiou" else "a"
