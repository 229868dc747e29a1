"""Params: their defaults in the flow, and the texts from options and variables that override them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from mlci.errors import InputError, Problem
from mlci.flow.invalid_value import InvalidValue
from mlci.flow.models import Json, Scalar
from mlci.flow.problems import Candidates, Problems, listed
from mlci.flow.yaml_scalars import describe, read_integer, read_number
from mlci_dataclasses import dataclass

if TYPE_CHECKING:
    from mlci.flow.yaml_document import Path

OPTION = "--param"
VARIABLE_PREFIX = "MLCI_PARAM_"
_NAME = r"[A-Za-z_][A-Za-z0-9_-]{0,63}"
#: How Python shows bytes of an option that are no UTF-8, and the character that no process can be given.
NOT_TEXT = re.compile("[\ud800-\udfff\0]")
_INTEGER = r"[-+]?[0-9]+"
_NUMBER = r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"


@dataclass(frozen=True)
class Params:
    """The params with their values after overrides; `broken` are those whose value is wrong and was reported.

    `overridden` are those whose value is another than the flow's own."""

    values: Mapping[str, Scalar]
    broken: frozenset[str]
    overridden: tuple[str, ...] = ()


def param_overrides(options: Sequence[str], environ: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Returns the texts that override params, by param or by variable, and the origin of each.

    Options (`name=value`) come last and so beat variables (`MLCI_PARAM_NAME`); which param a variable means is for
    `load` to say, which knows their names.

    >>> param_overrides(["max_depth=7"], {"MLCI_PARAM_MIN_AUC": "0.9"})[0]
    {'MLCI_PARAM_MIN_AUC': '0.9', 'max_depth': '7'}

    Raises:
        InputError: an option is not of the form name=value.
    """
    wrong = []
    overrides = {name: value for name, value in sorted(environ.items()) if name.startswith(VARIABLE_PREFIX)}
    origins = {name: name for name in overrides}
    for option in options:
        name, equals, value = option.partition("=")
        name = name.strip()
        if not equals or not name:
            wrong.append(Problem(OPTION, 0, 0, f'"{option}" is not of the form name=value', "Such as max_depth=7"))
            continue
        overrides.pop(name, None)
        overrides[name], origins[name] = value, OPTION
    if wrong:
        raise InputError(wrong)
    return overrides, origins


def variable_of(name: str) -> str:
    """Returns the environment variable that overrides this param.

    >>> variable_of("max-depth")
    'MLCI_PARAM_MAX_DEPTH'
    """
    return VARIABLE_PREFIX + name.upper().replace("-", "_")


def read_params(
    written: Json, is_given: bool, overrides: Mapping[str, str], origins: Mapping[str, str], problems: Problems
) -> Params:
    """Returns the params of a flow with the overrides in place; `written` is the value under `params`."""
    if is_given and not isinstance(written, dict):
        problems.at(("params",), f'"params" must be a mapping, but is {describe(written)}', 'Write "name: default"')
        return Params({}, frozenset())
    defaults = _defaults(written if isinstance(written, dict) else {}, problems)
    values, broken = dict(defaults.values), set(defaults.broken)
    for key, text in overrides.items():
        origin = origins.get(key, OPTION)
        name = _overridden(key, origin, defaults, problems)
        if name is None or name in defaults.broken:
            continue
        try:
            values[name] = _parsed(name, text, defaults.values[name])
        except InvalidValue as invalid:
            broken.add(name)
            problems.outside(origin, invalid.what, invalid.hint)
    overridden = tuple(name for name, value in values.items() if value != defaults.values[name])
    return Params(values, frozenset(broken), overridden)


def _defaults(written: Mapping[str, Json], problems: Problems) -> Params:
    values: dict[str, Scalar] = {}
    variables: dict[str, str] = {}
    for name, value in written.items():
        path: Path = ("params", name)
        twin = variables.setdefault(variable_of(name), name)
        if not re.fullmatch(_NAME, name):
            hint = "Use letters, digits, - and _, and begin with a letter"
            problems.at_key(path, f'"{name}" cannot be a param\'s name', hint)
        elif twin != name:
            what = f'the params "{twin}" and "{name}" have one variable, {variable_of(name)}'
            problems.at_key(path, what, "Rename one")
        if problems.is_suspect(path):
            continue
        if value is None or isinstance(value, (list, dict)):
            hint = f"Give it a value, such as {name}: 0.5"
            problems.at(path, f'a param is text, a number, true or false, but "{name}" is {describe(value)}', hint)
        elif isinstance(value, str) and "${{" in value:
            problems.at_reference(path, 0, '"params" takes no references: it is read before them')
        else:
            values[name] = value
    return Params(values, frozenset(written) - values.keys())


def _overridden(key: str, origin: str, defaults: Params, problems: Problems) -> str | None:
    """Returns the name of the param that this override is for; reports a problem and returns None if there is none."""
    names = sorted({*defaults.values, *defaults.broken})
    by_key = {name: name for name in names} if origin == OPTION else {variable_of(name): name for name in names}
    if key not in by_key:
        what = f'there is no param "{key}"' if origin == OPTION else f"no param belongs to the variable {key}"
        hint = f"The params are {listed(names)}" if names else "The flow has no params"
        prefix = "" if origin == OPTION else VARIABLE_PREFIX
        problems.outside(origin, what, hint, Candidates(key, tuple(by_key), prefix))
    return by_key.get(key)


def _parsed(name: str, text: str, default: Scalar) -> Scalar:
    """Returns the override's text as a value of the default's type."""
    shown = f"{text[:57]}..." if len(text) > 60 else text
    match default:
        case bool():
            if text in ("true", "false"):
                return text == "true"
            kind, hint = "true or false", ""
        case int():
            if re.fullmatch(_INTEGER, text):
                return read_integer(text)
            hint = f"Write its default as {default}.0 to allow fractions" if re.fullmatch(_NUMBER, text) else ""
            kind = "an integer"
        case float():
            if re.fullmatch(_NUMBER, text):
                return read_number(text)
            kind, hint = "a number", ""
        case _:
            if "${{" in text:
                raise InvalidValue(f'the value of the param "{name}" cannot hold a reference')
            if NOT_TEXT.search(text):
                raise InvalidValue(f'the value of the param "{name}" is not valid UTF-8 text')
            return text
    described = default if not isinstance(default, bool) else str(default).lower()
    raise InvalidValue(f'param "{name}" is {kind} (its default is {described}); "{shown}" is not', hint)
