"""The problems of a definition, and the errors of a running state.

Error names are those of the specification's appendix A and of the Step Functions guide.
Source: https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
"""

from __future__ import annotations

from collections.abc import Iterable

from mlci_dataclasses import dataclass

ALL = "States.ALL"
TIMEOUT = "States.Timeout"
HEARTBEAT_TIMEOUT = "States.HeartbeatTimeout"
QUERY_EVALUATION_ERROR = "States.QueryEvaluationError"
TASK_FAILED = "States.TaskFailed"
RUNTIME = "States.Runtime"
DATA_LIMIT_EXCEEDED = "States.DataLimitExceeded"
RESULT_PATH_MATCH_FAILURE = "States.ResultPathMatchFailure"
INTRINSIC_FAILURE = "States.IntrinsicFailure"
NO_CHOICE_MATCHED = "States.NoChoiceMatched"
BRANCH_FAILED = "States.BranchFailed"

#: The code that most of AWS's diagnostics of a definition have.
INVALID = "SCHEMA_VALIDATION_FAILED"


@dataclass(frozen=True, order=True)
class Problem:
    """One problem of a definition, with the members of AWS's diagnostics.

    `location` is a path into the definition, such as `/States/train/Next`.
    Source: https://docs.aws.amazon.com/step-functions/latest/apireference/API_ValidateStateMachineDefinitionDiagnostic.html
    """

    location: str
    message: str
    code: str = INVALID

    def __str__(self) -> str:
        return f"{self.location or '/'}: {self.message}"


class DefinitionError(Exception):
    """A definition that AWS would refuse, or that needs what the interpreter lacks. Holds all problems."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(self.problems)

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


class TaskError(Exception):
    """A handler raises it to fail the task with an error name that Retry and Catch can match."""

    def __init__(self, error: str, cause: str = "") -> None:
        super().__init__(error, cause)
        self.error, self.cause = error, cause


class StateError(Exception):
    """A state failed. `cause` is None if AWS reports none, as for a timeout."""

    def __init__(
        self, error: str, cause: str | None = None, *, is_from_branch: bool = False, is_from_task: bool = False
    ) -> None:
        super().__init__(error, cause)
        self.error, self.cause = error, cause
        self.is_from_branch, self.is_from_task = is_from_branch, is_from_task

    def as_output(self) -> dict[str, str | None]:
        """The error output that a Catch gets; it always has both members."""
        return {"Error": self.error, "Cause": self.cause or ""}

    def of_branch(self) -> StateError:
        """The same error, of the Parallel or Map that holds the branch."""
        return StateError(self.error, self.cause, is_from_branch=True)


class CallbackFailure(StateError):
    """SendTaskFailure failed the task. A Catch gets null for what the call left out.

    Source: the recorded test `test_sqs_failure_in_wait_for_task_tok_no_error_field` of LocalStack's tests.
    """

    def __init__(self, error: str | None, cause: str | None, *, is_from_branch: bool = False) -> None:
        super().__init__(error or "", cause, is_from_branch=is_from_branch)
        self._output = {"Error": error, "Cause": cause}

    def as_output(self) -> dict[str, str | None]:
        return dict(self._output)

    def of_branch(self) -> StateError:
        return CallbackFailure(self._output["Error"], self._output["Cause"], is_from_branch=True)


class HeartbeatTimeout(StateError):
    """No heartbeat came in time. AWS reports States.Timeout; Retry and Catch may name States.HeartbeatTimeout as well.

    Source: the recorded test `test_heartbeat_timeout` of LocalStack's Step Functions tests, and the guide on errors.
    """

    def __init__(self) -> None:
        super().__init__(TIMEOUT)


class EvaluationError(StateError):
    """A field of the state could not be evaluated. The cause lacks the state's name and event (see `located`)."""

    def located(self, state: str, event_id: int) -> StateError:
        """The same error in AWS's words, which name the state and its event."""
        where = f"An error occurred while executing the state '{state}' (entered at the event id #{event_id})."
        return StateError(self.error, f"{where} {self.cause}")


class QueryError(EvaluationError):
    """A JSONata expression failed, or its value does not fit its field; `location` is the field.

    As in AWS, its event follows the one before the state or, if `is_after_entry`, the state's Entered event.
    """

    def __init__(self, cause: str, location: str | None = None, *, is_after_entry: bool = False) -> None:
        super().__init__(QUERY_EVALUATION_ERROR, cause)
        self.location, self.is_after_entry = location, is_after_entry


def too_large(name: str, *, is_from_task: bool = False) -> StateError:
    """States.DataLimitExceeded in AWS's words, for a state or for a task's service."""
    return StateError(
        DATA_LIMIT_EXCEEDED,
        f"The state/task '{name}' returned a result with a size exceeding the maximum number of bytes service limit.",
        is_from_task=is_from_task,
    )


def matches(error: StateError, names: Iterable[str]) -> bool:
    """True if a retrier or catcher with these ErrorEquals applies.

    States.Runtime always fails the execution. States.DataLimitExceeded has to be named, unless a task's service
    returned too much: AWS's recorded histories show that States.ALL catches it then. States.TaskFailed stands for every
    error but States.Timeout.
    """
    return error.error != RUNTIME and any(_is_named(error, name) for name in names)


def _is_named(error: StateError, name: str) -> bool:
    if name == error.error or (name == HEARTBEAT_TIMEOUT and isinstance(error, HeartbeatTimeout)):
        return True
    if error.error == DATA_LIMIT_EXCEEDED and not error.is_from_task:
        return False
    if name == TASK_FAILED:
        return error.error != TIMEOUT
    return name == ALL or (name == BRANCH_FAILED and error.is_from_branch)
