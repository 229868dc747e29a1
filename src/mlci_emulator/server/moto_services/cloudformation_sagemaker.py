"""CloudFormation's AWS::SageMaker::Model, EndpointConfig, Endpoint and ModelPackageGroup, in the emulator's SageMaker.

`Ref` is the ARN of each.
Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_SageMaker.html
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from mlci_emulator.protocol.models import Shape, input_shape
from mlci_emulator.server.moto_services.bridge import BridgedServices, call_service
from mlci_emulator.server.moto_services.cloudformation_resource import StackResource

_NOUNS = ("Model", "EndpointConfig", "Endpoint", "ModelPackageGroup")


class SageMakerResource(StackResource):
    """A resource of a stack. `noun` is the word of its type and its operations."""

    noun: ClassVar[str] = ""
    services: ClassVar[BridgedServices]

    @classmethod
    def has_cfn_attr(cls, attr: str) -> bool:
        return attr in (f"{cls.noun}Name", f"{cls.noun}Arn", "Arn")

    def get_cfn_attribute(self, attribute_name: str) -> str:
        return _name(self.physical_resource_id) if attribute_name.endswith("Name") else self.physical_resource_id

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **kwargs: Any
    ) -> SageMakerResource:
        name_member = f"{cls.noun}Name"
        members = {name_member: resource_name, **cloudformation_json["Properties"]}
        if cls.services.is_replay():
            kind = _ARN_KINDS[cls.noun]
            return cls(f"arn:aws:sagemaker:{region_name}:{account_id}:{kind}/{members[name_member]}")
        operation = f"Create{cls.noun}"
        request = typed_as(input_shape("sagemaker", operation), members)
        response = call_service(cls.services.sagemaker, operation, request, region_name)
        return cls(str(response[f"{cls.noun}Arn"]))

    @classmethod
    def delete_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str
    ) -> None:
        if not cls.services.is_replay():
            request = {f"{cls.noun}Name": _name(resource_name)}
            call_service(cls.services.sagemaker, f"Delete{cls.noun}", request, region_name)


#: The words of the ARNs.
_ARN_KINDS = {
    "Model": "model",
    "EndpointConfig": "endpoint-config",
    "Endpoint": "endpoint",
    "ModelPackageGroup": "model-package-group",
}


def sagemaker_resources(services: BridgedServices) -> Iterator[type[SageMakerResource]]:
    """Yield the classes of the types."""
    for noun in _NOUNS:
        members = {
            "noun": noun,
            "kind": f"AWS::SageMaker::{noun}",
            "name_property": f"{noun}Name",
            "services": services,
        }
        yield type(f"{noun}Resource", (SageMakerResource,), members)


def _name(arn: str) -> str:
    return arn.rpartition("/")[2]


def typed_as(shape: Shape, value: Any) -> Any:
    """Return a value with the types of a shape; CloudFormation takes numbers and booleans as text as well.

    >>> typed_as(input_shape("sagemaker", "CreateModel"), {"ModelName": "m", "EnableNetworkIsolation": "true"})
    {'ModelName': 'm', 'EnableNetworkIsolation': True}
    """
    match shape.type_name:
        case "structure" if isinstance(value, dict):
            known = shape.members
            return {name: typed_as(known[name], member) if name in known else member for name, member in value.items()}
        case "list" if isinstance(value, list):
            return [typed_as(shape.member, element) for element in value]
        case "map" if isinstance(value, dict):
            return {key: typed_as(shape.value, element) for key, element in value.items()}
        case "boolean" if isinstance(value, str):
            return {"true": True, "false": False}.get(value.lower(), value)
        case "integer" | "long" if isinstance(value, str) and value.isdigit():
            return int(value)
        case "float" | "double" if isinstance(value, str):
            return _as_float(value)
        case "string" if isinstance(value, (int, float)) and not isinstance(value, bool):
            return str(value)
        case _:
            return value


def _as_float(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text
