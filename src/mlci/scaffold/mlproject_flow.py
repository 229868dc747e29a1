"""The entry points of an MLproject → a drafted flow: each becomes a step, and its parameters become params.

Source: https://mlflow.org/docs/latest/ml/projects/ ("MLproject File")
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any  # what a YAML file holds

from mlci.flow.models import Scalar
from mlci.scaffold.draft_flow import RESERVED, DraftStep, DraftValue, name_for
from mlci.scaffold.repository_survey import Survey
from mlci.scaffold.shell_command import parse_command

_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_PARAM = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")


def mlproject_steps(document: Any, survey: Survey) -> tuple[list[DraftStep], dict[str, Scalar]]:
    """Returns the steps of an MLproject's entry points, in their order, one after the other, and their params."""
    entry_points = document.get("entry_points") if isinstance(document, dict) else None
    steps: list[DraftStep] = []
    params: dict[str, Scalar] = {}
    for name, entry_point in (entry_points if isinstance(entry_points, dict) else {}).items():
        if not isinstance(entry_point, dict) or not isinstance(entry_point.get("command"), str):
            continue
        remarks: list[str] = []
        references = {
            parameter: _param(parameter, written, params, remarks)
            for parameter, written in _parameters(entry_point).items()
        }
        steps.append(_step(str(name), entry_point["command"], references, remarks, survey, steps))
    return steps, params


def _parameters(entry_point: Mapping[str, Any]) -> dict[str, Any]:
    written = entry_point.get("parameters")
    return {str(name): value for name, value in written.items()} if isinstance(written, dict) else {}


def _param(name: str, written: Any, params: dict[str, Scalar], remarks: list[str]) -> str:
    """Adds the param of an entry point's parameter, unless there is one already; returns a reference to it."""
    default = written.get("default") if isinstance(written, dict) else None
    if not isinstance(default, str | int | float | bool):
        remarks.append(f'the parameter "{name}" has no default: give the param one')
        default = ""
    known = next((param for param in params if param.replace("_", "-") == name.replace("_", "-")), None)
    if known is None:
        known = name if _PARAM.fullmatch(name) else name_for(name, params, fallback="param")
        params[known] = default
    elif params[known] != default and default != "":
        remarks.append(f'the parameter "{name}" has the default {default} here')
    return f"${{{{ params.{known} }}}}"


def _step(
    name: str,
    command: str,
    references: Mapping[str, str],
    remarks: list[str],
    survey: Survey,
    before: list[DraftStep],
) -> DraftStep:
    # A word without what a shell knows stands for each parameter while the command is taken apart.
    words = {parameter: f"mlci-param-{number}-" for number, parameter in enumerate(references)}
    plain = _PLACEHOLDER.sub(lambda match: words.get(match[1], match[0]), command)
    start = parse_command([" ".join(plain.split())], lambda path: path in survey.files)

    def filled(text: str) -> str:
        for parameter, word in words.items():
            text = text.replace(word, references[parameter])
        return text

    step = name_for(name, [RESERVED, *(each.name for each in before)])
    keys: dict[str, DraftValue] = {"uses": "processing", "run": start.run}
    if start.args:
        keys["args"] = [filled(argument) for argument in start.args]
    if start.env:
        keys["env"] = {key: filled(value) for key, value in start.env}
    if before:
        keys["after"] = [before[-1].name]
    hint = "Name what the script reads and writes: `inputs` and `outputs`, each with its path, and `metrics`."
    return DraftStep(step, keys, (hint, *(f"Not translated: {remark}" for remark in remarks)))
