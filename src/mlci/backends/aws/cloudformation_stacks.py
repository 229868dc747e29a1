"""CloudFormation: a stack, updated by change sets and followed event by event.

Sources: API_CreateChangeSet.html, API_ExecuteChangeSet.html, API_DescribeStackEvents.html and their neighbours under
https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field
from typing import Any, Literal

from mlci.backends.aws.api_calls import Api, AwsError
from mlci.backends.stop_signal import StopSignal
from mlci.errors import CloudError
from mlci_dataclasses import dataclass

#: The largest template that fits into a request, and the largest that CloudFormation reads from a bucket.
#: Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateChangeSet.html
TEMPLATE_MAX_BYTES, STORED_TEMPLATE_MAX_BYTES = 51_200, 1_000_000
POLL_S = 2.0

#: The possible next operations on a stack. `empty`: created by a change set that was not executed; `ready` for an
#: update; `ruined`: its creation or deletion failed, so it can only be deleted; `stuck`: a rollback failed; `busy`: an
#: operation is in progress; `gone`: deleted.
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
#: The reasons of a change set without changes: the first from CreateChangeSet, the second from UpdateStack, for changes
#: of metadata alone.
_NO_CHANGES = ("didn't contain changes", "No updates are to be performed")
_STACK_TYPE = "AWS::CloudFormation::Stack"
#: Part of the reason of a resource that failed because another did.
_CANCELLED = "cancelled"
#: Part of the reason of a change set that failed early validation; the details are in DescribeEvents.
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
        """The possible next operations.

        Raises: CloudError, for an unknown status.
        """
        if self.status not in _CONDITIONS:
            raise CloudError(f'the stack "{self.name}" has the unknown status {self.status}')
        return _CONDITIONS[self.status]


@dataclass(frozen=True)
class ResourceChange:
    """The change of one resource, named as in the API.

    `action` is Add, Modify, Remove, Import, Dynamic or SyncWithActual; `replacement` of a Modify is True, False or
    Conditional. `policy` is what happens to the old resource: Delete, Retain, Snapshot, ReplaceAndDelete,
    ReplaceAndRetain, ReplaceAndSnapshot, or empty. `properties` are the changed properties and attributes.

    Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_ResourceChange.html
    """

    action: str
    resource: str
    resource_type: str
    replacement: str = ""
    policy: str = ""
    properties: tuple[str, ...] = ()


@dataclass(frozen=True)
class ChangeSet:
    """A change set that can be executed."""

    id: str
    stack_id: str
    is_creation: bool
    changes: tuple[ResourceChange, ...] = ()


@dataclass(frozen=True)
class StackEvent:
    """A stack event: one step of an operation on a resource, or on the stack itself."""

    id: str
    resource: str
    resource_type: str
    status: str
    reason: str = ""
    is_stack: bool = False

    @property
    def is_failure(self) -> bool:
        """True if the resource itself failed, and not because another did."""
        return self.status.endswith("_FAILED") and _CANCELLED not in self.reason


@dataclass(frozen=True)
class ChangeSetRequest:
    """The stack that a change set leads to. `unchanged` parameters are sent as UsePreviousValue.

    `template` is the template itself, or the URL of the object that has it.
    """

    name: str
    template: str
    values: Mapping[str, str]
    unchanged: frozenset[str]
    tags: Mapping[str, str]
    is_creation: bool

    @property
    def has_stored_template(self) -> bool:
        return self.template.startswith(("https://", "http://"))


@dataclass(frozen=True)
class Stacks:
    api: Api
    token: Callable[[], str] = lambda: f"mlci-{secrets.token_hex(8)}"

    def find(self, stack: str) -> Stack | None:
        """Return the stack of a name or an ID, or None. A deleted stack is found by its ID only."""
        try:
            response = self.api.call("describe_stacks", StackName=stack)["Stacks"]
        except AwsError as error:
            if error.code == "ValidationError" and "does not exist" in error.message:
                return None
            raise
        return _stack(response[0]) if response else None

    def create_change_set(self, request: ChangeSetRequest) -> ChangeSet | None:
        """Create a change set, and return it, or None if nothing would change. A failed one is deleted again.

        Raises: CloudError.
        """
        name = self.token()
        try:
            created = self.api.call("create_change_set", **_request(request, name))
        except AwsError as error:
            if _is_no_changes(error.message):
                return None
            raise
        empty = ChangeSet(created["Id"], created["StackId"], request.is_creation)
        try:
            return self._wait_for_change_set(empty)
        except BaseException:
            self.discard(empty)
            raise

    def _wait_for_change_set(self, empty: ChangeSet) -> ChangeSet | None:
        request = {"ChangeSetName": empty.id, "StackName": empty.stack_id}
        while True:
            response = self.api.call("describe_change_set", **request)
            match response["Status"]:
                case "CREATE_PENDING" | "CREATE_IN_PROGRESS":
                    self.api.retry_policy.clock.sleep(POLL_S)
                case "CREATE_COMPLETE":
                    pages = self.api.pages("describe_change_set", ("NextToken", "NextToken"), **request)
                    changes = tuple(_change(entry) for page in pages for entry in page.get("Changes", ()))
                    return ChangeSet(empty.id, empty.stack_id, empty.is_creation, changes)
                case "FAILED":
                    reason = response.get("StatusReason", "")
                    if _is_no_changes(reason):
                        self.discard(empty)
                        return None
                    what = "CloudFormation could not create the change set"
                    raise CloudError(f"{what}: {self._failure_reason(empty, reason)}")
                case status:
                    raise CloudError(f"the change set has the unknown status {status}")

    def _failure_reason(self, change_set: ChangeSet, reason: str) -> str:
        """Return the reason why a change set failed. For early validation, it is in the change set's own events."""
        if _EARLY not in reason or not hasattr(self.api.client, "describe_events"):
            return reason or "CloudFormation gave no reason"
        pages = self.api.pages("describe_events", ("NextToken", "NextToken"), ChangeSetName=change_set.id)
        events = [event for page in pages for event in page.get("OperationEvents", ())]
        faults = [
            f"{event.get('LogicalResourceId', 'the stack')}: {event['ValidationStatusReason']}"
            for event in events
            if event.get("ValidationStatus") == "FAILED" and event.get("ValidationStatusReason")
        ]
        return "; ".join(dict.fromkeys(faults)) or reason

    def discard(self, change_set: ChangeSet) -> None:
        """Delete a change set, and the empty stack that was created for it."""
        try:
            self.api.call("delete_change_set", ChangeSetName=change_set.id, StackName=change_set.stack_id)
        except AwsError as error:
            if error.code != "ChangeSetNotFound":
                raise
        if change_set.is_creation:
            stack = self.find(change_set.stack_id)
            if stack is not None and stack.condition == "empty":
                self.delete(stack.id, lambda event: None, StopSignal())

    def execute(self, change_set: ChangeSet, on_event: Callable[[StackEvent], None], stop: StopSignal) -> Stack:
        """Execute a change set, and return the stack when it is complete, rolled back or deleted. `stop` rolls it back.

        Raises: AwsError, if CloudFormation does not start.
        """
        seen_ids = self._newest_event_ids(change_set.stack_id)
        # A failed creation is deleted: OnStackFailure in CreateChangeSet, which excludes DisableRollback.
        rollback = {} if change_set.is_creation else {"DisableRollback": False, "RetainExceptOnCreate": True}
        self.api.call(
            "execute_change_set",
            ChangeSetName=change_set.id,
            StackName=change_set.stack_id,
            ClientRequestToken=self.token(),
            **rollback,
        )
        return self._follow(change_set.stack_id, seen_ids, on_event, stop, rolls_back=True)

    def delete(self, stack_id: str, on_event: Callable[[StackEvent], None], stop: StopSignal) -> Stack:
        """Delete a stack, and return its last state. A deletion can't be stopped: `stop` only ends the waiting."""
        seen_ids = self._newest_event_ids(stack_id)
        self.api.call("delete_stack", StackName=stack_id, ClientRequestToken=self.token())
        return self._follow(stack_id, seen_ids, on_event, stop, rolls_back=False)

    def resources(self, stack_id: str) -> Iterator[tuple[str, str]]:
        """Yield the logical ID and the type of each resource."""
        pages = self.api.pages("list_stack_resources", ("NextToken", "NextToken"), StackName=stack_id)
        for page in pages:
            for entry in page["StackResourceSummaries"]:
                if entry.get("LogicalResourceId") and entry.get("ResourceStatus") != "DELETE_COMPLETE":
                    yield entry["LogicalResourceId"], entry.get("ResourceType", "")

    def physical_id(self, stack_id: str, resource: str) -> str | None:
        """Return the physical ID of a resource, also of a deleted stack that retained it; None if it does not exist."""
        try:
            response = self.api.call("describe_stack_resource", StackName=stack_id, LogicalResourceId=resource)
        except AwsError as error:
            if error.code == "ValidationError":
                return None
            raise
        detail = response["StackResourceDetail"]
        is_there = detail.get("ResourceStatus") not in ("CREATE_FAILED", "DELETE_COMPLETE")
        return (detail.get("PhysicalResourceId") or None) if is_there else None

    def _follow(
        self,
        stack_id: str,
        seen_ids: set[str],
        on_event: Callable[[StackEvent], None],
        stop: StopSignal,
        rolls_back: bool,
    ) -> Stack:
        """Follow an operation to its end, which is an event of the stack: a stack at rest may not have started yet. On
        `stop`, roll the operation back, or leave it alone."""
        is_finished, is_rolled_back = False, False
        while True:
            stack = self.find(stack_id)  # before the events: none of those that led to this status is missed
            if stack is None:
                raise CloudError(f"the stack {stack_id} no longer exists")
            for event in self._events_after(stack_id, seen_ids):
                seen_ids.add(event.id)
                if event.is_stack:
                    is_finished = not event.status.endswith("_IN_PROGRESS")
                on_event(event)
            if is_finished and stack.condition not in ("busy", "empty"):
                return stack
            if not stop.is_set():
                self.api.retry_policy.clock.wait(stop, POLL_S)
                continue
            if not rolls_back:
                return stack
            is_rolled_back = is_rolled_back or self._roll_back(stack)
            self.api.retry_policy.clock.sleep(POLL_S)

    def _roll_back(self, stack: Stack) -> bool:
        """Delete a stack in creation, or cancel its update; return False if neither is possible."""
        match stack.status:
            case "CREATE_IN_PROGRESS":
                self.api.call("delete_stack", StackName=stack.id)
            case "UPDATE_IN_PROGRESS":
                try:
                    self.api.call("cancel_update_stack", StackName=stack.id)
                except AwsError as error:
                    if error.code != "ValidationError":  # the update has just ended
                        raise
            case _:
                return False
        return True

    def _events_after(self, stack_id: str, seen_ids: set[str]) -> list[StackEvent]:
        """Return the events after the seen ones, in order. The API lists the newest first; reading ends at a seen
        one."""
        new: list[StackEvent] = []
        for page in self.api.pages("describe_stack_events", ("NextToken", "NextToken"), StackName=stack_id):
            for entry in page["StackEvents"]:
                if entry["EventId"] in seen_ids:
                    return new[::-1]
                new.append(_event(entry))
        return new[::-1]

    def _newest_event_ids(self, stack_id: str) -> set[str]:
        """Return the ID of the newest event, in a set."""
        page = self.api.call("describe_stack_events", StackName=stack_id)
        return {entry["EventId"] for entry in page["StackEvents"][:1]}


def _request(request: ChangeSetRequest, name: str) -> dict[str, Any]:
    parameters: list[dict[str, Any]] = [
        {"ParameterKey": key, "ParameterValue": value} for key, value in request.values.items()
    ]
    parameters += [{"ParameterKey": key, "UsePreviousValue": True} for key in sorted(request.unchanged)]
    return {
        "StackName": request.name,
        "ChangeSetName": name,
        "ClientToken": name,
        "ChangeSetType": "CREATE" if request.is_creation else "UPDATE",
        "TemplateURL" if request.has_stored_template else "TemplateBody": request.template,
        "Parameters": parameters,
        "Capabilities": ["CAPABILITY_IAM"],
        "Tags": [{"Key": key, "Value": value} for key, value in request.tags.items()],
        **({"OnStackFailure": "DELETE"} if request.is_creation else {}),
    }


def _is_no_changes(reason: str) -> bool:
    return any(words in reason for words in _NO_CHANGES)


def _stack(response: Mapping[str, Any]) -> Stack:
    return Stack(
        id=response["StackId"],
        name=response["StackName"],
        status=response["StackStatus"],
        reason=response.get("StackStatusReason", ""),
        parameters={entry["ParameterKey"]: entry.get("ParameterValue", "") for entry in response.get("Parameters", ())},
        outputs={entry["OutputKey"]: entry["OutputValue"] for entry in response.get("Outputs", ())},
        tags={entry["Key"]: entry["Value"] for entry in response.get("Tags", ())},
    )


def _change(entry: Mapping[str, Any]) -> ResourceChange:
    response = entry["ResourceChange"]
    targets = [detail.get("Target", {}) for detail in response.get("Details", ())]
    properties = dict.fromkeys(str(target.get("Name") or target.get("Attribute") or "") for target in targets)
    return ResourceChange(
        action=response["Action"],
        resource=response["LogicalResourceId"],
        resource_type=response.get("ResourceType", ""),
        replacement=response.get("Replacement", ""),
        policy=response.get("PolicyAction", ""),
        properties=tuple(name for name in properties if name),
    )


def _event(entry: Mapping[str, Any]) -> StackEvent:
    return StackEvent(
        id=entry["EventId"],
        resource=entry.get("LogicalResourceId", ""),
        resource_type=entry.get("ResourceType", ""),
        status=entry.get("ResourceStatus", ""),
        reason=entry.get("ResourceStatusReason") or "",
        is_stack=entry.get("ResourceType") == _STACK_TYPE and entry.get("PhysicalResourceId") == entry["StackId"],
    )
