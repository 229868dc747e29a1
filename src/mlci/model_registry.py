"""The model registry of a cloud: its groups, their versions, and the decision about a version.

The states of a decision are SageMaker's. Who made it, when and why is in the version's ApprovalDescription.

Sources: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeModelPackage.html,
API_ListModelPackageGroups.html, API_ListModelPackages.html, API_UpdateModelPackage.html
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import field
from datetime import datetime
from typing import Any, Literal  # responses have the API's own shapes

from mlci.backends.protocol import RegistryApi
from mlci.errors import InputError
from mlci.flow import nearest
from mlci.flow.models import Json
from mlci.plan.names import FLOW_TAG, RUN_TAG
from mlci.step_types.model_metadata import COMMIT_KEY, PARAM_PREFIX
from mlci_dataclasses import dataclass

Approval = Literal["Approved", "Rejected"]
#: ApprovalDescription in UpdateModelPackage.
_MAX_DESCRIPTION_CHARS = 1_024
_TOKENS = ("NextToken", "NextToken")


@dataclass(frozen=True)
class ModelGroup:
    """A model package group."""

    name: str
    description: str
    created: datetime


@dataclass(frozen=True)
class ModelVersion:
    """A version of a group. `approval` is its ModelApprovalStatus, and `decision` says who made it, when and why.

    `metrics` are those of the file that ModelMetrics names; None if it names none, or the file is gone. `metadata` is
    what mlci and others noted.
    """

    group: str
    version: int
    arn: str
    status: str
    approval: str
    created: datetime
    description: str = ""
    decision: str = ""
    image: str = ""
    model: str = ""
    metrics_uri: str = ""
    metrics: Mapping[str, Json] | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def run(self) -> str:
        """The id of the run that registered it; empty if no run of mlci did."""
        return self.metadata.get(RUN_TAG, "")

    @property
    def flow(self) -> str:
        return self.metadata.get(FLOW_TAG, "")

    @property
    def commit(self) -> str:
        return self.metadata.get(COMMIT_KEY, "")

    @property
    def params(self) -> dict[str, str]:
        """The params of the flow in that run."""
        return {
            name.removeprefix(PARAM_PREFIX): value
            for name, value in self.metadata.items()
            if name.startswith(PARAM_PREFIX)
        }


@dataclass(frozen=True)
class ModelRegistry:
    """The registry of a cloud. Errors are CloudError, and InputError for a group or a version that is not there."""

    api: RegistryApi

    def groups(self) -> Iterator[ModelGroup]:
        """Yield all groups, the newest first."""
        pages = self.api.pages("list_model_package_groups", _TOKENS, SortBy="CreationTime", SortOrder="Descending")
        for page in pages:
            for summary in page["ModelPackageGroupSummaryList"]:
                yield ModelGroup(
                    str(summary["ModelPackageGroupName"]),
                    str(summary.get("ModelPackageGroupDescription", "")),
                    summary["CreationTime"],
                )

    def newest(self, group: str) -> int | None:
        """Return the number of the newest version of a group; None if it has none."""
        return next((int(summary["ModelPackageVersion"]) for summary in self._summaries(group)), None)

    def versions(self, group: str, limit: int) -> Iterator[ModelVersion]:
        """Yield the newest versions of a group, at most `limit`, the newest first."""
        self._check_group(group)
        for summary in itertools.islice(self._summaries(group), limit):
            yield self._describe(str(summary["ModelPackageArn"]))

    def version(self, group: str, number: int) -> ModelVersion:
        """Return a version of a group."""
        self._check_group(group)
        for summary in self._summaries(group):
            if summary["ModelPackageVersion"] == number:
                return self._describe(str(summary["ModelPackageArn"]))
        raise InputError(f'the group "{group}" has no version {number}', f"`mlci models {group}` lists its versions.")

    def decide(self, version: ModelVersion, approval: Approval, reason: str, now: datetime) -> ModelVersion:
        """Approve or reject a version, and return it as it is then. `now` is UTC.

        Raises: InputError, if the reason is too long for the registry.
        """
        decision = f"{approval.lower()} by {self.api.caller} at {now:%Y-%m-%d %H:%M:%S} UTC"
        decision += f": {reason}" if reason else ""
        if len(decision) > _MAX_DESCRIPTION_CHARS:
            too_many = len(decision) - _MAX_DESCRIPTION_CHARS
            raise InputError(f"the reason is {too_many} characters too long for the registry", "Shorten --reason.")
        self.api.call(
            "update_model_package",
            ModelPackageArn=version.arn,
            ModelApprovalStatus=approval,
            ApprovalDescription=decision,
        )
        return self._describe(version.arn)

    def _summaries(self, group: str) -> Iterator[Mapping[str, Any]]:
        pages = self.api.pages(
            "list_model_packages",
            _TOKENS,
            ModelPackageGroupName=group,
            SortBy="CreationTime",
            SortOrder="Descending",
        )
        for page in pages:
            yield from page["ModelPackageSummaryList"]

    def _check_group(self, group: str) -> None:
        names = [each.name for each in self.groups()]
        if group in names:
            return
        meant = nearest(group, names)
        hint = f'Did you mean "{meant}"?' if meant else "`mlci models` lists the groups."
        raise InputError(f'there is no model package group "{group}"', hint)

    def _describe(self, arn: str) -> ModelVersion:
        described = self.api.call("describe_model_package", ModelPackageName=arn)
        containers = described.get("InferenceSpecification", {}).get("Containers", [{}])
        quality = described.get("ModelMetrics", {}).get("ModelQuality", {})
        metrics_uri = str(quality.get("Statistics", {}).get("S3Uri", ""))
        return ModelVersion(
            group=str(described["ModelPackageGroupName"]),
            version=int(described["ModelPackageVersion"]),
            arn=arn,
            status=str(described["ModelPackageStatus"]),
            approval=str(described.get("ModelApprovalStatus", "")),
            created=described["CreationTime"],
            description=str(described.get("ModelPackageDescription", "")),
            decision=str(described.get("ApprovalDescription", "")),
            image=str(containers[0].get("Image", "")),
            model=str(containers[0].get("ModelDataUrl", "")),
            metrics_uri=metrics_uri,
            metrics=self._metrics(metrics_uri),
            metadata={str(name): str(value) for name, value in described.get("CustomerMetadataProperties", {}).items()},
        )

    def _metrics(self, uri: str) -> Mapping[str, Json] | None:
        data = self.api.read(uri) if uri.startswith("s3://") else None
        if data is None:
            return None
        try:
            metrics = json.loads(data)
        except (ValueError, RecursionError):
            return None
        return metrics if isinstance(metrics, dict) else None
