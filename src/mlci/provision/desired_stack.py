"""The stack of a flow as it should be, and the change set that leads there."""

from __future__ import annotations

import json
from collections.abc import Mapping

import yaml

from mlci.backends.aws.cloudformation_stacks import TEMPLATE_MAX_BYTES, ChangeSetRequest, Stack
from mlci.errors import InputError
from mlci.fast_dataclasses import dataclass
from mlci.plan.names import FLOW_TAG
from mlci.provision.cloudformation_functions import Value
from mlci.provision.grouped_texts import grouped
from mlci.provision.stack_names import stack_name


@dataclass(frozen=True)
class DesiredStack:
    """The stack of a flow as it should be. `values` are those of all parameters."""

    flow: str
    template: str
    values: Mapping[str, str]

    @property
    def stack(self) -> str:
        return stack_name(self.flow)

    @property
    def body(self) -> str:
        """The template to send. One over the limit is sent as compact JSON without metadata, without a reporter that
        the values don't ask for, and with its policy statements as few as possible if need be.

        Raises: InputError, if none is within CloudFormation's limit.
        """
        if _size_bytes(self.template) <= TEMPLATE_MAX_BYTES:
            return self.template
        document = yaml.safe_load(self.template)
        if not self.values.get("GitHubSecret"):
            document = _without(document, "HasReporter")
        for part in (document, *document["Resources"].values()):
            part.pop("Metadata", None)
        for parameter in document.get("Parameters", {}).values():
            parameter.pop("ConstraintDescription", None)  # mlci has checked the values
            parameter.pop("Description", None)  # `mlci bootstrap --help` shows them
        compact = _compact(grouped(document))
        if _size_bytes(compact) > TEMPLATE_MAX_BYTES:
            for parameter in document.get("Parameters", {}).values():
                parameter.pop("AllowedPattern", None)  # mlci has checked the values
            for part in document["Resources"].values():
                policy = part.get("Properties", {}).get("PolicyDocument", {})
                if "Statement" in policy:
                    policy["Statement"] = _merged(policy["Statement"])
            compact = _compact(grouped(document))
        if _size_bytes(compact) > TEMPLATE_MAX_BYTES:
            what = f"the template has {_size_bytes(compact):,} bytes; CloudFormation accepts {TEMPLATE_MAX_BYTES:,}"
            raise InputError(what, "Group S3 inputs under fewer prefixes, or split the flow.")
        return compact

    def change_set_request(self, stack: Stack | None) -> ChangeSetRequest:
        """Return the request for the change set. Values that do not change are sent as UsePreviousValue, so that
        CloudFormation lists no change for them, whatever the parameter's type."""
        current = stack.parameters if stack else {}
        unchanged = frozenset(name for name, value in self.values.items() if current.get(name) == value)
        values = {name: value for name, value in self.values.items() if name not in unchanged}
        return ChangeSetRequest(
            self.stack, self.body, values, unchanged, {FLOW_TAG: self.flow}, is_creation=stack is None
        )


def _without(document: dict[str, Value], condition: str) -> dict[str, Value]:
    """Return the template without the resources of a condition that does not hold, and what refers to them."""

    def pruned(value: Value) -> Value:
        match value:
            case dict():
                return {name: pruned(member) for name, member in value.items()}
            case list():
                return [pruned(each) for each in value if not _is_under(each, condition)]
        return value

    resources = {
        name: pruned(each) for name, each in document["Resources"].items() if each.get("Condition") != condition
    }
    conditions = {name: each for name, each in document.get("Conditions", {}).items() if name != condition}
    return {**document, "Conditions": conditions, "Resources": resources}


def _is_under(value: Value, condition: str) -> bool:
    return isinstance(value, dict) and isinstance(value.get("Fn::If"), list) and value["Fn::If"][0] == condition


def _merged(statements: list[dict[str, Value]]) -> list[dict[str, Value]]:
    """Return the statements of a policy without their labels, which `mlci policy` shows. Those that differ in nothing
    but their resources are one."""
    resources: dict[str, list[Value]] = {}
    for statement in statements:
        rest = {name: member for name, member in statement.items() if name not in ("Sid", "Resource")}
        resources.setdefault(_compact(rest), []).extend(statement["Resource"])
    return [{**json.loads(rest), "Resource": arns} for rest, arns in resources.items()]


def _compact(document: object) -> str:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False)


def _size_bytes(text: str) -> int:
    return len(text.encode())
