"""CloudFormation: one stack, changed by change sets that are looked at first, and followed event by event.

Sources: API_CreateChangeSet.html, API_ExecuteChangeSet.html, API_DescribeStackEvents.html and their neighbours under
https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from mlci.backends.aws.api_calls import Api, AwsError
from mlci.backends.stop_signal import StopSignal
from mlci.errors import CloudError

#: What a template may have that is sent in the request.
TEMPLATE_MAX_BYTES = 51_200
POLL_S = 2.0

#: What can be done with a stack: it is an `empty` shell, made for a change set that was not executed; `ready` for a
#: change; `ruined`, where its creation or its deletion failed, so that it can only be deleted; `stuck`, where an update
#: could not be undone; `busy`; or `gone`.
Condition = Literal["empty", "ready", "ruined", "stuck", "busy", "gone"]
_CONDITIONS: Mapping[str, Condition] = {
    "REVIEW_IN_PROGRESS": "empty",
    "CREATE_COMPLETE": "ready",
    "UPDATE_COMPLETE": "ready",
    "UPDATE_ROLLBACK_COMPLETE": "ready",
    "IMPORT_COMPLETE": "ready",
    "IMPORT_ROLLBACK_COMPLETE": "ready",
    "CREATE_FAILED": "ruined",
    "ROLLBACK_COMPLETE": "ruined",
    "ROLLBACK_FAILED": "ruined",
    "DELETE_FAILED": "ruined",
    "UPDATE_FAILED": "stuck",
    "UPDATE_ROLLBACK_FAILED": "stuck",
    "IMPORT_ROLLBACK_FAILED": "stuck",
    "CREATE_IN_PROGRESS": "busy",
    "ROLLBACK_IN_PROGRESS": "busy",
    "DELETE_IN_PROGRESS": "busy",
    "UPDATE_IN_PROGRESS": "busy",
    "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS": "busy",
    "UPDATE_ROLLBACK_IN_PROGRESS": "busy",
    "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS": "busy",
    "IMPORT_IN_PROGRESS": "busy",
    "IMPORT_ROLLBACK_IN_PROGRESS": "busy",
    "DELETE_COMPLETE": "gone",
}
#: How a change set that would change nothing fails: the one sentence of CreateChangeSet, the other of UpdateStack,
#: which comes for changes in metadata alone.
_NO_CHANGES = ("didn't contain changes", "No updates are to be performed")
_STACK_TYPE = "AWS::CloudFormation::Stack"
#: The reason of a resource that failed because another did.
_CANCELLED = "cancelled"
#: Where validation before the change set finds a fault, its reason says only to ask DescribeEvents.
_EARLY = "EarlyValidation"


@dataclass(frozen=True)
class Stack:
    """A stack as it is."""

    id: str
    name: str
    status: str
    reason: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def condition(self) -> Condition:
        """What can be done with it.

        Raises: CloudError, for a status that we do not know.
        """
        if self.status not in _CONDITIONS:
            raise CloudError(f'the stack "{self.name}" has the status {self.status}, which mlci does not know')
        return _CONDITIONS[self.status]


@dataclass(frozen=True)
class Change:
    """What would become of one resource. `action` is Add, Modify, Remove, Import, Dynamic or SyncWithActual; for a
    Modify, `replacement` is True, False or Conditional; `policy` is what becomes of the old one: Delete, Retain,
    Snapshot, ReplaceAndDelete, ReplaceAndRetain, ReplaceAndSnapshot, or empty; `about` names what of it changes."""

    action: str
    resource: str
    kind: str
    replacement: str = ""
    policy: str = ""
    about: tuple[str, ...] = ()


@dataclass(frozen=True)
class ChangeSet:
    """Changes that can be executed, once looked at."""

    id: str
    stack_id: str
    is_creation: bool
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True)
class StackEvent:
    """One step of an operation on one resource, or on the stack itself."""

    id: str
    resource: str
    kind: str
    status: str
    reason: str = ""
    is_stack: bool = False

    @property
    def is_failure(self) -> bool:
        """Whether it failed by itself, and not because another resource did."""
        return self.status.endswith("_FAILED") and _CANCELLED not in self.reason


@dataclass(frozen=True)
class Proposal:
    """A stack as it is wanted. `kept` are parameters that keep the value that they have."""

    name: str
    template: str
    values: Mapping[str, str]
    kept: frozenset[str]
    tags: Mapping[str, str]
    is_creation: bool


@dataclass(frozen=True)
class Stacks:
    api: Api
    token: Callable[[], str] = lambda: f"mlci-{secrets.token_hex(8)}"

    def find(self, stack: str) -> Stack | None:
        """The stack of a name or an id; None where there is none. One that was deleted is found by its id alone."""
        try:
            told = self.api.call("describe_stacks", StackName=stack)["Stacks"]
        except AwsError as error:
            if error.code == "ValidationError" and "does not exist" in error.message:
                return None
            raise
        return _stack(told[0]) if told else None

    def propose(self, proposal: Proposal) -> ChangeSet | None:
        """A change set; None where nothing would change. It leaves nothing behind where it fails.

        Raises: CloudError.
        """
        name = self.token()
        try:
            made = self.api.call("create_change_set", **_request(proposal, name))
        except AwsError as error:
            if _says_no_changes(error.message):
                return None
            raise
        empty = ChangeSet(made["Id"], made["StackId"], proposal.is_creation)
        try:
            return self._looked_at(empty)
        except BaseException:
            self.discard(empty)
            raise

    def _looked_at(self, empty: ChangeSet) -> ChangeSet | None:
        request = {"ChangeSetName": empty.id, "StackName": empty.stack_id}
        while True:
            told = self.api.call("describe_change_set", **request)
            match told["Status"]:
                case "CREATE_PENDING" | "CREATE_IN_PROGRESS":
                    self.api.patience.clock.sleep(POLL_S)
                case "CREATE_COMPLETE":
                    pages = self.api.pages("describe_change_set", ("NextToken", "NextToken"), **request)
                    changes = tuple(_change(entry) for page in pages for entry in page.get("Changes", ()))
                    return ChangeSet(empty.id, empty.stack_id, empty.is_creation, changes)
                case "FAILED":
                    reason = told.get("StatusReason", "")
                    if _says_no_changes(reason):
                        self.discard(empty)
                        return None
                    raise CloudError(f"CloudFormation can't make the change set: {self._why(empty, reason)}")
                case status:
                    raise CloudError(f"the change set has the status {status}, which mlci does not know")

    def _why(self, change_set: ChangeSet, reason: str) -> str:
        """The reason of a change set that failed; where CloudFormation says only where to ask for it, what it tells."""
        if _EARLY not in reason or not hasattr(self.api.client, "describe_events"):
            return reason or "it gave no reason"
        pages = self.api.pages("describe_events", ("NextToken", "NextToken"), ChangeSetName=change_set.id)
        events = [event for page in pages for event in page.get("OperationEvents", ())]
        faults = [
            f"{event.get('LogicalResourceId', 'the stack')}: {event['ValidationStatusReason']}"
            for event in events
            if event.get("ValidationStatus") == "FAILED" and event.get("ValidationStatusReason")
        ]
        return "; ".join(dict.fromkeys(faults)) or reason

    def discard(self, change_set: ChangeSet) -> None:
        """Removes a change set, and the empty shell of a stack that was made for it."""
        try:
            self.api.call("delete_change_set", ChangeSetName=change_set.id, StackName=change_set.stack_id)
        except AwsError as error:
            if error.code != "ChangeSetNotFound":
                raise
        if change_set.is_creation:
            stack = self.find(change_set.stack_id)
            if stack is not None and stack.condition == "empty":
                self.delete(stack.id, lambda event: None, StopSignal())

    def execute(self, change_set: ChangeSet, tell: Callable[[StackEvent], None], stop: StopSignal) -> Stack:
        """The stack at rest, when all is done, undone, or, with a creation that failed, deleted. `stop` undoes it.

        Raises: AwsError, where CloudFormation does not begin.
        """
        seen = self._newest(change_set.stack_id)
        # A creation that fails is deleted: OnStackFailure in CreateChangeSet, beside which DisableRollback can't stand.
        undoing = {} if change_set.is_creation else {"DisableRollback": False, "RetainExceptOnCreate": True}
        self.api.call(
            "execute_change_set",
            ChangeSetName=change_set.id,
            StackName=change_set.stack_id,
            ClientRequestToken=self.token(),
            **undoing,
        )
        return self._followed(change_set.stack_id, seen, tell, stop, undoes=True)

    def delete(self, stack_id: str, tell: Callable[[StackEvent], None], stop: StopSignal) -> Stack:
        """The stack when it is gone, or could not be deleted. A deletion can't be stopped: `stop` ends the waiting."""
        seen = self._newest(stack_id)
        self.api.call("delete_stack", StackName=stack_id, ClientRequestToken=self.token())
        return self._followed(stack_id, seen, tell, stop, undoes=False)

    def resources(self, stack_id: str) -> Iterator[tuple[str, str]]:
        """The logical id and the type of each resource."""
        pages = self.api.pages("list_stack_resources", ("NextToken", "NextToken"), StackName=stack_id)
        for page in pages:
            for entry in page["StackResourceSummaries"]:
                if entry.get("LogicalResourceId") and entry.get("ResourceStatus") != "DELETE_COMPLETE":
                    yield entry["LogicalResourceId"], entry.get("ResourceType", "")

    def physical_id(self, stack_id: str, resource: str) -> str | None:
        """What a resource that is there is called, also that of a stack that left it behind; None where it is not."""
        try:
            told = self.api.call("describe_stack_resource", StackName=stack_id, LogicalResourceId=resource)
        except AwsError as error:
            if error.code == "ValidationError":
                return None
            raise
        detail = told["StackResourceDetail"]
        is_there = detail.get("ResourceStatus") not in ("CREATE_FAILED", "DELETE_COMPLETE")
        return (detail.get("PhysicalResourceId") or None) if is_there else None

    def _followed(
        self, stack_id: str, seen: set[str], tell: Callable[[StackEvent], None], stop: StopSignal, undoes: bool
    ) -> Stack:
        """Follows an operation to its end. That the stack is at rest is not yet the end: it may not have begun. On
        `stop`, the operation is undone, or else left to itself."""
        has_ended, is_undone = False, False
        while True:
            stack = self.find(stack_id)  # before the events: none of those that led to this status is missed
            if stack is None:
                raise CloudError(f"the stack {stack_id} is gone without a word")
            for event in self._events_after(stack_id, seen):
                seen.add(event.id)
                if event.is_stack:
                    has_ended = not event.status.endswith("_IN_PROGRESS")
                tell(event)
            if has_ended and stack.condition not in ("busy", "empty"):
                return stack
            if not stop.is_set():
                self.api.patience.clock.wait(stop, POLL_S)
                continue
            if not undoes:
                return stack
            is_undone = is_undone or self._undo(stack)
            self.api.patience.clock.sleep(POLL_S)

    def _undo(self, stack: Stack) -> bool:
        """Has what is being made deleted, and what is being changed set back, where that is still possible."""
        match stack.status:
            case "CREATE_IN_PROGRESS":
                self.api.call("delete_stack", StackName=stack.id)
            case "UPDATE_IN_PROGRESS":
                try:
                    self.api.call("cancel_update_stack", StackName=stack.id)
                except AwsError as error:
                    if error.code != "ValidationError":  # it has just ended
                        raise
            case _:
                return False
        return True

    def _events_after(self, stack_id: str, seen: set[str]) -> list[StackEvent]:
        """The events behind those that are known, in order. The newest come first; reading ends at what is known."""
        new: list[StackEvent] = []
        for page in self.api.pages("describe_stack_events", ("NextToken", "NextToken"), StackName=stack_id):
            for entry in page["StackEvents"]:
                if entry["EventId"] in seen:
                    return new[::-1]
                new.append(_event(entry))
        return new[::-1]

    def _newest(self, stack_id: str) -> set[str]:
        """The id of the newest event."""
        page = self.api.call("describe_stack_events", StackName=stack_id)
        return {entry["EventId"] for entry in page["StackEvents"][:1]}


def _request(proposal: Proposal, name: str) -> dict[str, Any]:
    parameters: list[dict[str, Any]] = [
        {"ParameterKey": key, "ParameterValue": value} for key, value in proposal.values.items()
    ]
    parameters += [{"ParameterKey": key, "UsePreviousValue": True} for key in sorted(proposal.kept)]
    return {
        "StackName": proposal.name,
        "ChangeSetName": name,
        "ClientToken": name,
        "ChangeSetType": "CREATE" if proposal.is_creation else "UPDATE",
        "TemplateBody": proposal.template,
        "Parameters": parameters,
        "Capabilities": ["CAPABILITY_IAM"],
        "Tags": [{"Key": key, "Value": value} for key, value in proposal.tags.items()],
        **({"OnStackFailure": "DELETE"} if proposal.is_creation else {}),
    }


def _says_no_changes(reason: str) -> bool:
    return any(words in reason for words in _NO_CHANGES)


def _stack(told: Mapping[str, Any]) -> Stack:
    return Stack(
        id=told["StackId"],
        name=told["StackName"],
        status=told["StackStatus"],
        reason=told.get("StackStatusReason", ""),
        parameters={entry["ParameterKey"]: entry.get("ParameterValue", "") for entry in told.get("Parameters", ())},
        outputs={entry["OutputKey"]: entry["OutputValue"] for entry in told.get("Outputs", ())},
        tags={entry["Key"]: entry["Value"] for entry in told.get("Tags", ())},
    )


def _change(entry: Mapping[str, Any]) -> Change:
    told = entry["ResourceChange"]
    targets = [detail.get("Target", {}) for detail in told.get("Details", ())]
    about = dict.fromkeys(str(target.get("Name") or target.get("Attribute") or "") for target in targets)
    return Change(
        action=told["Action"],
        resource=told["LogicalResourceId"],
        kind=told.get("ResourceType", ""),
        replacement=told.get("Replacement", ""),
        policy=told.get("PolicyAction", ""),
        about=tuple(name for name in about if name),
    )


def _event(entry: Mapping[str, Any]) -> StackEvent:
    return StackEvent(
        id=entry["EventId"],
        resource=entry.get("LogicalResourceId", ""),
        kind=entry.get("ResourceType", ""),
        status=entry.get("ResourceStatus", ""),
        reason=entry.get("ResourceStatusReason") or "",
        is_stack=entry.get("ResourceType") == _STACK_TYPE and entry.get("PhysicalResourceId") == entry["StackId"],
    )
