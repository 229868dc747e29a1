"""Puts the objects that a request to moto names into the request itself: a stack's template, a function's code.

The object is found whatever the URL's host is, and the journal can repeat the request when the object is gone.
"""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from mlci_emulator.protocol.operations import ApiError, Service

_LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "::1")


def inline_objects(service: str, body: bytes, s3: Service) -> bytes:
    """Return the request's body with the objects that it names, as far as they exist."""
    if service == "cloudformation" and b"TemplateURL=" in body:
        return _with_template(body, s3)
    if service == "lambda" and b'"S3Key"' in body:
        return _with_code(body, s3)
    return body


def _with_template(body: bytes, s3: Service) -> bytes:
    fields = parse_qsl(body.decode("latin-1"), keep_blank_values=True)
    bucket, key = parse_object_url(dict(fields)["TemplateURL"])
    template = read_object(s3, bucket, key)
    if template is None:
        return body
    parameters = [(name, value) for name, value in fields if name != "TemplateURL"]
    return urlencode([*parameters, ("TemplateBody", template.decode("utf-8", "replace"))]).encode()


def parse_object_url(url: str) -> tuple[str, str]:
    """Return the bucket and key of an object's URL.

    >>> parse_object_url("http://127.0.0.1:4566/data/a/b.json"), parse_object_url("https://data.s3.eu-west-1.amazonaws.com/a/b.json")
    (('data', 'a/b.json'), ('data', 'a/b.json'))
    >>> parse_object_url("https://s3.amazonaws.com/data/a%20b.json")
    ('data', 'a b.json')
    """
    parts = urlsplit(url)
    host, path = parts.hostname or "", unquote(parts.path).removeprefix("/")
    if host in _LOOPBACK_HOSTS or host.startswith(("s3.", "s3-")):
        bucket, _, key = path.partition("/")
        return bucket, key
    return host.removesuffix(".localhost").partition(".s3")[0], path


def _with_code(body: bytes, s3: Service) -> bytes:
    try:
        fields = json.loads(body)
    except ValueError:
        return body
    code = fields.get("Code") if isinstance(fields, dict) and "Code" in fields else fields
    if not isinstance(code, dict) or not {"S3Bucket", "S3Key"} <= set(code):
        return body
    data = read_object(s3, str(code.pop("S3Bucket")), str(code.pop("S3Key")))
    if data is None:
        return body
    code.pop("S3ObjectVersion", None)
    code["ZipFile"] = base64.b64encode(data).decode()
    return json.dumps(fields).encode()


def read_object(s3: Service, bucket: str, key: str) -> bytes | None:
    """Return an object's content, or None if there is no such object."""
    request: dict[str, Any] = {"Bucket": bucket, "Key": key}
    try:
        with s3.call("GetObject", request, "us-east-1")["Body"] as stream:
            data: bytes = stream.read()
    except ApiError:
        return None
    return data
