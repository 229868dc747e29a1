"""The keys of a step whose values its script or its request gets: arguments, hyperparameters, variables."""

from __future__ import annotations

import json
from typing import Any

from mlci.flow.durations import parse_duration
from mlci.flow.invalid_value import InvalidValue
from mlci.flow.key_reader import KeyReader
from mlci.flow.models import Json, Scalar, Text, Value
from mlci.flow.reference_check import check_step, metrics_hint
from mlci.flow.schema_models import SchemaModel
from mlci.flow.yaml_document import Path

#: The keys that a Step has a field for, or that decide when it runs. The values of all others are in `Step.values`, but
#: for sources, which are inputs.
_BUILT_KEYS = frozenset(
    {
        "args",
        "cases",
        "checkpoints",
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
        "plots",
        "request",
        "requirements",
        "reuse",
        "run",
        "runs-on",
        "source",
        "timeout",
        "trained_on",
        "volume_gb",
        "working_dir",
    }
)
#: As long as the URI of an output can be: a bucket of 63 characters, the names of flow, step and output, and a run's.
_LONGEST_URI = "s3://" + "x" * 235


class ValueKeys(KeyReader):
    """The values of one step. What a type has no key for is empty."""

    def args(self) -> tuple[Text, ...]:
        key = self.step.key("args")
        if key is None:
            return ()
        args = self.step.written("args") or []
        self.check_count(key, len(args), "args")
        texts = [self.text(value, self.path("args", index)) for index, value in enumerate(args)]
        for index, text in enumerate(texts):
            path = self.path("args", index)
            if not self.problems.is_suspect(path):
                self.check_length(key, path, f"argument {index + 1}", len(self.known_part(text)))
        self.check_value(key, [self.known_part(text, _LONGEST_URI) for text in texts])
        return tuple(texts)

    def hyperparameters(self) -> dict[str, Scalar | Text]:
        key = self.step.key("hyperparameters")
        if key is None or self.problems.is_suspect(self.path("hyperparameters")):
            return {}
        written = self.step.written("hyperparameters") or {}
        self.check_count(key, len(written), "hyperparameters")
        values: dict[str, Scalar | Text] = {}
        known: dict[str, Json] = {}
        for name, value in written.items():
            path = self.path("hyperparameters", name)
            is_named_well = self.check_name(key, name, path)
            text = self.context.texts.get(path, ())
            has_reference = any(not isinstance(part, str) for part in text)
            values[name] = text if has_reference else value
            known_value = self.known_part(text) if has_reference else value
            self.check_length(key, path, f'the value of "{name}"', len(json.dumps(known_value)))
            if is_named_well:
                known[name] = known_value
        self.check_value(key, known)
        return values

    def env(self) -> dict[str, tuple[Text, Path]]:
        """Return the variables, and the place of each in the file."""
        key = self.step.key("env")
        if key is None:
            return {}
        written: dict[str, tuple[Scalar, Path]] = {}
        written |= {name: (value, ("defaults", "env", name)) for name, value in self.default("env").items()}
        written |= {name: (value, self.path("env", name)) for name, value in self.step.written("env").items()}
        self.check_count(key, len(written), "environment variables")
        env: dict[str, tuple[Text, Path]] = {}
        for name, (value, path) in written.items():
            if self.problems.is_suspect(path):
                continue
            text = self.text(value, path)
            env[name] = text, path
            self.check_name(key, name, path)
            self.check_length(key, path, f'the value of "{name}"', len(self.known_part(text)))
        return env

    def values(self) -> dict[str, Value]:
        own = self.step.step_type.keys
        built = {*_BUILT_KEYS, *(key.merges_into for key in own)}
        keys = [key.name for key in own if key.name not in built and key.kind != "source" and not key.becomes]
        written = {name: _plain(self.step.written(name)) for name in keys if name in self.step.raw}
        for key in self.step.step_type.keys:
            value = written.get(key.name)
            if isinstance(value, str):
                self.check_length(key, self.path(key.name), f'"{key.name}"', len(value))
            if isinstance(value, list):
                self.check_count(key, len(value), f'words in "{key.name}"')
                for index, word in enumerate(value):
                    path = self.path(key.name, index)
                    self.check_length(key, path, f'item {index + 1} of "{key.name}"', len(str(word)))
            if key.kind == "duration" and value is not None:
                value = written[key.name] = self._seconds(str(value), self.path(key.name))
            if value is not None:
                self.check_value(key, value)
            if value is not None and key.names_metrics:
                self._check_metrics_of(self.path(key.name), str(value))
        return {name: self._value(value, self.path(name)) for name, value in written.items() if value is not None}

    def _check_metrics_of(self, path: Path, name: str) -> None:
        """Reports a step that does not exist, has no metrics, or has those of several cells."""
        reader = f'step "{self.step.name}" reads the metrics of'
        if self.problems.is_suspect(path) or not check_step(
            path, None, name, reader, self.context.steps, self.problems
        ):
            return
        found = self.context.steps[name]
        if name == self.step.name:
            self.problems.at(path, f"{reader} itself", "Name the step that evaluates the model")
        elif found.writes_metrics is False:
            self.problems.at(path, f'{reader} step "{name}", which writes none', metrics_hint(name, found))
        elif found.has_cells:
            what = f'{reader} step "{name}", which has a matrix, and so metrics for each of its cells'
            self.problems.at(path, what, "Name a step without a matrix that reads these cells")

    def _seconds(self, written: str, path: Path) -> int | None:
        """A duration in seconds; None for one that is wrong, which is reported."""
        if self.problems.is_suspect(path):
            return None
        try:
            return parse_duration(written)
        except InvalidValue as invalid:
            self.report(path, invalid)
            return None

    def _value(self, value: Json, path: Path) -> Value:
        """A value as it is written, and each text with references in it as a Text."""
        match value:
            case str():
                return self.context.texts.get(path, value)
            case list():
                return [self._value(part, (*path, index)) for index, part in enumerate(value)]
            case dict():
                return {key: self._value(part, (*path, key)) for key, part in value.items()}
            case _:
                return value


def _plain(value: Any) -> Any:
    """A value with the models in it as plain maps."""
    match value:
        case SchemaModel():
            return value.model_dump(by_alias=True, exclude_none=True)
        case list():
            return [_plain(part) for part in value]
        case dict():
            return {key: _plain(part) for key, part in value.items()}
        case _:
            return value
