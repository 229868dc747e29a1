"""moto's CloudFormation with corrections.

A stack whose resource fails is rolled back. A change set lists what conditions and parameters change, and its execution
creates and deletes these resources and sets the outputs. Policies are detached from their roles before either is
deleted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from moto.cloudformation.models import Change, ChangeSet, CloudFormationBackend, Stack
from moto.cloudformation.parsing import ResourceMap, get_references_from_template
from moto.iam.models import ManagedPolicy, iam_backends

from mlci_emulator.server.moto_services.cloudformation_rollback import (
    ResourceFailureError,
    StackState,
    fail_if_refused,
    roll_back_creation,
)


class MotoCloudFormation(CloudFormationBackend):
    """The backend of one account and region."""

    __module__ = CloudFormationBackend.__module__  # where moto looks for a backend's URLs

    def create_stack(self, name: str, *args: Any, **options: Any) -> Stack:
        try:
            return super().create_stack(name, *args, **options)
        except ResourceFailureError as failure:
            stack = self.get_stack(name)
            self._roll_back_creation(stack, failure)
            return stack

    def update_stack(
        self,
        name: str,
        template: str,
        role_arn: str | None,
        parameters: list[dict[str, Any]],
        tags: dict[str, str] | None,
    ) -> Stack:
        stack = self.get_stack(name)
        with self._roll_back_update(stack):
            resolved = self._resolve_update_parameters(stack, parameters)
            _expect_available(stack, Stack.parse_template(template), resolved)
            super().update_stack(name, template, role_arn, parameters, tags)
        return stack

    def create_change_set(self, *args: Any, **options: Any) -> tuple[str, str]:
        change_set, stack = super().create_change_set(*args, **options)
        self.change_sets[change_set].changes = _changes(self.change_sets[change_set], self.stacks[stack])
        return change_set, stack

    def execute_change_set(self, change_set_name: str, stack_name: str | None = None) -> None:
        known = [item for name, item in self.change_sets.items() if change_set_name in (name, item.change_set_name)]
        if not known:
            return super().execute_change_set(change_set_name, stack_name)
        change_set, stack = known[-1], self.stacks[known[-1].stack_id]
        if change_set.change_set_type == "UPDATE":
            with self._roll_back_update(stack):
                _expect_available(stack, change_set.template_dict, change_set.parameters)
                self._execute(change_set, stack)
        else:
            try:
                self._execute(change_set, stack)
            except ResourceFailureError as failure:
                self._roll_back_creation(stack, failure)
        change_set.execution_status = "EXECUTE_FAILED" if "ROLLBACK" in stack.status else "EXECUTE_COMPLETE"
        return None

    def _execute(self, change_set: ChangeSet, stack: Stack) -> None:
        _delete_unconditioned(change_set, stack)
        super().execute_change_set(change_set.change_set_id)
        stack._parse_template()
        stack.output_map = stack._create_output_map()

    def _roll_back_creation(self, stack: Stack, failure: ResourceFailureError) -> None:
        self._detach_policies(stack)
        roll_back_creation(stack, failure)

    @contextmanager
    def _roll_back_update(self, stack: Stack) -> Iterator[None]:
        """Restore the stack's resources if one of them fails while it is updated."""
        before = StackState.of(stack)
        try:
            yield
        except ResourceFailureError as failure:
            # As far as the stack had policies before, moto attaches them again.
            self._detach_policies(stack)
            before.restore(stack, failure)

    def _detach_policies(self, stack: Stack) -> None:
        for resource in stack.resource_map._parsed_resources.values():
            _detach(resource, self.account_id)

    def delete_stack(self, name_or_stack_id: str) -> None:
        for stack in self.stacks.values():
            if name_or_stack_id in (stack.name, stack.stack_id):
                self._detach_policies(stack)
                for written in stack.resource_map._resource_json_map.values():
                    if _is_retained(written):
                        written["DeletionPolicy"] = "Retain"  # the only such value that moto knows
        super().delete_stack(name_or_stack_id)


def _changes(change_set: ChangeSet, stack: Stack) -> list[Change]:
    """Return the changes that a change set would make to the stack's resources."""
    present, old, new = stack.resource_map, _actual(stack), change_set.template_dict["Resources"]
    before = {**present.resolved_parameters, **present.input_parameters}
    # A number may be text in one of the two.
    changed = {name for name, value in change_set.parameters.items() if str(before.get(name)) != str(value)}
    desired = _desired(stack, change_set.template_dict, change_set.parameters)
    actions = {name: "Add" for name in new if name in desired - old.keys()}
    for name in new:
        if name in old and name in desired:
            is_touched = changed.intersection(get_references_from_template(new[name]))
            if new[name] != old[name] or is_touched:
                actions[name] = "Modify"
    actions |= {name: "Remove" for name in old if name not in desired}
    return [Change(action, name, {**old, **new}[name]["Type"]) for name, action in actions.items()]


def _actual(stack: Stack) -> dict[str, Any]:
    """Return the resources that a stack has, as the template writes them."""
    resources = stack.resource_map
    return {
        name: written
        for name, written in resources._resource_json_map.items()
        if resources._parsed_resources.get(name) is not None
    }


def _desired(stack: Stack, template: dict[str, Any], parameters: Mapping[str, Any]) -> set[str]:
    """Return the resources of a template whose condition, if they have one, holds with these parameters.

    Parameters that are missing have the stack's values.
    """
    texts = {name: str(value) for name, value in {**stack.resource_map.input_parameters, **parameters}.items()}
    resources = ResourceMap(stack.stack_id, stack.name, texts, {}, stack.region_name, stack.account_id, template, {})
    resources.load_mapping()
    resources.load_parameters()
    resources.load_conditions()
    return {
        name
        for name, written in template["Resources"].items()
        if "Condition" not in written or resources.lazy_condition_map[written["Condition"]]
    }


def _expect_available(stack: Stack, template: dict[str, Any], parameters: Mapping[str, Any]) -> None:
    """Fail an update that has resources of refused types before it changes anything.

    Raises: ResourceFailureError
    """
    for name in sorted(_desired(stack, template, parameters) - _actual(stack).keys()):
        fail_if_refused(stack, name, template["Resources"][name]["Type"])


def _delete_unconditioned(change_set: ChangeSet, stack: Stack) -> None:
    """Delete the resources whose condition no longer holds.

    moto would modify them, and it would also modify resources that were never created because of their condition.
    Without them in the old template, it creates the resources that are needed.
    """
    resources, actual = stack.resource_map, _actual(stack)
    removed = {change.logical_resource_id for change in change_set.changes if change.action == "Remove"}
    gone = [name for name in actual if name in removed and name in change_set.template_dict["Resources"]]
    for name in gone:
        _detach(resources._parsed_resources[name], stack.account_id)
    for name in gone:
        resource = resources._parsed_resources.pop(name)
        if not _is_retained(actual[name]):
            resources._delete_resource(resource, actual[name])
    resources._resource_json_map = {name: written for name, written in actual.items() if name not in gone}


def _is_retained(written: Mapping[str, Any]) -> bool:
    """Return whether a resource outlives its stack."""
    return written.get("DeletionPolicy") in ("Retain", "RetainExceptOnCreate")


def _detach(resource: object, account: str) -> None:
    """Detach a policy from its roles: moto deletes neither while they are attached."""
    if isinstance(resource, ManagedPolicy):
        for role in iam_backends[account]["aws"].roles.values():
            if resource.arn in role.managed_policies:
                resource.detach_from(role)
