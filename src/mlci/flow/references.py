"""References, `${{ … }}`: their forms, and the document with its params and variables filled in.

A param or a variable is known before anything runs, so its value takes the reference's place here. The other references
stay: they stand for what a run will know.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TypeAlias, TypeVar

from mlci.flow.environment import check_variable
from mlci.flow.invalid_value import InvalidValue
from mlci.flow.metric_paths import parse_metric
from mlci.flow.models import (
    BaselineOutput,
    InputPath,
    Json,
    MetricValue,
    OutputPath,
    Reference,
    Scalar,
    SecretValue,
    StepOutput,
)
from mlci.flow.params import Params
from mlci.flow.problems import Candidates, Problems, nearest
from mlci.flow.yaml_document import MAX_CHARACTERS, Document, Path
from mlci_dataclasses import dataclass

OPEN, CLOSE = "${{", "}}"
_FORMS = (
    "References are ${{ params.<name> }}, ${{ env.<NAME> }}, ${{ steps.<step>.outputs.<output> }}, ${{ matrix.<key> }} "
    "in a step that has a matrix, in inputs ${{ baseline.steps.<step>.outputs.<output> }}, "
    "in args ${{ inputs.<name> }} and ${{ outputs.<name> }}, in env "
    "${{ secrets.<name> }}, and in message ${{ steps.<step>.metrics.<path> }}"
)
_PARAM = re.compile(r"params\.([A-Za-z_][A-Za-z0-9_-]*)")
_STEP_OUTPUT = re.compile(r"steps\.([A-Za-z][A-Za-z0-9_-]*)\.outputs\.([A-Za-z0-9][A-Za-z0-9._-]*)")
_BASELINE_OUTPUT = re.compile(r"baseline\.steps\.([A-Za-z][A-Za-z0-9_-]*)\.outputs\.([A-Za-z0-9][A-Za-z0-9._-]*)")
_METRIC = re.compile(r"steps\.([A-Za-z][A-Za-z0-9_-]*)\.metrics([.\[].*)")
_INPUT = re.compile(r"inputs\.([A-Za-z0-9][A-Za-z0-9._-]*)")
_OUTPUT = re.compile(r"outputs\.([A-Za-z0-9][A-Za-z0-9._-]*)")
_SECRET = re.compile(r"secrets\.([A-Za-z_][A-Za-z0-9_-]*)")
_VARIABLE = re.compile(r"env\.([A-Za-z_][A-Za-z0-9_]*)")
_MATRIX = re.compile(r"matrix\.([A-Za-z_][A-Za-z0-9_-]*)")
_ROOTS = ("params", "steps", "baseline", "inputs", "outputs", "secrets", "env", "matrix")
#: Keys at the top that begin so are for templates and YAML anchors, and hold no references of their own.
TEMPLATE_PREFIX = "x-"


@dataclass(frozen=True)
class ParamValue:
    """`${{ params.<name> }}`."""

    name: str


@dataclass(frozen=True)
class EnvironmentValue:
    """`${{ env.<NAME> }}`."""

    name: str


@dataclass(frozen=True)
class MatrixValue:
    """`${{ matrix.<name> }}`: a value of the cell that a step is."""

    name: str


#: The forms whose names are those of their targets.
_TARGETS: tuple[tuple[re.Pattern[str], Callable[..., ReferenceTarget]], ...] = (
    (_PARAM, ParamValue),
    (_STEP_OUTPUT, StepOutput),
    (_BASELINE_OUTPUT, BaselineOutput),
    (_INPUT, InputPath),
    (_OUTPUT, OutputPath),
    (_SECRET, SecretValue),
    (_VARIABLE, EnvironmentValue),
    (_MATRIX, MatrixValue),
)


#: What stands in a text until the cells of a matrix are known.
OpenReference: TypeAlias = "Reference | MatrixValue"
ReferenceTarget: TypeAlias = "ParamValue | EnvironmentValue | OpenReference"
Open = TypeVar("Open")


@dataclass(frozen=True)
class UsedReference:
    """A reference in the file: its path, and its target. `ordinal` counts the references of one text from 0."""

    path: Path
    ordinal: int
    target: OpenReference


@dataclass(frozen=True)
class FilledDocument:
    """The document's value with its params and variables filled in.

    `texts` has the parts of every text that had a reference in it; in `value`, such a text is still whole. `uses` are
    the references that are left, and `variables` those of the environment that were read, with their values.
    """

    value: Mapping[str, Json]
    texts: Mapping[Path, tuple[str | OpenReference, ...]]
    uses: tuple[UsedReference, ...]
    variables: Mapping[str, str]


def fill_in(document: Document, params: Params, environment: Mapping[str, str], problems: Problems) -> FilledDocument:
    """Returns the document with its params and variables filled in, and the references that are left."""
    filling = _Filling(params, environment, problems)
    parts = {key: part for key, part in document.value.items() if not key.startswith(TEMPLATE_PREFIX)}
    value = {key: filling.tree(part, (key,)) for key, part in parts.items()}
    return FilledDocument(value, filling.texts, tuple(filling.uses), dict(sorted(filling.variables.items())))


#: More than this in one text is a mistake, and finding the place of each would take seconds.
MAX_REFERENCES = 50


def split(text: str) -> list[str | ReferenceTarget | InvalidValue]:
    """Returns the parts of a text: the strings between references, and the target of each reference.

    >>> split("a/${{ inputs.raw }}")
    ['a/', InputPath(name='raw')]
    """
    parts: list[str | ReferenceTarget | InvalidValue] = []
    before, *rest = text.split(OPEN, MAX_REFERENCES)
    parts.append(before)
    if rest and OPEN in rest[-1]:
        return [InvalidValue(f"the text holds more than {MAX_REFERENCES} references", "Write fewer")]
    for piece in rest:
        inside, close, after = piece.partition(CLOSE)
        if not close:
            parts += [InvalidValue("${{ is opened and not closed", "Close it with }}"), piece]
            continue
        parts += [_target(inside.strip()), after]
    return [part for part in parts if part != ""]


def format_scalar(value: Scalar) -> str:
    """Returns a param's value as it appears inside a text.

    >>> format_scalar(True), format_scalar(0.5), format_scalar("x")
    ('true', '0.5', 'x')
    """
    match value:
        case bool():
            return "true" if value else "false"
        case float():
            return repr(value)
        case _:
            return str(value)


def _target(text: str) -> ReferenceTarget | InvalidValue:
    for pattern, target in _TARGETS:
        if match := pattern.fullmatch(text):
            return target(*match.groups())
    if match := _METRIC.fullmatch(text):
        try:
            return MetricValue(*parse_metric(match[1] + match[2]))
        except InvalidValue as invalid:
            return invalid
    shown = f"{text[:57]}..." if len(text) > 60 else text
    root, dot, rest = text.partition(".")
    near = nearest(root, _ROOTS)
    hint = f'Did you mean "{near}{dot}{rest}"?' if near and near != root and dot else _FORMS
    return InvalidValue(f'"{OPEN} {shown}{" " if shown else ""}{CLOSE}" is not a reference', hint)


class _Filling:
    def __init__(self, params: Params, environment: Mapping[str, str], problems: Problems) -> None:
        self.texts: dict[Path, tuple[str | OpenReference, ...]] = {}
        self.uses: list[UsedReference] = []
        self.variables: dict[str, str] = {}
        self._params, self._environment, self._problems = params, environment, problems
        self._characters_left = MAX_CHARACTERS

    def tree(self, value: Json, path: Path) -> Json:
        match value:
            case dict():
                return {key: self.tree(part, (*path, key)) for key, part in value.items()}
            case list():
                return [self.tree(part, (*path, index)) for index, part in enumerate(value)]
            case str() if OPEN in value:
                return self._text(value, path)
            case _:
                return value

    def _text(self, text: str, path: Path) -> Json:
        if refusal := _why_constant(path):
            self._problems.at_reference(path, 0, refusal)
            return text
        parts: list[str | OpenReference] = []
        found = split(text)
        references = [part for part in found if not isinstance(part, str)]
        for ordinal, part in enumerate(references):
            self._note(part, path, ordinal)
        if found == references[:1] and isinstance(found[0], ParamValue) and found[0].name in self._params.values:
            value = self._params.values[found[0].name]
            self.texts[path] = (format_scalar(value),)
            return value
        for piece in found:
            match piece:
                case ParamValue(name):
                    parts.append(format_scalar(self._params.values.get(name, "")))
                case EnvironmentValue(name):
                    parts.append(self.variables.get(name, ""))
                case InvalidValue():
                    pass
                case _:
                    parts.append(piece)
        self._characters_left -= sum(len(part) for part in parts if isinstance(part, str))
        if self._characters_left < 0:
            self._problems.at(path, "with its params filled in, the flow is too large", "Write shorter params")
            self._problems.raise_if_any()
        self.texts[path] = joined(parts)
        return "".join(part if isinstance(part, str) else format_reference(part) for part in parts)

    def _note(self, part: ReferenceTarget | InvalidValue, path: Path, ordinal: int) -> None:
        match part:
            case InvalidValue():
                self._problems.at_reference(path, ordinal, part.what, part.hint)
            case ParamValue(name):
                if name in self._params.broken:
                    self._problems.suspect(path)
                elif name not in self._params.values:
                    what = f'the param "{name}" does not exist'
                    choices = tuple(self._params.values)
                    hint = "" if choices else "The flow has no params"
                    self._problems.at_reference(path, ordinal, what, hint, Candidates(name, choices))
            case EnvironmentValue(name):
                try:
                    check_variable(name, self._environment.get(name))
                    self.variables[name] = self._environment[name]
                except InvalidValue as invalid:
                    self._problems.at_reference(path, ordinal, invalid.what, invalid.hint)
            case _:
                self.uses.append(UsedReference(path, ordinal, part))


def format_reference(reference: OpenReference) -> str:
    """The reference as a flow writes it."""
    match reference:
        case StepOutput(step, output):
            return f"${{{{ steps.{step}.outputs.{output} }}}}"
        case BaselineOutput(step, output):
            return f"${{{{ baseline.steps.{step}.outputs.{output} }}}}"
        case MetricValue(step):
            return f"${{{{ steps.{step}.metrics{reference.metric[len(step) :]} }}}}"
        case InputPath(name):
            return f"${{{{ inputs.{name} }}}}"
        case OutputPath(name):
            return f"${{{{ outputs.{name} }}}}"
        case SecretValue(name):
            return f"${{{{ secrets.{name} }}}}"
        case MatrixValue(name):
            return f"${{{{ matrix.{name} }}}}"


def _why_constant(path: Path) -> str | None:
    """Returns the reason why no reference may stand here; None where one may."""
    if path[0] in ("flow", "params"):
        return f'"{path[0]}" takes no references: it is read before them'
    if path[0] == "secrets":
        return '"secrets" takes no references: rights in AWS are derived from it'
    if len(path) == 3 and path[0] == "steps" and path[2] == "uses":
        return '"uses" takes no references: it decides what the step\'s other keys mean'
    return None


def joined(parts: list[str | Open]) -> tuple[str | Open, ...]:
    """Return the parts with neighbouring strings made one; a tuple of one string where there is no reference."""
    whole: list[str | Open] = []
    for part in parts:
        if isinstance(part, str) and whole and isinstance(whole[-1], str):
            whole[-1] += part
        elif part != "":
            whole.append(part)
    return tuple(whole) or ("",)
