"""S3's REST API over HTTP, as a WSGI application over the service.

The bucket is in the path, or in the host's name (`bucket.localhost`). The guard decides who may call.
"""

from __future__ import annotations

import functools
import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta, timezone
from http import HTTPStatus
from typing import Any, BinaryIO, TypeAlias, TypeVar
from urllib.parse import parse_qsl, unquote_to_bytes

from mlci_dataclasses import dataclass
from mlci_emulator import identity
from mlci_emulator.protocol import rest_xml
from mlci_emulator.protocol.models import service_model
from mlci_emulator.protocol.operations import ApiError, Service
from mlci_emulator.protocol.routes import Routes
from mlci_emulator.server.aws_chunked import ChunkedBody, HashedBody
from mlci_emulator.services.s3 import request_body
from mlci_emulator.services.s3.errors import S3Error, invalid_argument, malformed_xml, not_implemented
from mlci_emulator.services.s3.objects import ObjectBody

T = TypeVar("T")
Environ: TypeAlias = dict[str, Any]
Headers: TypeAlias = list[tuple[str, str]]
StartResponse: TypeAlias = Callable[[str, Headers], object]

#: The listener's variable for headers whose names WSGI cannot hold, since it cannot tell `_` from `-`.
UNDERSCORED = "mlci.underscored"

#: More than the longest list of parts that completes an upload; S3 accepts 1 MB.
_MAX_DOCUMENT_BYTES = 8 << 20
_CHUNK_BYTES = 1 << 18

_HOSTED = re.compile(r"(?P<bucket>.+?)(?:\.s3(?:[.-][a-z0-9-]+)?)?\.localhost(?::\d+)?", re.IGNORECASE)
_SERVICE_HOST = re.compile(r"s3(?:[.-][a-z0-9-]+)?\.localhost(?::\d+)?", re.IGNORECASE)
_METADATA = "x-amz-meta-"
_SHA256 = re.compile("[0-9a-f]{64}")

#: The status codes that the model lacks. Source: the response syntax on each operation's page.
_STATUS = {"PutBucketPolicy": 204, "PutBucketTagging": 204}


@dataclass(frozen=True)
class S3Request:
    """The parts of an HTTP request to S3."""

    method: str
    bucket: str
    key: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    metadata: Mapping[str, str]
    stream: BinaryIO

    @property
    def depth(self) -> int:
        return 2 if self.key else 1 if self.bucket else 0


class S3Endpoint:
    """The WSGI application. `now` is the clock that presigned URLs expire by."""

    def __init__(self, s3: Service, now: Callable[[], datetime] = lambda: datetime.now(timezone.utc)) -> None:
        self._s3, self._now = s3, now

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        ids = {"x-amz-request-id": secrets.token_hex(8).upper(), "x-amz-id-2": secrets.token_urlsafe(57)}
        try:
            http_request = parse_request(environ)
            _check_expiry(http_request.query, self._now())
            status, headers, body = self._answer(http_request)
        except ApiError as error:
            status, headers, body = _failed(error, environ, *ids.values())
        except OSError as error:
            status, headers, body = _failed(S3Error("InternalError", str(error), 500), environ, *ids.values())
        known = {name.lower() for name, _ in headers}
        if "content-length" not in known and status != HTTPStatus.NO_CONTENT and not isinstance(body, ObjectBody):
            headers.append(("Content-Length", str(len(body))))
        start_response(f"{status} {HTTPStatus(status).phrase}", [*ids.items(), *headers])
        if isinstance(body, ObjectBody):
            return _sent(body, environ)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    def _answer(self, http_request: S3Request) -> tuple[int, Headers, bytes | ObjectBody]:
        operation = _routes().operation(
            http_request.method, http_request.depth, dict(http_request.query), http_request.headers
        )
        if operation is None:
            raise S3Error("MethodNotAllowed", "The specified method is not allowed against this resource.", 405)
        model = service_model("s3").operation_model(operation)
        answer = self._s3.call(operation, read_request(model, http_request), region_of(http_request))
        headers, body = rest_xml.headers_of(model, answer), answer.get("Body")
        status = _STATUS.get(operation, int(model.http.get("responseCode", 200)))
        if operation in ("GetObject", "HeadObject") and "ContentRange" in answer:
            status = 206
        if isinstance(body, ObjectBody):
            return status, headers, body
        document = rest_xml.document(model, answer)
        if document is not None:
            kind = "application/json" if operation == "GetBucketPolicy" else "application/xml"
            headers.append(("Content-Type", kind))
        return status, headers, document or b""


def parse_request(environ: Environ) -> S3Request:
    """Return the parts of a request, with headers and metadata under S3's names."""
    raw = str(environ.get("REQUEST_URI") or "").partition("?")[0]
    if raw.startswith("/"):
        path = unquote_to_bytes(raw.partition("#")[0]).decode(errors="surrogateescape")
    else:
        path = str(environ.get("PATH_INFO", "/")).encode("latin-1").decode(errors="surrogateescape")
    path = path.removeprefix("/")
    host = str(environ.get("HTTP_HOST", ""))
    hosted = None if _SERVICE_HOST.fullmatch(host) else _HOSTED.fullmatch(host)
    bucket, key = (hosted["bucket"], path) if hosted else path.partition("/")[::2]
    query = dict(parse_qsl(str(environ.get("QUERY_STRING", "")), keep_blank_values=True))
    headers = {
        name.removeprefix("HTTP_").replace("_", "-").lower(): _utf8(str(value))
        for name, value in environ.items()
        if name.startswith("HTTP_") or name in ("CONTENT_TYPE", "CONTENT_LENGTH")
    }
    headers |= {name.lower(): _utf8(value) for name, value in environ.get(UNDERSCORED, {}).items()}
    metadata = {name[len(_METADATA) :]: value for name, value in headers.items() if name.startswith(_METADATA)}
    return S3Request(environ["REQUEST_METHOD"], bucket, key, query, headers, metadata, environ["wsgi.input"])


def read_request(model: Any, http_request: S3Request) -> dict[str, Any]:
    """Return the operation's input.

    Raises: S3Error
    """
    shape = model.input_shape
    request: dict[str, Any] = {}
    for name, member in shape.members.items() if shape is not None else ():
        value = _located(http_request, name, member)
        if value is not None:
            request[name] = value
    payload = shape.serialization.get("payload") if shape is not None else None
    if payload is not None:
        value = _payload(shape.members[payload], http_request, is_described="ChecksumCRC32" not in shape.members)
        if value is not None:
            request[payload] = value
        if payload == "Body":
            _set_body_headers(request, http_request)
    for name in shape.required_members if shape is not None else ():
        if name not in request:
            raise invalid_argument(f"The request lacks {name}", name, "")
    return request


def region_of(http_request: S3Request) -> str:
    """Return the region of the signature's scope."""
    credential = (
        http_request.query.get("X-Amz-Credential")
        or http_request.headers.get("authorization", "").partition("Credential=")[2]
    )
    scope = credential.partition(",")[0].split("/")
    return scope[2] if len(scope) > 3 else identity.REGION


def _located(http_request: S3Request, name: str, member: Any) -> Any:
    match member.serialization.get("location"):
        case "uri":
            return http_request.bucket if name == "Bucket" else http_request.key
        case "headers":
            return dict(http_request.metadata) or None
        case "querystring":
            text = http_request.query.get(member.serialization["name"])
        case "header":
            text = http_request.headers.get(member.serialization["name"].lower())
        case _:
            return None
    return None if text is None else _parsed(rest_xml.parse_text, member, text)


def _parsed(parse: Callable[[Any, T], Any], member: Any, data: T) -> Any:
    """Return a member's value.

    Raises: S3Error
    """
    try:
        return parse(member, data)
    except rest_xml.InvalidValueError as error:
        raise invalid_argument(f"Provided {error.shape} is not valid", error.shape, error.text) from error
    except rest_xml.MalformedXmlError as error:
        raise malformed_xml() from error


def _payload(member: Any, http_request: S3Request, is_described: bool) -> Any:
    """Return the body's value. `is_described`: checksums in the headers are the document's, not an object's."""
    body = _opened(http_request)
    if member.type_name == "blob":
        return body
    pieces, size_bytes = [], 0
    while piece := body.read(_CHUNK_BYTES):
        size_bytes += len(piece)
        if size_bytes > _MAX_DOCUMENT_BYTES:
            raise S3Error("MaxMessageLengthExceeded", "Your request was too big.", 400)
        pieces.append(piece)
    data = b"".join(pieces)
    _check_document(http_request, data, is_described)
    if member.type_name == "string":
        return data.decode(errors="replace")
    return _parsed(rest_xml.parse_xml, member, data) if data.strip() else None


def _check_document(http_request: S3Request, data: bytes, is_described: bool) -> None:
    """Check the request's XML against its checksums, as for objects."""
    prefix = "x-amz-checksum-"
    checksums = {
        f"Checksum{name[len(prefix) :].upper()}": text
        for name, text in http_request.headers.items()
        if is_described and name.startswith(prefix)
    }
    request_body.check_body({**checksums, "ContentMD5": http_request.headers.get("content-md5")}, data)


def _opened(http_request: S3Request) -> Any:
    sha256 = http_request.headers.get("x-amz-content-sha256", "")
    if sha256.startswith("STREAMING-") or "aws-chunked" in http_request.headers.get("content-encoding", ""):
        size = http_request.headers.get("x-amz-decoded-content-length", "")
        return ChunkedBody(http_request.stream, int(size) if size.isdigit() else None, _announced(http_request))
    return HashedBody(http_request.stream, sha256) if _SHA256.fullmatch(sha256) else http_request.stream


def _set_body_headers(request: dict[str, Any], http_request: S3Request) -> None:
    """Drop the transfer's own coding from ContentEncoding, and set the algorithm of a checksum in the trailer."""
    codings = [part.strip() for part in str(request.pop("ContentEncoding", "")).split(",")]
    if stored_codings := ", ".join(coding for coding in codings if coding and coding != "aws-chunked"):
        request["ContentEncoding"] = stored_codings
    announced = _announced(http_request)
    if announced.startswith("x-amz-checksum-"):
        request["ChecksumAlgorithm"] = announced.removeprefix("x-amz-checksum-").upper()
    elif announced:
        raise not_implemented(f"The trailer {announced}")


def _announced(http_request: S3Request) -> str:
    return http_request.headers.get("x-amz-trailer", "").strip().lower()


def _check_expiry(query: Mapping[str, str], now: datetime) -> None:
    """Raises: S3Error: the link is too old. Source: userguide/using-presigned-url.html"""
    if "X-Amz-Expires" in query and "X-Amz-Date" in query:
        try:
            signed = datetime.strptime(query["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc)
            end = signed + timedelta(seconds=int(query["X-Amz-Expires"]))
        except (ValueError, OverflowError) as error:
            message = "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\""
            raise S3Error("AuthorizationQueryParametersError", message, 400) from error
    elif "Expires" in query and "AWSAccessKeyId" in query and query["Expires"].isdigit():
        end = datetime.fromtimestamp(int(query["Expires"]), timezone.utc)
    else:
        return
    if now > end:
        moments = {"X-Amz-Expires": query["X-Amz-Expires"]} if "X-Amz-Expires" in query else {}
        moments |= {"Expires": f"{end:%Y-%m-%dT%H:%M:%SZ}", "ServerTime": f"{now:%Y-%m-%dT%H:%M:%SZ}"}
        raise S3Error("AccessDenied", "Request has expired", 403, **moments)


def _failed(error: ApiError, environ: Environ, request_id: str, host_id: str) -> tuple[int, Headers, bytes]:
    known = error if isinstance(error, S3Error) else S3Error(error.code, error.message, error.status)
    if known.status == HTTPStatus.NOT_MODIFIED:
        validators = [("ETag", known.details["ETag"]), ("Last-Modified", known.details["LastModified"])]
        return 304, [*validators, ("Content-Length", "0")], b""
    body = rest_xml.error_document(known, known.details, request_id, host_id)
    return known.status, [("Content-Type", "application/xml")], body


def _sent(body: ObjectBody, environ: Environ) -> Iterable[bytes]:
    wrapper = environ.get("wsgi.file_wrapper")
    # waitress's wrapper stops at Content-Length; another server's may continue to the end of the file.
    if wrapper is not None and (hasattr(wrapper, "prepare") or body.reaches_end_of_file):
        sent: Iterable[bytes] = wrapper(body.file, _CHUNK_BYTES)
        return sent
    return _pieces(body)


def _pieces(body: ObjectBody) -> Iterator[bytes]:
    with body:
        while piece := body.read(_CHUNK_BYTES):
            yield piece


def _utf8(text: str) -> str:
    """Return a header's text in UTF-8, which WSGI passes as Latin-1."""
    try:
        return text.encode("latin-1").decode()
    except UnicodeError:
        return text


@functools.cache
def _routes() -> Routes:
    return Routes(service_model("s3"))
