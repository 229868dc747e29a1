"""S3: whole buckets, at the end of their time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mlci.backends.aws.api_calls import Api, AwsError
from mlci.errors import CloudError

_NONE = ("NoSuchBucket", "404")


@dataclass(frozen=True)
class Buckets:
    api: Api

    def tags(self, bucket: str) -> dict[str, str] | None:
        """The bucket's tags; None where there is no such bucket."""
        try:
            told = self.api.call("get_bucket_tagging", Bucket=bucket)
        except AwsError as error:
            if error.code == "NoSuchTagSet":
                return {}
            if error.code in _NONE:
                return None
            raise
        return {entry["Key"]: entry["Value"] for entry in told["TagSet"]}

    def named(self, prefix: str, region: str) -> Iterator[str]:
        """The caller's buckets in a region whose names begin so."""
        pages = self.api.pages("list_buckets", ("ContinuationToken", "ContinuationToken"))
        for page in pages:
            for entry in page.get("Buckets", ()):
                if entry["Name"].startswith(prefix) and entry.get("BucketRegion", region) == region:
                    yield entry["Name"]

    def empty(self, bucket: str) -> int:
        """Deletes every version of every object, and uploads that were never completed; says how many versions.

        Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/delete-bucket.html
        """
        for upload in self._uploads(bucket):
            self.api.call("abort_multipart_upload", Bucket=bucket, **upload)
        deleted = 0
        while versions := self._versions(bucket):
            told = self.api.call("delete_objects", Bucket=bucket, Delete={"Objects": versions, "Quiet": True})
            if told.get("Errors"):
                first = told["Errors"][0]
                raise CloudError(f'"{first.get("Key")}" of the bucket {bucket} stays: {first.get("Message")}')
            deleted += len(versions)
        return deleted

    def delete(self, bucket: str) -> None:
        """Deletes a bucket that is empty; one that isn't there is fine."""
        try:
            self.api.call("delete_bucket", Bucket=bucket)
        except AwsError as error:
            if error.code not in _NONE:
                raise

    def _versions(self, bucket: str) -> list[dict[str, str]]:
        """Up to a thousand versions and delete markers, as many as one DeleteObjects takes."""
        page = self.api.call("list_object_versions", Bucket=bucket, MaxKeys=1000)
        entries = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
        return [{"Key": entry["Key"], "VersionId": entry["VersionId"]} for entry in entries]

    def _uploads(self, bucket: str) -> list[dict[str, Any]]:
        request: dict[str, Any] = {"Bucket": bucket}
        found: list[dict[str, Any]] = []
        while True:
            page = self.api.call("list_multipart_uploads", **request)
            found += [{"Key": entry["Key"], "UploadId": entry["UploadId"]} for entry in page.get("Uploads", ())]
            if not page.get("IsTruncated"):
                return found
            request |= {"KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page["NextUploadIdMarker"]}
