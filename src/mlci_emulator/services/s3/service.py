"""Dispatches S3's operations by name. Objects are plain files in a directory."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from mlci_emulator import identity
from mlci_emulator.errors import OperationError
from mlci_emulator.protocol.operations import Request, Response
from mlci_emulator.services.s3 import (
    acl,
    bucket_configuration,
    buckets,
    complete_multipart,
    copy_object,
    list_multipart,
    list_objects,
    multipart,
    objects,
)
from mlci_emulator.services.s3.bucket_configuration import Operation
from mlci_emulator.services.s3.context import S3Context
from mlci_emulator.services.s3.errors import S3Error, invalid_request, not_implemented
from mlci_emulator.services.s3.metadata_records import S3Records
from mlci_emulator.services.timestamps import Clock, utc_now
from mlci_emulator.store.directory import DirectoryStore

_OPERATIONS: Mapping[str, Operation] = {
    "ListBuckets": buckets.list_all,
    "CreateBucket": buckets.create,
    "DeleteBucket": buckets.delete,
    "HeadBucket": buckets.head,
    "GetBucketLocation": buckets.location,
    "ListObjects": list_objects.list_v1,
    "ListObjectsV2": list_objects.list_v2,
    "ListObjectVersions": list_objects.list_versions,
    "PutObject": objects.put,
    "GetObject": objects.get,
    "HeadObject": objects.head,
    "GetObjectAttributes": objects.attributes,
    "DeleteObject": objects.delete,
    "DeleteObjects": objects.delete_many,
    "GetObjectTagging": objects.get_tags,
    "PutObjectTagging": objects.put_tags,
    "DeleteObjectTagging": objects.delete_tags,
    "CopyObject": copy_object.copy,
    "CreateMultipartUpload": multipart.create,
    "UploadPart": multipart.upload_part,
    "UploadPartCopy": multipart.copy_part,
    "CompleteMultipartUpload": complete_multipart.complete,
    "AbortMultipartUpload": multipart.abort,
    "ListParts": list_multipart.list_parts,
    "ListMultipartUploads": list_multipart.list_uploads,
    "GetBucketAcl": acl.get_acl,
    "PutBucketAcl": acl.put_acl,
    "GetObjectAcl": acl.get_object_acl,
    "PutObjectAcl": acl.put_object_acl,
    **bucket_configuration.operations(),
}


class S3:
    """S3 on the store's files. `home` is the folder of the records and parts; None keeps them in memory.

    Bodies of requests are `bytes`, a `Path` or a binary stream. GetObject's Body is a binary stream; close it.
    """

    operations = frozenset(_OPERATIONS)

    def __init__(self, store: DirectoryStore, home: Path | None, now: Clock = utc_now) -> None:
        records = S3Records(home / "s3.db" if home is not None else None)
        self._context = S3Context(store, records, now, home)
        if home is not None:
            multipart.remove_orphaned_parts(self._context, self._context.uploads())

    def call(self, operation: str, request: Request, region: str) -> Response:
        """Return an operation's output.

        Raises: ApiError: with S3's code; NotImplemented for a feature of S3 that is not implemented here.
        """
        handler = _OPERATIONS.get(operation)
        if handler is None:
            raise not_implemented(operation)
        owners = {request.get(name) for name in ("ExpectedBucketOwner", "ExpectedSourceBucketOwner")}
        for owner in owners - {None, "", identity.ACCOUNT}:
            if re.fullmatch(r"\d{12}", str(owner)) is None:
                message = f"The value of the expected bucket owner parameter must be an AWS Account ID... [{owner}]"
                raise S3Error("InvalidBucketOwnerAWSAccountID", message, 400)
            raise S3Error("AccessDenied", "Access Denied", 403)
        try:
            return handler(self._context, request, region)
        except OperationError as error:  # the store can't hold the object
            raise invalid_request(error.what) from error

    def close(self) -> None:
        self._context.close()
