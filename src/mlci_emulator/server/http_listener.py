"""HTTP on loopback: waitress, with four changes.

- The guard checks a request when its head has arrived, before any of its body is read.
- Threads are started as needed: a GetActivityTask holds one for a minute, and no other request may wait for that.
- Headers with an underscore in their names are in `environ["mlci.underscored"]`, by their names in lower case. waitress
  drops them, since WSGI cannot tell `a_b` from `a-b`, but S3's user metadata may have such names.
- A client that speaks TLS gets a response at once, which it reports as a wrong version. waitress waits for a request.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import socket
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.server import TcpWSGIServer
from waitress.task import ThreadedTaskDispatcher, WSGITask
from waitress.utilities import Error

from mlci_emulator.errors import ConfigurationError
from mlci_emulator.protocol import http_responses
from mlci_emulator.protocol.http_responses import HttpResponse
from mlci_emulator.server.credential_scope import parse_scope
from mlci_emulator.server.request_guard import RequestGuard, RequestHead

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

    Addresses: TypeAlias = "tuple[socket.socket, ...]"

#: S3 accepts 5 GiB in one piece: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
_MAX_BODY_BYTES = 6 * 1024**3
#: A rejected client that is still sending gets its response only once its body was read; a longer body is cut off.
_MAX_DRAINED_BYTES = 256 * 1024
_MAX_THREADS = 1000


def bind(port: int) -> tuple[socket.socket, ...]:
    """Return listening sockets on 127.0.0.1 and, if the machine has it, on ::1; port 0 stands for any free port.

    Raises: ConfigurationError, if the port is taken.
    """
    try:
        first = socket.create_server(("127.0.0.1", port), backlog=1024)
    except (OSError, OverflowError) as error:
        raise ConfigurationError(
            f"port {port} of 127.0.0.1 is not available: {_reason(error)}",
            "Pass another one with --port, or 0 for any.",
        ) from error
    try:
        return first, socket.create_server(("::1", first.getsockname()[1]), family=socket.AF_INET6, backlog=1024)
    except OSError:  # no IPv6 here, or the port is taken there
        return (first,)


def _reason(error: OSError | OverflowError) -> str:
    """Return the reason without the number and the address that Python adds."""
    return os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)


class HttpListener:
    """Serves the sockets in a thread of its own until it is stopped."""

    def __init__(self, sockets: Iterable[socket.socket], application: WSGIApplication, guard: RequestGuard) -> None:
        logging.getLogger("waitress").setLevel(logging.CRITICAL)  # the application reports its own errors
        self._map: dict[int, Any] = {}
        self._adjustments = Adjustments(
            ident="mlci",
            connection_limit=4000,
            recv_bytes=1 << 18,
            max_request_body_size=_MAX_BODY_BYTES,
            asyncore_use_poll=True,
            log_socket_errors=False,
        )
        self._dispatcher = _Threads()
        channel = type("GuardedChannel", (_Channel,), {"parser_class": functools.partial(_Parser, guard=guard)})
        self._servers = [self._server(found, application, channel) for found in sockets]
        self._is_accepting = self._is_running = True
        self._thread = threading.Thread(target=self._loop, name="listener", daemon=True)

    def _server(self, found: socket.socket, application: WSGIApplication, channel: type[HTTPChannel]) -> TcpWSGIServer:
        information = (found.family, found.type, found.proto, found.getsockname())
        server = TcpWSGIServer(
            application,
            self._map,
            _sock=found,
            dispatcher=self._dispatcher,
            adj=self._adjustments,
            sockinfo=information,
            bind_socket=False,
        )
        server.channel_class = channel
        return server

    def start(self) -> None:
        self._thread.start()

    def stop_accepting(self) -> None:
        """Accept no new connections; requests that have arrived still get responses."""
        self._is_accepting = False
        self._wake()

    def stop(self, timeout_s: float) -> None:
        """Stop when all current requests have their responses, or after the timeout."""
        self._dispatcher.shutdown(timeout=timeout_s)
        self._is_running = False
        self._wake()
        self._thread.join(1)

    def _wake(self) -> None:
        with contextlib.suppress(OSError):  # the loop has ended meanwhile and closed everything
            self._servers[0].pull_trigger()

    def _loop(self) -> None:
        listening = True
        while self._is_running:
            wasyncore.loop(timeout=1, use_poll=True, map=self._map, count=1)
            if listening and not self._is_accepting:
                listening = False
                for server in self._servers:
                    wasyncore.dispatcher.close(server)
        wasyncore.close_all(self._map)


class _Threads(ThreadedTaskDispatcher):  # type: ignore[misc]
    """Adds a thread whenever none is free, and ends none before the shutdown."""

    def add_task(self, task: object) -> None:
        with self.lock:
            count = len(self.threads)
            is_short = len(self.queue) + 1 > count - self.active_count
        if is_short and count < _MAX_THREADS:
            self.set_thread_count(count + 1)
        super().add_task(task)


class _Rejected(Error):  # type: ignore[misc]
    """The guard's rejection as a response."""

    def __init__(self, response: HttpResponse) -> None:
        super().__init__("")
        self._response = response

    def to_response(self, ident: str | None = None) -> tuple[str, list[tuple[str, str]], bytes]:
        return self._response.status_line, list(self._response.headers), self._response.body


class _Parser(HTTPRequestParser):  # type: ignore[misc]
    """Reads one request, and asks the guard as soon as its head is complete."""

    expect_continue: bool
    content_length: int

    def __init__(self, adjustments: Adjustments, guard: RequestGuard) -> None:
        super().__init__(adjustments)
        self._guard = guard
        self.underscored: dict[str, str] = {}

    def parse_header(self, header_plus: bytes) -> None:
        super().parse_header(header_plus)
        self.underscored = _underscored(header_plus)
        response = _rejection(self._guard, self.command, self.query, self.headers)
        if response is None:
            return
        self.error = _Rejected(response)
        if self.expect_continue or self.chunked or self.content_length > _MAX_DRAINED_BYTES:
            self.expect_continue = False
            self.content_length = 0
            self.body_rcv = None


def _rejection(guard: RequestGuard, method: str, query: str, headers: Mapping[str, str]) -> HttpResponse | None:
    authorization = headers.get("AUTHORIZATION", "")
    host, origin, site = (headers.get(name) for name in ("HOST", "ORIGIN", "SEC_FETCH_SITE"))
    rejection = guard.reject(RequestHead(method, host, origin, site, authorization, query))
    if rejection is None:
        return None
    named = {
        "HTTP_SMITHY_PROTOCOL": headers.get("SMITHY_PROTOCOL", ""),
        "CONTENT_TYPE": headers.get("CONTENT_TYPE", ""),
        **({"HTTP_X_AMZ_TARGET": ""} if "X_AMZ_TARGET" in headers else {}),
    }
    found = parse_scope(authorization, query)
    protocol = http_responses.protocol_of(named, found.service if found else None)
    return http_responses.error(protocol, _code(protocol, rejection.is_about_key), rejection.message, 403)


def _code(protocol: http_responses.Protocol, is_about_key: bool) -> str:
    """Return AWS's error code. Source: https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html"""
    if protocol == "s3":
        return "InvalidAccessKeyId" if is_about_key else "AccessDenied"
    if protocol == "query":
        return "InvalidClientTokenId" if is_about_key else "AccessDenied"
    return "UnrecognizedClientException" if is_about_key else "AccessDeniedException"


def _underscored(head: bytes) -> dict[str, str]:
    found = {}
    for line in head.split(b"\r\n")[1:]:
        name, colon, value = line.partition(b":")
        if colon and b"_" in name:
            found[name.decode("latin-1").lower()] = value.strip(b" \t").decode("latin-1")
    return found


class _Task(WSGITask):  # type: ignore[misc]
    def get_environment(self) -> dict[str, Any]:
        environ: dict[str, Any] = super().get_environment()
        environ["mlci.underscored"] = self.request.underscored
        return environ

    def build_response_header(self) -> bytes:
        """Restore the case of metadata headers: waitress capitalizes names, and S3's clients read these as they are."""
        names = [name.encode("latin-1") for name, _ in self.response_headers if name.startswith("x-amz-meta-")]
        head: bytes = super().build_response_header()
        for name in names:
            written = b"-".join(part.capitalize() for part in name.split(b"-"))
            head = head.replace(b"\r\n%s: " % written, b"\r\n%s: " % name)
        return head


#: The first byte of a TLS connection: a handshake record. Source: RFC 8446, section 5.1
_TLS_HANDSHAKE = 0x16
_NO_TLS = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\nmlci serve speaks http, not https: use http://\n"


class _Channel(HTTPChannel):  # type: ignore[misc]
    task_class: Callable[..., WSGITask] = _Task

    def received(self, data: bytes) -> bool:
        if self.request is None and data[:1] == bytes([_TLS_HANDSHAKE]):
            with contextlib.suppress(OSError):
                self.socket.send(_NO_TLS)
            self.will_close = True
            return False
        is_read: bool = super().received(data)
        return is_read

    def send_continue(self) -> None:
        """Do not wait for a body afterwards if none follows: boto3 expects 100 Continue for an empty object, too.

        Omitting the 100 Continue is not possible: botocore then misreads the next response on that connection.
        """
        is_complete = self.request.completed
        super().send_continue()
        self.request.completed = is_complete
