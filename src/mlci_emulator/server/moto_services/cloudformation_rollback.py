"""The events of a stack's resources, and the rollback of a stack whose resource failed.

moto creates a stack's resources one by one, and an error ends the request in the middle. CloudFormation answers before
it creates anything, and reports an error as an event of the resource.
Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/stack-failure-options.html
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

from moto.cloudformation import parsing
from moto.cloudformation.models import Event, Stack, cloudformation_backends
from moto.cloudformation.parsing import OutputMap, ResourceMap
from moto.core.exceptions import ServiceException

from mlci_emulator.server.moto_services.bridge import ResourceFailures
from mlci_emulator.server.moto_services.cloudformation_refused import UnavailableResourceError, resource_reason

Create = Callable[..., Any]


class ResourceFailureError(Exception):
    """A resource of a stack could not be created or updated."""

    def __init__(self, logical_id: str, reason: str) -> None:
        super().__init__(logical_id, reason)
        self.logical_id, self.reason = logical_id, reason


def with_events(create: Create, status: str, failures: ResourceFailures) -> Create:
    """Return moto's function that creates or updates a resource, which reports each resource in the stack's events.

    `status` is "CREATE" or "UPDATE". The function raises ResourceFailureError, and notes the reason in `failures`.
    """

    def create_with_events(logical_id: str, resource_json: dict[str, Any], resources: ResourceMap, **place: Any) -> Any:
        stack = cloudformation_backends[place["account_id"]][place["region_name"]].stacks.get(resources.stack_id)
        key = f"{resources['AWS::StackName']}/{logical_id}"
        kind = resource_json["Type"]
        try:
            if key in failures.known:
                raise UnavailableResourceError(failures.known[key])
            resource = create(logical_id, resource_json, resources, **place)
            _expect_complete(resource)
        except ResourceFailureError:
            raise  # of a resource that this one refers to
        except Exception as error:  # whatever moto raises
            reason = failures.noted[key] = _reason(error)
            _report(stack, logical_id, "", kind, status, "FAILED", reason)
            raise ResourceFailureError(logical_id, reason) from error
        failures.noted.pop(key, None)  # moto tries an update several times
        if resource is not None:
            _report(stack, logical_id, str(resource.physical_resource_id), kind, status, "COMPLETE", None)
        return resource

    return create_with_events


def checked(parse: Create) -> Create:
    """Return moto's function that resolves a resource's properties, which rejects those of a refused resource."""

    def parse_checked(resource_json: dict[str, Any], resources: ResourceMap) -> Any:
        parsed = parse(resource_json, resources)
        reason = resource_reason(resource_json["Type"], parsed[1].get("Properties") or {}) if parsed else None
        if reason is not None:
            raise UnavailableResourceError(reason)
        return parsed

    return parse_checked


def report_resources(failures: ResourceFailures) -> None:
    """Put the events and the checks into moto's CloudFormation; call it once."""
    parsing.parse_resource = checked(parsing.parse_resource)
    parsing.parse_and_create_resource = with_events(parsing.parse_and_create_resource, "CREATE", failures)
    parsing.parse_and_update_resource = with_events(parsing.parse_and_update_resource, "UPDATE", failures)


def fail_if_refused(stack: Stack, logical_id: str, kind: str) -> None:
    """Report and raise the failure of a resource whose type is refused.

    Raises: ResourceFailureError
    """
    reason = resource_reason(kind, {})
    if reason is not None:
        _report(stack, logical_id, "", kind, "CREATE", "FAILED", reason)
        raise ResourceFailureError(logical_id, reason)


def _expect_complete(resource: Any) -> None:
    if isinstance(resource, Stack) and resource.status != "CREATE_COMPLETE":
        reason = next((event.resource_status_reason for event in reversed(resource.events) if _failed(event)), "")
        raise UnavailableResourceError(f"Embedded stack {resource.stack_id} was not successfully created: {reason}")


def _failed(event: Event) -> bool:
    return event.resource_status.endswith("_FAILED")


def _reason(error: Exception) -> str:
    match error:
        case UnavailableResourceError():
            return str(error)
        case ServiceException():
            return str(error.message)
        case KeyError():
            return f"The resource lacks {error}."
        case _:
            return str(getattr(error, "description", None) or f"{type(error).__name__}: {error}")


def _report(
    stack: Stack | None, logical_id: str, physical_id: str, kind: str, status: str, end: str, reason: str | None
) -> None:
    if stack is None:  # a change set's stack that only resolves conditions
        return
    for state, text in ((f"{status}_IN_PROGRESS", None), (f"{status}_{end}", reason)):
        stack.events.append(Event(stack.stack_id, stack.name, logical_id, physical_id, kind, state, text, None))


def roll_back_creation(stack: Stack, failure: ResourceFailureError) -> None:
    """Delete what was created. The stack stays, as on AWS, until it is deleted."""
    reason = f"The following resource(s) failed to create: [{failure.logical_id}]. Rollback requested by user."
    stack._add_stack_event("ROLLBACK_IN_PROGRESS", reason)
    stack.resource_map.delete()
    # moto would create the missing resources whenever it lists them or the outputs.
    stack.resource_map._resource_json_map = {}
    stack.output_map = OutputMap(stack.resource_map, {}, stack.stack_id)
    backend = cloudformation_backends[stack.account_id][stack.region_name]
    for name in [name for name, export in backend.exports.items() if export.exporting_stack_id == stack.stack_id]:
        del backend.exports[name]
    stack._add_stack_event("ROLLBACK_COMPLETE")
    stack.status = "ROLLBACK_COMPLETE"


class StackState(NamedTuple):
    """The parts of a stack that an update changes, as they were before it."""

    status: str
    template: Any
    template_dict: dict[str, Any]
    parameters: dict[str, Any]
    map_parameters: dict[str, Any]

    @classmethod
    def of(cls, stack: Stack) -> StackState:
        """Return a stack's current state."""
        resources = stack.resource_map
        return cls(
            stack.status, stack.template, stack.template_dict, stack.parameters, dict(resources.input_parameters)
        )

    def restore(self, stack: Stack, failure: ResourceFailureError) -> None:
        """Undo an update: create and change what it deleted and changed, and delete what it created."""
        reason = f"The following resource(s) failed to update: [{failure.logical_id}]."
        stack._add_stack_event("UPDATE_ROLLBACK_IN_PROGRESS", reason)
        stack.template, stack.template_dict, stack.parameters = self.template, self.template_dict, self.parameters
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about the resource that failed: there is none to delete
                stack.resource_map.update(self.template_dict, self.map_parameters)
            status = "UPDATE_ROLLBACK_COMPLETE"
        except ResourceFailureError:
            status = "UPDATE_ROLLBACK_FAILED"
        stack.output_map = OutputMap(stack.resource_map, self.template_dict, stack.stack_id)
        stack._add_stack_event(status)
        stack.status = status
