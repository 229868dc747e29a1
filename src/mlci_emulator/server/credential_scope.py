"""What a signed request says of itself: the access key, the region and the service.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import parse_qs

_CREDENTIAL = re.compile(r"\bCredential=([^,\s]+)")
#: S3's old signature has no scope: https://docs.aws.amazon.com/AmazonS3/latest/userguide/RESTAuthentication.html
_OLD = re.compile(r"AWS ([^:\s]+):\S+")
_DEFAULT_REGION = "us-east-1"


class Scope(NamedTuple):
    """Who asks, where, and of which service (its signing name, in lower case)."""

    key: str
    region: str
    service: str


def scope(authorization: str, query: str) -> Scope | None:
    """The scope of a request that is signed in its header or, as presigned URLs are, in its query.

    >>> scope("AWS4-HMAC-SHA256 Credential=KEY/20261125/eu-west-1/states/aws4_request, SignedHeaders=host", "")
    Scope(key='KEY', region='eu-west-1', service='states')
    >>> scope("", "X-Amz-Credential=KEY%2F20261125%2Fus-east-1%2Fs3%2Faws4_request")
    Scope(key='KEY', region='us-east-1', service='s3')
    """
    if authorization.startswith("AWS4-"):
        found = _CREDENTIAL.search(authorization)
        return _parsed(found.group(1)) if found else None
    old = _OLD.fullmatch(authorization)
    if old:
        return Scope(old.group(1), _DEFAULT_REGION, "s3")
    if authorization or "=" not in query:
        return None
    given = {name.lower(): values for name, values in parse_qs(query).items()}
    if len(given.get("x-amz-credential", ())) == 1:
        return _parsed(given["x-amz-credential"][0])
    if len(given.get("awsaccesskeyid", ())) == 1:
        return Scope(given["awsaccesskeyid"][0], _DEFAULT_REGION, "s3")
    return None


def _parsed(credential: str) -> Scope | None:
    parts = credential.split("/")
    if len(parts) == 5:
        key, _, region, service, _ = parts
    elif len(parts) == 4:  # AWS4-ECDSA-P256-SHA256 is for several regions, and names none here
        key, _, service, _ = parts
        region = _DEFAULT_REGION
    else:
        return None
    return Scope(key, region, service.lower())
