"""HTTP responses, and errors in the form of the protocol that the client speaks, so that it shows the message.

Sources: https://smithy.io/2.0/aws/protocols/aws-json-1_0-protocol.html, aws-query-protocol.html, and
https://smithy.io/2.0/additional-specs/protocols/smithy-rpc-v2.html;
https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from http import HTTPStatus
from typing import Literal, NamedTuple
from xml.sax.saxutils import escape

from typing_extensions import assert_never

Protocol = Literal["json", "cbor", "query", "s3"]


class HttpResponse(NamedTuple):
    """A whole response."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def status_line(self) -> str:
        return f"{self.status} {HTTPStatus(self.status).phrase}"


def protocol_of(environ: Mapping[str, str], service: str | None) -> Protocol:
    """Return the protocol of a request, by its headers under WSGI's names."""
    if environ.get("HTTP_SMITHY_PROTOCOL") == "rpc-v2-cbor":
        return "cbor"
    if "HTTP_X_AMZ_TARGET" in environ:
        return "json"
    if service == "s3":
        return "s3"
    return "query" if environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded") else "json"


def environ_name(header: str) -> str:
    """Return WSGI's name of a header.

    >>> environ_name("X-Amz-Target"), environ_name("Content-Type")
    ('HTTP_X_AMZ_TARGET', 'CONTENT_TYPE')
    """
    name = header.upper().replace("-", "_")
    return name if name in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{name}"


def error(protocol: Protocol, code: str, message: str, status: int) -> HttpResponse:
    """Return an error in a protocol."""
    request_id = str(uuid.uuid4())
    headers = [("Content-Type", _CONTENT_TYPES[protocol]), ("x-amzn-RequestId", request_id), ("x-amzn-ErrorType", code)]
    if protocol == "cbor":
        headers.append(("smithy-protocol", "rpc-v2-cbor"))
    return HttpResponse(status, tuple(headers), _body(protocol, code, message, request_id))


def _body(protocol: Protocol, code: str, message: str, request_id: str) -> bytes:
    xml = f"<Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
    match protocol:
        case "json":
            return json.dumps({"__type": code, "message": message}).encode()
        case "cbor":
            return _cbor_map({"__type": code, "message": message})
        case "query":
            error = f"<Error><Type>Sender</Type>{xml}</Error>"
            return f"<ErrorResponse>{error}<RequestId>{request_id}</RequestId></ErrorResponse>".encode()
        case "s3":
            return f"<Error>{xml}<RequestId>{request_id}</RequestId></Error>".encode()
        case other:
            assert_never(other)


_CONTENT_TYPES: Mapping[Protocol, str] = {
    "json": "application/x-amz-json-1.0",
    "cbor": "application/cbor",
    "query": "text/xml",
    "s3": "application/xml",
}


def _cbor_map(texts: Mapping[str, str]) -> bytes:
    """
    >>> _cbor_map({"a": "b"}).hex()
    'a161616162'
    """
    return bytes([0xA0 + len(texts)]) + b"".join(_cbor_text(name) + _cbor_text(value) for name, value in texts.items())


def _cbor_text(text: str) -> bytes:
    data = text.encode()
    if len(data) < 24:
        return bytes([0x60 + len(data)]) + data
    return b"\x79" + len(data[:65535]).to_bytes(2, "big") + data[:65535]
