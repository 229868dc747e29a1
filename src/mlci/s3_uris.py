"""S3 URIs, split in one place."""

from __future__ import annotations


def split_s3_uri(uri: str) -> tuple[str, str]:
    """Return the bucket and the key of an S3 URI; the key of a whole bucket is empty.

    >>> split_s3_uri("s3://data/raw/x.csv")
    ('data', 'raw/x.csv')
    >>> split_s3_uri("s3://data")
    ('data', '')
    """
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key
