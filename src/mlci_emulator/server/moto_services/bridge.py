"""The emulator's services as moto's services call them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from mlci_emulator.protocol.operations import ApiError, Response, Service


class BridgedServices(NamedTuple):
    """`is_replay` tells whether moto is repeating requests from before a restart."""

    s3: Service
    states: Service
    is_replay: Callable[[], bool]


def call_service(service: Service, operation: str, request: Mapping[str, Any], region: str) -> Response:
    """Return an operation's output; an error becomes moto's own exception, which the client gets."""
    from moto.core.exceptions import ServiceException

    try:
        return service.call(operation, request, region)
    except ApiError as error:
        raise ServiceException(error.code, error.message) from error
