"""Converts S3's requests and responses between HTTP and the API's shapes, by botocore's model (REST-XML).

Source: https://smithy.io/2.0/aws/protocols/aws-restxml-protocol.html
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

from mlci_emulator.protocol.operations import ApiError
from mlci_emulator.protocol.timestamps import http_date, iso_date, parse_date

if TYPE_CHECKING:
    from botocore.model import OperationModel, Shape, StructureShape

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'

#: The root elements of responses whose name the model lacks.
#: Source: the response syntax on each operation's page of the API reference.
_ROOTS = {
    "ListBuckets": "ListAllMyBucketsResult",
    "ListObjects": "ListBucketResult",
    "ListObjectsV2": "ListBucketResult",
    "ListObjectVersions": "ListVersionsResult",
    "ListParts": "ListPartsResult",
    "ListMultipartUploads": "ListMultipartUploadsResult",
    "CreateMultipartUpload": "InitiateMultipartUploadResult",
    "CompleteMultipartUpload": "CompleteMultipartUploadResult",
    "DeleteObjects": "DeleteResult",
    "GetObjectAttributes": "GetObjectAttributesResponse",
    "GetObjectTagging": "Tagging",
    "GetObjectAcl": "AccessControlPolicy",
    "GetBucketTagging": "Tagging",
    "GetBucketAcl": "AccessControlPolicy",
    "GetBucketCors": "CORSConfiguration",
    "GetBucketWebsite": "WebsiteConfiguration",
    "GetBucketLifecycleConfiguration": "LifecycleConfiguration",
    "GetBucketLogging": "BucketLoggingStatus",
    "GetBucketAccelerateConfiguration": "AccelerateConfiguration",
    "GetBucketRequestPayment": "RequestPaymentConfiguration",
    "GetBucketVersioning": "VersioningConfiguration",
    "GetBucketNotificationConfiguration": "NotificationConfiguration",
    "ListBucketAnalyticsConfigurations": "ListBucketAnalyticsConfigurationResult",
    "ListBucketInventoryConfigurations": "ListInventoryConfigurationsResult",
    "ListBucketMetricsConfigurations": "ListMetricsConfigurationsResult",
}


class InvalidValueError(Exception):
    """A text of a request is no value of its member's type."""

    def __init__(self, shape: str, text: str) -> None:
        super().__init__(shape, text)
        self.shape, self.text = shape, text


class MalformedXmlError(Exception):
    """A request's body is no XML document of its shape."""


# ─── requests ───


def parse_text(shape: Shape, text: str) -> Any:
    """Return the value of a header, a query parameter or an element.

    Raises: InvalidValueError
    """
    try:
        match shape.type_name:
            case "integer" | "long":
                return int(text) if text else None  # an empty marker counts as absent
            case "boolean":
                return text.strip().lower() == "true"
            case "list":
                return [part.strip() for part in text.split(",") if part.strip()]
            case "timestamp":
                return parse_date(text)
            case "blob":
                return base64.b64decode(text)
            case _:
                return text
    except ValueError as error:
        raise InvalidValueError(shape.name, text) from error


def parse_xml(shape: Shape, body: bytes) -> Any:
    """Return the value that a document holds, by its shape.

    Raises: MalformedXmlError, InvalidValueError
    """
    builder = TreeBuilder()
    parser = expat.ParserCreate(namespace_separator="}")
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = _refuse_doctype
    try:
        parser.Parse(body, True)
        return _value(shape, builder.close())
    except (expat.ExpatError, AssertionError, ValueError) as error:
        raise MalformedXmlError from error


def _refuse_doctype(*_: object) -> None:
    """Reject entities: they can stand for gigabytes or for the user's files, and S3 supports none."""
    raise MalformedXmlError


def _value(shape: Shape, element: Element) -> Any:
    if shape.type_name == "structure":
        return _structure(shape, element)
    if shape.type_name == "list":
        return [_value(shape.member, child) for child in element]
    text = element.text or ""
    if shape.type_name in ("integer", "long", "float", "double"):
        return float(text) if shape.type_name in ("float", "double") else int(text)
    return parse_text(shape, text)


def _structure(shape: StructureShape, element: Element) -> dict[str, Any]:
    children: dict[str, list[Element]] = {}
    for child in element:
        children.setdefault(child.tag.rpartition("}")[2], []).append(child)
    found: dict[str, Any] = {}
    for name, member in shape.members.items():
        tag = _tag(name, member)
        if member.serialization.get("xmlAttribute"):
            value = element.get(f"{_XSI}}}{tag.rpartition(':')[2]}")
            if value is not None:
                found[name] = value
        elif member.type_name == "list" and member.serialization.get("flattened"):
            if tag in children:
                found[name] = [_value(member.member, child) for child in children[tag]]
        elif tag in children:
            found[name] = _value(member, children[tag][-1])
    for name in shape.required_members:
        if name not in found:
            raise MalformedXmlError
    return found


def _tag(name: str, member: Shape) -> str:
    if member.type_name == "list" and member.serialization.get("flattened"):
        return str(member.serialization.get("name") or member.member.serialization.get("name") or name)
    return str(member.serialization.get("name") or name)


# ─── responses ───


def headers_of(operation: OperationModel, response: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the headers of a response."""
    headers = []
    shape = operation.output_shape
    for name, member in shape.members.items() if shape is not None else ():
        value, location = response.get(name), member.serialization.get("location")
        if value is None or location not in ("header", "headers"):
            continue
        if location == "headers":
            headers += [(f"{member.serialization['name']}{key}", _wsgi(text)) for key, text in value.items()]
        else:
            headers.append((str(member.serialization["name"]), _wsgi(_header(member, value))))
    return headers


def document(operation: OperationModel, response: Mapping[str, Any]) -> bytes | None:
    """Return the XML of a response, or None if it has none."""
    shape = operation.output_shape
    if shape is None:
        return None
    if operation.name == "GetBucketLocation":  # the only one whose text is in the root
        where = response.get("LocationConstraint")
        text = f'<LocationConstraint xmlns="{NAMESPACE}"' + (
            f">{escape(where)}</LocationConstraint>" if where else "/>"
        )
        return (_DECLARATION + text).encode()
    payload = shape.serialization.get("payload")
    if payload is not None:
        member = shape.members[payload]
        value = response.get(payload)
        if value is None:
            return None
        if member.type_name != "structure":
            return value if isinstance(value, bytes) else str(value).encode()
        tag, content = str(member.serialization.get("name") or member.name), _content(member, value)
    else:
        if not any("location" not in member.serialization for member in shape.members.values()):
            return None
        tag, content = _ROOTS.get(operation.name, shape.name), _content(shape, response)
    return f'{_DECLARATION}<{tag} xmlns="{NAMESPACE}">{content}</{tag}>'.encode(errors="surrogatepass")


def error_document(error: ApiError, details: Mapping[str, str], request_id: str, host_id: str) -> bytes:
    """Return the XML of an error. `details` are its elements besides Code and Message."""
    fields = {"Code": error.code, "Message": error.message, **details}
    content = "".join(f"<{name}>{_escaped(text)}</{name}>" for name, text in fields.items())
    ids = f"<RequestId>{request_id}</RequestId><HostId>{host_id}</HostId>"
    return f"{_DECLARATION}<Error>{content}{ids}</Error>".encode(errors="replace")


def _content(shape: StructureShape, value: Mapping[str, Any]) -> str:
    """Return the elements of a structure."""
    parts = []
    for name, member in shape.members.items():
        if value.get(name) is None or "location" in member.serialization or member.serialization.get("xmlAttribute"):
            continue
        parts.append(_element(_tag(name, member), member, value[name]))
    return "".join(parts)


def _element(tag: str, shape: Shape, value: Any) -> str:
    if shape.type_name == "list":
        if shape.serialization.get("flattened"):
            return "".join(_element(tag, shape.member, item) for item in value)
        inner = str(shape.member.serialization.get("name") or "member")
        return f"<{tag}>{''.join(_element(inner, shape.member, item) for item in value)}</{tag}>"
    if shape.type_name == "map":
        raise TypeError(f"S3 has no map in XML, but {shape.name} is one")
    if shape.type_name == "structure":
        return f"<{tag}{_attributes(shape, value)}>{_content(shape, value)}</{tag}>"
    return f"<{tag}>{_escaped(_text(shape, value))}</{tag}>"


def _attributes(shape: StructureShape, value: Mapping[str, Any]) -> str:
    named = [
        (str(member.serialization.get("name") or name), str(value[name]))
        for name, member in shape.members.items()
        if member.serialization.get("xmlAttribute") and value.get(name) is not None
    ]
    if not named:
        return ""
    return f' xmlns:xsi="{_XSI}"' + "".join(f" {name}={quoteattr(text)}" for name, text in named)


def _text(shape: Shape, value: Any) -> str:
    match shape.type_name:
        case "boolean":
            return "true" if value else "false"
        case "timestamp":
            date = parse_date(value)
            return str(value) if date is None else iso_date(date)
        case "blob":
            return base64.b64encode(value).decode("ascii")
        case _:
            return str(value)


def _header(shape: Shape, value: Any) -> str:
    # `Expires` may be any text, which http_date() leaves as it is.
    return http_date(value) if shape.type_name == "timestamp" else _text(shape, value)


def _escaped(text: str) -> str:
    return escape(text, {"\r": "&#13;"})


def _wsgi(text: str) -> str:
    """Return UTF-8 in the form that WSGI takes, without line ends, which would begin another header."""
    return text.replace("\r", " ").replace("\n", " ").encode(errors="replace").decode("latin-1")
