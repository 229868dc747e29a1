"""Which service a request is for: ours by their targets, S3, and moto for the rest. A WSGI application.

The guard has been passed before: listener.py asks it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from mlci.cloud.local.api import Service
from mlci.cloud.serve import answers, awsjson
from mlci.cloud.serve.awsjson import JsonService
from mlci.cloud.serve.behind import Moto
from mlci.cloud.serve.functions import invocation, invoke
from mlci.cloud.serve.scope import Scope, scope

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

#: A request of a JSON protocol is small: 1 MiB of definition, escaped, is the largest that AWS takes.
_LARGEST_JSON_BYTES = 16 * 1024**2


class Application:
    """All services behind one address. `ours` are those with JSON protocols, by their targets, `refused` services whose
    other protocols are not done; `before` is called before moto is asked of a service."""

    def __init__(
        self,
        ours: Mapping[str, JsonService],
        refused: Container[str],
        s3: WSGIApplication | None,
        moto: Moto,
        functions: Service,
        before: Mapping[str, Callable[[str], None]],
        tell: Callable[[BaseException], None],
        log: Callable[[str], None] | None = None,
    ) -> None:
        self._ours, self._refused, self._s3 = ours, refused, s3
        self._moto, self._functions, self._before = moto, functions, before
        self._tell, self._log = tell, log

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
            return _send(awsjson.internal(answers.protocol(environ, service), error), start)
        finally:
            if self._log is not None:
                what = environ.get("HTTP_X_AMZ_TARGET") or f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}"
                self._log(f"{service} {what}: {said} in {1000 * (time.monotonic() - began):.0f} ms")

    def _answer(self, environ: WSGIEnvironment, signed: Scope | None, start: StartResponse) -> Iterable[bytes]:
        prefix, _, operation = str(environ.get("HTTP_X_AMZ_TARGET", "")).rpartition(".")
        ours = self._ours.get(prefix)
        service, region = (signed.service, signed.region) if signed else ("", "us-east-1")
        if ours is not None:
            return _send(ours.answer(operation, _body(environ, _LARGEST_JSON_BYTES), region), start)
        if service == "s3" and self._s3 is not None:
            return self._s3(environ, start)
        if service in self._refused:
            what = f"mlci serve does not do {environ['REQUEST_METHOD']} {environ['PATH_INFO']} of {service}"
            return _send(answers.error("json", "UnknownOperationException", what, 400), start)
        if str(environ["PATH_INFO"]).startswith("/moto-api"):
            what = "moto's own interface is not served: what is in the data folder would not follow"
            return _send(answers.error("json", "AccessDeniedException", what, 403), start)
        function = invocation(environ) if service == "lambda" else None
        if function is not None:
            return _send(invoke(self._functions, function, environ, _body(environ), region), start)
        if service in self._before:
            self._before[service](region)
        return _send(self._moto.answer(environ, _body(environ)), start)


def _body(environ: WSGIEnvironment, most_bytes: int | None = None) -> bytes:
    length = int(environ.get("CONTENT_LENGTH") or 0)
    body: bytes = environ["wsgi.input"].read(length if most_bytes is None else min(length, most_bytes))
    return body


def _send(response: answers.Response, start: StartResponse) -> Iterable[bytes]:
    start(response.line, [*response.headers, ("Content-Length", str(len(response.body)))])
    return [response.body]
