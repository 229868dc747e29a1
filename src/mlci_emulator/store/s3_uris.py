"""URIs of objects and prefixes: `s3://bucket/key`, and the URLs that SageMaker accepts in their place."""

from __future__ import annotations

import re

from mlci_emulator.errors import OperationError

#: Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html (with the legacy and dual-stack
#: endpoints); https://docs.aws.amazon.com/AmazonS3/latest/API/dual-stack-endpoints.html
_HOST = r"(?:(?P<bucket>[a-z0-9][a-z0-9.-]*)\.)?s3(?:[.-][a-z0-9-]+)*\.amazonaws\.com(?:\.cn)?(?::443)?"


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


def canonical_s3_uri(uri: str) -> str:
    """Return the `s3://` URI of an S3 URI or of an object's URL, as the CDK's `urlForObject` writes it.

    Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ProcessingS3Input.html (S3Uri's pattern).

    >>> canonical_s3_uri("https://s3.eu-west-1.amazonaws.com/data/raw/x.csv")
    's3://data/raw/x.csv'
    >>> canonical_s3_uri("https://data.s3.amazonaws.com/raw/x.csv")
    's3://data/raw/x.csv'

    Raises: OperationError: it is neither.
    """
    scheme, _, rest = uri.partition("://")
    if scheme == "https":
        host, _, path = rest.partition("/")
        match = re.fullmatch(_HOST, host.lower())
        if match is not None and (match["bucket"] or path):
            uri = f"s3://{match['bucket']}/{path}" if match["bucket"] else f"s3://{path}"
    split_s3_uri(uri)
    return uri
