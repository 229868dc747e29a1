"""The keys of a step that say how its script starts: what runs, where, and the paths that it reads and writes."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping

from mlci.flow.invalid_value import InvalidValue
from mlci.flow.paths import repository_path
from mlci.flow.problems import Problems
from mlci.flow.schema_models import InputModel
from mlci.flow.written_step import StepContext, WrittenStep
from mlci.flow.yaml_document import Path
from mlci.step_types.script_start import MODULE


class ScriptKeys:
    """The script's keys of one step. A wrong value is reported, and a stand-in takes its place."""

    def __init__(self, step: WrittenStep, context: StepContext) -> None:
        self._step, self._context = step, context
        self._problems: Problems = context.problems

    def run(self) -> str | None:
        """Return what runs: the script's path, `-m <module>`, or a program's name; None if the step has no script."""
        key, path = self._step.key("run"), self._step.path("run")
        if key is None:
            return None
        value = self._step.written("run")
        if value is None:
            return None  # the image starts by itself, or the step lacks it, which is reported
        written = str(value)
        if "run" not in self._step.raw or self._problems.is_suspect(path):
            return written
        if written == "-m" or written.startswith("-m "):
            return self._module(written, path)
        script = self._path(written, path)
        if script == ".":
            self._problems.at(path, f'"{written}" is a folder, and "run" names a script')
        if key.max_chars is not None and len(script) > key.max_chars:
            what = f"the script's path has {len(script)} characters"
            self._problems.at(path, what, f"AWS allows {key.max_chars}")
        return script

    def _module(self, written: str, path: Path) -> str:
        if not MODULE.fullmatch(written):
            words = written.split()[1:]
            hint = "Write -m <package>.<module>"
            if len(words) > 1 and MODULE.fullmatch(f"-m {words[0]}"):
                hint = f"Write run: -m {words[0]}, and the rest under args"
            self._problems.at(path, f'"{written[:80]}" does not name one module', hint)
        return written

    def folders(self) -> tuple[str | None, str | None]:
        """Return `source` and `working_dir`; a step's own keys win over those of `defaults`."""
        keys = ("source", "working_dir")
        own = {key: self._folder(key, self._step.written(key), self._step.path(key)) for key in keys}
        if all(own.values()):
            what = f'step "{self._step.name}" has both "source" and "working_dir", and it starts in its source'
            self._problems.at_key(self._step.path("working_dir"), what, "Remove one")
        if any(own.values()) or self._step.key("source") is None:
            return own["source"], own["working_dir"]
        defaults = {key: getattr(self._context.defaults, key) for key in keys}
        if all(defaults.values()):
            what = '"defaults" has both "source" and "working_dir", and steps start in their source'
            self._problems.at_key(("defaults", "working_dir"), what, "Remove one")
        inherited = {key: self._folder(key, value, ("defaults", key)) for key, value in defaults.items()}
        return inherited["source"], inherited["working_dir"]

    def _folder(self, key: str, written: str | None, path: Path) -> str | None:
        if written is None or self._step.key(key) is None:
            return None
        return written if self._problems.is_suspect(path) else self._path(written, path)

    def paths(self) -> tuple[dict[str, str], dict[str, str]]:
        """Return the paths that the script reads and writes, by input and by output."""
        inputs = {name: (path, at) for name, path, at in self._input_paths()}
        outputs = {name: (path, at) for name, path, at in self._output_paths()}
        self._check_apart(inputs, outputs)
        return {name: path for name, (path, _) in inputs.items()}, {name: path for name, (path, _) in outputs.items()}

    def _input_paths(self) -> Iterator[tuple[str, str, Path]]:
        for name, value in (self._step.written("inputs") or {}).items():
            if isinstance(value, InputModel) and value.path is not None:
                yield from self._place(name, value.path, self._step.path("inputs", name, "path"))

    def _output_paths(self) -> Iterator[tuple[str, str, Path]]:
        written = self._step.written("outputs")
        for name, path in written.items() if isinstance(written, dict) else ():
            yield from self._place(name, path, self._step.path("outputs", name))

    def _place(self, name: str, written: str, at: Path) -> Iterator[tuple[str, str, Path]]:
        if self._problems.is_suspect(at):
            return
        if any(not isinstance(part, str) for part in self._context.texts.get(at, ())):
            self._problems.at(at, f'the path of "{name}" holds what is known only while the flow runs', "Write a path")
            return
        path = self._path(written, at)
        if self._problems.is_suspect(at):
            return
        if path == "." or path == ".." or path.startswith("../"):
            what = f'"{written[:80]}" is not a path below the working folder'
            self._problems.at(at, what, "Write one such as data/raw.csv")
        else:
            yield name, path, at

    def _check_apart(self, inputs: Mapping[str, tuple[str, Path]], outputs: Mapping[str, tuple[str, Path]]) -> None:
        """Report each path that lies in another: what is linked there would hide or hold the other."""
        places = [(f'input "{name}"', *place) for name, place in inputs.items()]
        places += [(f'output "{name}"', *place) for name, place in outputs.items()]
        for index, (label, path, at) in enumerate(places):
            for other, other_path, _ in places[:index]:
                if _contains(path, other_path) or _contains(other_path, path):
                    what = f'{label} is at "{path}", and {other} at "{other_path}"'
                    self._problems.at(at, what, "Neither may lie in the other")

    def _path(self, written: str, at: Path) -> str:
        try:
            return repository_path(written)
        except InvalidValue as invalid:
            self._problems.at(at, invalid.what, invalid.hint)
            return written


def _contains(folder: str, path: str) -> bool:
    """Return True if a path is a folder's, or lies in it.

    >>> _contains("data", "data/x"), _contains("data", "data"), _contains("data", "data2")
    (True, True, False)
    """
    return posixpath.commonpath([folder, path]) == folder
