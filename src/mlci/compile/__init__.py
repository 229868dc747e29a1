"""Flow + Plan → Definition and execution input. Structure goes into the definition, values into the input.

Pure: the same plan gives the same bytes. The definition depends on the plan's outline alone, so it is remembered by it
(compiling imports an SDK that takes seconds).
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NewType

from mlci.compile.structure import outline
from mlci.errors import InputError
from mlci.flow.models import MODEL_OUTPUT, Json
from mlci.plan.models import Bound, Plan, PlannedStep, S3Uri

__all__ = ["Compiled", "Definition", "compile_plan"]

Definition = NewType("Definition", str)

#: Source: https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
INPUT_MAX_BYTES = 262_144
DEFINITION_MAX_BYTES = 1_048_576
#: What a task may take beyond its job's own limit: AWS looks for a machine, pulls the image, moves the data.
_PROVISIONING_S = 1_800
#: The limit where there is no baseline to compare with: every JSON number holds.
_NO_LIMIT = 1e300


@dataclass(frozen=True)
class Compiled:
    """What a cloud is given: the definition, and the input that an execution of it starts with; both JSON texts."""

    definition: Definition
    execution_input: str


def compile_plan(plan: Plan, recall: Callable[[Json, Callable[[], str]], str]) -> Compiled:
    """The plan as a state machine and its input. `recall(key, make)` gives what `make` gave for the same key before.

    Raises: InputError, for a flow that is larger than Step Functions takes.
    """
    form = outline(plan)

    def make() -> str:
        from mlci.compile.state_machine import definition

        return definition(form)

    definition = recall(["definition", _compiler_version(), form.key()], make)
    given = json.dumps(execution_input(plan), sort_keys=True)
    for what, text, limit in (
        ("execution input", given, INPUT_MAX_BYTES),
        ("definition", definition, DEFINITION_MAX_BYTES),
    ):
        if len(text.encode()) > limit:
            raise InputError(
                f"the flow is too large for Step Functions: its {what} has {len(text.encode()):,} bytes, "
                f"and {limit:,} is the most",
                "Split it into two flows, or give jobs fewer arguments, hyperparameters and environment values.",
            )
    return Compiled(Definition(definition), given)


def execution_input(plan: Plan) -> dict[str, Json]:
    """All values of a run: what the definition's paths lead to."""
    return {
        "run": plan.target.run_id,
        "build": plan.target.build,
        "steps": {name: _step_input(step) for name, step in plan.steps.items()},
        "gate": [_limit(bound) for bound in plan.gate],
        "metrics": {},
        "trained": {},
    }


def _step_input(step: PlannedStep) -> dict[str, Json]:
    given: dict[str, Json] = {
        "job": step.job,
        "attempt": {"number": 0},
        "request": dict(step.request),
        "timeout_s": step.timeout_s + _PROVISIONING_S,
    }
    if step.when:
        given["when"] = [_limit(bound) for bound in step.when]
    if step.metrics:
        given["metrics"] = _object(step.metrics)
    if step.model_prefix:
        bucket, key = _split(S3Uri(f"{step.outputs[MODEL_OUTPUT]}model.tar.gz"))
        given["model"] = {"bucket": bucket, "key": key, "from": step.model_prefix.removeprefix("s3://")}
    return given


def _object(uri: S3Uri) -> dict[str, Json]:
    bucket, key = _split(uri)
    return {"bucket": bucket, "key": key}


def _split(uri: S3Uri) -> tuple[str, str]:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key


def _limit(bound: Bound) -> float:
    if bound.threshold is None:
        return -_NO_LIMIT if bound.is_lower else _NO_LIMIT
    return bound.threshold


@functools.cache
def _compiler_version() -> str:
    """A hash of this package's source: a definition that an older compiler made is not recalled."""
    digest = hashlib.sha256()
    for file in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]
