"""What a request to moto names in a bucket is put into the request itself: a stack's template, a function's code. So it
is found whatever the URL's host is, and the journal can repeat the request when the object is gone."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from mlci_emulator.protocol.operations import ApiError, Service

_ADDRESSES = ("127.0.0.1", "localhost", "::1")


def inlined(service: str, body: bytes, s3: Service) -> bytes:
    """The request's body with what it names, as far as that is there."""
    if service == "cloudformation" and b"TemplateURL=" in body:
        return _with_template(body, s3)
    if service == "lambda" and b'"S3Key"' in body:
        return _with_code(body, s3)
    return body


def _with_template(body: bytes, s3: Service) -> bytes:
    given = parse_qsl(body.decode("latin-1"), keep_blank_values=True)
    bucket, key = place_of(dict(given)["TemplateURL"])
    template = content(s3, bucket, key)
    if template is None:
        return body
    kept = [(name, value) for name, value in given if name != "TemplateURL"]
    return urlencode([*kept, ("TemplateBody", template.decode("utf-8", "replace"))]).encode()


def place_of(url: str) -> tuple[str, str]:
    """Bucket and key of an object's URL.

    >>> place_of("http://127.0.0.1:4566/data/a/b.json"), place_of("https://data.s3.eu-west-1.amazonaws.com/a/b.json")
    (('data', 'a/b.json'), ('data', 'a/b.json'))
    >>> place_of("https://s3.amazonaws.com/data/a%20b.json")
    ('data', 'a b.json')
    """
    parts = urlsplit(url)
    host, path = parts.hostname or "", unquote(parts.path).removeprefix("/")
    if host in _ADDRESSES or host.startswith(("s3.", "s3-")):
        bucket, _, key = path.partition("/")
        return bucket, key
    return host.removesuffix(".localhost").partition(".s3")[0], path


def _with_code(body: bytes, s3: Service) -> bytes:
    try:
        given = json.loads(body)
    except ValueError:
        return body
    code = given.get("Code") if isinstance(given, dict) and "Code" in given else given
    if not isinstance(code, dict) or not {"S3Bucket", "S3Key"} <= set(code):
        return body
    held = content(s3, str(code.pop("S3Bucket")), str(code.pop("S3Key")))
    if held is None:
        return body
    code.pop("S3ObjectVersion", None)
    code["ZipFile"] = base64.b64encode(held).decode()
    return json.dumps(given).encode()


def content(s3: Service, bucket: str, key: str) -> bytes | None:
    """What an object holds, or None where there is none."""
    request: dict[str, Any] = {"Bucket": bucket, "Key": key}
    try:
        with s3.call("GetObject", request, "us-east-1")["Body"] as stream:
            held: bytes = stream.read()
    except ApiError:
        return None
    return held
