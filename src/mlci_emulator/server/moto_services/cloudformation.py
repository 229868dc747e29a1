"""moto's CloudFormation, mended: a change set tells what conditions and parameters change, and its execution makes and
deletes that, and sets the outputs; policies are taken off their roles before either is deleted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from moto.cloudformation.models import Change, ChangeSet, CloudFormationBackend, Stack
from moto.cloudformation.parsing import ResourceMap, get_references_from_template
from moto.iam.models import ManagedPolicy, iam_backends


class Formation(CloudFormationBackend):
    """The backend of one account and region."""

    __module__ = CloudFormationBackend.__module__  # where moto looks for a backend's URLs

    def create_change_set(self, *args: Any, **given: Any) -> tuple[str, str]:
        change_set, stack = super().create_change_set(*args, **given)
        made = self.change_sets[change_set]
        made.changes = _changes(made, self.stacks[stack])
        return change_set, stack

    def execute_change_set(self, change_set_name: str, stack_name: str | None = None) -> None:
        known = [held for name, held in self.change_sets.items() if change_set_name in (name, held.change_set_name)]
        if known:
            _make_room(known[-1], self.stacks[known[-1].stack_id])
        super().execute_change_set(change_set_name, stack_name)
        stack = self.stacks[known[-1].stack_id]
        stack._parse_template()
        stack.output_map = stack._create_output_map()

    def delete_stack(self, name_or_stack_id: str) -> None:
        for stack in self.stacks.values():
            if name_or_stack_id in (stack.name, stack.stack_id):
                for resource in stack.resource_map._parsed_resources.values():
                    _detach(resource, self.account_id)
                for written in stack.resource_map._resource_json_map.values():
                    if _is_kept(written):
                        written["DeletionPolicy"] = "Retain"  # the one word for it that moto knows
        super().delete_stack(name_or_stack_id)


def _changes(made: ChangeSet, stack: Stack) -> list[Change]:
    """What a change set would do to the stack's resources."""
    present, old, new = stack.resource_map, _held(stack), made.template_dict["Resources"]
    before = {**present.resolved_parameters, **present.input_parameters}
    # Numbers may be text in one of them.
    changed = {name for name, value in made.parameters.items() if str(before.get(name)) != str(value)}
    wanted = _wanted(stack, made.template_dict, {**present.input_parameters, **made.parameters})
    told = {name: "Add" for name in new if name in wanted - old.keys()}
    for name in new:
        if name in old and name in wanted:
            is_touched = changed.intersection(get_references_from_template(new[name]))
            if new[name] != old[name] or is_touched:
                told[name] = "Modify"
    told |= {name: "Remove" for name in old if name not in wanted}
    return [Change(action, name, {**old, **new}[name]["Type"]) for name, action in told.items()]


def _held(stack: Stack) -> dict[str, Any]:
    """The resources that a stack has, as they are written."""
    resources = stack.resource_map
    return {
        name: written
        for name, written in resources._resource_json_map.items()
        if resources._parsed_resources.get(name) is not None
    }


def _wanted(stack: Stack, template: dict[str, Any], parameters: Mapping[str, Any]) -> set[str]:
    """The resources of a template whose condition, where they have one, holds with these parameters."""
    given = {name: str(value) for name, value in parameters.items()}
    resources = ResourceMap(stack.stack_id, stack.name, given, {}, stack.region_name, stack.account_id, template, {})
    resources.load_mapping()
    resources.load_parameters()
    resources.load_conditions()
    return {
        name
        for name, written in template["Resources"].items()
        if "Condition" not in written or resources.lazy_condition_map[written["Condition"]]
    }


def _make_room(made: ChangeSet, stack: Stack) -> None:
    """Deletes what the new template has under a condition that no longer holds. moto would change it; and it would
    change, too, what was not made because of its condition. Without them in the old template, it makes what is due."""
    resources, held = stack.resource_map, _held(stack)
    removed = {change.logical_resource_id for change in made.changes if change.action == "Remove"}
    gone = [name for name in held if name in removed and name in made.template_dict["Resources"]]
    for name in gone:
        _detach(resources._parsed_resources[name], stack.account_id)
    for name in gone:
        resource = resources._parsed_resources.pop(name)
        if not _is_kept(held[name]):
            resources._delete_resource(resource, held[name])
    resources._resource_json_map = {name: written for name, written in held.items() if name not in gone}


def _is_kept(written: Mapping[str, Any]) -> bool:
    """Whether a resource outlives its stack, once that was made."""
    return written.get("DeletionPolicy") in ("Retain", "RetainExceptOnCreate")


def _detach(resource: object, account: str) -> None:
    """Takes a policy off its roles: moto deletes neither while they are together."""
    if isinstance(resource, ManagedPolicy):
        for role in iam_backends[account]["aws"].roles.values():
            if resource.arn in role.managed_policies:
                resource.detach_from(role)
