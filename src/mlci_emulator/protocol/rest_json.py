"""AWS's REST protocol for operations whose body is the caller's own: Lambda's Invoke, SageMaker's InvokeEndpoint.

botocore's models tell which members are in the path, the query and the headers.
Source: https://smithy.io/2.0/aws/protocols/aws-restjson1-protocol.html
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, unquote

from mlci_dataclasses import dataclass
from mlci_emulator.protocol import http_responses
from mlci_emulator.protocol.http_responses import HttpResponse, environ_name
from mlci_emulator.protocol.models import service_model
from mlci_emulator.protocol.operations import ApiError, Service


@dataclass(frozen=True)
class RestOperation:
    """One operation behind a REST path. `path` matches its requests, which are POST."""

    model: str
    operation: str
    path: re.Pattern[str]
    service: Service

    def matches(self, environ: Mapping[str, Any]) -> bool:
        return environ["REQUEST_METHOD"] == "POST" and self.path.fullmatch(str(environ["PATH_INFO"])) is not None

    def respond(self, environ: Mapping[str, Any], body: bytes, region: str) -> HttpResponse:
        """Return the response to a request that matches."""
        model = service_model(self.model).operation_model(self.operation)
        try:
            output = self.service.call(self.operation, self._request(model.input_shape, environ, body), region)
        except ApiError as error:
            return http_responses.error("json", error.code, error.message, error.status)
        return _response(model.output_shape, output)

    def _request(self, shape: Any, environ: Mapping[str, Any], body: bytes) -> dict[str, Any]:
        match = self.path.fullmatch(str(environ["PATH_INFO"]))
        assert match is not None, "matches() comes before respond()"
        query = parse_qs(str(environ.get("QUERY_STRING", "")))
        request: dict[str, Any] = {shape.serialization["payload"]: body}
        for name, member in shape.members.items():
            location, wire_name = member.serialization.get("location"), member.serialization.get("name", "")
            if location == "uri":
                request[name] = unquote(match.group(1).encode("latin-1").decode())
            elif location == "querystring" and wire_name in query:
                request[name] = query[wire_name][0]
            elif location == "header" and environ_name(wire_name) in environ:
                request[name] = environ[environ_name(wire_name)]
        return request


def _response(shape: Any, output: Mapping[str, Any]) -> HttpResponse:
    status, headers = 200, [("x-amzn-RequestId", str(uuid.uuid4()))]
    for name, member in shape.members.items():
        location, value = member.serialization.get("location"), output.get(name)
        if location == "statusCode" and value is not None:
            status = int(value)
        elif location == "header" and value not in (None, ""):
            headers.append((member.serialization["name"], str(value)))
    return HttpResponse(status, tuple(headers), bytes(output.get(shape.serialization["payload"]) or b""))
