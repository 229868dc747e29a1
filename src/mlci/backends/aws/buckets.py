"""S3: whole buckets: their tags, and their deletion."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mlci.backends.aws.api_calls import Api, AwsError
from mlci.errors import CloudError
from mlci_dataclasses import dataclass

_NO_SUCH_BUCKET = ("NoSuchBucket", "404")


@dataclass(frozen=True)
class Buckets:
    """The buckets of the account `owner`.

    Each request names the owner, because somebody else can take the name of a deleted bucket.
    """

    api: Api
    owner: str

    def tags(self, bucket: str) -> dict[str, str] | None:
        """Return the bucket's tags, or None if there is no such bucket."""
        try:
            response = self._call("get_bucket_tagging", Bucket=bucket)
        except AwsError as error:
            if error.code == "NoSuchTagSet":
                return {}
            if error.code in _NO_SUCH_BUCKET:
                return None
            raise
        return {entry["Key"]: entry["Value"] for entry in response["TagSet"]}

    def list_by_prefix(self, prefix: str, region: str) -> Iterator[str]:
        """Yield the names of the caller's buckets in a region that start with a prefix."""
        pages = self.api.pages("list_buckets", ("ContinuationToken", "ContinuationToken"))
        for page in pages:
            for entry in page.get("Buckets", ()):
                if entry["Name"].startswith(prefix) and entry.get("BucketRegion", region) == region:
                    yield entry["Name"]

    def empty(self, bucket: str) -> int:
        """Delete every version of every object, and every incomplete upload; return the number of versions.

        Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/delete-bucket.html
        """
        for upload in self._uploads(bucket):
            self._call("abort_multipart_upload", Bucket=bucket, **upload)
        deleted = 0
        while versions := self._versions(bucket):
            response = self._call("delete_objects", Bucket=bucket, Delete={"Objects": versions, "Quiet": True})
            if response.get("Errors"):
                first = response["Errors"][0]
                what = f'"{first.get("Key")}" in the bucket {bucket} could not be deleted: {first.get("Message")}'
                raise CloudError(what)
            deleted += len(versions)
        return deleted

    def delete(self, bucket: str) -> None:
        """Delete an empty bucket. A missing bucket is no error."""
        try:
            self._call("delete_bucket", Bucket=bucket)
        except AwsError as error:
            if error.code not in _NO_SUCH_BUCKET:
                raise

    def _call(self, operation: str, **request: Any) -> Mapping[str, Any]:
        return self.api.call(operation, ExpectedBucketOwner=self.owner, **request)

    def _versions(self, bucket: str) -> list[dict[str, str]]:
        """Return up to 1,000 versions and delete markers, the most that one DeleteObjects accepts."""
        page = self._call("list_object_versions", Bucket=bucket, MaxKeys=1000)
        entries = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
        return [{"Key": entry["Key"], "VersionId": entry["VersionId"]} for entry in entries]

    def _uploads(self, bucket: str) -> list[dict[str, Any]]:
        request: dict[str, Any] = {"Bucket": bucket}
        found: list[dict[str, Any]] = []
        while True:
            page = self._call("list_multipart_uploads", **request)
            found += [{"Key": entry["Key"], "UploadId": entry["UploadId"]} for entry in page.get("Uploads", ())]
            if not page.get("IsTruncated"):
                return found
            request |= {"KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page["NextUploadIdMarker"]}
