"""CloudFormation's AWS::StepFunctions::StateMachine, as a state machine of ours.

Source:
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-stepfunctions-statemachine.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, ClassVar

from mlci_emulator.protocol.operations import Service
from mlci_emulator.server.moto_services.bridge import Ours, called
from mlci_emulator.server.moto_services.cloudformation_resource import Resource, in_camel_case
from mlci_emulator.server.moto_services.inline_objects import content

#: What an update may change; another name makes another state machine.
_UPDATED = ("definition", "roleArn", "loggingConfiguration", "tracingConfiguration")


class Machine(Resource):
    """One resource of a stack."""

    kind = "AWS::StepFunctions::StateMachine"
    name_property = "StateMachineName"
    ours: ClassVar[Ours]

    @classmethod
    def has_cfn_attr(cls, attr: str) -> bool:
        return attr in ("Arn", "Name", "StateMachineRevisionId")

    def get_cfn_attribute(self, attribute_name: str) -> str:
        arn = self.physical_resource_id
        if attribute_name == "StateMachineRevisionId":
            described = called(self.ours.states, "DescribeStateMachine", {"stateMachineArn": arn}, arn.split(":")[3])
            return str(described.get("revisionId", "INITIAL"))
        return arn if attribute_name == "Arn" else _name(arn)

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **kwargs: Any
    ) -> Machine:
        if cls.ours.is_replay():
            return cls(f"arn:aws:states:{region_name}:{account_id}:stateMachine:{resource_name}")
        request = machine_request(resource_name, cloudformation_json["Properties"], cls.ours.s3)
        return cls(str(called(cls.ours.states, "CreateStateMachine", request, region_name)["stateMachineArn"]))

    @classmethod
    def update_from_cloudformation_json(
        cls,
        original_resource: Machine,
        new_resource_name: str,
        cloudformation_json: Any,
        account_id: str,
        region_name: str,
    ) -> Machine:
        arn, properties = original_resource.physical_resource_id, cloudformation_json["Properties"]
        if properties.get("StateMachineName", _name(arn)) != _name(arn):
            made = cls.create_from_cloudformation_json(new_resource_name, cloudformation_json, account_id, region_name)
            cls.delete_from_cloudformation_json(arn, cloudformation_json, account_id, region_name)
            return made
        if not cls.ours.is_replay():
            request = machine_request("", properties, cls.ours.s3)
            changed = {name: request[name] for name in _UPDATED if name in request}
            called(cls.ours.states, "UpdateStateMachine", {"stateMachineArn": arn, **changed}, region_name)
        return original_resource

    @classmethod
    def delete_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str
    ) -> None:
        if not cls.ours.is_replay():
            called(cls.ours.states, "DeleteStateMachine", {"stateMachineArn": resource_name}, region_name)


def _name(arn: str) -> str:
    return arn.rpartition(":")[2]


def machine_request(name: str, properties: Mapping[str, Any], s3: Service) -> dict[str, Any]:
    """CreateStateMachine's request for a resource's properties."""
    request: dict[str, Any] = {
        "name": properties.get("StateMachineName", name),
        "definition": substituted(_definition(properties, s3), properties.get("DefinitionSubstitutions", {})),
        "roleArn": properties.get("RoleArn", ""),
        "type": properties.get("StateMachineType", "STANDARD"),
        "tags": [{"key": tag["Key"], "value": tag["Value"]} for tag in properties.get("Tags", ())],
    }
    for member in ("LoggingConfiguration", "TracingConfiguration"):
        if member in properties:
            request[member[0].lower() + member[1:]] = in_camel_case(properties[member])
    return request


def _definition(properties: Mapping[str, Any], s3: Service) -> str:
    if "DefinitionString" in properties:
        return str(properties["DefinitionString"])
    if "Definition" in properties:
        return json.dumps(properties["Definition"])
    place = properties.get("DefinitionS3Location", {})
    return (content(s3, str(place.get("Bucket", "")), str(place.get("Key", ""))) or b"").decode("utf-8", "replace")


def substituted(definition: str, values: Mapping[str, Any]) -> str:
    """The definition with the values of DefinitionSubstitutions.

    >>> substituted('{"Resource": "${fn}", "x": "${other}"}', {"fn": "arn"})
    '{"Resource": "arn", "x": "${other}"}'
    """
    return re.sub(r"\$\{([^}]+)\}", lambda found: str(values.get(found[1], found[0])), definition)
