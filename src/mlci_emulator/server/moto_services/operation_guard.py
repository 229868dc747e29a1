"""Rejects requests to moto that claim work which nothing performs, and those that moto does not implement.

It stands where moto dispatches a request to the method of its operation, because moto knows the service, the operation
and the protocol there. An unimplemented operation is an error of the client's, not one inside the server.
"""

from __future__ import annotations

from typing import Any

from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult, BaseResponse
from moto.core.utils import get_service_model

from mlci_emulator.server.moto_services.refused_operations import refusal


class RefusedOperationError(ServiceException):
    """An operation that would claim work which nothing performs."""

    code = "UnsupportedOperationException"


class UnknownOperationError(ServiceException):
    """An operation that moto does not implement."""

    code = "UnknownOperationException"


def guard_operations() -> None:
    """Put the guard in front of moto's operations; call it once."""
    dispatch = BaseResponse.call_action

    def call_action(self: BaseResponse) -> Any:
        operation = _operation(self)
        if not operation:
            return self.serialized(_unknown(self, f"{self.method} {self.path}"))
        reason = refusal(self.boto3_service_name, operation, self._get_param)
        if reason is not None:
            return self.serialized(ActionResult(RefusedOperationError(reason)))
        try:
            return dispatch(self)
        except NotImplementedError:
            return self.serialized(_unknown(self, operation))

    BaseResponse.call_action = call_action  # type: ignore[method-assign]


def _unknown(response: BaseResponse, operation: str) -> ActionResult:
    return ActionResult(UnknownOperationError(f"mlci serve does not do {operation} of {response.boto3_service_name}"))


def _operation(response: BaseResponse) -> str:
    """Return the operation's name in the API; some of moto's services have their own names for it."""
    name = str(response._get_action() or "")
    if name in get_service_model(response.boto3_service_name).operation_names:
        return name
    return str(response._get_action_from_method_and_request_uri(response.normalized_request) or name)
