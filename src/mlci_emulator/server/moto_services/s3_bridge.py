"""moto's S3 over the emulator's, for moto's other services. Clients reach the emulator's only."""

from __future__ import annotations

from typing import Any, ClassVar

from moto.s3.models import FakeBucket, FakeKey, S3Backend

from mlci_emulator.protocol.operations import ApiError
from mlci_emulator.server.moto_services.bridge import BridgedServices, call_service
from mlci_emulator.server.moto_services.inline_objects import read_object

_DEFAULT_REGION = "us-east-1"


class MotoS3(S3Backend):
    """Copies requested buckets and objects from the emulator's S3, and creates and deletes there as well."""

    services: ClassVar[BridgedServices]

    def create_bucket(self, bucket_name: str, region_name: str, bucket_namespace: str | None = None) -> FakeBucket:
        if not self.services.is_replay():
            request: dict[str, Any] = {"Bucket": bucket_name}
            if region_name != _DEFAULT_REGION:
                request["CreateBucketConfiguration"] = {"LocationConstraint": region_name}
            call_service(self.services.s3, "CreateBucket", request, region_name)
        return super().create_bucket(bucket_name, region_name, bucket_namespace)

    def delete_bucket(self, bucket_name: str) -> FakeBucket | None:
        if not self.services.is_replay():
            call_service(self.services.s3, "DeleteBucket", {"Bucket": bucket_name}, _DEFAULT_REGION)
        self.get_bucket(bucket_name).keys.clear()
        return super().delete_bucket(bucket_name)

    def get_bucket(self, bucket_name: str) -> FakeBucket:
        if bucket_name not in self.buckets and self._exists(bucket_name):
            super().create_bucket(bucket_name, _DEFAULT_REGION)
        return super().get_bucket(bucket_name)

    def put_bucket_tagging(self, bucket_name: str, tags: dict[str, str]) -> None:
        if not self.services.is_replay():
            tag_set = [{"Key": key, "Value": value} for key, value in tags.items()]
            request = {"Bucket": bucket_name, "Tagging": {"TagSet": tag_set}}
            call_service(self.services.s3, "PutBucketTagging", request, _DEFAULT_REGION)
        super().put_bucket_tagging(bucket_name, tags)

    def get_object(self, bucket_name: str, key_name: str, *args: Any, **options: Any) -> FakeKey | None:
        data = read_object(self.services.s3, bucket_name, key_name)
        if data is not None:
            super().put_object(bucket_name, key_name, data, disable_notification=True)
        return super().get_object(bucket_name, key_name, *args, **options)

    def put_object(self, bucket_name: str, key_name: str, value: bytes, *args: Any, **options: Any) -> FakeKey:
        if not self.services.is_replay():
            call_service(
                self.services.s3, "PutObject", {"Bucket": bucket_name, "Key": key_name, "Body": value}, _DEFAULT_REGION
            )
        return super().put_object(bucket_name, key_name, value, *args, **options)

    def _exists(self, bucket: str) -> bool:
        try:
            self.services.s3.call("HeadBucket", {"Bucket": bucket}, _DEFAULT_REGION)
        except ApiError:
            return False
        return True
