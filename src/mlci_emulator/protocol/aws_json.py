"""AWS's JSON protocol in front of a service: the bytes of a request in, a whole HTTP response out.

Source: https://smithy.io/2.0/aws/protocols/aws-json-1_0-protocol.html. botocore's models list the operations.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable
from typing import Any

from mlci_emulator.protocol import http_responses, json_values, models, validation_errors
from mlci_emulator.protocol.http_responses import HttpResponse
from mlci_emulator.protocol.operations import ApiError, Service


class JsonService:
    """A service behind its JSON protocol.

    `name` is botocore's name of it. `validates_itself` tells that the service checks the model's constraints, and
    `excluded` matches the operations that belong to moto. `report` receives unexpected errors.
    """

    def __init__(
        self,
        name: str,
        service: Service,
        report: Callable[[BaseException], None],
        validates_itself: bool = False,
        excluded: re.Pattern[str] | None = None,
    ) -> None:
        self._name, self._service, self._report = name, service, report
        self._validates_itself, self._excluded = validates_itself, excluded

    def handles(self, operation: str) -> bool:
        return self._excluded is None or not self._excluded.fullmatch(operation)

    def respond(self, operation: str, body: bytes, region: str) -> HttpResponse:
        """Return the response to a request."""
        try:
            request = self._parse(operation, body)
            return self._success(operation, self._service.call(operation, request, region))
        except ApiError as error:
            return http_responses.error("json", error.code, error.message, error.status)
        except Exception as error:  # noqa: BLE001 - an error of one request never ends the server
            self._report(error)
            return internal_error("json", error)

    def _parse(self, operation: str, body: bytes) -> dict[str, Any]:
        """Return the operation's input, checked against the model unless the service does that.

        Raises: ApiError
        """
        model = models.service_model(self._name)
        if operation not in model.operation_names:
            raise ApiError("UnknownOperationException", f"{self._name} has no operation {operation}", 400)
        try:
            fields = json.loads(body or b"{}")
        except ValueError as error:
            raise ApiError("SerializationException", f"the request is not JSON: {error}") from error
        if not isinstance(fields, dict):
            raise ApiError("SerializationException", "the request is no JSON object")
        shape = model.operation_model(operation).input_shape
        if shape is None:
            return {}
        request: dict[str, Any] = json_values.parse(shape, fields)
        if not self._validates_itself:
            validation_errors.check(shape, request)
        return request

    def _success(self, operation: str, output: dict[str, Any]) -> HttpResponse:
        model = models.service_model(self._name)
        shape = model.operation_model(operation).output_shape
        fields = json_values.serialize(shape, output) if shape is not None else {}
        content_type = f"application/x-amz-json-{model.metadata.get('jsonVersion', '1.0')}"
        headers = (("Content-Type", content_type), ("x-amzn-RequestId", str(uuid.uuid4())))
        return HttpResponse(200, headers, json.dumps(fields, ensure_ascii=False, allow_nan=False).encode())


def internal_error(protocol: http_responses.Protocol, error: BaseException) -> HttpResponse:
    """Return the response to a request that failed by an error inside the emulator."""
    message = f"an error inside of mlci serve: {type(error).__name__}: {error}"
    return http_responses.error(protocol, "InternalFailure", message, 500)
