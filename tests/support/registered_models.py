"""Models in the registry of a folder `.mlci`, for tests of what reads it."""

from __future__ import annotations

import time
from pathlib import Path

from mlci.backends.local_registry import REGISTRY
from mlci_emulator.identity import REGION
from mlci_emulator.services.sagemaker.registry import open_registry
from mlci_emulator.store.directory import DirectoryStore

METADATA = {
    "mlci:flow": "small",
    "mlci:run": "20261123-101530-3f9c2a",
    "mlci:commit": "c" * 40,
    "mlci:param:depth": "6",
}


def register(home: Path, group: str, count: int = 1, metrics: bytes = b'{"auc": 0.75}') -> None:
    """Put versions of a group into the registry of a folder, as runs do."""
    with open_registry(home / REGISTRY) as service:
        names = [
            each["ModelPackageGroupName"]
            for each in service.call("ListModelPackageGroups", {}, REGION)["ModelPackageGroupSummaryList"]
        ]
        if group not in names:
            service.call("CreateModelPackageGroup", {"ModelPackageGroupName": group}, REGION)
        for _ in range(count):
            container = {"Image": "mine.example/image:7", "ModelDataUrl": "s3://b/model.tar.gz"}
            specification = {
                "Containers": [container],
                "SupportedContentTypes": ["text/csv"],
                "SupportedResponseMIMETypes": ["text/csv"],
            }
            statistics = {"ContentType": "application/json", "S3Uri": "s3://b/metrics.json"}
            request = {
                "ModelPackageGroupName": group,
                "InferenceSpecification": specification,
                "ModelMetrics": {"ModelQuality": {"Statistics": statistics}},
                "CustomerMetadataProperties": METADATA,
            }
            service.call("CreateModelPackage", request, REGION)
            time.sleep(0.002)  # times are in milliseconds, and decide the order
    DirectoryStore(home / "store").put_bytes(metrics, "s3://b/metrics.json")
