"""Routes a request to its service: by target, to S3, by path, or to moto. A WSGI application.

The listener has asked the guard before.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from mlci_dataclasses import dataclass
from mlci_emulator.protocol import aws_json, http_responses
from mlci_emulator.protocol.aws_json import JsonService
from mlci_emulator.protocol.http_responses import HttpResponse
from mlci_emulator.protocol.rest_json import RestOperation
from mlci_emulator.server.credential_scope import CredentialScope, parse_scope

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

#: A request of a JSON protocol is small: the largest that AWS accepts is 1 MiB of definition, escaped.
_MAX_JSON_BYTES = 16 * 1024**2


class FallbackService(Protocol):
    """Responds to the requests for all other services."""

    def __call__(self, service: str, region: str, environ: WSGIEnvironment, body: bytes) -> HttpResponse: ...


@dataclass(frozen=True)
class RoutingTable:
    """The services behind the address.

    `json`: the emulator's own services with JSON protocols, by their targets. `rest`: its operations behind REST paths.
    `own`: the signing names of its services, of which no other REST path is implemented.
    """

    json: Mapping[str, JsonService]
    own: Container[str]
    s3: WSGIApplication
    rest: Sequence[RestOperation]
    fallback: FallbackService


class Application:
    """All services behind one address. `report` receives unexpected errors, and `log` a line for each request."""

    def __init__(
        self,
        routes: RoutingTable,
        report: Callable[[BaseException], None],
        log: Callable[[str], None] | None = None,
    ) -> None:
        self._routes, self._report, self._log = routes, report, log

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_s, status_line = time.monotonic(), ""

        def start(status: str, headers: list[tuple[str, str]], *failed: Any) -> Callable[[bytes], object]:
            nonlocal status_line
            status_line = status
            return start_response(status, headers, *failed)

        scope = parse_scope(environ.get("HTTP_AUTHORIZATION", ""), environ.get("QUERY_STRING", ""))
        service = scope.service if scope else None
        try:
            return self._route(environ, scope, start)
        except Exception as error:  # noqa: BLE001 - an error of one request never ends the server
            self._report(error)
            return _send(aws_json.internal_error(http_responses.protocol_of(environ, service), error), start)
        finally:
            if self._log is not None:
                what = environ.get("HTTP_X_AMZ_TARGET") or f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}"
                self._log(f"{service} {what}: {status_line} in {1000 * (time.monotonic() - start_s):.0f} ms")

    def _route(self, environ: WSGIEnvironment, scope: CredentialScope | None, start: StartResponse) -> Iterable[bytes]:
        prefix, _, operation = str(environ.get("HTTP_X_AMZ_TARGET", "")).rpartition(".")
        service, region = (scope.service, scope.region) if scope else ("", "us-east-1")
        json_service = self._routes.json.get(prefix)
        if json_service is not None and json_service.handles(operation):
            return _send(json_service.respond(operation, _body(environ, _MAX_JSON_BYTES), region), start)
        if service == "s3":
            return self._routes.s3(environ, start)
        return _send(self._respond_by_path(service, region, environ), start)

    def _respond_by_path(self, service: str, region: str, environ: WSGIEnvironment) -> HttpResponse:
        method, path = environ["REQUEST_METHOD"], str(environ["PATH_INFO"])
        for operation in self._routes.rest:
            if operation.matches(environ):
                return operation.respond(environ, _body(environ), region)
        if service in self._routes.own and "HTTP_X_AMZ_TARGET" not in environ:
            message = f"mlci serve does not do {method} {path} of {service}"
            return http_responses.error("json", "UnknownOperationException", message, 400)
        if path.startswith("/moto-api"):
            message = "moto's own interface is not served: what is in the data folder would not follow"
            return http_responses.error("json", "AccessDeniedException", message, 403)
        return self._routes.fallback(service, region, environ, _body(environ))


def _body(environ: WSGIEnvironment, max_bytes: int | None = None) -> bytes:
    length = int(environ.get("CONTENT_LENGTH") or 0)
    body: bytes = environ["wsgi.input"].read(length if max_bytes is None else min(length, max_bytes))
    return body


def _send(response: HttpResponse, start: StartResponse) -> Iterable[bytes]:
    start(response.status_line, [*response.headers, ("Content-Length", str(len(response.body)))])
    return [response.body]
