"""The services that moto's are joined with, and what a refusal of theirs is to moto."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from mlci_emulator.protocol.operations import ApiError, Response, Service


class Ours(NamedTuple):
    """`is_replay` says whether moto is repeating what it was asked before a restart."""

    s3: Service
    states: Service
    is_replay: Callable[[], bool]


def called(service: Service, operation: str, request: Mapping[str, Any], region: str) -> Response:
    """An answer. A refusal is raised as moto's own exception, which the client then gets."""
    from moto.core.exceptions import ServiceException

    try:
        return service.call(operation, request, region)
    except ApiError as error:
        raise ServiceException(error.code, error.message) from error
