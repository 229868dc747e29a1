"""SageMaker's model registry, and the objects in S3 that its versions name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mlci.backends.aws.api_calls import Api, AwsError
from mlci.backends.aws.caller_identity import Identity
from mlci.backends.aws.s3_objects import Objects
from mlci.errors import CloudError
from mlci_dataclasses import dataclass


@dataclass(frozen=True)
class AwsRegistry:
    """The registry of an account and region."""

    sagemaker: Api
    objects: Objects
    identity: Identity

    @property
    def caller(self) -> str:
        return self.identity.arn

    def call(self, operation: str, **request: Any) -> Mapping[str, Any]:
        return self.sagemaker.call(operation, **request)

    def pages(self, operation: str, tokens: tuple[str, str], **request: Any) -> Iterator[Mapping[str, Any]]:
        return self.sagemaker.pages(operation, tokens, **request)

    def read(self, uri: str) -> bytes | None:
        """Return an object's bytes; None if there is none, or another account's, or it may not be read."""
        try:
            return self.objects.read(uri)
        except AwsError as error:
            if error.is_transient:
                raise
            return None
        except CloudError:
            return None
