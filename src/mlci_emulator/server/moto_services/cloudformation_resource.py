"""The base of the CloudFormation resources that moto lacks."""

from __future__ import annotations

from typing import Any, ClassVar

from moto.core.common_models import CloudFormationModel


class StackResource(CloudFormationModel):
    """A resource of a stack.

    `kind` is CloudFormation's name of its type, `name_property` the property that names it, and
    `physical_resource_id` the value of `Ref`.
    """

    kind: ClassVar[str] = ""  # moto calls this class, too
    name_property: ClassVar[str] = ""

    def __init__(self, physical_resource_id: str) -> None:
        self.physical_resource_id = physical_resource_id

    @classmethod
    def cloudformation_name_type(cls) -> str:
        return cls.name_property

    @classmethod
    def cloudformation_type(cls) -> str:
        return cls.kind

    @classmethod
    def has_cfn_attr(cls, attr: str) -> bool:
        return attr == "Arn"

    def get_cfn_attribute(self, attribute_name: str) -> str:
        return self.physical_resource_id

    def is_created(self) -> bool:
        return True

    @classmethod
    def update_from_cloudformation_json(
        cls,
        original_resource: Any,
        new_resource_name: str,
        cloudformation_json: Any,
        account_id: str,
        region_name: str,
    ) -> Any:
        """Replace the resource, which subclasses may avoid."""
        cls.delete_from_cloudformation_json(
            original_resource.physical_resource_id, cloudformation_json, account_id, region_name
        )
        return cls.create_from_cloudformation_json(new_resource_name, cloudformation_json, account_id, region_name)


def in_camel_case(value: Any) -> Any:
    """Return members under the API's names; CloudFormation passes booleans as text."""
    if isinstance(value, dict):
        return {name[0].lower() + name[1:]: in_camel_case(member) for name, member in value.items()}
    if isinstance(value, list):
        return [in_camel_case(element) for element in value]
    return typed(value)


def typed(value: Any) -> Any:
    """Return a boolean that came as text as a boolean, also inside structures and lists."""
    if isinstance(value, dict):
        return {name: typed(member) for name, member in value.items()}
    if isinstance(value, list):
        return [typed(element) for element in value]
    return {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value
