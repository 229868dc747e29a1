"""Operations on model packages, unversioned or versions of a model package group.

Sources: https://docs.aws.amazon.com/sagemaker/latest/dg/model-registry-models.html; API_CreateModelPackage.html;
https://github.com/getmoto/moto/pull/7165 (CreateModelPackage's errors about names).
"""

from __future__ import annotations

import contextlib
import threading
from typing import Any

from mlci_emulator.protocol.operations import ApiError, Request, Response
from mlci_emulator.services.sagemaker import errors, tags
from mlci_emulator.services.sagemaker.models import arn_of
from mlci_emulator.services.sagemaker.records import NameInUseError, Record, SageMakerRecords
from mlci_emulator.services.timestamps import Clock

#: The member of a group's record that counts its versions; the number of a deleted version is never used again.
_VERSION_COUNT = "$versions"
_UPDATABLE_MEMBERS = (
    "ModelApprovalStatus",
    "ModelPackageRegistrationType",
    "ApprovalDescription",
    "InferenceSpecification",
    "SourceUri",
    "ModelCard",
    "ModelLifeCycle",
)
#: Source: API_BatchDescribeModelPackageSummary.html
_BATCH_MEMBERS = (
    "ModelPackageGroupName",
    "ModelPackageVersion",
    "ModelPackageArn",
    "ModelPackageDescription",
    "CreationTime",
    "InferenceSpecification",
    "ModelPackageStatus",
    "ModelApprovalStatus",
    "ModelPackageRegistrationType",
)
#: Members that ask for a job that validates the package, which is not implemented here.
_UNSUPPORTED_MEMBERS = ("ValidationSpecification", "SourceAlgorithmSpecification")


class ModelPackages:
    """The model registry."""

    def __init__(self, records: SageMakerRecords, now: Clock) -> None:
        self._records, self._now = records, now
        self._lock = threading.Lock()
        self._created: dict[tuple[str, str | None], str] = {}  # by the region and the token of the request

    # --- Groups ---

    def create_group(self, request: Request, region: str) -> Response:
        name, now = request["ModelPackageGroupName"], self._now()
        if request.get("ManagedConfiguration"):
            raise errors.invalid("the local cloud does not support ManagedConfiguration")
        arn = arn_of("model-package-group", name, region)
        body = {
            "ModelPackageGroupName": name,
            "ModelPackageGroupArn": arn,
            "CreationTime": now,
            "CreatedBy": {},
            "ModelPackageGroupStatus": "Completed",
            _VERSION_COUNT: 0,
        }
        if request.get("ModelPackageGroupDescription") is not None:
            body["ModelPackageGroupDescription"] = request["ModelPackageGroupDescription"]
        try:
            self._records.add(Record("model-package-group", region, name, arn, now, now, "Completed", body=body))
        except NameInUseError as error:
            raise errors.invalid(f"Model Package Group already exists: {arn}") from error
        tags.put(self._records, arn, request.get("Tags") or [])
        return {"ModelPackageGroupArn": arn}

    def describe_group(self, request: Request, region: str) -> Response:
        body = self._group(request["ModelPackageGroupName"], region).body
        return {name: value for name, value in body.items() if name != _VERSION_COUNT}

    def delete_group(self, request: Request, region: str) -> Response:
        with self._lock:
            group = self._group(request["ModelPackageGroupName"], region)
            if self._records.select("kind = ? AND region = ? AND parent = ?", ["model-package", region, group.name]):
                raise ApiError("ConflictException", f"Model Package Group {group.arn} has model packages: delete them.")
            self._records.remove(group)
        return {}

    # --- Packages ---

    def create(self, request: Request, region: str) -> Response:
        name, group = request.get("ModelPackageName"), request.get("ModelPackageGroupName")
        if name and group:
            raise errors.invalid(
                "Both ModelPackageName and ModelPackageGroupName are provided in the input. "
                "Cannot determine which one to use."
            )
        if not name and not group:
            raise errors.invalid("Missing ARN.")
        if group and request.get("Tags"):
            raise errors.invalid(
                "Tags are not supported in Model Package versions. Please add them to the Model Package Group."
            )
        for field in _UNSUPPORTED_MEMBERS:
            if request.get(field):
                raise errors.invalid(f"the local cloud does not do the {field} of a model package")
        token = (region, request.get("ClientToken"))
        with self._lock:
            if token in self._created:
                return {"ModelPackageArn": self._created[token]}
            record = self._add_version(group, request, region) if group else self._add_unversioned(request, region)
            if request.get("ClientToken"):
                self._created[token] = record.arn
        tags.put(self._records, record.arn, request.get("Tags") or [])
        return {"ModelPackageArn": record.arn}

    def describe(self, request: Request, region: str) -> Response:
        return self._package(request["ModelPackageName"], region).body

    def describe_many(self, request: Request, region: str) -> Response:
        """Source: API_BatchDescribeModelPackage.html"""
        summaries, problems = {}, {}
        for arn in request["ModelPackageArnList"]:
            try:
                body = self._package(arn, region).body
            except ApiError as error:
                problems[arn] = {"ErrorCode": error.code, "ErrorResponse": error.message}
                continue
            summaries[arn] = {field: body[field] for field in _BATCH_MEMBERS if field in body}
        return {"ModelPackageSummaries": summaries, "BatchDescribeModelPackageErrorMap": problems}

    def update(self, request: Request, region: str) -> Response:
        with self._lock:
            record = self._package(request["ModelPackageArn"], region)
            body, now = record.body, self._now()
            body |= {field: request[field] for field in _UPDATABLE_MEMBERS if request.get(field) is not None}
            metadata = {
                **body.get("CustomerMetadataProperties", {}),
                **(request.get("CustomerMetadataProperties") or {}),
            }
            for key in request.get("CustomerMetadataPropertiesToRemove") or []:
                metadata.pop(key, None)
            if metadata or "CustomerMetadataProperties" in body:
                body["CustomerMetadataProperties"] = metadata
            added = request.get("AdditionalInferenceSpecificationsToAdd") or []
            if added:
                body["AdditionalInferenceSpecifications"] = [*body.get("AdditionalInferenceSpecifications", []), *added]
            body |= {"LastModifiedTime": now, "LastModifiedBy": {}}
            record.modified, record.approval = now, body.get("ModelApprovalStatus", "")
            self._records.save(record)
        return {"ModelPackageArn": record.arn}

    def delete(self, request: Request, region: str) -> Response:
        with self._lock:
            self._records.remove(self._package(request["ModelPackageName"], region))
        return {}

    def _add_version(self, group_name: str, request: Request, region: str) -> Record:
        """Return a new version of a group. If another process has added one meanwhile, the next number is taken."""
        while True:
            group = self._group(group_name, region)
            group.body[_VERSION_COUNT] += 1
            self._records.save(group)
            version = group.body[_VERSION_COUNT]
            record = self._new_record(f"{group.name}/{version}", group.name, region)
            record.parent = group.name
            record.body |= {"ModelPackageGroupName": group.name, "ModelPackageVersion": version}
            record.body |= {"ModelApprovalStatus": "PendingManualApproval", **_described(request)}
            record.approval = record.body["ModelApprovalStatus"]
            with contextlib.suppress(NameInUseError):
                self._records.add(record)
                return record

    def _add_unversioned(self, request: Request, region: str) -> Record:
        name = str(request["ModelPackageName"])
        record = self._new_record(name, name, region)
        record.body |= _described(request)
        record.approval = record.body.get("ModelApprovalStatus", "")
        try:
            self._records.add(record)
        except NameInUseError as error:
            raise errors.invalid(f"Model Package already exists: {record.arn}") from error
        return record

    def _new_record(self, key: str, name: str, region: str) -> Record:
        now = self._now()
        arn = arn_of("model-package", key, region)
        body: dict[str, Any] = {
            "ModelPackageName": name,
            "ModelPackageArn": arn,
            "CreationTime": now,
            "CreatedBy": {},
            "ModelPackageStatus": "Completed",
            "ModelPackageStatusDetails": {"ValidationStatuses": [], "ImageScanStatuses": []},
        }
        return Record("model-package", region, key, arn, now, now, "Completed", body=body)

    def _group(self, name: str, region: str) -> Record:
        name = name.rpartition("/")[2]
        record = self._records.get("model-package-group", region, name)
        if record is None:
            raise errors.invalid(f"ModelPackageGroup {arn_of('model-package-group', name, region)} does not exist.")
        return record

    def _package(self, name: str, region: str) -> Record:
        """Return a package by its name or its ARN."""
        found = self._records.by_arn(name) if name.startswith("arn:") else None
        record = found or self._records.get("model-package", region, name)
        if record is None or record.kind != "model-package":
            arn = name if name.startswith("arn:") else arn_of("model-package", name, region)
            raise errors.invalid(f"ModelPackage {arn} does not exist.")
        return record


def _described(request: Request) -> dict[str, Any]:
    """Return the members of a CreateModelPackage that its description repeats."""
    left_out = {"Tags", "ClientToken", "ModelPackageName", "ModelPackageGroupName"}
    return {field: value for field, value in request.items() if field not in left_out and value is not None}
