"""The protocol of a backend: store bytes, publish a definition, run it, report its events."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import field
from datetime import datetime
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Any,  # the registry's requests and responses have the API's own shapes
    Literal,
    NewType,
    Protocol,
)

from mlci.plan.models import LOCAL_REGISTRY
from mlci.step_types.gate_judgement import ANSWER_MAX_CHARS
from mlci_dataclasses import dataclass

if TYPE_CHECKING:
    from mlci.aws_settings import AwsSettingName
    from mlci.backends.events import Event
    from mlci.backends.isolation import Isolation
    from mlci.backends.progress import ExpectedEnd
    from mlci.backends.stop_signal import StopSignal
    from mlci.flow.models import Flow
    from mlci.plan.models import Plan, PlannedImage, Upload

VersionArn = NewType("VersionArn", str)
ExecutionArn = NewType("ExecutionArn", str)


@dataclass(frozen=True)
class Outcome:
    """The end of an execution; `error` and `cause` are empty if it succeeded.

    Source: https://docs.aws.amazon.com/step-functions/latest/apireference/API_DescribeExecution.html
    """

    execution: ExecutionArn
    status: Literal["SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"]
    error: str = ""
    cause: str = ""


@dataclass(frozen=True)
class GateAnswer:
    """The answer to a state machine that asks whether the gate holds. `text` has the rules that are broken."""

    held: bool
    text: str = ""

    def output(self) -> str:
        """Return the output of the task that asks."""
        text = self.text if len(self.text) <= ANSWER_MAX_CHARS else f"{self.text[: ANSWER_MAX_CHARS - 1]}…"
        return json.dumps({"held": self.held, "text": text}, ensure_ascii=False)


@dataclass(frozen=True)
class RunningExecution:
    """An execution that runs at this moment: its name, which is the run's id, and its input."""

    name: str
    execution_input: str


@dataclass(frozen=True)
class StoredObject:
    """An object in the bucket, as a list shows it."""

    uri: str
    size_bytes: int
    modified: datetime


@dataclass(frozen=True)
class TaggedObject:
    """An object's bytes, and a tag that each replacement changes: the ETag on S3."""

    data: bytes
    tag: str


@dataclass(frozen=True)
class WarmPoolUse:
    """The warm pools of a training job: the job whose machines it started on, None where they were new, and whether its
    own are kept, or have been taken by another job; None where that is not known."""

    left_by: str | None = None
    is_kept: bool | None = None


@dataclass(frozen=True)
class ObjectCopy:
    """A copy to make of an object, as it was when it had this size and tag."""

    source: str
    target: str
    size_bytes: int
    tag: str


@dataclass(frozen=True)
class Change:
    """The change that publishing a definition would make.

    `before` is the current definition, and `differs` names the properties that differ. "none kept" stands for a cloud
    that keeps no state machine between runs, and "not used" for a run that starts no execution.
    """

    what: Literal["none", "create", "update", "none kept", "not used"]
    machine: str
    before: str = ""
    differs: tuple[str, ...] = ()


@dataclass(frozen=True)
class BackendOptions:
    """All that a backend may be configured by, read by the command line.

    `home` is the folder `.mlci`. `settings` are the options of the aws backend, None for those not given. `repository`
    is the name of the flow's repository. `python` is mlci's own interpreter, and `cache` the user's cache folder.
    `isolation` is that of local jobs, and `cores` the number of cores that they may use.
    """

    flow: Flow
    home: Path
    environment: Mapping[str, str]
    settings: Mapping[AwsSettingName, str | None] = field(default_factory=dict)
    repository: str | None = None
    is_protected: bool = False
    python: str = ""
    cache: Path | None = None
    isolation: Isolation = "auto"
    cores: int = 1


@dataclass(frozen=True)
class Location:
    """The bucket, job role, region and partition of a backend's runs, and whether they take the protected names.

    `registry` is the host of the registry of the images that flows build.
    `cores` is the number of cores that all jobs share; None where each has machines of its own. `poll_s` is the time
    between two looks of a state machine at something that takes its time.
    """

    bucket: str
    job_role: str
    region: str
    is_protected: bool = False
    partition: str = "aws"
    registry: str = LOCAL_REGISTRY
    cores: int | None = None
    poll_s: int = 1


class Backend(Protocol):
    """A backend that is configured, before a run."""

    @property
    def location(self) -> Location: ...

    def registry(self) -> AbstractContextManager[RegistryApi]:
        """Returns the model registry."""

    def stored(self) -> AbstractContextManager[StoredObjects]:
        """Returns the objects of the bucket, for `mlci gc`."""

    def open(self, log_file: Callable[[str], Path], log: Callable[[str], None]) -> AbstractContextManager[Cloud]:
        """Returns the cloud of one run. `log_file` maps a job's name to its log, and `log` takes messages.

        Raises: InputError.
        """


class RegistryApi(Protocol):
    """SageMaker's operations on model packages, and the objects that these name. Errors are CloudError.

    `caller` is who decides, for the registry to keep.
    """

    @property
    def caller(self) -> str: ...

    def call(self, operation: str, **request: Any) -> Mapping[str, Any]:
        """Returns the response of an operation, named as in boto3: `describe_model_package`."""

    def pages(self, operation: str, tokens: tuple[str, str], **request: Any) -> Iterator[Mapping[str, Any]]:
        """Yields every page of a list. `tokens` names the token of a request, and of a page."""

    def read(self, uri: str) -> bytes | None:
        """Returns an object's bytes; None if there is none, or it may not be read."""


class StoredObjects(Protocol):
    """The objects of a bucket, and what uses them now. Errors are CloudError."""

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """Yields all objects whose URI begins with this text."""

    def read(self, uri: str) -> bytes | None:
        """Returns an object's bytes; None if there is no such object."""

    def delete(self, uris: Sequence[str]) -> Mapping[str, str]:
        """Deletes objects, and returns the reason for each that is still there. A missing one is no error."""

    def running(self, flow: str, is_protected: bool) -> Iterable[RunningExecution]:
        """Returns all executions of a flow that run now under the protected names, or under the others."""

    def model_uris(self, flow: str) -> Iterable[str]:
        """Returns the URIs of the files of a flow's SageMaker models, which endpoints may serve."""


class Cloud(Protocol):
    """The cloud of one run. Errors are CloudError; a missing object is None.

    `role` is the ARN of the role that it is used with, or of the user; empty on this machine.
    """

    @property
    def name(self) -> str: ...

    @property
    def role(self) -> str: ...

    def check(self, planned: Plan) -> None:
        """Raises InputError, with every job's problems, where this cloud would refuse a job of the plan."""

    def software(self) -> Mapping[str, str]:
        """Returns the versions of what scripts run with here, by name; {} where each job's image holds all of it."""

    def read(self, uri: str, max_bytes: int | None = None) -> bytes | None:
        """Returns an object's bytes, at most `max_bytes` of them; None if there is no such object."""

    def is_empty(self, prefix: str) -> bool:
        """Returns True if no object's URI begins with this text."""

    def write(self, uri: str, data: bytes, content_type: str | None = None) -> None:
        """Writes an object, whole or not at all. With a type, a browser shows what it holds."""

    def list(self, prefix: str, most: int | None = None) -> Sequence[str]:
        """Returns the URIs of all objects whose URI begins with this text; at most so many."""

    def versions(
        self, prefix: str, most: int | None = None, has_any_owner: bool = False
    ) -> Mapping[str, tuple[int, str]]:
        """Returns the size in bytes and a tag of all objects whose URI begins with this text, by their URIs; at most so
        many of the first. Objects of one URI that have another content have another tag: the ETag on S3, the SHA-256
        here. The bucket belongs to the account of the run, if it may not have any owner."""

    def read_tagged(self, uri: str) -> TaggedObject | None:
        """Returns an object with its tag; None if there is no such object."""

    def replace(self, uri: str, data: bytes, tag: str | None) -> bool:
        """Writes an object if its tag is still this one, or, for None, if there is still none; else returns False."""

    def copy(self, copies: Sequence[ObjectCopy], on_bytes: Callable[[int], None]) -> None:
        """Copies objects within the store. `on_bytes` gets the number of bytes that have been copied each time.

        An object that has another tag by now is not copied, but is an error.
        """

    def missing(self, uploads: Iterable[Upload]) -> Sequence[Upload]:
        """Returns the uploads that the store does not hold yet."""

    def upload(self, uploads: Iterable[Upload], stop: StopSignal) -> int:
        """Uploads what is missing and returns the number of objects. Ends early when `stop` is set."""

    def publish_images(self, images: Iterable[PlannedImage], stop: StopSignal) -> Mapping[str, str]:
        """Builds the images that are not there yet, and returns what stands for the URI of each in a request.

        Ends early when `stop` is set.
        """

    def published_images(self, images: Iterable[PlannedImage]) -> Mapping[str, str]:
        """Returns the same of those images that are there already."""

    def change(self, flow: str, definition: str) -> Change:
        """Returns the change that `publish` would make."""

    def publish(self, flow: str, definition: str) -> VersionArn:
        """Returns a version of the flow's state machine that runs exactly this definition.

        Raises: InputError, if the definition is refused; nothing was started then.
        """

    def running(self, flow: str) -> Iterable[RunningExecution]:
        """Returns the flow's executions that run now, whoever started them."""

    def endpoint_urls(self) -> Mapping[str, str]:
        """Returns the addresses on this machine of the endpoints that are in service here, by their names."""

    def warm_pools(self, flow: str, jobs: Collection[str]) -> Mapping[str, WarmPoolUse]:
        """Returns what is known of the warm pools of training jobs that have ended; nothing where there are none."""

    def step_seconds(self, flow: str, steps: Collection[str]) -> Mapping[str, float]:
        """Returns the seconds that steps took in the newest execution that succeeded, as far as the cloud knows one."""

    def run(
        self,
        version: VersionArn,
        execution: str,
        execution_input: str,
        on_event: Callable[[Event], None],
        stop: StopSignal,
        ends: Callable[[], Sequence[ExpectedEnd] | None] = lambda: None,
        judge: Callable[[], GateAnswer] | None = None,
    ) -> Outcome:
        """Starts an execution of a version and waits for its end; when `stop` is set, stops it and all its jobs.

        An execution of that name and input that runs already is followed instead: its events come from the first on.
        `ends` returns when the running steps are expected to end, None if that of one is not known. `judge` returns
        the verdict on the gate by what has succeeded so far, for a state machine that asks for it.
        """
