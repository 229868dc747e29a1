"""Flow + Plan → Definition and execution input. Structure goes into the definition, values into the input.

Pure: the same plan gives the same bytes. The definition depends on the plan's structure alone, and is cached by it:
compiling imports an SDK that takes seconds.

    series_parallel.py  the nesting of a graph that a state machine can express
    concurrency.py      the number of jobs that run at once
    time_limit.py       the time limit of an execution
    guards.py           the conditions of steps, and the numbers that they compare
    step_values.py      a step's part of the execution input
    structure.py        the part of a plan that decides the definition
    request_files.py    requests that lie in S3, where the execution input has no room for them
    execution_input.py  all values of a run
    names.py            names in the definition by which its results are recognized
    states.py           the SDK's states, with names, retries and failures
    metric_checks.py    the states that read metrics and compare them
    check_states.py     the states that wait for something, and those that send smoke requests
    large_flows.py      the states of a flow whose requests lie in S3
    history_events.py   the number of events of an execution
    cleaner_input.py    what is deleted after a run, in its execution input
    cleaner.py          the states that delete it
    judgement_input.py   the place of the tokens of those that ask mlci for the verdict, in the execution input
    judgement_states.py  the states that ask mlci for it
    selections.py       the states that choose the best cell for a step's input
    state_machine.py    the definition
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NewType

from mlci import step_types
from mlci.compile.execution_input import execution_input, step_inputs
from mlci.compile.history_events import least_events
from mlci.compile.request_files import (
    FILE_MAX_BYTES,
    FILES_MAX_BYTES,
    request_bytes,
    request_files,
    sent_input,
)
from mlci.compile.structure import Structure, structure_of
from mlci.errors import InputError, Problem
from mlci.plan.names import Names
from mlci.step_types.gate_judgement import ANSWER_MAX_CHARS
from mlci_dataclasses import dataclass

if TYPE_CHECKING:
    from mlci.flow.models import Json
    from mlci.plan.models import Plan

__all__ = ["Compiled", "Definition", "compile_plan", "compiler_version", "execution_input", "sent_input", "step_inputs"]

Definition = NewType("Definition", str)

#: Source: https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
INPUT_MAX_BYTES = 262_144
DEFINITION_MAX_BYTES = 1_048_576
EVENTS_MAX = 25_000
#: A larger input leaves its requests in S3: the state's data grows while a run goes on.
WHOLE_INPUT_MAX_BYTES = 196_608
#: The room in the state's data for what one step adds to it: the name of its job, and its attempts.
_STEP_ROOM_BYTES = 128
#: The room for the answer of mlci about the gate. A character has at most four bytes.
_ANSWER_ROOM_BYTES = 4 * ANSWER_MAX_CHARS
#: All code that shapes a definition, beside the structure that it is made of.
STATE_MAKING_FOLDERS = (Path(__file__).parent, Path(step_types.__file__).parent)

_SDK_LOCK = Path(__file__).parent.parent / "locks" / "sdk.txt"


_FEWER_VALUES = "give jobs fewer arguments, hyperparameters and environment values"


@dataclass(frozen=True)
class Compiled:
    """The definition, and the values of an execution of it; both are JSON texts. `sent_input` says what is sent."""

    definition: Definition
    execution_input: str


def compile_plan(
    plan: Plan,
    cached: Callable[[Json, Callable[[], str]], str | None],
    timeout_s: float | None = None,
    whole_input_max_bytes: int = WHOLE_INPUT_MAX_BYTES,
) -> Compiled:
    """Return the plan as a state machine and its input.

    `cached(key, compute)` returns the result of `compute`, or the one that it had for the same key before; None where
    there is none, and it need not be computed: the definition is then "". `timeout_s`
    limits the whole run. A larger input than `whole_input_max_bytes` leaves its requests in S3.

    Raises: InputError, for a flow that is larger than Step Functions takes.
    """
    _check_events(plan)
    structure = structure_of(plan, timeout_s)
    values = execution_input(plan, structure.time_limit_s)
    text = json.dumps(values, sort_keys=True)
    if len(text) <= whole_input_max_bytes:
        definition = _definition(structure, cached)
        if len(definition) <= DEFINITION_MAX_BYTES:
            return Compiled(Definition(definition), text)
    return _compile_large(plan, structure, values, cached)


def _compile_large(
    plan: Plan,
    structure: Structure,
    values: Mapping[str, Json],
    cached: Callable[[Json, Callable[[], str]], str | None],
) -> Compiled:
    """Return a plan whose requests the execution input has no room for, or whose states the definition has none for.

    Raises: InputError, for a flow that is too large nevertheless.
    """
    sizes = request_bytes(values)
    _check_requests(plan, values, sizes)
    files = request_files(sizes)
    names = Names(plan.flow.name, plan.target.is_protected)
    uri = f"s3://{plan.target.bucket}/{names.requests('{digest}')}"
    definition = _definition(replace(structure, request_files=files), cached)
    text = json.dumps({**values, "requests": {"uri": uri, "steps": [[*steps] for steps in files]}}, sort_keys=True)
    room = _STEP_ROOM_BYTES * len(plan.steps) + _ANSWER_ROOM_BYTES * plan.asks_mlci
    _check_size(plan, "definition", len(definition), DEFINITION_MAX_BYTES, {})
    _check_size(plan, "execution input", len(sent_input(text).text), INPUT_MAX_BYTES - room, _map(values.get("cells")))
    return Compiled(Definition(definition), text)


def _definition(structure: Structure, cached: Callable[[Json, Callable[[], str]], str | None]) -> str:
    def compute() -> str:
        from mlci.compile.state_machine import definition

        return definition(structure)

    return cached(["definition", _installed_version(), structure.key()], compute) or ""


def _check_events(plan: Plan) -> None:
    """Raise InputError if a run would end at its 25,000th event although nothing fails in it."""
    events, steps = least_events(plan), len(plan.steps)
    if events > EVENTS_MAX:
        sentence = (
            f"the flow is too large for Step Functions: a run of its {steps:,} steps and cells makes {events:,} events "
            f"at least, and {EVENTS_MAX:,} is the most"
        )
        raise InputError(sentence, "Split it into two flows, or use fewer cells.")


def _check_requests(plan: Plan, values: Mapping[str, Json], sizes: Mapping[str, int]) -> None:
    """Raise InputError if a step's request is too large, or all of them are."""
    for step, size in sizes.items():
        if size > FILE_MAX_BYTES:
            key = "matrix" if step in plan.flow.matrices else "uses"
            at = plan.flow.position("steps", step, key)
            what = f'the request of step "{step}" has {size:,} bytes, and {FILE_MAX_BYTES:,} is the most'
            cells = f"The {len(plan.cells(step))} cells of this matrix take them: use fewer, or split the matrix in two"
            hint = cells if key == "matrix" else _FEWER_VALUES
            raise InputError([Problem(at.file, at.line, at.column, what, hint)])
    _check_size(plan, "requests", sum(sizes.values()), FILES_MAX_BYTES, _map(values.get("cells")))


def _check_size(plan: Plan, what: str, size: int, limit: int, groups: Mapping[str, Json]) -> None:
    """Raise InputError if something is too large: at the matrix whose cells take most of it, if there is one."""
    if size <= limit:
        return
    sentence = (
        f"the flow is too large for Step Functions: its {what} {_verb(what)} {size:,} bytes, and {limit:,} is the most"
    )
    if groups:
        largest = max(groups, key=lambda step: len(json.dumps(groups[step])))
        at, count = plan.flow.position("steps", largest, "matrix"), len(plan.cells(largest))
        share = len(json.dumps(groups[largest]))
        hint = f"The {count} cells of this matrix take {share:,}: use fewer, or split the flow in two."
        raise InputError([Problem(at.file, at.line, at.column, sentence, hint)])
    steps = f"It has {len(plan.steps)} steps: split it into two flows"
    raise InputError(sentence, f"{steps}." if what == "definition" else f"{steps}, or {_FEWER_VALUES}.")


def _verb(what: str) -> str:
    return "have" if what.endswith("s") else "has"


def _map(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, dict) else {}


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

    try:
        return f"stepfunctions-{metadata.version('stepfunctions')}"
    except metadata.PackageNotFoundError:
        return _locked_sdk_version()


def _locked_sdk_version() -> str:
    """Return the version that a slim install gets when it has to compile."""
    found = re.search(r"^stepfunctions==(\S+)", _SDK_LOCK.read_text(), re.MULTILINE)
    assert found is not None
    return f"stepfunctions-{found[1]}"


@functools.cache
def _installed_version() -> str:
    return compiler_version()
