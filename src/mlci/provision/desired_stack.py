"""The stack of a flow as it should be, and the change set that leads there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import yaml

from mlci.backends.aws.cloudformation_stacks import TEMPLATE_MAX_BYTES, ChangeSetRequest, Stack
from mlci.errors import InputError
from mlci.plan.names import FLOW_TAG
from mlci.provision.cloudformation_functions import Value, sub
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
        """The template to send. One over the limit is sent as compact JSON without metadata, with the ARNs of each
        statement as one text, and without the labels of statements if need be.

        Raises: InputError, if none is within CloudFormation's limit.
        """
        if _size_bytes(self.template) <= TEMPLATE_MAX_BYTES:
            return self.template
        document = yaml.safe_load(self.template)
        for part in (document, *document["Resources"].values()):
            part.pop("Metadata", None)
        for parameter in document.get("Parameters", {}).values():
            parameter.pop("ConstraintDescription", None)  # mlci has checked the values
            parameter.pop("Description", None)  # `mlci bootstrap --help` shows them
        statements = [
            statement
            for part in document["Resources"].values()
            for statement in part.get("Properties", {}).get("PolicyDocument", {}).get("Statement", ())
        ]
        for statement in statements:
            statement["Resource"] = _as_one_text(statement.get("Resource"))
        compact = _compact(document)
        if _size_bytes(compact) > TEMPLATE_MAX_BYTES:
            for statement in statements:
                statement.pop("Sid", None)  # `mlci policy` shows them
            compact = _compact(document)
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


def _as_one_text(arns: Value) -> Value:
    """Return a list of ARNs as the lines of one Fn::Sub, which then has the values of its names once.

    Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference-split.html
    """
    if not isinstance(arns, list) or len(arns) < 2:
        return arns
    texts, values = list[str](), dict[str, Value]()
    for arn in arns:
        if not isinstance(arn, dict) or set(arn) != {"Fn::Sub"}:
            return arns
        text, own = arn["Fn::Sub"] if isinstance(arn["Fn::Sub"], list) else (arn["Fn::Sub"], {})
        texts.append(text)
        values |= own
    return {"Fn::Split": ["\n", sub("\n".join(texts), **values)]}


def _compact(document: object) -> str:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False)


def _size_bytes(text: str) -> int:
    return len(text.encode())
