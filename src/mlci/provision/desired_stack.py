"""What is asked of CloudFormation: the stack of a flow, as it is to be."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import yaml

from mlci.backends.aws.cloudformation_stacks import TEMPLATE_MAX_BYTES, Proposal, Stack
from mlci.backends.aws.state_machines import FLOW_TAG
from mlci.errors import InputError
from mlci.provision.stack_names import stack_name


@dataclass(frozen=True)
class Wanted:
    """The stack of a flow, as it is to be."""

    flow: str
    template: str
    values: Mapping[str, str]

    @property
    def stack(self) -> str:
        return stack_name(self.flow)

    @property
    def body(self) -> str:
        """The template as it is sent.

        Raises: InputError, where it is too long even without what only makes it pleasant to read.
        """
        if _size(self.template) <= TEMPLATE_MAX_BYTES:
            return self.template
        whole = yaml.safe_load(self.template)
        for part in (whole, *whole["Resources"].values()):
            part.pop("Metadata", None)
        for parameter in whole.get("Parameters", {}).values():
            parameter.pop("ConstraintDescription", None)  # mlci has checked the values
        dense = json.dumps(whole, separators=(",", ":"), ensure_ascii=False)
        if _size(dense) > TEMPLATE_MAX_BYTES:
            what = f"the template has {_size(dense):,} bytes, and CloudFormation takes {TEMPLATE_MAX_BYTES:,}"
            raise InputError(what, "Have inputs at S3 URIs lie under fewer prefixes, or split the flow in two.")
        return dense

    def proposal(self, stack: Stack | None) -> Proposal:
        """What CloudFormation is asked for. What stays as it is, is said to: so it is no change, whatever its type."""
        present = stack.parameters if stack else {}
        kept = frozenset(name for name, value in self.values.items() if present.get(name) == value)
        values = {name: value for name, value in self.values.items() if name not in kept}
        return Proposal(self.stack, self.body, values, kept, {FLOW_TAG: self.flow}, is_creation=stack is None)


def _size(text: str) -> int:
    return len(text.encode())
