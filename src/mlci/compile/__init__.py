"""Flow + Plan → Definition and execution input. Structure goes into the definition, values into the input.

Pure: the same plan gives the same bytes. The definition depends on the plan's structure alone, and is cached by it:
compiling imports an SDK that takes seconds.

    series_parallel.py  the nesting of a graph that a state machine can express
    concurrency.py      the number of jobs that run at once
    time_limit.py       the time limit of an execution
    guards.py           the conditions of steps, and the numbers that they compare
    step_values.py      a step's part of the execution input
    structure.py        the part of a plan that decides the definition
    execution_input.py  all values of a run
    names.py            names in the definition by which its results are recognized
    states.py           the SDK's states, with names, retries and failures
    metric_checks.py    the states that read metrics and compare them
    check_states.py     the states that wait for something, and those that send smoke requests
    cleaner_input.py    what is deleted after a run, in its execution input
    cleaner.py          the states that delete it
    selections.py       the states that choose the best cell for a step's input
    state_machine.py    the definition
"""

from __future__ import annotations

import functools
import hashlib
import json
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NewType

from mlci import step_types
from mlci.compile.execution_input import execution_input, step_inputs
from mlci.compile.structure import structure_of
from mlci.errors import InputError, Problem
from mlci.flow.models import Json
from mlci.plan.models import Plan

__all__ = ["Compiled", "Definition", "compile_plan", "compiler_version", "execution_input", "step_inputs"]

Definition = NewType("Definition", str)

#: Source: https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
INPUT_MAX_BYTES = 262_144
DEFINITION_MAX_BYTES = 1_048_576
#: All code that shapes a definition, beside the structure that it is made of.
STATE_MAKING_FOLDERS = (Path(__file__).parent, Path(step_types.__file__).parent)


@dataclass(frozen=True)
class Compiled:
    """The definition, and the input that an execution of it starts with; both are JSON texts."""

    definition: Definition
    execution_input: str


def compile_plan(
    plan: Plan, cached: Callable[[Json, Callable[[], str]], str], timeout_s: float | None = None
) -> Compiled:
    """Return the plan as a state machine and its input.

    `cached(key, compute)` returns the result of `compute`, or the one that it had for the same key before. `timeout_s`
    limits the whole run.

    Raises: InputError, for a flow that is larger than Step Functions takes.
    """
    structure = structure_of(plan, timeout_s)

    def compute() -> str:
        from mlci.compile.state_machine import definition

        return definition(structure)

    definition = cached(["definition", _installed_version(), structure.key()], compute)
    values = execution_input(plan, structure.time_limit_s)
    input_text = json.dumps(values, sort_keys=True)
    _check_size(plan, "definition", definition, DEFINITION_MAX_BYTES, {})
    _check_size(plan, "execution input", input_text, INPUT_MAX_BYTES, values.get("cells"))
    return Compiled(Definition(definition), input_text)


def _check_size(plan: Plan, what: str, text: str, limit: int, groups: Json) -> None:
    """Raise InputError if a text is too large: at the matrix whose cells take most of it, if there is one."""
    if len(text.encode()) <= limit:
        return
    sentence = (
        f"the flow is too large for Step Functions: its {what} has {len(text.encode()):,} bytes, "
        f"and {limit:,} is the most"
    )
    if isinstance(groups, dict) and groups:
        largest = max(groups, key=lambda step: len(json.dumps(groups[step])))
        at, count = plan.flow.position("steps", largest, "matrix"), len(plan.cells(largest))
        share = len(json.dumps(groups[largest]))
        hint = f"The {count} cells of this matrix take {share:,}: use fewer, or split the flow in two."
        raise InputError([Problem(at.file, at.line, at.column, sentence, hint)])
    hint = "Split it into two flows, or give jobs fewer arguments, hyperparameters and environment values."
    raise InputError(sentence, hint)


def compiler_version(folders: Iterable[Path] = STATE_MAKING_FOLDERS, sdk_version: str | None = None) -> str:
    """Return a hash of the code and of the SDK's version that make a definition: others may make another.

    `sdk_version` is the installed one by default.
    """
    digest = hashlib.sha256((sdk_version or _sdk_version(sys.path)).encode())
    for folder in folders:
        for file in sorted(folder.glob("*.py")):
            digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def _sdk_version(paths: Iterable[str]) -> str:
    """Return the SDK's version, from the name of the folder of its metadata: `stepfunctions-2.3.0.dist-info`.

    importlib.metadata knows it too, but imports the package email, which takes as long as all of `mlci.plan`.
    """
    for path in paths:
        for folder in sorted(Path(path).glob("stepfunctions-*.dist-info")):
            return folder.name.removesuffix(".dist-info")
    from importlib import metadata

    return f"stepfunctions-{metadata.version('stepfunctions')}"


@functools.cache
def _installed_version() -> str:
    return compiler_version()
