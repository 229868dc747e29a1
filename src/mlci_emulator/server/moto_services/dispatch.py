"""moto's choice of a service for a request; an unknown service is an error."""

from __future__ import annotations

from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

from mlci_emulator.protocol.operations import ApiError


class MotoDispatcher(DomainDispatcherApplication):
    """A WSGI application of all of moto. Raises: ApiError, for a request to a service that moto does not have."""

    def __init__(self) -> None:
        super().__init__(create_backend_app)

    def get_backend_for_host(self, host: str | None) -> Any:
        patterns = (pattern for _, pattern in self.backend_url_patterns)
        if host and "amazonaws.com" in host and not any(pattern.match(f"http://{host}") for pattern in patterns):
            what = f"neither mlci serve nor moto has the service {host.partition('.')[0]}"
            raise ApiError("UnknownOperationException", what)
        return super().get_backend_for_host(host)
