"""The stack of a flow as it should be, and the change set that leads there."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping

import yaml

from mlci.backends.aws.cloudformation_stacks import (
    STORED_TEMPLATE_MAX_BYTES,
    TEMPLATE_MAX_BYTES,
    ChangeSetRequest,
    Stack,
)
from mlci.errors import InputError
from mlci.plan.models import S3Uri
from mlci.plan.names import FLOW_TAG, install_prefix
from mlci.provision.cloudformation_functions import Value
from mlci.provision.grouped_texts import grouped
from mlci.provision.stack_names import stack_name
from mlci_dataclasses import dataclass


@dataclass(frozen=True)
class DesiredStack:
    """The stack of a flow as it should be. `values` are those of all parameters."""

    flow: str
    template: str
    values: Mapping[str, str]

    @property
    def stack(self) -> str:
        return stack_name(self.flow)

    @functools.cached_property
    def body(self) -> str | None:
        """The template as a request has it: one over the limit as compact JSON, without what only people read and
        without a reporter that the values don't ask for. None if even that is over the limit.

        Raises: InputError, if CloudFormation would reject the template in a bucket as well.
        """
        size_bytes = _size_bytes(self.template)
        if size_bytes <= TEMPLATE_MAX_BYTES:
            return self.template
        if size_bytes > STORED_TEMPLATE_MAX_BYTES:
            what = f"the template has {size_bytes:,} bytes; CloudFormation accepts {STORED_TEMPLATE_MAX_BYTES:,}"
            raise InputError(what, "Group S3 inputs under fewer prefixes, or split the flow.")
        document = self._document
        if not self.values.get("GitHubSecret"):
            document = _without(document, "HasReporter")
        for part in (document, *document["Resources"].values()):
            part.pop("Metadata", None)
        for parameter in document.get("Parameters", {}).values():
            parameter.pop("ConstraintDescription", None)  # mlci has checked the values
            parameter.pop("Description", None)  # `mlci bootstrap --help` shows them
        compact = json.dumps(grouped(document), separators=(",", ":"), ensure_ascii=False)
        return compact if _size_bytes(compact) <= TEMPLATE_MAX_BYTES else None

    @property
    def with_bucket_alone(self) -> DesiredStack:
        """The stack with nothing but its bucket, where CloudFormation can read the whole template."""
        document = self._document
        for section, name in (("Resources", "Bucket"), ("Outputs", "Bucket")):
            document[section] = {name: document[section][name]}
        return DesiredStack(self.flow, json.dumps(document), self.values)

    @property
    def _document(self) -> dict[str, Value]:
        document: dict[str, Value] = yaml.safe_load(self.template)
        return document

    def stored_template(self, bucket: str) -> tuple[S3Uri, bytes]:
        """Return the template as an object in the bucket, where no run may write, under a name by its content."""
        data = self.template.encode()
        name = f"{hashlib.sha256(data).hexdigest()}.yaml"
        return S3Uri(f"s3://{bucket}/{install_prefix(self.flow)}/templates/{name}"), data

    def change_set_request(self, stack: Stack | None, template: str) -> ChangeSetRequest:
        """Return the request for the change set, with the template or its URL. Values that do not change are sent as
        UsePreviousValue, so that CloudFormation lists no change for them, whatever the parameter's type."""
        current = stack.parameters if stack else {}
        unchanged = frozenset(name for name, value in self.values.items() if current.get(name) == value)
        values = {name: value for name, value in self.values.items() if name not in unchanged}
        return ChangeSetRequest(
            self.stack, template, values, unchanged, {FLOW_TAG: self.flow}, is_creation=stack is None
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

    conditions = document.get("Conditions", {})
    gone = {condition, *(name for name, each in conditions.items() if _is_under(each, condition))}
    resources = {
        name: pruned(each) for name, each in document["Resources"].items() if each.get("Condition") not in gone
    }
    conditions = {name: each for name, each in conditions.items() if name not in gone}
    return {**document, "Conditions": conditions, "Resources": resources}


def _is_under(value: Value, condition: str) -> bool:
    """Return True for an `Fn::If` of the condition, and for a condition that it is a part of."""
    match value:
        case {"Fn::If": [str(name), *_]}:
            return name == condition
        case {"Fn::And": list(parts)}:
            return {"Condition": condition} in parts
    return False


def _size_bytes(text: str) -> int:
    return len(text.encode())
