"""The time limit of a build, which no approval and no job of the build may pass: nothing goes on once it has ended."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mlci.errors import InputError, Problem
from mlci.flow.durations import format_duration, parse_duration
from mlci.flow.invalid_value import InvalidValue
from mlci.flow.models import Flow
from mlci.flow.names import written_name
from mlci.step_types import waits_for_decision

#: The variable that holds the limit of a build; the stack sets it.
VARIABLE = "MLCI_BUILD_TIMEOUT"
#: The limit of a project that sets none: that of `mlci bootstrap --build-timeout`.
DEFAULT_S = 7_200


def check_build_time(flow: Flow, environment: Mapping[str, str]) -> None:
    """Checks, inside of a build, that no approval, and no job of the build, may take longer than the build.

    Raises: InputError.
    """
    if "CODEBUILD_BUILD_ID" in environment and (problems := list(late_steps(flow, environment))):
        raise InputError(problems)


def late_steps(flow: Flow, environment: Mapping[str, str]) -> Iterator[Problem]:
    """Yields a problem for each approval, and each job of the build, that may take longer than a build.

    Raises: InputError, if the variable holds no duration.
    """
    limit_s = _limit_s(environment)
    seen = set()
    for step in flow.steps.values():
        name = written_name(step.name)
        is_approval = waits_for_decision(step.uses)
        if (is_approval or step.runs_on) and step.timeout_s > limit_s and name not in seen:
            seen.add(name)
            at = flow.position("steps", name, "timeout")
            taken = f'the approval "{name}" waits' if is_approval else f'step "{name}" runs in the build'
            what = (
                f"{taken} for up to {format_duration(step.timeout_s)}, "
                f"and its build ends after {format_duration(limit_s)}"
            )
            hint = f"Give it a shorter timeout, or builds a longer one: mlci bootstrap --build-timeout, or {VARIABLE}"
            yield Problem(at.file, at.line, at.column, what, hint)


def _limit_s(environment: Mapping[str, str]) -> int:
    written = environment.get(VARIABLE)
    try:
        return parse_duration(written) if written else DEFAULT_S
    except InvalidValue as invalid:
        raise InputError([Problem(VARIABLE, 0, 0, invalid.what, invalid.hint)]) from invalid
