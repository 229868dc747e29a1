"""Reads the keys of one step: the value that holds, and the checks that all keys share."""

from __future__ import annotations

from typing import Any

from mlci.flow.invalid_value import InvalidValue
from mlci.flow.models import InputPath, Json, OutputPath, Scalar, Text
from mlci.flow.names import check_name
from mlci.flow.written_step import StepContext, WrittenStep
from mlci.flow.yaml_document import Path
from mlci.step_types.keys import Key


class KeyReader:
    """The keys of one step. A wrong value is reported, and a stand-in takes its place."""

    def __init__(self, step: WrittenStep, context: StepContext) -> None:
        self.step, self.context, self.problems = step, context, context.problems
        self.uses = step.step_type.name

    @property
    def type_phrase(self) -> str:
        """The step's type with its article: "a processing"."""
        return f"{'an' if self.uses[0] in 'aeiou' else 'a'} {self.uses}"

    def path(self, *rest: str | int) -> Path:
        return self.step.path(*rest)

    def default(self, key: str) -> Any:
        """The value of a key in `defaults`."""
        return getattr(self.context.defaults, key)

    def effective(self, key: Key) -> tuple[Any, Path]:
        """The value that holds for this step, and where it stands."""
        own = self.step.written(key.name)
        if own is not None:
            return own, self.path(key.name)
        default = self.default(key.name) if key.in_defaults else None
        if default is not None:
            return default, ("defaults", key.name)
        return key.default, self.path(key.name)

    def report(self, path: Path, invalid: InvalidValue) -> None:
        self.problems.at(path, invalid.what, invalid.hint)

    def check_count(self, key: Key, count: int, what: str) -> None:
        path = self.path(key.name)
        if key.max_items is not None and count > key.max_items and not self.problems.is_suspect(path):
            self.problems.at_key(path, f'step "{self.step.name}" has {count} {what}', f"AWS allows {key.max_items}")

    def check_length(self, key: Key, path: Path, what: str, count: int) -> None:
        if key.max_chars is not None and count > key.max_chars and not self.problems.is_suspect(path):
            self.problems.at(path, f"{what} has {count} characters", f"AWS allows {key.max_chars}")

    def check_name(self, key: Key, name: str, path: Path) -> bool:
        try:
            if key.names is not None:
                check_name(key.names, name)
        except InvalidValue as invalid:
            self.problems.at_key(path, invalid.what, invalid.hint)
            return False
        return True

    def check_value(self, key: Key, value: Json) -> None:
        """Reports what the step's type finds wrong with a value, as far as the value is known."""
        for rest, what, hint in key.problems(value) if key.problems else ():
            path = self.path(key.name, *rest)
            if not self.problems.is_suspect(path):
                self.problems.at(path, what, hint)

    def text(self, value: Scalar, path: Path) -> Text:
        """The value as text: numbers as the file has them, so that 0.20 stays 0.20."""
        if path in self.context.texts:
            return self.context.texts[path]
        if isinstance(value, str):
            return (value,)
        return (self.context.document.written(path) or str(value),)

    def known_part(self, text: Text, uri: str = "") -> str:
        """The text as far as it is known before the run: a path in the container is; `uri` stands for an output's."""
        container, words = self.step.step_type.container, []
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
