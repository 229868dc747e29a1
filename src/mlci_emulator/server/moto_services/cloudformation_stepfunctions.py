"""CloudFormation's AWS::StepFunctions::StateMachine, as a state machine of the emulator.

Source:
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-stepfunctions-statemachine.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, ClassVar

from mlci_emulator.protocol.operations import Service
from mlci_emulator.server.moto_services.bridge import BridgedServices, call_service
from mlci_emulator.server.moto_services.cloudformation_resource import StackResource, in_camel_case
from mlci_emulator.server.moto_services.inline_objects import read_object

#: The members that an update may change. Another name creates another state machine.
_UPDATED = ("definition", "roleArn", "loggingConfiguration", "tracingConfiguration")


class StateMachineResource(StackResource):
    """A state machine of a stack."""

    kind = "AWS::StepFunctions::StateMachine"
    name_property = "StateMachineName"
    services: ClassVar[BridgedServices]

    @classmethod
    def has_cfn_attr(cls, attr: str) -> bool:
        return attr in ("Arn", "Name", "StateMachineRevisionId")

    def get_cfn_attribute(self, attribute_name: str) -> str:
        arn = self.physical_resource_id
        if attribute_name == "StateMachineRevisionId":
            described = call_service(
                self.services.states, "DescribeStateMachine", {"stateMachineArn": arn}, arn.split(":")[3]
            )
            return str(described.get("revisionId", "INITIAL"))
        return arn if attribute_name == "Arn" else _name(arn)

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **kwargs: Any
    ) -> StateMachineResource:
        if cls.services.is_replay():
            return cls(f"arn:aws:states:{region_name}:{account_id}:stateMachine:{resource_name}")
        request = machine_request(resource_name, cloudformation_json["Properties"], cls.services.s3)
        return cls(
            str(call_service(cls.services.states, "CreateStateMachine", request, region_name)["stateMachineArn"])
        )

    @classmethod
    def update_from_cloudformation_json(
        cls,
        original_resource: StateMachineResource,
        new_resource_name: str,
        cloudformation_json: Any,
        account_id: str,
        region_name: str,
    ) -> StateMachineResource:
        arn, properties = original_resource.physical_resource_id, cloudformation_json["Properties"]
        if properties.get("StateMachineName", _name(arn)) != _name(arn):
            created = cls.create_from_cloudformation_json(
                new_resource_name, cloudformation_json, account_id, region_name
            )
            cls.delete_from_cloudformation_json(arn, cloudformation_json, account_id, region_name)
            return created
        if not cls.services.is_replay():
            request = machine_request("", properties, cls.services.s3)
            changed = {name: request[name] for name in _UPDATED if name in request}
            call_service(cls.services.states, "UpdateStateMachine", {"stateMachineArn": arn, **changed}, region_name)
        return original_resource

    @classmethod
    def delete_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str
    ) -> None:
        if not cls.services.is_replay():
            call_service(cls.services.states, "DeleteStateMachine", {"stateMachineArn": resource_name}, region_name)


def _name(arn: str) -> str:
    return arn.rpartition(":")[2]


def machine_request(name: str, properties: Mapping[str, Any], s3: Service) -> dict[str, Any]:
    """Return CreateStateMachine's request for a resource's properties."""
    request: dict[str, Any] = {
        "name": properties.get("StateMachineName", name),
        "definition": substitute(_definition(properties, s3), properties.get("DefinitionSubstitutions", {})),
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
    location = properties.get("DefinitionS3Location", {})
    return (read_object(s3, str(location.get("Bucket", "")), str(location.get("Key", ""))) or b"").decode(
        "utf-8", "replace"
    )


def substitute(definition: str, values: Mapping[str, Any]) -> str:
    """Return the definition with the values of DefinitionSubstitutions.

    >>> substitute('{"Resource": "${fn}", "x": "${other}"}', {"fn": "arn"})
    '{"Resource": "arn", "x": "${other}"}'
    """
    return re.sub(r"\$\{([^}]+)\}", lambda match: str(values.get(match[1], match[0])), definition)
