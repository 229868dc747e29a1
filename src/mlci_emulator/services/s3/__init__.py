"""S3 on the store's directory.

service.py      the operations by name
holdings.py     what they work on: the store, records, locks
records.py      what a file can't say of an object
buckets.py      buckets
settings.py     what is put beside a bucket and given back
objects.py      put, get, head, delete, tags
copying.py      copies
multipart.py    uploads in parts
completing.py   parts become an object
uploading.py    lists of uploads and of their parts
listing.py      lists
described.py    what requests and answers say of an object
conditions.py   If-Match and its kin, ranges
intake.py       a body becomes a file, and is checked
checksums.py    CRCs and hashes
errors.py       refusals in S3's words
"""

from __future__ import annotations

from mlci_emulator.services.s3.service import S3

__all__ = ["S3"]
