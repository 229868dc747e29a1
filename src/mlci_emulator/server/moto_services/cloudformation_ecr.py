"""CloudFormation's AWS::ECR::Repository, with EmptyOnDelete, which moto ignores.

Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-ecr-repository.html
"""

from __future__ import annotations

from functools import partial
from typing import Any

from moto.ecr.models import Repository, ecr_backends


class RepositoryResource(Repository):
    """A repository of a stack: moto's own, which is deleted with its images if the template says so."""

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **kwargs: Any
    ) -> Repository:
        created = super().create_from_cloudformation_json(
            resource_name, cloudformation_json, account_id, region_name, **kwargs
        )
        return _emptied_on_delete(created, cloudformation_json)

    @classmethod
    def update_from_cloudformation_json(
        cls,
        original_resource: Any,
        new_resource_name: str,
        cloudformation_json: Any,
        account_id: str,
        region_name: str,
    ) -> Repository:
        changed = super().update_from_cloudformation_json(
            original_resource, new_resource_name, cloudformation_json, account_id, region_name
        )
        return _emptied_on_delete(changed, cloudformation_json)


def _emptied_on_delete(repository: Repository, document: Any) -> Repository:
    is_emptied = str(document.get("Properties", {}).get("EmptyOnDelete", "")).lower() == "true"
    repository.delete = partial(_delete, repository.name, is_emptied)  # type: ignore[method-assign]
    return repository


def _delete(name: str, is_emptied: bool, account_id: str, region_name: str) -> None:
    ecr_backends[account_id][region_name].delete_repository(name, force=is_emptied)
