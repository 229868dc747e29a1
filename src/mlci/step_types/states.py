"""The states of a step, as its type describes them: what the SDK's states are made of, and what is tried again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import TypeAlias

from mlci.step_types.keys import Json
from mlci_dataclasses import dataclass


@dataclass(frozen=True)
class StepPaths:
    """The JSONPaths of a step in the data of a state: of its part of the execution input, and of its result.

    `request_fields` are the fields of its API request, and `input_fields` those of its own part of the execution input,
    both sorted. `request_root` is the path of the request where it does not lie in that part.
    """

    input: str
    result: str
    request_fields: tuple[str, ...] = ()
    input_fields: tuple[str, ...] = ()
    request_root: str = ""

    @property
    def request(self) -> str:
        """The path of the step's API request."""
        return self.request_root or f"{self.input}.request"

    @property
    def request_parameters(self) -> dict[str, str]:
        """The parameters of a task that sends the step's request: each field, and its path."""
        return {f"{name}.$": f"{self.request}.{name}" for name in self.request_fields}


@dataclass(frozen=True)
class RetryRule:
    """Failures of a task that pass by themselves, by the error's name and the patterns of its cause.

    `errors` are the names, any if empty. One of `causes` matches, and none of `unless`; `*` is the only wildcard. The
    task is tried again after `wait_s` seconds, `attempts` times. `kind` is one word for what is waited for. Where
    `is_rejection`, the API rejects the request at once, so that a failed attempt takes no time.
    """

    kind: str
    errors: tuple[str, ...]
    causes: tuple[str, ...]
    wait_s: int
    attempts: int
    unless: tuple[str, ...] = ()
    is_rejection: bool = True

    @property
    def total_wait_s(self) -> int:
        return self.wait_s * self.attempts


def attempt_counters(rules: tuple[RetryRule, ...]) -> dict[str, Json]:
    """Return the counters of a task's attempts, which are part of the execution input."""
    return {"number": 0, **{rule.kind: 0 for rule in rules}}


@dataclass(frozen=True)
class TaskState:
    """A Task state, which follows the state that is described before it.

    `title` is "" for the step's main state, which bears the step's name; another is named "<step>: <title>".
    `keeps` maps a name to a path in the task's result; it is stored at the step's result path. A failure ends in the
    Fail state "<step>: <failure_title>". `transient_errors` are names of errors that always pass by themselves;
    `retries` tells others by their causes, and counts them at `attempt_path`. `alternative` does the same another way.
    `keeps_below` is a path below the step's result path. `undo` takes back what has been done if the task fails, and is
    not tried again. `message_path` leads to the texts of a message, which is put at `$.message` before, with the
    metrics between them. A task that waits in vain until its timeout ends the run by `time_out`. `name_field` is the
    field of a job's name, in a task that sends the step's request with a name and nothing else. One that
    somebody outside does has a `heartbeat`.
    """

    title: str
    resource: str
    parameters: Mapping[str, Json]
    transient_errors: tuple[str, ...]
    failure_title: str
    keeps: Mapping[str, str] = field(default_factory=dict)
    keeps_below: str = ""
    timeout_s: int | None = None
    timeout_path: str | None = None
    retries: tuple[RetryRule, ...] = ()
    attempt_path: str = ""
    alternative: Alternative | None = None
    undo: TaskState | None = None
    message_path: str = ""
    time_out: TimeOut | None = None
    name_field: str = ""
    heartbeat: Heartbeat | None = None


@dataclass(frozen=True)
class Heartbeat:
    """The sign of life of whoever does a task, which has to come within the seconds at `seconds_path`, again and again.

    Where it does not, the step fails in the Fail state "<step>: <title>", whose cause ends in `reason`.
    """

    seconds_path: str
    title: str
    reason: str


@dataclass(frozen=True)
class TimeOut:
    """The end of a run whose task waited in vain: the Fail state "<step>: <title>". `cause_path` leads to its cause."""

    title: str
    cause_path: str


@dataclass(frozen=True)
class Alternative:
    """States that do a task's work in its place, if its failure has one of these causes, which are patterns.

    Where one of them fails, the task is tried again, or not, as if it had failed itself. Without states, the work is
    done.
    """

    causes: tuple[str, ...]
    states: tuple[State, ...]


@dataclass(frozen=True)
class MapState:
    """A Map state: a task for each item of the array at `items_path`, which has at most `max_items`.

    `item` is the input of an iteration. The iterations' results are stored at `keeps_below` below the step's result
    path. `undo` is that of a task.
    """

    title: str
    items_path: str
    item: Mapping[str, str]
    max_items: int
    max_concurrency: int
    task: TaskState
    keeps_below: str
    undo: TaskState | None = None


@dataclass(frozen=True)
class PassState:
    """A Pass state that computes a value and puts it at `keeps_below` below the step's result path.

    `value` is a JSONata expression, whose context is what lies there before.
    """

    title: str
    value: str
    keeps_below: str


@dataclass(frozen=True)
class WaitState:
    """A Wait state. `seconds_path` leads to an integer."""

    title: str
    seconds_path: str


@dataclass(frozen=True)
class PollState:
    """A loop of a Wait state, a task that describes something, and a Choice by its status.

    `task` keeps the description as `described`. While the field `status_field` of it is one of `pending`, it is asked
    again after `seconds_path` seconds, as often as the field `left` at `counter_path` says; all that takes at most
    the seconds at `limit_path`. If it then is `wanted`, and the description's field `same[0]` is what the path
    `same[1]` leads to, the step goes on. Otherwise it fails: with `failure`, which has no apostrophe, and the field
    `reason_field`. `undo` are tried before that.
    """

    title: str
    seconds_path: str
    counter_path: str
    limit_path: str
    task: TaskState
    status_field: str
    reason_field: str
    pending: tuple[str, ...]
    wanted: str
    same: tuple[str, str]
    failure: str
    failure_title: str
    undo: tuple[TaskState | BranchState, ...] = ()

    @property
    def reason_titles(self) -> tuple[str, str, str]:
        """The titles of the states that make the cause of a failure: with a reason, without one, and out of time."""
        return tuple(f"{self.failure_title}, {how}" for how in ("its reason", "its status", "too late"))  # type: ignore[return-value]


@dataclass(frozen=True)
class BranchState:
    """A Choice state: the states of `present` follow if the data has a value at `path`, and else those of `absent`.

    If there is a `pattern`, the value has to match it; `*` is the only wildcard.
    """

    title: str
    path: str
    pattern: str = ""
    present: tuple[State, ...] = ()
    absent: tuple[State, ...] = ()


@dataclass(frozen=True)
class SmokeState:
    """A Map state that sends requests to an endpoint, one by one, and compares each answer with the expected one.

    `items_path` leads to the requests, of which there are at most `max_items`. Each has `name`, `body`, `content_type`,
    `accept`, `expected` (in words) and `expect`: a `kind` (contains, equals, json, within or any), with its `text`, or
    `low` and `high`. The answers are kept as `answers` at `keeps_below` below the step's result path.
    """

    title: str
    task_title: str
    endpoint_path: str
    items_path: str
    keeps_below: str
    max_items: int
    timeout_s: int
    transient_errors: tuple[str, ...]
    failure_title: str

    @property
    def reason_title(self) -> str:
        """The title of the state that makes the cause of a failure."""
        return f"{self.failure_title}, its reason"


#: The error name of a step that the state machine itself found to have failed; the cause says why.
CHECK_FAILED = "mlci.CheckFailed"
#: The words for a metric that is not there, in a message.
MISSING_METRIC = "(missing)"


@dataclass(frozen=True)
class FailState:
    """A Fail state, which ends the run as a missed gate does. `message_path` leads to the texts of its cause, between
    which the metrics that the step's message names stand."""

    title: str
    message_path: str


#: The field `decision` of a decision to approve, and of one to reject.
APPROVED, REJECTED = "approved", "rejected"


@dataclass(frozen=True)
class ApprovalState:
    """A Choice state: the step goes on where the decision at `decision_path` is to approve.

    Any other decision ends the run in the Fail state "<step>: <rejected_title>", as a missed gate does.
    """

    title: str
    decision_path: str
    rejected_title: str


State: TypeAlias = (
    "TaskState | MapState | PassState | WaitState | PollState | BranchState | SmokeState | FailState | ApprovalState"
)

#: Names of errors that always pass by themselves: the API was called too often, or the SDK did not reach it.
SAGEMAKER_TRANSIENT_ERRORS = ("SageMaker.SdkClientException", "ThrottlingException")
S3_TRANSIENT_ERRORS = ("S3.SdkClientException",)

#: An SDK's base class of exceptions carries whatever its service has no class for: throttling and the service's faults,
#: but also invalid requests and denied rights. So these errors are told apart by the end of their causes, which is
#: `(Service: AmazonSageMaker; Status Code: 400; Error Code: ThrottlingException; Request ID: …)` in version 1 of the
#: SDK for Java and `(Service: S3, Status Code: 503, Request ID: …)` in version 2.
#: Sources: https://docs.aws.amazon.com/sagemaker/latest/APIReference/CommonErrors.html (ThrottlingException 400,
#: InternalFailure 500, ServiceUnavailable 503); https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
#: (InternalError 500, SlowDown 503); https://docs.aws.amazon.com/kms/latest/developerguide/throttling.html ("You have
#: exceeded the rate at which you may call KMS").
_SAGEMAKER_EXCEPTION, _S3_EXCEPTION = "SageMaker.AmazonSageMakerException", "S3.S3Exception"
_SERVICE_CAUSES = ("*Rate exceeded*", "*Status Code: 429*", "*Status Code: 5*", "*rate at which you may call KMS*")
SAGEMAKER_RETRIES = (
    # The job's failure reason: "CapacityError: Unable to provision requested ML compute capacity."
    RetryRule("capacity", (), ("*CapacityError*",), wait_s=120, attempts=3, is_rejection=False),
    # "The account-level service limit 'ml.p2.xlarge for training job usage' is 0 Instances, with current utilization of
    # 0 Instances and a request delta of 1 Instances." Where nothing is in use, waiting frees nothing.
    # Source: https://github.com/awsdocs/amazon-sagemaker-developer-guide/issues/70
    RetryRule(
        "quota",
        ("SageMaker.ResourceLimitExceededException", _SAGEMAKER_EXCEPTION),
        ("*Error Code: ResourceLimitExceeded*",),
        wait_s=120,
        attempts=15,
        unless=("*current utilization of 0 *",),
    ),
    RetryRule(
        "service", (_SAGEMAKER_EXCEPTION,), ("*Error Code: Throttling*", *_SERVICE_CAUSES), wait_s=30, attempts=10
    ),
)
S3_RETRIES = (RetryRule("service", (_S3_EXCEPTION,), _SERVICE_CAUSES, wait_s=30, attempts=10),)
