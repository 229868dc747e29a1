"""The emulator's services as moto's services call them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any, NamedTuple

from mlci_dataclasses import dataclass
from mlci_emulator.protocol.operations import ApiError, Response, Service


@dataclass
class ResourceFailures:
    """The resources of stacks that one request could not create or update: their reasons, by stack and logical id.

    `known` are those of a request that is repeated: it fails alike, whatever the emulator's services hold by then.
    `noted` are those of the current request.
    """

    known: Mapping[str, str] = field(default_factory=dict)
    noted: dict[str, str] = field(default_factory=dict)


class BridgedServices(NamedTuple):
    """`is_replay` tells whether moto is repeating requests from before a restart."""

    s3: Service
    states: Service
    sagemaker: Service
    is_replay: Callable[[], bool]
    failures: ResourceFailures


def call_service(service: Service, operation: str, request: Mapping[str, Any], region: str) -> Response:
    """Return an operation's output; an error becomes moto's own exception, which the client gets."""
    from moto.core.exceptions import ServiceException

    try:
        return service.call(operation, request, region)
    except ApiError as error:
        raise ServiceException(error.code, error.message) from error
