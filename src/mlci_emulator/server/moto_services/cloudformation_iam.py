"""CloudFormation's AWS::IAM::OIDCProvider, in moto's IAM.

Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-iam-oidcprovider.html
"""

from __future__ import annotations

from typing import Any

from moto.iam.models import IAMBackend, iam_backends

from mlci_emulator.server.moto_services.cloudformation_resource import StackResource


class OidcProviderResource(StackResource):
    """An OIDC provider of a stack."""

    kind = "AWS::IAM::OIDCProvider"

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **kwargs: Any
    ) -> OidcProviderResource:
        properties = cloudformation_json["Properties"]
        provider = _iam(account_id).create_open_id_connect_provider(
            properties["Url"],
            properties.get("ThumbprintList", []),
            properties.get("ClientIdList", []),
            properties.get("Tags", []),
        )
        return cls(provider.arn)

    @classmethod
    def delete_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str
    ) -> None:
        _iam(account_id).delete_open_id_connect_provider(resource_name)


def _iam(account: str) -> IAMBackend:
    return iam_backends[account]["aws"]
