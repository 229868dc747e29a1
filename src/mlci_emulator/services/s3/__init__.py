"""S3 on the store's directory.

From the API's operations down to what they share:

    service.py                 dispatches operations by name
    context.py                 the store, the records and the locks that operations share
    buckets.py                 operations on buckets
    bucket_configuration.py    operations on a bucket's configurations, which are stored and have no effect
    bucket_subresources.py     the table of these configurations: operations, defaults, errors
    acl.py                     operations on ACLs
    objects.py                 operations on single objects: put, get, head, delete, attributes, tags
    copy_object.py             CopyObject
    list_objects.py            ListObjects, ListObjectsV2, ListObjectVersions
    multipart.py               creates and aborts multipart uploads, and stores parts
    complete_multipart.py      CompleteMultipartUpload
    list_multipart.py          ListMultipartUploads, ListParts
    request_body.py            writes a request's body to a file, and checks it
    checksums.py               CRCs and hashes, of streams and of parts
    conditional_requests.py    conditions, ranges and part numbers of requests
    object_metadata.py         an object's metadata as members of requests and responses
    metadata_records.py        stores an object's metadata, and uploads and configurations, in SQLite
    errors.py                  S3's errors
"""

from __future__ import annotations

from mlci_emulator.services.s3.service import S3

__all__ = ["S3"]
