"""URIs of objects and prefixes: `s3://bucket/key`."""

from __future__ import annotations

from mlci_emulator.errors import OperationError


def split_s3_uri(uri: str) -> tuple[str, str]:
    """Return the bucket and the key of an S3 URI.

    >>> split_s3_uri("s3://data/raw/x.csv")
    ('data', 'raw/x.csv')
    """
    scheme, _, rest = uri.partition("://")
    if scheme != "s3" or not rest:
        raise OperationError(f'"{uri}" is no S3 URI', hint='One looks like "s3://bucket/key".')
    bucket, _, key = rest.partition("/")
    return bucket, key
