"""HTTP on loopback: waitress, with three changes.

- The guard sees a request when its head has come, before any of its body is taken.
- Threads are started as they are needed: a GetActivityTask holds one for a minute, and nobody else is to wait for that.
- Headers with an underscore in their names, which waitress leaves out since WSGI can't tell `a_b` from `a-b`, are in
  `environ["mlci.underscored"]` by their names in lower case: S3's user metadata may be called so.
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
from mlci_emulator.server.credential_scope import scope
from mlci_emulator.server.request_guard import Asked, Guard

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

    Addresses: TypeAlias = "tuple[socket.socket, ...]"

#: S3 takes 5 GiB in one piece: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
_LARGEST_BODY_BYTES = 6 * 1024**3
#: A refused client that is already sending gets its answer only when what it sends has been read; more is cut off.
_DRAINED_BYTES = 256 * 1024
_MOST_THREADS = 1000


def bind(port: int) -> tuple[socket.socket, ...]:
    """Listening sockets on 127.0.0.1 and, where there is one, on ::1; port 0 is any that is free.

    Raises: ConfigurationError, where the port is taken.
    """
    try:
        first = socket.create_server(("127.0.0.1", port), backlog=1024)
    except (OSError, OverflowError) as error:
        raise ConfigurationError(
            f"port {port} of 127.0.0.1 can't be listened on: {_why(error)}", "Name another with --port, or 0 for any."
        ) from error
    try:
        return first, socket.create_server(("::1", first.getsockname()[1]), family=socket.AF_INET6, backlog=1024)
    except OSError:  # no IPv6 here, or the port is taken there
        return (first,)


def _why(error: OSError | OverflowError) -> str:
    """In words alone: what Python adds to them says the number and the address again."""
    return os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)


class Listener:
    """Answers what comes to the sockets, in a thread of its own, until it is stopped."""

    def __init__(self, sockets: Iterable[socket.socket], application: WSGIApplication, guard: Guard) -> None:
        logging.getLogger("waitress").setLevel(logging.CRITICAL)  # the application tells what went wrong in it
        self._map: dict[int, Any] = {}
        self._adjustments = Adjustments(
            ident="mlci",
            connection_limit=4000,
            recv_bytes=1 << 18,
            max_request_body_size=_LARGEST_BODY_BYTES,
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
        """No new connections; what has come already is answered."""
        self._is_accepting = False
        self._wake()

    def stop(self, patience_s: float) -> None:
        """Ends, once the requests that are being answered are answered, or that many seconds are over."""
        self._dispatcher.shutdown(timeout=patience_s)
        self._is_running = False
        self._wake()
        self._thread.join(1)

    def _wake(self) -> None:
        with contextlib.suppress(OSError):  # the loop has ended by itself meanwhile, and closed all
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
    """One thread more whenever none is free; none is ended before the end."""

    def add_task(self, task: object) -> None:
        with self.lock:
            count = len(self.threads)
            is_short = len(self.queue) + 1 > count - self.active_count
        if is_short and count < _MOST_THREADS:
            self.set_thread_count(count + 1)
        super().add_task(task)


class _Refused(Error):  # type: ignore[misc]
    """What the guard says, as an answer."""

    def __init__(self, response: HttpResponse) -> None:
        super().__init__("")
        self._response = response

    def to_response(self, ident: str | None = None) -> tuple[str, list[tuple[str, str]], bytes]:
        return self._response.status_line, list(self._response.headers), self._response.body


class _Parser(HTTPRequestParser):  # type: ignore[misc]
    """Reads one request, and asks the guard when its head is there."""

    expect_continue: bool
    content_length: int

    def __init__(self, adjustments: Adjustments, guard: Guard) -> None:
        super().__init__(adjustments)
        self._guard = guard
        self.underscored: dict[str, str] = {}

    def parse_header(self, header_plus: bytes) -> None:
        super().parse_header(header_plus)
        self.underscored = _underscored(header_plus)
        refused = _refused(self._guard, self.command, self.query, self.headers)
        if refused is None:
            return
        self.error = _Refused(refused)
        if self.expect_continue or self.chunked or self.content_length > _DRAINED_BYTES:
            self.expect_continue = False
            self.content_length = 0
            self.body_rcv = None


def _refused(guard: Guard, method: str, query: str, headers: Mapping[str, str]) -> HttpResponse | None:
    authorization = headers.get("AUTHORIZATION", "")
    host, origin, site = (headers.get(name) for name in ("HOST", "ORIGIN", "SEC_FETCH_SITE"))
    refusal = guard.refusal(Asked(method, host, origin, site, authorization, query))
    if refusal is None:
        return None
    named = {
        "HTTP_SMITHY_PROTOCOL": headers.get("SMITHY_PROTOCOL", ""),
        "CONTENT_TYPE": headers.get("CONTENT_TYPE", ""),
        **({"HTTP_X_AMZ_TARGET": ""} if "X_AMZ_TARGET" in headers else {}),
    }
    found = scope(authorization, query)
    spoken = http_responses.protocol_of(named, found.service if found else None)
    return http_responses.error(spoken, _code(spoken, refusal.is_about_key), refusal.message, 403)


def _code(spoken: http_responses.Protocol, is_about_key: bool) -> str:
    """What AWS calls it. Source: https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html"""
    if spoken == "s3":
        return "InvalidAccessKeyId" if is_about_key else "AccessDenied"
    if spoken == "query":
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
        """Waitress writes names with capitals, but S3's clients take those of metadata as they come."""
        names = [name.encode("latin-1") for name, _ in self.response_headers if name.startswith("x-amz-meta-")]
        head: bytes = super().build_response_header()
        for name in names:
            written = b"-".join(part.capitalize() for part in name.split(b"-"))
            head = head.replace(b"\r\n%s: " % written, b"\r\n%s: " % name)
        return head


class _Channel(HTTPChannel):  # type: ignore[misc]
    task_class: Callable[..., WSGITask] = _Task

    def send_continue(self) -> None:
        """boto3 asks for it also where no body follows (an empty object), and waitress would wait for one for ever.

        Not to send it is no way out: botocore then misreads the next answer on that connection.
        """
        is_complete = self.request.completed
        super().send_continue()
        self.request.completed = is_complete
