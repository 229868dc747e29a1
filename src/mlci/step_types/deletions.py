"""The resources that outlive a run unless they are deleted, and the calls that delete them."""

from __future__ import annotations

from mlci_dataclasses import dataclass


@dataclass(frozen=True)
class Listing:
    """The call that lists resources by the name of what they belong to, as SageMaker's API has it.

    `field` takes that name, `items` is the field of the result with the list, and `item` that of an item's own name.
    """

    action: str
    field: str
    items: str
    item: str


@dataclass(frozen=True)
class Deletion:
    """The deletion of one kind of resource, in the words of its service's API: `action` takes the name in `field`.

    `noun` is the kind in ARNs. Where a resource gets its name from SageMaker, `listing` finds those that belong to a
    known name.
    """

    noun: str
    action: str
    field: str
    listing: Listing | None = None
    service: str = "sagemaker"

    @property
    def key(self) -> str:
        """The kind as a word in a path: statelint takes no quotes there."""
        return self.noun.replace("-", "_")

    @property
    def permission(self) -> str:
        """The IAM action: sagemaker:DeleteModel."""
        return f"{self.service}:{self.action[:1].upper()}{self.action[1:]}"


#: Every kind of resource that a step may create and that outlives its run unless it is deleted, in the order of their
#: deletion: what uses another comes first.
DELETIONS: tuple[Deletion, ...] = (
    Deletion("endpoint", "deleteEndpoint", "EndpointName"),
    Deletion("endpoint-config", "deleteEndpointConfig", "EndpointConfigName"),
    Deletion(
        "model-package",
        "deleteModelPackage",
        "ModelPackageName",
        Listing("listModelPackages", "ModelPackageGroupName", "ModelPackageSummaryList", "ModelPackageArn"),
    ),
    Deletion("model-package-group", "deleteModelPackageGroup", "ModelPackageGroupName"),
    Deletion("model", "deleteModel", "ModelName"),
    Deletion("job", "deleteJob", "JobName", service="glue"),
)
