"""moto's CloudFormation, where it forgets something when a change set is executed (a stack's outputs, and resources
whose condition has turned true or false since), and where it can't delete what it made.
"""

from __future__ import annotations

from moto.cloudformation.models import CloudFormationBackend, Stack
from moto.iam.models import ManagedPolicy, iam_backends


class Formation(CloudFormationBackend):
    """The backend of one account and region."""

    __module__ = CloudFormationBackend.__module__  # where moto looks for a backend's URLs

    def execute_change_set(self, change_set_name: str, stack_name: str | None = None) -> None:
        super().execute_change_set(change_set_name, stack_name)
        made = [held for name, held in self.change_sets.items() if change_set_name in (name, held.change_set_name)]
        _complete(self.stacks[made[-1].stack_id])

    def delete_stack(self, name_or_stack_id: str) -> None:
        for stack in self.stacks.values():
            if name_or_stack_id in (stack.name, stack.stack_id):
                _detach(stack, self.account_id)
        super().delete_stack(name_or_stack_id)


def _complete(stack: Stack) -> None:
    resources = stack.resource_map
    held, conditions = resources._parsed_resources, resources.lazy_condition_map
    for name, written in resources._resource_json_map.items():
        is_wanted = "Condition" not in written or bool(conditions[written["Condition"]])
        if held.get(name) is not None and not is_wanted:
            resources._delete_resource(held.pop(name), written)
        elif held.get(name) is None:
            held.pop(name, None)
    for name in resources._resource_json_map:
        _ = resources[name]  # made, where it is not there yet
    stack._parse_template()
    stack.output_map = stack._create_output_map()


def _detach(stack: Stack, account: str) -> None:
    """Takes the stack's policies off their roles: moto deletes neither while they are together."""
    for policy in stack.resource_map._parsed_resources.values():
        if isinstance(policy, ManagedPolicy):
            for role in iam_backends[account]["aws"].roles.values():
                if policy.arn in role.managed_policies:
                    policy.detach_from(role)
