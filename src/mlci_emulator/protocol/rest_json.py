"""AWS's REST protocol where a request's body is all a caller's own: Lambda's Invoke, SageMaker's InvokeEndpoint.

botocore's models say which members are in the path, the query and the headers.
Source: https://smithy.io/2.0/aws/protocols/aws-restjson1-protocol.html
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote

from mlci_emulator.protocol import http_responses
from mlci_emulator.protocol.aws_json import service_model
from mlci_emulator.protocol.http_responses import HttpResponse
from mlci_emulator.protocol.operations import ApiError, Service


@dataclass(frozen=True)
class RestCall:
    """One operation of a service of ours. `path` matches its requests, which are POST."""

    model: str
    operation: str
    path: re.Pattern[str]
    service: Service

    def is_asked(self, environ: Mapping[str, Any]) -> bool:
        return environ["REQUEST_METHOD"] == "POST" and self.path.fullmatch(str(environ["PATH_INFO"])) is not None

    def answer(self, environ: Mapping[str, Any], body: bytes, region: str) -> HttpResponse:
        """What the client gets for a request."""
        model = service_model(self.model).operation_model(self.operation)
        try:
            answered = self.service.call(self.operation, self._request(model.input_shape, environ, body), region)
        except ApiError as error:
            return http_responses.error("json", error.code, error.message, error.status)
        return _response(model.output_shape, answered)

    def _request(self, shape: Any, environ: Mapping[str, Any], body: bytes) -> dict[str, Any]:
        match = self.path.fullmatch(str(environ["PATH_INFO"]))
        assert match is not None, "is_asked() comes before answer()"
        query = parse_qs(str(environ.get("QUERY_STRING", "")))
        request: dict[str, Any] = {shape.serialization["payload"]: body}
        for name, member in shape.members.items():
            place = member.serialization.get("location")
            if place == "uri":
                request[name] = unquote(match.group(1).encode("latin-1").decode())
            elif place == "querystring" and member.serialization["name"] in query:
                request[name] = query[member.serialization["name"]][0]
            elif place == "header" and _variable(member.serialization["name"]) in environ:
                request[name] = environ[_variable(member.serialization["name"])]
        return request


def _variable(header: str) -> str:
    name = header.upper().replace("-", "_")
    return name if name == "CONTENT_TYPE" else f"HTTP_{name}"


def _response(shape: Any, answered: Mapping[str, Any]) -> HttpResponse:
    status, headers = 200, [("x-amzn-RequestId", str(uuid.uuid4()))]
    for name, member in shape.members.items():
        place, value = member.serialization.get("location"), answered.get(name)
        if place == "statusCode" and value is not None:
            status = int(value)
        elif place == "header" and value not in (None, ""):
            headers.append((member.serialization["name"], str(value)))
    return HttpResponse(status, tuple(headers), bytes(answered.get(shape.serialization["payload"]) or b""))
