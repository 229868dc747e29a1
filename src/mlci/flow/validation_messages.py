"""Validates a part of the file with its pydantic model, and reports pydantic's errors as problems of a flow.

Whatever is wrong is reported and left out, so that a part with one wrong key is still looked at for the rest.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from mlci.flow.models import Json
from mlci.flow.names import written_name
from mlci.flow.problems import Candidates, Problems, listed, nearest
from mlci.flow.schema_models import (
    AwsModel,
    DefaultsModel,
    FlowModel,
    ImageModel,
    InputModel,
    LocalModel,
    MetricDefinitionModel,
    ReuseModel,
    RuleModel,
    SecretModel,
    SelectModel,
    VpcModel,
    step_model,
)
from mlci.flow.yaml_document import Path
from mlci.flow.yaml_scalars import describe
from mlci.step_types import STEP_TYPES, all_keys

Model = TypeVar("Model", bound=BaseModel)

_VARIABLE_HINT = "A variable's value is text: use a param, which MLCI_PARAM_<NAME> overrides"
#: Among more unknown keys than this, none is looked at as a required key's misspelling: it would take seconds.
_MAX_MISSPELT = 20

#: pydantic's types of error (https://docs.pydantic.dev/latest/errors/validation_errors/), as what was expected.
_EXPECTED = {
    "string_type": "text",
    "int_type": "an integer",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}
#: What is expected under some keys, where the type says too little.
_EXPECTED_UNDER = {
    "timeout": "a duration such as 30m",
    "max_age": "a duration such as 7d",
    "reuse": "true, false or {max_age: <duration>}",
    "image": "framework:version, an image URI or {build: <folder>}",
    "after": "a step's name, a list of them, or gate",
    "max_drop": 'a number, or a percentage such as "2%"',
    "max_rise": 'a number, or a percentage such as "2%"',
    "metrics": "a path, a list of them, or a map of names to paths",
    "metric_definitions": "a list of names and regular expressions",
}
#: Words that other tools have for our keys, too far apart for a spelling check.
_SYNONYMS = {
    "script": "run",
    "command": "run",
    "entry_point": "run",
    "type": "uses",
    "needs": "after",
    "depends_on": "after",
    "deps": "inputs",
    "outs": "outputs",
    "channels": "inputs",
    "arguments": "args",
    "environment": "env",
    "name": "flow",
    "jobs": "steps",
    "stages": "steps",
    "instance_type": "instance",
    "volume_size": "volume_gb",
    "max_run": "timeout",
    "hp": "hyperparameters",
    "rules": "gate",
    "threshold": "min",
}


def validated(
    model: type[Model], written: Mapping[str, Json], path: Path, stand_ins: Mapping[str, Json], problems: Problems
) -> Model:
    """Returns the part of the file at this path as its model; invalid values are reported and left out.

    `stand_ins` are values for the keys that the model requires: they take the place of a wrong or missing one.
    """
    empty = _empty(dict(written), path)
    for at in empty:
        problems.at_key(at, f'"{at[-1]}" has no value', "Write one, or remove the key")
        problems.suspect(at)
    kept = _without(written, [at[len(path) :] for at in empty])
    try:
        return model.model_validate(kept)
    except ValidationError as error:
        by_place = _by_place(error, kept)
    misspelt = _misspelt(by_place, path)
    own = _keys_of(model)
    for wrong, details in by_place.items():
        known = own if len(wrong) == 1 else ()
        _report((*path, *wrong), _at(kept, wrong), details, misspelt, problems, known)
    places = [wrong for wrong in by_place if wrong]
    try:
        return model.model_validate({**stand_ins, **_without(kept, places)})
    except ValidationError:  # what is left of a part lacks what was left out: then the part goes as a whole
        return model.model_validate({**stand_ins, **_without(kept, [wrong[:1] for wrong in places])})


def _empty(value: Json, path: Path) -> list[Path]:
    """The paths that hold null, which only `request` may: there it is JSON for AWS."""
    match value:
        case None:
            return [path]
        case dict():
            return [at for key, part in value.items() if key != "request" for at in _empty(part, (*path, key))]
        case list():
            return [at for index, part in enumerate(value) for at in _empty(part, (*path, index))]
        case _:
            return []


def _by_place(error: ValidationError, written: Json) -> dict[Path, list[ErrorDetails]]:
    """pydantic's errors by where they are in the file; its locations also name branches of unions and missing keys."""
    by_place: dict[Path, list[ErrorDetails]] = {}
    for details in error.errors(include_url=False, include_context=True):
        place: Path = ()
        for part in details["loc"]:
            if _has(_at(written, place), part):
                place = (*place, part)
        by_place.setdefault(place, []).append(details)
    return by_place


def _has(value: Json, part: str | int) -> bool:
    if isinstance(value, dict):
        return part in value
    return isinstance(value, list) and isinstance(part, int) and part < len(value)


def _at(value: Json, path: Path) -> Json:
    for part in path:
        match value, part:
            case dict(), str():
                value = value[part]
            case list(), int():
                value = value[part]
    return value


def _without(value: Mapping[str, Json], paths: Iterable[Path]) -> dict[str, Json]:
    """The value without the parts at these paths; a list that has a wrong item goes as a whole."""
    inside: dict[str, list[Path]] = {}
    for key, *rest in paths:
        inside.setdefault(str(key), []).append(tuple(rest))
    kept: dict[str, Json] = {}
    for key, part in value.items():
        if key not in inside:
            kept[key] = part
        elif isinstance(part, dict) and all(inside[key]):
            kept[key] = _without(part, inside[key])
    return kept


def _misspelt(by_place: Mapping[Path, list[ErrorDetails]], path: Path) -> frozenset[Path]:
    """The required keys that are there, but for their spelling."""
    if not any(detail["type"] == "missing" for details in by_place.values() for detail in details):
        return frozenset()
    unknown = [wrong for wrong, details in by_place.items() if details[0]["type"] == "extra_forbidden"]
    meant = [((*path, *wrong), meant_key((*path, *wrong))) for wrong in unknown[:_MAX_MISSPELT]]
    return frozenset((*at[:-1], key) for at, key in meant if key)


def _report(
    path: Path,
    value: Json,
    details: list[ErrorDetails],
    misspelt: frozenset[Path],
    problems: Problems,
    known: Collection[str],
) -> None:
    missing = [str(detail["loc"][-1]) for detail in details if detail["type"] == "missing"]
    for key in missing:
        if (*path, key) not in misspelt:
            _report_missing(path, key, problems)
    if missing or problems.is_suspect(path):
        return
    if details[0]["type"] == "extra_forbidden":
        _report_unknown(path, known, problems)
        return
    key = _key_of(path)
    expected = _EXPECTED_UNDER.get(key) if key == path[-1] else None
    phrases = dict.fromkeys(_expected(detail) for detail in details)
    expected = expected or " or ".join(filter(None, [", ".join(list(phrases)[:-1]), list(phrases)[-1]]))
    near = None
    if details[0]["type"] == "literal_error" and isinstance(value, str):
        near = Candidates(value, _choices(details[0]))
    hint = _VARIABLE_HINT if problems.reads_variable(path) else _hint(key, expected, value)
    problems.at(path, f"{label(path)} must be {expected}, but is {describe(value)}", hint, near)


def _expected(detail: ErrorDetails) -> str:
    context = detail.get("ctx", {})
    match detail["type"]:
        case "literal_error":
            return listed(_choices(detail), "or")
        case "greater_than_equal":
            return f"at least {context['ge']}"
        case "less_than_equal":
            return f"at most {context['le']}"
        case kind:
            # A type of error that we do not know keeps pydantic's words, which are right if not ours.
            return _EXPECTED.get(kind) or f"right ({detail['msg']})"


def _choices(detail: ErrorDetails) -> tuple[str, ...]:
    """pydantic gives the choices as one text: `'processing' or 'training'`."""
    return tuple(str(detail.get("ctx", {}).get("expected", "")).replace(" or ", ", ").replace("'", "").split(", "))


def _hint(key: str, expected: str, value: Json) -> str:
    if key == "timeout" and isinstance(value, int):
        return f'Say the unit: "{value}s", "{value}m" or "{value}h"'
    if key == "max_age" and isinstance(value, int):
        return f'Say the unit: "{value}m", "{value}h" or "{value}d"'
    if expected == "text" and isinstance(value, (bool, int, float)):
        return "Put it in quotes"
    if expected == "a list" and isinstance(value, str):
        return f"Write [{value}]" if len(value) <= 40 else "Write it in [ ]"
    if key in ("steps", "inputs", "env", "hyperparameters") and isinstance(value, list):
        return 'Write "name: value", not a list'
    return ""


def label(path: Path) -> str:
    """Returns the name of the value at this path, for messages.

    >>> label(("steps", "train", "args", 1))
    'item 2 of "args"'
    """
    last = path[-1]
    if isinstance(last, int):
        return f'item {last + 1} of "{_key_of(path)}"'
    if len(path) >= 2 and path[-2] in ("inputs", "hyperparameters", "env", "params"):
        return f'"{last}" in "{path[-2]}"'
    return f'"{last}"'


def _key_of(path: Path) -> str:
    return next((part for part in reversed(path) if isinstance(part, str)), "")


def _report_missing(path: Path, key: str, problems: Problems) -> None:
    hint = {
        "uses": f"Add {_either(f'uses: {name}' for name in STEP_TYPES)}",
        **{name: step_key.missing_hint for name, step_key in all_keys().items()},
        "metric": "Add metric: <step>.<name>",
        "max_age": "Add max_age: <duration>, such as 7d",
        "from": "Add from: <path, s3:// URI or another step's output>"
        if path[:1] == ("steps",)
        else "Add from: ssm:<parameter>, or secretsmanager:<secret>",
        "regex": "Add regex: <regular expression with one group>",
        "flow": "Add flow: <name>",
        "steps": "A flow has at least one step",
    }.get(key, "")
    problems.at_key(path, f'{_owner(path)} lacks "{key}"', hint)


def _report_unknown(path: Path, known: Collection[str], problems: Problems) -> None:
    """Names the keys that the mapping may have, or the nearest. `known` are those of a step's own type."""
    keys = known or _keys_at(path[:-1])
    synonym = _synonym(path, keys)
    hint = f'Did you mean "{synonym}"?' if synonym else f"Known keys: {', '.join(sorted(keys))}"
    near = None if synonym else Candidates(str(path[-1]), tuple(keys))
    problems.at_key(path, f'unknown key "{str(path[-1])[:60]}" in {_owner(path[:-1])}', hint, near)
    problems.suspect(path)


def _keys_at(path: Path) -> list[str]:
    """The keys that the mapping at this path may have; those of all types for a step."""
    return _keys_of(_model_at(path))


def _keys_of(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _either(words: Iterable[str]) -> str:
    """The words as a choice.

    >>> _either(["a", "b", "c"])
    'a, b or c'
    """
    *first, last = words
    return f"{', '.join(first)} or {last}" if first else last


def meant_key(path: Path) -> str | None:
    """The key that the unknown one at the end of this path was probably meant to be."""
    keys = _keys_at(path[:-1])
    return _synonym(path, keys) or nearest(str(path[-1]), keys)


def _synonym(path: Path, keys: Collection[str]) -> str | None:
    """The one of the keys that has another tool's word at the end of this path."""
    synonym = _SYNONYMS.get(str(path[-1]))
    return synonym if synonym in keys else None


_SECTIONS: Mapping[str, type[BaseModel]] = {"defaults": DefaultsModel, "local": LocalModel, "aws": AwsModel}


def _model_at(path: Path) -> type[BaseModel]:
    """The model of the mapping at this path."""
    match path:
        case ():
            return FlowModel
        case ("steps", _):
            return step_model(None)
        case ("steps", _, key, *rest):
            return _model_in_step(key, rest)
        case ("defaults", "vpc"):
            return VpcModel
        case ("defaults", "image"):
            return ImageModel
        case ("defaults", "reuse"):
            return ReuseModel
        case (str(name),) if name in _SECTIONS:
            return _SECTIONS[name]
        case ("secrets", _):
            return SecretModel
        case _:
            return RuleModel


def _model_in_step(key: str | int, rest: Sequence[str | int]) -> type[BaseModel]:
    """The model of a mapping in a step: below this key."""
    match (key, *rest):
        case ("inputs", _):
            return InputModel
        case ("image",):
            return ImageModel
        case ("inputs", _, "select"):
            return SelectModel
        case ("metric_definitions", _):
            return MetricDefinitionModel
        case ("vpc",):
            return VpcModel
        case ("reuse",):
            return ReuseModel
        case _:
            return RuleModel


def _owner(path: Path) -> str:
    """Returns the name of the mapping at this path, for messages."""
    match path:
        case ():
            return "the flow"
        case ("steps", str(name)):
            return f'step "{written_name(name)}"'
        case ("secrets", str(name)):
            return f'secret "{name}"'
        case ("steps", _, "inputs", str(name)):
            return f'input "{name}"'
        case (*_, "metric_definitions", int(index)):
            return f'item {index + 1} of "metric_definitions"'
        case (*_, int(index)):
            return f'rule {index + 1} of "{_key_of(path)}"'
        case _:
            return f'"{path[-1]}"'
