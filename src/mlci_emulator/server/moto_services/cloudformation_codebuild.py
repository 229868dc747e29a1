"""CloudFormation's AWS::CodeBuild::Project, in moto's CodeBuild, and AWS::CodeConnections::Connection, new to moto.

No console exists here in which to complete a connection's handshake: the connection is its ARN and nothing else.
Sources: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-codebuild-project.html and
aws-resource-codeconnections-connection.html
"""

from __future__ import annotations

from typing import Any

from moto.codebuild.models import codebuild_backends
from moto.moto_api._internal import mock_random

from mlci_emulator.server.moto_services.cloudformation_resource import StackResource, in_camel_case


class ConnectionResource(StackResource):
    """A connection of a stack."""

    kind = "AWS::CodeConnections::Connection"
    name_property = "ConnectionName"

    @classmethod
    def has_cfn_attr(cls, attr: str) -> bool:
        return attr in ("ConnectionArn", "ConnectionStatus")

    def get_cfn_attribute(self, attribute_name: str) -> str:
        return "AVAILABLE" if attribute_name == "ConnectionStatus" else self.physical_resource_id

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **kwargs: Any
    ) -> ConnectionResource:
        return cls(f"arn:aws:codeconnections:{region_name}:{account_id}:connection/{mock_random.uuid4()}")

    @classmethod
    def update_from_cloudformation_json(
        cls,
        original_resource: ConnectionResource,
        new_resource_name: str,
        cloudformation_json: Any,
        account_id: str,
        region_name: str,
    ) -> ConnectionResource:
        return original_resource

    @classmethod
    def delete_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str
    ) -> None:
        """Do nothing: a connection is only its ARN."""


class ProjectResource(StackResource):
    """A build project of a stack."""

    kind = "AWS::CodeBuild::Project"
    name_property = "Name"

    def __init__(self, name: str, arn: str) -> None:
        super().__init__(name)
        self.arn = arn

    def get_cfn_attribute(self, attribute_name: str) -> str:
        return self.arn

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **kwargs: Any
    ) -> ProjectResource:
        properties = cloudformation_json["Properties"]
        name = properties.get("Name", resource_name)
        codebuild_backends[account_id][region_name].create_project(**_request(name, properties))
        return cls(name, f"arn:aws:codebuild:{region_name}:{account_id}:project/{name}")

    @classmethod
    def delete_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str
    ) -> None:
        codebuild_backends[account_id][region_name].delete_project(resource_name)


def _request(name: str, properties: Any) -> dict[str, Any]:
    """Return the arguments for moto's CodeBuild, from a resource's properties."""
    members = in_camel_case(properties)
    source = dict(members["source"])
    if "buildSpec" in source:
        source["buildspec"] = source.pop("buildSpec")  # the API's name is all in lower case
    return {
        "project_name": name,
        "description": members.get("description"),
        "project_source": source,
        "artifacts": members["artifacts"],
        "environment": members["environment"],
        "service_role": members["serviceRole"],
        "tags": members.get("tags"),
        "cache": members.get("cache"),
        "timeout": members.get("timeoutInMinutes"),
        "queued_timeout": members.get("queuedTimeoutInMinutes"),
        "source_version": members.get("sourceVersion"),
        "logs_config": members.get("logsConfig"),
        "vpc_config": members.get("vpcConfig"),
    }
