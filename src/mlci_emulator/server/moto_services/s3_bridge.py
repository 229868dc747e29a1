"""moto's S3 with ours behind it, for moto's other services. Clients ask ours alone."""

from __future__ import annotations

from typing import Any, ClassVar

from moto.s3.models import FakeBucket, FakeKey, S3Backend

from mlci_emulator.protocol.operations import ApiError
from mlci_emulator.server.moto_services.bridge import Ours, called
from mlci_emulator.server.moto_services.inline_objects import content

_DEFAULT = "us-east-1"


class Buckets(S3Backend):
    """Takes a copy of a bucket or an object of ours when it is asked for; makes in ours what it is told to make."""

    ours: ClassVar[Ours]

    def create_bucket(self, bucket_name: str, region_name: str, bucket_namespace: str | None = None) -> FakeBucket:
        if not self.ours.is_replay():
            request: dict[str, Any] = {"Bucket": bucket_name}
            if region_name != _DEFAULT:
                request["CreateBucketConfiguration"] = {"LocationConstraint": region_name}
            called(self.ours.s3, "CreateBucket", request, region_name)
        return super().create_bucket(bucket_name, region_name, bucket_namespace)

    def delete_bucket(self, bucket_name: str) -> FakeBucket | None:
        if not self.ours.is_replay():
            called(self.ours.s3, "DeleteBucket", {"Bucket": bucket_name}, _DEFAULT)
        self.get_bucket(bucket_name).keys.clear()
        return super().delete_bucket(bucket_name)

    def get_bucket(self, bucket_name: str) -> FakeBucket:
        if bucket_name not in self.buckets and self._is_ours(bucket_name):
            super().create_bucket(bucket_name, _DEFAULT)
        return super().get_bucket(bucket_name)

    def put_bucket_tagging(self, bucket_name: str, tags: dict[str, str]) -> None:
        if not self.ours.is_replay():
            told = [{"Key": key, "Value": value} for key, value in tags.items()]
            called(self.ours.s3, "PutBucketTagging", {"Bucket": bucket_name, "Tagging": {"TagSet": told}}, _DEFAULT)
        super().put_bucket_tagging(bucket_name, tags)

    def get_object(self, bucket_name: str, key_name: str, *args: Any, **given: Any) -> FakeKey | None:
        held = content(self.ours.s3, bucket_name, key_name)
        if held is not None:
            super().put_object(bucket_name, key_name, held, disable_notification=True)
        return super().get_object(bucket_name, key_name, *args, **given)

    def put_object(self, bucket_name: str, key_name: str, value: bytes, *args: Any, **given: Any) -> FakeKey:
        if not self.ours.is_replay():
            called(self.ours.s3, "PutObject", {"Bucket": bucket_name, "Key": key_name, "Body": value}, _DEFAULT)
        return super().put_object(bucket_name, key_name, value, *args, **given)

    def _is_ours(self, bucket: str) -> bool:
        try:
            self.ours.s3.call("HeadBucket", {"Bucket": bucket}, _DEFAULT)
        except ApiError:
            return False
        return True
