"""AWS's JSON protocol for the services that are ours: bytes of a request in, a whole answer out.

Source: https://smithy.io/2.0/aws/protocols/aws-json-1_0-protocol.html. botocore's models say what the operations are.
"""

from __future__ import annotations

import base64
import functools
import json
import re
import threading
import uuid
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

from mlci_emulator.protocol import http_responses, validation
from mlci_emulator.protocol.http_responses import HttpResponse
from mlci_emulator.protocol.operations import ApiError, Service


class JsonService:
    """A service of ours behind its JSON protocol. `name` is botocore's; `checks` says whether the service checks the
    constraints of the model itself, `elsewhere` matches the operations that are moto's."""

    def __init__(
        self,
        name: str,
        service: Service,
        tell: Callable[[BaseException], None],
        checks: bool = False,
        elsewhere: re.Pattern[str] | None = None,
    ) -> None:
        self._name, self._service, self._tell, self._checks = name, service, tell, checks
        self._elsewhere = elsewhere

    def has(self, operation: str) -> bool:
        return self._elsewhere is None or not self._elsewhere.fullmatch(operation)

    def answer(self, operation: str, body: bytes, region: str) -> HttpResponse:
        """What the client gets for a request."""
        try:
            given = _request(self._name, operation, body, not self._checks)
            answered = self._service.call(operation, given, region)
            return self._success(operation, answered)
        except ApiError as error:
            return http_responses.error("json", error.code, error.message, error.status)
        except Exception as error:  # noqa: BLE001 - an error of one request never ends the server
            self._tell(error)
            return internal("json", error)

    def _success(self, operation: str, answered: dict[str, Any]) -> HttpResponse:
        model = service_model(self._name)
        shape = model.operation_model(operation).output_shape
        written = written_value(shape, answered) if shape is not None else {}
        content = f"application/x-amz-json-{model.metadata.get('jsonVersion', '1.0')}"
        headers = (("Content-Type", content), ("x-amzn-RequestId", str(uuid.uuid4())))
        return HttpResponse(200, headers, json.dumps(written, ensure_ascii=False, allow_nan=False).encode())


def internal(spoken: http_responses.Protocol, error: BaseException) -> HttpResponse:
    """The answer where something went wrong that should not have."""
    what = f"an error inside of mlci serve: {type(error).__name__}: {error}"
    return http_responses.error(spoken, "InternalFailure", what, 500)


def _request(service: str, operation: str, body: bytes, is_checked: bool) -> dict[str, Any]:
    """A request, read by the model, and checked against it where that is still to be done.

    Raises: ApiError.
    """
    model = service_model(service)
    if operation not in model.operation_names:
        raise ApiError("UnknownOperationException", f"{service} has no operation {operation}", 400)
    try:
        given = json.loads(body or b"{}")
    except ValueError as error:
        raise ApiError("SerializationException", f"the request is not JSON: {error}") from error
    if not isinstance(given, dict):
        raise ApiError("SerializationException", "the request is no JSON object")
    shape = model.operation_model(operation).input_shape
    if shape is None:
        return {}
    request: dict[str, Any] = validation.parsed(shape, given)
    if is_checked:
        validation.check(shape, request)
    return request


_lock = threading.Lock()


def service_model(service: str) -> Any:
    """botocore's model of a service, read when it is first needed."""
    with _lock:  # so that several first requests read the model once
        return _loaded(service)


@functools.cache
def _loaded(service: str) -> Any:
    from botocore.loaders import Loader
    from botocore.model import ServiceModel

    return ServiceModel(Loader().load_service_model(service, "service-2"), service)


def written_value(shape: Any, value: Any) -> Any:
    """A value of an answer as JSON: timestamps as seconds, blobs as base64; what the model hasn't is left out."""
    kind = shape.type_name
    if kind == "structure" and not shape.is_document_type:
        return {
            name: written_value(member, value[name])
            for name, member in shape.members.items()
            if value.get(name) is not None
        }
    if kind == "list":
        return [written_value(shape.member, element) for element in value]
    if kind == "map":
        return {name: written_value(shape.value, element) for name, element in value.items()}
    if isinstance(value, datetime):
        return _written_time(shape, value)
    if isinstance(value, (bytes, bytearray)):
        return base64.b64encode(value).decode()
    return value


def _written_time(shape: Any, moment: datetime) -> float | str:
    if shape.serialization.get("timestampFormat") == "iso8601":
        return moment.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return round(moment.timestamp(), 3)
