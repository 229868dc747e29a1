"""The parts of a step type that are not of a module of their own: its container, its request, its job, and the type.

All of it is data, and pure functions on plain values: step types stand below the flow, and describe what the modules
above build. `compile` turns a described state into the SDK's, `provision` turns a grant into a policy's statement.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Literal

from mlci.step_types.grants import Grants
from mlci.step_types.keys import Json, Key, Scalar
from mlci.step_types.states import State, StepPaths
from mlci_dataclasses import dataclass

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
    is the place of the task token, of a step that waits for a decision or runs in the build; `runs_on` says which.
    `heartbeat_s` is the time in which the build has to give a sign of life. `kept_name` is the name of what protected
    runs keep of the step, one after the other.
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
    runs_on: str = ""
    heartbeat_s: int = 300


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
class Cleanup:
    """A resource that a step creates, and that the cleaner deletes after a run whose names are not protected.

    `noun` is that of one of `DELETIONS`. `name` returns the resource's name; of one that is listed, the name of what it
    belongs to. It is empty where there is nothing to delete.
    """

    noun: str
    name: Callable[[ResolvedStep], str] = lambda step: step.job


@dataclass(frozen=True)
class InstanceCost:
    """The cost of a job's instances, by the second: `config` is the way to them in the job's request.

    Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateTrainingJob.html and its siblings
    """

    config: tuple[str, ...]


@dataclass(frozen=True)
class UnknownCost:
    """A cost that mlci can't estimate, for this reason."""

    reason: str


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
    two. Results of a type that `is_reusable` depend on the step's key alone, so that a later run may take them. `cost`
    says what is estimated of it; None for a type whose cost is not counted.
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
    is_reusable: bool
    cost: InstanceCost | UnknownCost | None

    def key(self, name: str) -> Key | None:
        """Return the key of that name; None if the type has none."""
        return self._keys_by_name.get(name)

    @functools.cached_property
    def _keys_by_name(self) -> Mapping[str, Key]:
        return {key.name: key for key in self.keys}

    def input_path(self, name: str) -> tuple[str, ...]:
        """Return where a step names an input: below `inputs`, or by a key of its own."""
        key = self.key(name)
        return (name,) if key is not None and key.kind == "source" else ("inputs", name)
