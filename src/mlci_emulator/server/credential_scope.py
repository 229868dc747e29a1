"""The access key, the region and the service in a request's signature.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import parse_qs

_CREDENTIAL = re.compile(r"\bCredential=([^,\s]+)")
#: S3's signature version 2 has no scope: https://docs.aws.amazon.com/AmazonS3/latest/userguide/RESTAuthentication.html
_VERSION_2 = re.compile(r"AWS ([^:\s]+):\S+")
_DEFAULT_REGION = "us-east-1"


class CredentialScope(NamedTuple):
    """The caller's access key, the region, and the service's signing name in lower case."""

    key: str
    region: str
    service: str


def parse_scope(authorization: str, query: str) -> CredentialScope | None:
    """Return the scope of a request that is signed in its header or, as a presigned URL, in its query.

    >>> parse_scope("AWS4-HMAC-SHA256 Credential=KEY/20261125/eu-west-1/states/aws4_request, SignedHeaders=host", "")
    CredentialScope(key='KEY', region='eu-west-1', service='states')
    >>> parse_scope("", "X-Amz-Credential=KEY%2F20261125%2Fus-east-1%2Fs3%2Faws4_request")
    CredentialScope(key='KEY', region='us-east-1', service='s3')
    """
    if authorization.startswith("AWS4-"):
        match = _CREDENTIAL.search(authorization)
        return _parse(match.group(1)) if match else None
    version_2 = _VERSION_2.fullmatch(authorization)
    if version_2:
        return CredentialScope(version_2.group(1), _DEFAULT_REGION, "s3")
    if authorization or "=" not in query:
        return None
    parameters = {name.lower(): values for name, values in parse_qs(query).items()}
    if len(parameters.get("x-amz-credential", ())) == 1:
        return _parse(parameters["x-amz-credential"][0])
    if len(parameters.get("awsaccesskeyid", ())) == 1:
        return CredentialScope(parameters["awsaccesskeyid"][0], _DEFAULT_REGION, "s3")
    return None


def _parse(credential: str) -> CredentialScope | None:
    parts = credential.split("/")
    if len(parts) == 5:
        key, _, region, service, _ = parts
    elif len(parts) == 4:  # AWS4-ECDSA-P256-SHA256 is for several regions, and names none here
        key, _, service, _ = parts
        region = _DEFAULT_REGION
    else:
        return None
    return CredentialScope(key, region, service.lower())
