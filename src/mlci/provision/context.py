"""What `mlci bootstrap` works with: the account, the repository, and the person who is asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mlci.backends.aws.api_calls import Api
from mlci.backends.aws.buckets import Buckets
from mlci.backends.aws.caller_identity import Identity
from mlci.backends.aws.cloudformation_stacks import StackEvent, Stacks
from mlci.backends.aws.codeconnections import Connections
from mlci.backends.aws.executions import Executions
from mlci.backends.aws.preflight import Preflight
from mlci.backends.aws.state_machines import StateMachines
from mlci.errors import InputError, Stopped
from mlci.interrupts import Listening
from mlci.report.stack_report import Line


@dataclass(frozen=True)
class Account:
    """The account in one region. `api` gives the client of a service."""

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
        return Buckets(self.api("s3"))

    @property
    def machines(self) -> StateMachines:
        return StateMachines(self.api("stepfunctions"))

    @property
    def executions(self) -> Executions:
        return Executions(self.api("stepfunctions"))

    @property
    def preflight(self) -> Preflight:
        return Preflight(self.api, self.region)


@dataclass(frozen=True)
class Around:
    """The repository that the flow file stands in. `name` is owner/name on GitHub, None where git does not say so;
    `changed_files` is the pattern of the files that the flow reads, and `origin` what git calls so."""

    root: Path
    flow_file: str
    name: str | None
    base_branch: str | None
    changed_files: Callable[[], str]
    origin: str | None = None


class Person(Protocol):
    """Who is shown what would change, and asked. `agrees` has said yes beforehand; `is_there` can answer."""

    @property
    def agrees(self) -> bool: ...

    @property
    def is_there(self) -> bool: ...

    @property
    def listening(self) -> Listening: ...

    def say(self, text: str) -> None: ...

    def show(self, lines: Sequence[Line]) -> None: ...

    def tell(self, event: StackEvent) -> None: ...

    def confirm(self, question: str) -> bool: ...


def agree(person: Person, question: str, done: str) -> None:
    """Raises InputError, where nobody is there to agree; Stopped, where they don't. Then nothing was `done`."""
    if person.agrees:
        return
    if not person.is_there:
        hint = "Look at what is shown, and run again with --yes."
        raise InputError(f"nobody is at a terminal to agree, so nothing was {done}", hint)
    if not person.confirm(question):
        raise Stopped(f"nothing was {done}.")
