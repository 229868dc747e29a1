"""Which service a request is for: ours by their targets, S3, and moto for the rest. A WSGI application.

The guard has been passed before: listener.py asks it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from mlci_emulator.protocol import aws_json, http_responses
from mlci_emulator.protocol.aws_json import JsonService
from mlci_emulator.protocol.http_responses import HttpResponse
from mlci_emulator.protocol.rest_json import RestOperation
from mlci_emulator.server.credential_scope import Scope, scope

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

#: A request of a JSON protocol is small: 1 MiB of definition, escaped, is the largest that AWS takes.
_LARGEST_JSON_BYTES = 16 * 1024**2


class Rest(Protocol):
    """Answers what is for no service of ours."""

    def __call__(self, service: str, region: str, environ: WSGIEnvironment, body: bytes) -> HttpResponse: ...


@dataclass(frozen=True)
class Services:
    """What is behind the address: `json` are those of ours with JSON protocols, by their targets; `refused` are
    signing names of ours of which nothing more is done but `calls`."""

    json: Mapping[str, JsonService]
    refused: Container[str]
    s3: WSGIApplication
    calls: Sequence[RestOperation]
    rest: Rest


class Application:
    """All services behind one address. `tell` hears of errors inside, and `log` of each request."""

    def __init__(
        self,
        services: Services,
        tell: Callable[[BaseException], None],
        log: Callable[[str], None] | None = None,
    ) -> None:
        self._services, self._tell, self._log = services, tell, log

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        began, said = time.monotonic(), ""

        def start(status: str, headers: list[tuple[str, str]], *failed: Any) -> Callable[[bytes], object]:
            nonlocal said
            said = status
            return start_response(status, headers, *failed)

        signed = scope(environ.get("HTTP_AUTHORIZATION", ""), environ.get("QUERY_STRING", ""))
        service = signed.service if signed else None
        try:
            return self._answer(environ, signed, start)
        except Exception as error:  # noqa: BLE001 - an error of one request never ends the server
            self._tell(error)
            return _send(aws_json.internal_error(http_responses.protocol_of(environ, service), error), start)
        finally:
            if self._log is not None:
                what = environ.get("HTTP_X_AMZ_TARGET") or f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}"
                self._log(f"{service} {what}: {said} in {1000 * (time.monotonic() - began):.0f} ms")

    def _answer(self, environ: WSGIEnvironment, signed: Scope | None, start: StartResponse) -> Iterable[bytes]:
        prefix, _, operation = str(environ.get("HTTP_X_AMZ_TARGET", "")).rpartition(".")
        service, region = (signed.service, signed.region) if signed else ("", "us-east-1")
        ours = self._services.json.get(prefix)
        if ours is not None and ours.handles(operation):
            return _send(ours.respond(operation, _body(environ, _LARGEST_JSON_BYTES), region), start)
        if service == "s3":
            return self._services.s3(environ, start)
        return _send(self._other(service, region, environ), start)

    def _other(self, service: str, region: str, environ: WSGIEnvironment) -> HttpResponse:
        method, path = environ["REQUEST_METHOD"], str(environ["PATH_INFO"])
        for call in self._services.calls:
            if call.matches(environ):
                return call.respond(environ, _body(environ), region)
        if service in self._services.refused and "HTTP_X_AMZ_TARGET" not in environ:
            what = f"mlci serve does not do {method} {path} of {service}"
            return http_responses.error("json", "UnknownOperationException", what, 400)
        if path.startswith("/moto-api"):
            what = "moto's own interface is not served: what is in the data folder would not follow"
            return http_responses.error("json", "AccessDeniedException", what, 403)
        return self._services.rest(service, region, environ, _body(environ))


def _body(environ: WSGIEnvironment, most_bytes: int | None = None) -> bytes:
    length = int(environ.get("CONTENT_LENGTH") or 0)
    body: bytes = environ["wsgi.input"].read(length if most_bytes is None else min(length, most_bytes))
    return body


def _send(response: HttpResponse, start: StartResponse) -> Iterable[bytes]:
    start(response.status_line, [*response.headers, ("Content-Length", str(len(response.body)))])
    return [response.body]
