"""The listener over raw sockets, with an application that says what it got."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import pytest

from mlci_emulator.errors import ConfigurationError
from mlci_emulator.server.http_listener import HttpListener, bind
from mlci_emulator.server.request_guard import RequestGuard

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

CREDENTIAL = "AWS4-HMAC-SHA256 Credential=KEY/20261125/us-east-1/s3/aws4_request"


class Echo:
    """Answers with what came; a path `/wait` is answered when `go` is set."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.go = threading.Event()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        self.asked.append(environ["PATH_INFO"])
        if environ["PATH_INFO"] == "/wait":
            self.go.wait(60)
        body = environ["wsgi.input"].read()
        said = {"size": len(body), "start": body[:20].decode(), "underscored": environ["mlci.underscored"]}
        answer = json.dumps(said).encode()
        start_response("200 OK", [("Content-Length", str(len(answer)))])
        return [answer]


@pytest.fixture
def echo() -> Echo:
    return Echo()


@pytest.fixture
def port(echo: Echo) -> Iterator[int]:
    sockets = bind(0)
    port = sockets[0].getsockname()[1]
    listener = HttpListener(sockets, echo, RequestGuard(port, lambda: ("KEY",)))
    listener.start()
    yield port
    echo.go.set()
    listener.stop_accepting()
    listener.stop(timeout_s=1)


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=10)


def head(port: int, line: str, *headers: str, key: str = "KEY") -> bytes:
    lines = [line, f"Host: localhost:{port}", f"Authorization: {CREDENTIAL.replace('KEY', key)}", *headers, "", ""]
    return "\r\n".join(lines).encode()


def answer(connection: socket.socket) -> tuple[int, str]:
    """The status and the body of the next answer on a connection."""
    stream = connection.makefile("rb")
    status = int(stream.readline().split()[1])
    length = 0
    while (line := stream.readline().strip()) != b"":
        if line.lower().startswith(b"content-length:"):
            length = int(line.partition(b":")[2])
    return status, stream.read(length).decode()


def ask(port: int, data: bytes) -> tuple[int, str]:
    with connect(port) as connection:
        connection.sendall(data)
        return answer(connection)


def test_connections_are_kept_open(port: int) -> None:
    with connect(port) as connection:
        for _ in range(3):
            connection.sendall(head(port, "POST /a HTTP/1.1", "Content-Length: 5") + b"hello")
            assert json.loads(answer(connection)[1])["start"] == "hello"


def test_chunked_bodies_are_put_together(port: int) -> None:
    chunked = head(port, "PUT /a HTTP/1.1", "Transfer-Encoding: chunked") + b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    assert json.loads(ask(port, chunked)[1])["start"] == "abcde"


def test_a_client_that_waits_for_continue_is_told(port: int) -> None:
    with connect(port) as connection:
        connection.sendall(head(port, "PUT /a HTTP/1.1", "Content-Length: 3", "Expect: 100-continue"))
        assert connection.recv(100).startswith(b"HTTP/1.1 100 ")
        connection.sendall(b"abc")
        assert json.loads(answer(connection)[1])["start"] == "abc"


def test_a_large_body_comes_whole(port: int) -> None:
    size = 5_000_000
    told = ask(port, head(port, "PUT /a HTTP/1.1", f"Content-Length: {size}") + b"x" * size)
    assert json.loads(told[1])["size"] == size


def test_headers_with_underscores_are_kept_beside_the_others(port: int) -> None:
    told = ask(port, head(port, "PUT /a HTTP/1.1", "X-Amz-Meta-My_Name: value", "X-Amz-Meta-My-Name: other"))
    assert json.loads(told[1])["underscored"] == {"x-amz-meta-my_name": "value"}


def test_those_who_wait_hold_up_nobody(port: int, echo: Echo) -> None:
    waiting = [connect(port) for _ in range(40)]
    for connection in waiting:
        connection.sendall(head(port, "GET /wait HTTP/1.1"))
    deadline = time.monotonic() + 60
    while echo.asked.count("/wait") < 40 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert ask(port, head(port, "GET /quick HTTP/1.1"))[0] == 200
    echo.go.set()
    assert [answer(connection)[0] for connection in waiting] == [200] * 40
    for connection in waiting:
        connection.close()


def test_a_refused_upload_is_answered_before_its_body_comes(port: int, echo: Echo) -> None:
    with connect(port) as connection:
        connection.sendall(head(port, "PUT /a HTTP/1.1", "Content-Length: 5000000000", key="OTHER"))
        status, body = answer(connection)
    assert (status, "<Code>InvalidAccessKeyId</Code>" in body) == (403, True)
    assert echo.asked == []


def test_a_refused_client_that_waits_for_continue_is_refused_at_once(port: int, echo: Echo) -> None:
    with connect(port) as connection:
        connection.sendall(head(port, "PUT /a HTTP/1.1", "Content-Length: 3", "Expect: 100-continue", key="OTHER"))
        assert answer(connection)[0] == 403
    assert echo.asked == []


REFUSED: dict[str, Callable[[int], bytes]] = {
    "no key": lambda port: f"GET / HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n".encode(),
    "no host": lambda port: f"GET / HTTP/1.0\r\nAuthorization: {CREDENTIAL}\r\n\r\n".encode(),
    "two hosts": lambda port: head(port, "GET / HTTP/1.1", "Host: evil.example"),
    "another host": lambda port: head(port, "GET / HTTP/1.1").replace(b"localhost", b"evil.example"),
    "another port": lambda port: head(port, "GET / HTTP/1.1").replace(b"Host: localhost:", b"Host: localhost:1"),
    "an origin": lambda port: head(port, "POST / HTTP/1.1", "Origin: http://localhost:8000", "Content-Length: 0"),
    "a page's fetch": lambda port: head(port, "GET / HTTP/1.1", "Sec-Fetch-Site: cross-site"),
    "a preflight": lambda port: head(port, "OPTIONS / HTTP/1.1"),
    "no method": lambda port: head(port, "/ HTTP/1.1"),
    "lines in the first line": lambda port: head(port, "GET /\rX HTTP/1.1"),
    "a lie about the length": lambda port: head(port, "POST / HTTP/1.1", "Content-Length: -1"),
}


@pytest.mark.parametrize("why", REFUSED)
def test_the_application_sees_nothing_of_what_is_refused(why: str, port: int, echo: Echo) -> None:
    status, _ = ask(port, REFUSED[why](port))
    assert status in (400, 403)
    assert echo.asked == []


def test_refusals_speak_the_client_s_protocol(port: int) -> None:
    json_refusal = ask(
        port, head(port, "POST / HTTP/1.1", "X-Amz-Target: AWSStepFunctions.ListActivities", key="OTHER")
    )
    assert json.loads(json_refusal[1])["__type"] == "UnrecognizedClientException"
    form = ("Content-Type: application/x-www-form-urlencoded", "Content-Length: 0")
    signed = head(port, "POST / HTTP/1.1", *form, key="OTHER").replace(b"/s3/", b"/sts/")
    assert "<Code>InvalidClientTokenId</Code>" in ask(port, signed)[1]


def test_a_taken_port_is_a_wrong_option() -> None:
    sockets = bind(0)
    try:
        with pytest.raises(ConfigurationError, match="is not available"):
            bind(sockets[0].getsockname()[1])
    finally:
        for found in sockets:
            found.close()


def test_only_loopback_is_bound() -> None:
    sockets = bind(0)
    assert {found.getsockname()[0] for found in sockets} <= {"127.0.0.1", "::1"}
    for found in sockets:
        found.close()


def test_a_client_that_speaks_tls_fails_at_once(port: int) -> None:
    import ssl

    start_s = time.monotonic()
    with connect(port) as plain, pytest.raises(ssl.SSLError, match=r"(?i)wrong.version.number"):
        ssl.create_default_context().wrap_socket(plain, server_hostname="localhost")
    assert time.monotonic() - start_s < 5
    with connect(port) as raw:
        raw.sendall(b"\x16\x03\x01\x00\x05hello")
        assert raw.makefile("rb").read().endswith(b"mlci serve speaks http, not https: use http://\n")
