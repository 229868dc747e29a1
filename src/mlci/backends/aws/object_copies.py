"""Copies of objects that S3 makes itself: small ones at once, large ones in parts at the same time.

A copy is of the very content that was listed: S3 rejects it if the source has another ETag by then.

Sources: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html (at most 5 GB) and
https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPartCopy.html
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any  # requests have the shape of the API

from mlci.backends.aws.api_calls import Api
from mlci.backends.protocol import ObjectCopy
from mlci.s3_uris import split_s3_uri

#: Requests at the same time.
_WORKERS = 8
#: Larger objects are copied in parts of this size, or in larger parts if these would be too many.
#: Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
PART_BYTES, _MAX_PARTS = 256 << 20, 10_000


def copy_objects(
    api: Api,
    owner: str,
    copies: Sequence[ObjectCopy],
    on_bytes: Callable[[int], None],
    part_bytes: int = PART_BYTES,
) -> None:
    """Copy objects within buckets of the account `owner`. `on_bytes` gets the size of what has been copied each time.

    A copy that fails may leave parts, which the bucket's lifecycle deletes. Raises: CloudError.
    """
    small = [each for each in copies if each.size_bytes <= part_bytes]

    def copy(each: ObjectCopy) -> None:
        api.call("copy_object", **_target(each, owner), **_source(each, owner))
        on_bytes(each.size_bytes)

    with ThreadPoolExecutor(_WORKERS, "copy") as pool:
        list(pool.map(copy, small))
        for each in copies:
            if each.size_bytes > part_bytes:
                _copy_in_parts(api, owner, each, on_bytes, max(part_bytes, -(-each.size_bytes // _MAX_PARTS)), pool)


def _copy_in_parts(
    api: Api, owner: str, large: ObjectCopy, on_bytes: Callable[[int], None], part_bytes: int, pool: Executor
) -> None:
    target = _target(large, owner)
    upload = api.call("create_multipart_upload", **target)["UploadId"]

    def copy(start: int) -> str:
        end = min(start + part_bytes, large.size_bytes)
        response = api.call(
            "upload_part_copy",
            **target,
            **_source(large, owner),
            UploadId=upload,
            PartNumber=start // part_bytes + 1,
            CopySourceRange=f"bytes={start}-{end - 1}",
        )
        on_bytes(end - start)
        return str(response["CopyPartResult"]["ETag"])

    tags = list(pool.map(copy, range(0, large.size_bytes, part_bytes)))
    parts = [{"ETag": tag, "PartNumber": number} for number, tag in enumerate(tags, 1)]
    api.call("complete_multipart_upload", **target, UploadId=upload, MultipartUpload={"Parts": parts})


def _target(copy: ObjectCopy, owner: str) -> dict[str, Any]:
    bucket, key = split_s3_uri(copy.target)
    return {"Bucket": bucket, "Key": key, "ExpectedBucketOwner": owner}


def _source(copy: ObjectCopy, owner: str) -> dict[str, Any]:
    bucket, key = split_s3_uri(copy.source)
    return {
        "CopySource": {"Bucket": bucket, "Key": key},
        "CopySourceIfMatch": f'"{copy.tag}"',
        "ExpectedSourceBucketOwner": owner,
    }
