"""The AWS account and the Git repository that `mlci bootstrap` works on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mlci.backends.aws.api_calls import Api
from mlci.backends.aws.buckets import Buckets
from mlci.backends.aws.caller_identity import Identity
from mlci.backends.aws.cloudformation_stacks import Stacks
from mlci.backends.aws.codeconnections import Connections
from mlci.backends.aws.executions import Executions
from mlci.backends.aws.s3_objects import Objects
from mlci.backends.aws.state_machines import StateMachines
from mlci.provision.preflight import Preflight
from mlci_dataclasses import dataclass


@dataclass(frozen=True)
class Account:
    """The caller's account in one region. `api` returns the client of a service."""

    api: Callable[[str], Api]
    identity: Identity
    region: str

    @property
    def stacks(self) -> Stacks:
        return Stacks(self.api("cloudformation"))

    @property
    def connections(self) -> Connections:
        return Connections(self.api("codeconnections"))

    @property
    def buckets(self) -> Buckets:
        return Buckets(self.api("s3"), self.identity.account)

    @property
    def objects(self) -> Objects:
        return Objects(self.api("s3"), self.identity.account)

    @property
    def machines(self) -> StateMachines:
        return StateMachines(self.api("stepfunctions"))

    @property
    def executions(self) -> Executions:
        return Executions(self.api("stepfunctions"))

    @property
    def preflight(self) -> Preflight:
        return Preflight(self.api, self.objects, self.region)


@dataclass(frozen=True)
class RepositoryContext:
    """The Git repository of the flow file.

    `origin` is the host and path of Git's origin, such as github.com/octo/model. `changed_files` returns a pattern of
    the files that the flow reads, and `repository_id` the ID of a public repository on GitHub.
    """

    root: Path
    flow_file: str
    base_branch: str | None
    changed_files: Callable[[], str]
    origin: str | None = None
    repository_id: Callable[[str], str | None] = lambda name: None

    def name_on(self, host: str) -> str | None:
        """Return owner/name of the origin on a host of GitHub, or None if it is elsewhere."""
        found, _, name = (self.origin or "").partition("/")
        return name if found == host else None
