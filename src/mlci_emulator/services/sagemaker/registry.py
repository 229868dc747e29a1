"""The model registry: the operations on model packages and their groups, apart from those on jobs and endpoints."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from mlci_emulator.protocol import sagemaker_validation
from mlci_emulator.protocol.operations import ApiError, Request, Response
from mlci_emulator.services.sagemaker import listing
from mlci_emulator.services.sagemaker.model_packages import ModelPackages
from mlci_emulator.services.sagemaker.records import SageMakerRecords
from mlci_emulator.services.timestamps import Clock, now_in_ms


class ModelRegistry:
    """The registry over its records. `operations` are its operations by their names."""

    def __init__(self, records: SageMakerRecords, now: Clock) -> None:
        packages = ModelPackages(records, now)
        self.operations: dict[str, Callable[[Request, str], Response]] = {
            "CreateModelPackageGroup": packages.create_group,
            "DescribeModelPackageGroup": packages.describe_group,
            "DeleteModelPackageGroup": packages.delete_group,
            "CreateModelPackage": packages.create,
            "DescribeModelPackage": packages.describe,
            "BatchDescribeModelPackage": packages.describe_many,
            "UpdateModelPackage": packages.update,
            "DeleteModelPackage": packages.delete,
            "ListModelPackages": partial(listing.page, records, "ListModelPackages"),
            "ListModelPackageGroups": partial(listing.page, records, "ListModelPackageGroups"),
        }

    def call(self, operation: str, request: Request, region: str) -> Response:
        """Return the response of an operation.

        Raises: ApiError
        """
        handler = self.operations.get(operation)
        if handler is None:
            raise ApiError("UnknownOperationException", f"the model registry has no {operation}")
        sagemaker_validation.check(operation, request)
        return handler({name: value for name, value in request.items() if value is not None}, region)


@contextmanager
def open_registry(file: Path | None) -> Iterator[ModelRegistry]:
    """Yield the registry in a file; with None, an empty one in memory."""
    records = SageMakerRecords(file)
    try:
        yield ModelRegistry(records, now_in_ms)
    finally:
        records.close()
