"""The HTTP address of an endpoint on this machine: `/ping` and `/invocations`, as of a container.

SageMaker's endpoints have no such address; a client of SageMaker calls InvokeEndpoint. Both get the same responses.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from mlci_emulator.services.sagemaker.deployments import Answer

#: Source: https://docs.aws.amazon.com/general/latest/gr/sagemaker.html (25 MB for a payload of real-time inference)
_MAX_BYTES = 25 * 1024 * 1024
_Invoke = Callable[[bytes, Mapping[str, "str | None"]], Answer]


class EndpointListener:
    """A loopback address, whose requests `invoke` responds to."""

    def __init__(self, invoke: _Invoke) -> None:
        self._server = _Server(invoke)
        threading.Thread(target=self._server.serve_forever, name="endpoint listener", daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self._is_local():
            self._send(Answer(200 if self.path == "/ping" else 404, b"", "text/plain"))

    def do_POST(self) -> None:
        size = int(self.headers.get("Content-Length") or 0)
        if not self._is_local():
            return
        if self.path != "/invocations" or size > _MAX_BYTES:
            self.close_connection = True
            self._send(Answer(404 if self.path != "/invocations" else 413, b"", "text/plain"))
            return
        types = {name: self.headers.get(name) for name in ("Content-Type", "Accept")}
        self._send(self.server.invoke(self.rfile.read(size), types))

    def _is_local(self) -> bool:
        """Return whether a request is for this address: the page of another site may know its number."""
        name = (self.headers.get("Host") or "").rpartition(":")[0]
        if name in ("127.0.0.1", "localhost"):
            return True
        self.close_connection = True
        self._send(Answer(403, b"", "text/plain"))
        return False

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        if answer.variant:
            self.send_header("x-Amzn-Invoked-Production-Variant", answer.variant)
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, *_: object) -> None:
        """Write no line for a request."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, invoke: _Invoke) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.invoke = invoke
