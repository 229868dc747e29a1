"""The parts of a step type: its keys in flow.yaml, its container, its request, its job, its states and its rights.

All of it is data, and pure functions on plain values: step types stand below the flow, and describe what the modules
above build. `compile` turns a described state into the SDK's, `provision` turns a grant into a policy's statement.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Scalar: TypeAlias = "str | int | float | bool"
Json: TypeAlias = "Scalar | None | list[Json] | dict[str, Json]"

KeyKind = Literal[
    "text",
    "integer",
    "duration",
    "image",
    "texts",
    "scalars",
    "text or texts",
    "text, texts or map of texts",
    "metric definitions",
    "map of ranges",
    "objective",
    "map of texts",
    "texts or map of texts",
    "source",
    "map of sources",
    "map of scalars",
    "boolean",
    "number",
    "vpc",
    "matrix",
    "condition",
    "json",
    "json map",
    "json list",
]


@dataclass(frozen=True)
class NameRule:
    """The names that a flow may give to one kind of thing. `allowed` describes the pattern in words."""

    kind: str
    pattern: re.Pattern[str]
    max_chars: int
    allowed: str
    reserved: frozenset[str] = frozenset()


#: Yields paths, sentences and remedies, from a step's own keys and those of `defaults`.
StepCheck: TypeAlias = (
    "Callable[[Mapping[str, Json], Mapping[str, Json]], Iterator[tuple[tuple[str | int, ...], str, str]]]"
)


@dataclass(frozen=True)
class Key:
    """One key of a step in flow.yaml.

    `minimum` and `maximum` hold for the number as it is written, and `pattern` is for the JSON schema alone;
    `job_maximum` also holds for a value that comes from `defaults` (a duration in seconds). `max_chars` is the length
    of a text, or of each text in it. `choices` are the only texts that it takes. Metrics of other steps may stand where
    a key `takes_metrics`. `names` rules the names in a map or a list. `problems` yields what AWS or the container can't
    take of a value, as far as it is known: the path below the key, a sentence and a remedy. Where `takes_one_cell`, a
    source is no folder of several cells.
    A value that `becomes` a part of an API request is merged over it, below the step's key `merges_into`.
    `step_problems` gets the keys that the step itself has, and those of `defaults`, and yields what can't stand
    together: paths are those below the step.
    The value of a key that `names_metrics` is the name of a step that writes metrics, which are read as a file.
    """

    name: str
    kind: KeyKind
    description: str
    examples: tuple[Json, ...] = ()
    is_required: bool = False
    missing_hint: str = ""
    in_defaults: bool = False
    default: Scalar | None = None
    takes_outputs: bool = False
    takes_metrics: bool = False
    names_metrics: bool = False
    minimum: int | None = None
    maximum: int | None = None
    job_maximum: int | None = None
    pattern: str = ""
    max_items: int | None = None
    max_chars: int | None = None
    choices: tuple[str, ...] = ()
    names: NameRule | None = None
    problems: Callable[[Json], Iterator[tuple[tuple[str | int, ...], str, str]]] | None = None
    takes_one_cell: bool = False
    step_problems: StepCheck | None = None
    becomes: Callable[[Json], dict[str, Json]] | None = None
    merges_into: str = "request"


#: "fetched" are files that the starter fetches itself.
CodePackage = Literal["files", "archive", "fetched"]
#: SageMaker has images to train in, where scripts of processing jobs run as well, and images to serve models by.
ImageScope = Literal["training", "inference"]


@dataclass(frozen=True)
class Container:
    """The places where a script finds its files: folders in the container, and the form in which its code is staged.

    `inputs` and `outputs` are the folders that hold one folder for each input and output. `archive` is the file that
    holds an output where another step reads it, packed; None if outputs are not packed. `metrics` is the folder of the
    metrics that the starter collects, and `metrics_field` the field of the request that carries it out, if a flow's own
    `request:` can't have that as well.
    `checkpoints` is the folder that is kept in step with S3 where a step asks for it; metrics are then below it.
    `installs_requirements` says that a requirements.txt beside the script is installed, and `has_toolkit` that
    SageMaker's images have a toolkit that starts the script; an image that the flow builds has none. Where it
    `passes_uris`, a script gets the URIs of its inputs and outputs in the place of folders, and reads and writes them
    itself.
    """

    code: str
    package: CodePackage
    inputs: str
    outputs: str
    metrics: str
    archive: str | None = None
    metrics_field: str | None = None
    checkpoints: str | None = None
    installs_requirements: bool = False
    has_toolkit: bool = False
    passes_uris: bool = False

    def input(self, name: str) -> str:
        """Return the folder of an input."""
        return f"{self.inputs}/{name}"

    def output(self, name: str) -> str:
        """Return the folder of an output."""
        return f"{self.outputs}/{name}"

    def metrics_of(self, keeps_checkpoints: bool) -> str:
        """Return the folder of the metrics that the starter collects, in a step with or without checkpoints."""
        return f"{self.checkpoints}/{self.metrics.rpartition('/')[2]}" if keeps_checkpoints else self.metrics


@dataclass(frozen=True)
class ResolvedStep:
    """A step whose values are all known, in plain types: what a type makes its request and its input of.

    `inputs` and `outputs` are URIs; of `sharded_inputs` each instance gets a part, and those of `inputs_without_script`
    are written by steps that run none of the flow's scripts. `values` holds the keys that only
    this type has. `job` is what the names of the step's jobs begin with. `metrics_folder` is the URI for the metrics
    that the job collects, below `checkpoints_folder` if there is one. `command` runs the script in `working_dir`; it is
    empty where the starter does, which is `mlci_start.py` beside the code. A step without a script has no `code_uri`.
    `content_types` are those of inputs, by name. What the type has no key for is empty. `run_id` and `commit` tell the
    run, whose names are those of merged code if it `is_protected`. `poll_s` is the time between two looks at something
    that takes its time. `params` are those of the flow in this run, and `metrics_uris` are the metrics of each step. If
    it `keeps_resources`, what the step creates may outlive the run: on AWS, a run of merged code does so.
    `has_built_image` says that the image is built from a folder of the flow, and has no training toolkit. `token_uri`
    is the place of the task token, of a step that waits for a decision. `kept_name` is the name of what protected runs
    keep of the step, one after the other.
    """

    name: str
    job: str
    role: str
    tags: Mapping[str, str]
    run_id: str = ""
    commit: str | None = None
    is_protected: bool = False
    kept_name: str = ""
    poll_s: int = 1
    keeps_resources: bool = False
    params: Mapping[str, Scalar] = field(default_factory=dict)
    metrics_uris: Mapping[str, str] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    inputs_without_script: frozenset[str] = frozenset()
    sharded_inputs: frozenset[str] = frozenset()
    outputs: Mapping[str, str] = field(default_factory=dict)
    args: tuple[str, ...] = ()
    hyperparameters: Mapping[str, Scalar] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    further_requests: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)
    values: Mapping[str, Json] = field(default_factory=dict)
    metrics_folder: str = ""
    checkpoints_folder: str = ""
    metric_definitions: tuple[tuple[str, str], ...] = ()
    code_uri: str = ""
    working_dir: str = ""
    command: tuple[str, ...] = ()
    content_types: Mapping[str, str] = field(default_factory=dict)
    image: str = ""
    has_built_image: bool = False
    instance: str = ""
    instance_count: int = 1
    volume_gb: int = 1
    timeout_s: int = 0
    token_uri: str = ""


@dataclass(frozen=True)
class Request:
    """The API request that a step makes, without the name of what it creates.

    `name_field` takes that name. `task_fields` are the fields that Step Functions passes on, at the top of a request.
    `finish` gets the request with the step's `request:` merged over it, and returns what is sent. `service` is that of
    the action, as botocore calls it.
    """

    action: str
    name_field: str
    task_fields: frozenset[str]
    build: Callable[[ResolvedStep], dict[str, Json]]
    finish: Callable[[ResolvedStep, dict[str, Json]], dict[str, Json]] = lambda step, request: request
    service: str = "sagemaker"


@dataclass(frozen=True)
class FurtherRequest:
    """An API request that a step makes beside its own, whole. `key` is the step's key that is merged over it."""

    action: str
    request: Mapping[str, Json]
    task_fields: frozenset[str]
    key: str
    service: str = "sagemaker"


def no_further_requests(values: Mapping[str, Json]) -> tuple[FurtherRequest, ...]:
    """Return the further requests of a type that makes none."""
    return ()


@dataclass(frozen=True)
class JobType:
    """A SageMaker job: how the API, the console and CloudWatch Logs call it. `noun` is "TrainingJob".

    `event_noun` is what the rule of EventBridge calls it by which Step Functions waits, if that is another word.
    `name_max_chars` is the length of a job's name with what the state machine appends. A job that `has_trials` is made
    of training jobs, whose names are its own, a - and more; they have the logs.
    """

    noun: str
    console_page: str
    log_group: str
    event_noun: str | None = None
    name_max_chars: int = 63
    has_trials: bool = False

    @property
    def jobs_placeholder(self) -> str:
        """The placeholder in a grant's resource for the beginning of the names of such jobs."""
        return "jobs" if self.name_max_chars == JobType.name_max_chars else "short_jobs"

    @property
    def log_streams(self) -> str:
        """The character that the names of a job's log streams have behind its own name."""
        return "-" if self.has_trials else "/"

    @property
    def events_rule(self) -> str:
        """The rule of EventBridge by which Step Functions waits for such a job."""
        return f"StepFunctionsGetEventsForSageMaker{self.event_noun or self.noun}sRule"

    @property
    def operation_noun(self) -> str:
        """The noun in boto3's operations: describe_training_job, list_training_jobs, stop_training_job."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", self.noun).lower()

    @property
    def arn_resource(self) -> str:
        """The resource type in ARNs: training-job."""
        return self.operation_noun.replace("_", "-")

    @property
    def task_resource(self) -> str:
        """The resource in a TaskScheduled event, without its pattern: createTrainingJob."""
        return f"create{self.noun}"

    @property
    def name_field(self) -> str:
        return f"{self.noun}Name"

    @property
    def status_field(self) -> str:
        return f"{self.noun}Status"

    @property
    def summaries_field(self) -> str:
        return f"{self.noun}Summaries"


@dataclass(frozen=True)
class StepPaths:
    """The JSONPaths of a step in the data of a state: of its part of the execution input, and of its result.

    `request_fields` are the fields of its API request, and `input_fields` those of its own part of the execution input,
    both sorted.
    """

    input: str
    result: str
    request_fields: tuple[str, ...] = ()
    input_fields: tuple[str, ...] = ()


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
    metrics between them. A task that waits in vain until its timeout ends the run by `time_out`.
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


@dataclass(frozen=True)
class Listing:
    """The call that lists resources by the name of what they belong to, as SageMaker's API has it.

    `field` takes that name, `items` is the field of the result with the list, and `item` that of an item's own name.
    """

    action: str
    field: str
    items: str
    item: str


@dataclass(frozen=True)
class Deletion:
    """The deletion of one kind of resource, in the words of its service's API: `action` takes the name in `field`.

    `noun` is the kind in ARNs. Where a resource gets its name from SageMaker, `listing` finds those that belong to a
    known name.
    """

    noun: str
    action: str
    field: str
    listing: Listing | None = None
    service: str = "sagemaker"

    @property
    def key(self) -> str:
        """The kind as a word in a path: statelint takes no quotes there."""
        return self.noun.replace("-", "_")

    @property
    def permission(self) -> str:
        """The IAM action: sagemaker:DeleteModel."""
        return f"{self.service}:{self.action[:1].upper()}{self.action[1:]}"


#: Every kind of resource that a step may create and that outlives its run unless it is deleted, in the order of their
#: deletion: what uses another comes first.
DELETIONS: tuple[Deletion, ...] = (
    Deletion("endpoint", "deleteEndpoint", "EndpointName"),
    Deletion("endpoint-config", "deleteEndpointConfig", "EndpointConfigName"),
    Deletion(
        "model-package",
        "deleteModelPackage",
        "ModelPackageName",
        Listing("listModelPackages", "ModelPackageGroupName", "ModelPackageSummaryList", "ModelPackageArn"),
    ),
    Deletion("model-package-group", "deleteModelPackageGroup", "ModelPackageGroupName"),
    Deletion("model", "deleteModel", "ModelName"),
    Deletion("job", "deleteJob", "JobName", service="glue"),
)


@dataclass(frozen=True)
class Cleanup:
    """A resource that a step creates, and that the cleaner deletes after a run whose names are not protected.

    `noun` is that of one of `DELETIONS`. `name` returns the resource's name; of one that is listed, the name of what it
    belongs to. It is empty where there is nothing to delete.
    """

    noun: str
    name: Callable[[ResolvedStep], str] = lambda step: step.job


#: The key of the name of what runs of merged code keep of a step.
KEPT_NAME = "name"
#: The key of what an endpoint captures; `to` is the place for it.
CAPTURE = "capture"


@dataclass(frozen=True)
class Grant:
    """One statement of a policy, `sid`, as far as one type needs it: the grants of all types are merged by it.

    A resource is "*" or `<service>:<resource>`, in which `{jobs}` is the beginning of the flow's job names,
    `{jobs_lower}` the same in lower case, `{short_jobs}` that of jobs whose names have few characters, `{machine}` its
    state machine, `{runs}` the prefix of its runs, `{tokens}` that of its task tokens, and `{kept}` each name that the
    flow gives to what it keeps; for `s3`, it is a prefix of keys, or empty for the bucket itself. `condition` is the
    statement's Condition, whose values may be such resources. A grant that `joins_network` gets the condition that it
    joins no network but the flow's.
    """

    sid: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    condition: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    joins_network: bool = False


@dataclass(frozen=True)
class Grants:
    """The rights that a step type needs in each role: the build's, the state machine's and the job's.

    `passes_role_to` is the service that the state machine passes the job's role to; None for none. `protected` adds to
    the rights of the state machine whose names are protected, which keeps what others leave to their cleaner.
    """

    build: tuple[Grant, ...] = ()
    workflow: tuple[Grant, ...] = ()
    protected: tuple[Grant, ...] = ()
    job: tuple[Grant, ...] = ()
    passes_role_to: str | None = None


@dataclass(frozen=True)
class StepType:
    """Everything that is particular to one value of `uses`. No part has a default: a type says what it lacks.

    `hints` give a remedy for keys of other types. `outputs` are the outputs that every step of the type has; None where
    the flow names them. `metrics_file` is the file in an output that holds the metrics of every such step; None where
    the flow names it, or has none. `image_scope` is the kind of image that `image` names by a framework and a version,
    None for a type without an image. `container`, `request` and `job` are None for a type that runs no script, makes no
    API request, or starts no job. `execution_input` returns the step's part of the execution input, without its
    request; it gets the request as it is sent, because a flow's `request:` may change what the input repeats. `states`
    are the states in order, the main one first. `further_requests` returns what a step asks of the API beside its own
    request, from its part of the execution input. `cleanup` are the resources that a run leaves, and that are deleted
    after it unless its names are protected. `summary` says what the step is in one line of `mlci plan`, from the same
    two.
    """

    name: str
    description: str
    keys: tuple[Key, ...]
    hints: Mapping[str, str]
    outputs: tuple[str, ...] | None
    metrics_file: str | None
    image_scope: ImageScope | None
    container: Container | None
    request: Request | None
    further_requests: Callable[[Mapping[str, Json]], tuple[FurtherRequest, ...]]
    job: JobType | None
    execution_input: Callable[[ResolvedStep, Mapping[str, Json]], dict[str, Json]]
    states: Callable[[StepPaths], tuple[State, ...]]
    cleanup: tuple[Cleanup, ...]
    grants: Grants
    summary: Callable[[ResolvedStep, Mapping[str, Json]], str]

    def key(self, name: str) -> Key | None:
        """Return the key of that name; None if the type has none."""
        return next((key for key in self.keys if key.name == name), None)

    def input_path(self, name: str) -> tuple[str, ...]:
        """Return where a step names an input: below `inputs`, or by a key of its own."""
        key = self.key(name)
        return (name,) if key is not None and key.kind == "source" else ("inputs", name)
