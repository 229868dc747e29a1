"""S3: objects by their URIs, with checksums.

Requests name no encryption, so objects get the bucket's own. They name the bucket's owner, because somebody else can
take the name of a deleted bucket.
Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-owner-condition.html
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any  # the entries of a list have the shape of the API

from mlci.backends.aws.api_calls import Api, AwsError, translate_errors
from mlci.backends.protocol import TaggedObject
from mlci.errors import InputError
from mlci.s3_uris import split_s3_uri
from mlci_dataclasses import dataclass

#: The objects in a page of a list, where none or more are asked for.
#: Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html (max-keys)
_PAGE_KEYS = 1_000
_COPY_BYTES = 1 << 20


@dataclass(frozen=True)
class Objects:
    """Objects in S3, in buckets of the account `owner`; "" stands for any, of which objects are only read."""

    api: Api
    owner: str

    @property
    def _expected_owner(self) -> dict[str, str]:
        return {"ExpectedBucketOwner": self.owner} if self.owner else {}

    def check_bucket(self, bucket: str, region: str) -> None:
        """Raise InputError if the bucket does not exist, may not be used, or is in another region than the jobs.

        Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadBucket.html
        """
        try:
            response = self.api.call("head_bucket", Bucket=bucket, ExpectedBucketOwner=self.owner)
        except AwsError as error:
            if error.is_transient:
                raise
            what, hint = {
                "404": ("does not exist", "Create it, or name another: --bucket."),
                "403": (
                    "may not be used with these credentials",
                    f"They need s3:ListBucket on it, and it must belong to their account, {self.owner}.",
                ),
            }.get(error.code, (f"can't be used: {error.message or error.code}", "Is the name right?"))
            raise InputError(f'the bucket "{bucket}" {what}', hint) from error
        bucket_region = response.get("BucketRegion") or region
        if bucket_region != region:
            hint = f"SageMaker reads from its own region only. Pass --region {bucket_region}, or use another bucket."
            raise InputError(f'the bucket "{bucket}" is in {bucket_region}, and the run in {region}', hint)

    def read(self, uri: str, max_bytes: int | None = None) -> bytes | None:
        """Return an object's bytes, at most `max_bytes` of them, or None if there is no such object."""
        found = self.read_tagged(uri, max_bytes)
        return None if found is None else found.data

    def read_tagged(self, uri: str, max_bytes: int | None = None) -> TaggedObject | None:
        """Return an object with its ETag, at most `max_bytes` of it, or None if there is no such object."""
        bucket, key = split_s3_uri(uri)

        def get() -> TaggedObject:
            response = self.api.call_once("get_object", Bucket=bucket, Key=key, ExpectedBucketOwner=self.owner)
            with translate_errors("get_object"):
                return TaggedObject(response["Body"].read(max_bytes), response["ETag"])

        try:
            return self.api.retry_policy.call(get)
        except AwsError as error:
            if error.code in ("NoSuchKey", "404"):
                return None
            raise

    def url(self, uri: str) -> str:
        """Return the address of an object at the endpoint."""
        return f"{self.api.client.meta.endpoint_url}/{uri.removeprefix('s3://')}"

    def download(self, uri: str, target: Path) -> None:
        """Copy an object to a file.

        Raises: AwsError, also if there is no such object.
        """
        bucket, key = split_s3_uri(uri)

        def get() -> None:
            response = self.api.call_once("get_object", Bucket=bucket, Key=key, **self._expected_owner)
            with target.open("wb") as file, translate_errors("get_object"):
                shutil.copyfileobj(response["Body"], file, _COPY_BYTES)

        self.api.retry_policy.call(get)

    def is_empty(self, prefix: str) -> bool:
        """Return True if no object's URI begins with this text."""
        bucket, key = split_s3_uri(prefix)
        return not self.api.call("list_objects_v2", Bucket=bucket, Prefix=key, MaxKeys=1).get("Contents")

    def list(self, prefix: str, most: int | None = None) -> Sequence[str]:
        """Return the URIs of all objects whose URI begins with this text; at most so many."""
        bucket, key = split_s3_uri(prefix)
        return [f"s3://{bucket}/{entry['Key']}" for entry in itertools.islice(self.entries(bucket, key, most), most)]

    def versions(self, prefix: str, most: int | None = None, has_any_owner: bool = False) -> dict[str, tuple[int, str]]:
        """Return the size and the ETag of all objects whose URI begins with this text; of at most so many.

        Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html (the ETag reflects the content alone)
        """
        bucket, key = split_s3_uri(prefix)
        entries = itertools.islice(self.entries(bucket, key, most, has_any_owner), most)
        return {f"s3://{bucket}/{each['Key']}": (int(each["Size"]), str(each["ETag"]).strip('"')) for each in entries}

    def replace(self, uri: str, data: bytes, tag: str | None) -> bool:
        """Write an object if its ETag is still `tag`, or, for None, if there is still none; else return False.

        Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html (412 and 409 are the
        answers to a condition that does not hold, or no longer does; 404 is that to If-Match without an object)
        """
        try:
            self.write(uri, data, **({"IfNoneMatch": "*"} if tag is None else {"IfMatch": tag}))
        except AwsError as error:
            if error.code in ("PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey", "412", "409", "404"):
                return False
            raise
        return True

    def write(self, uri: str, data: bytes, **more: str) -> None:
        """Write an object. S3 rejects it if its bytes do not match the checksum. `more` are conditions, or its type."""
        bucket, key = split_s3_uri(uri)
        digest = base64.b64encode(hashlib.sha256(data).digest()).decode()
        self.api.call(
            "put_object",
            Bucket=bucket,
            Key=key,
            Body=data,
            ChecksumAlgorithm="SHA256",
            ChecksumSHA256=digest,
            ExpectedBucketOwner=self.owner,
            **more,
        )

    def entries(
        self, bucket: str, prefix: str, most: int | None = None, has_any_owner: bool = False
    ) -> Iterator[Mapping[str, Any]]:
        """Yield the entries of a list of objects, as S3 has them. A page has no more of them than `most`."""
        pages = self.api.pages(
            "list_objects_v2",
            ("ContinuationToken", "NextContinuationToken"),
            Bucket=bucket,
            Prefix=prefix,
            **({} if has_any_owner else self._expected_owner),
            **({"MaxKeys": most} if most is not None and most < _PAGE_KEYS else {}),
        )
        return (entry for page in pages for entry in page.get("Contents", ()))
