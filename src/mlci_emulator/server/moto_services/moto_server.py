"""moto, in this process, for every service that the emulator lacks. It is imported when it is first needed.

It handles one request at a time: each has its own seed (see journal.py), and moto is not safe for threads. Only
requests that wait for something run beside others.
"""

from __future__ import annotations

import io
import os
import re
import secrets
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any
from urllib.parse import parse_qs

from mlci_emulator.protocol import http_responses
from mlci_emulator.protocol.http_responses import HttpResponse
from mlci_emulator.protocol.operations import ApiError
from mlci_emulator.server.credential_scope import parse_scope
from mlci_emulator.server.moto_services.bridge import ResourceFailures
from mlci_emulator.server.moto_services.journal import Journal, new_entry

#: Operations that change nothing, by the first word of their names.
_READS = re.compile(
    r"(?:Describe|Get|List|Lookup|Search|Select|Query|Scan|BatchGet|Batch?Describe|Head|Filter|Test|Validate|Simulate|"
    r"Estimate|Detect|Preview|Check|Decode|Start(?:Query|LiveTail)|Stop(?:Query)|ConsistentRead|TransactGet|Receive)"
)
#: Operations whose responses hold access keys that are valid from then on.
_KEY_ISSUERS = re.compile(r"(?:AssumeRole|GetSessionToken|GetFederationToken|CreateAccessKey)")
_ISSUED_KEY = re.compile(rb"<AccessKeyId>(\w+)</AccessKeyId>")
#: Operations that are not repeated after a restart: messages, events, measurements.
_TRANSIENT = re.compile(
    r"(?:SendMessage|DeleteMessage|ChangeMessageVisibility|Publish|PutEvents$|PutMetricData$|Invoke|PutRecord)"
)
_REST_XML = ("cloudfront", "route53")
_BLOCKING = re.compile(r"(?:ReceiveMessage|Invoke)")


class MotoServer:
    """moto's server application, with a journal.

    `register` is called once, after moto's import, with a function that tells whether moto is repeating old requests,
    and with the resources that fail in the current request.
    """

    def __init__(
        self,
        journal: Journal,
        account: str,
        report: Callable[[str], None],
        register: Callable[[Callable[[], bool], ResourceFailures], None] = lambda is_replay, failures: None,
    ) -> None:
        self._journal, self._account, self._report, self._register = journal, account, report, register
        self._is_replay, self._failures = False, ResourceFailures()
        self._lock = threading.RLock()
        self._application: Any = None
        self.issued_keys: frozenset[str] = frozenset()
        self._seed: Callable[[int], None] = lambda seed: None

    def load(self) -> None:
        """Import moto and repeat the journal's requests; the first call takes some seconds."""
        with self._lock:
            if self._application is not None:
                return
            # moto reads these once, at its import. No backend of it may leave this process.
            os.environ["MOTO_ACCOUNT_ID"] = self._account
            os.environ["MOTO_DISABLE_GLOBAL_CORS"] = "true"
            os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = "false"
            os.environ["MOTO_IAM_LOAD_MANAGED_POLICIES"] = "true"
            from moto.moto_api._internal import mock_random

            from mlci_emulator.server.moto_services.dispatch import MotoDispatcher

            self._seed = mock_random.seed
            self._register(lambda: self._is_replay, self._failures)
            self._application = MotoDispatcher()
            self._is_replay = True
            self._replay()
            self._is_replay = False

    def _replay(self) -> None:
        failed = total = 0
        for entry in self._journal.entries():
            total += 1
            self._failures.known = entry.failures
            try:
                failed += self._call({**SERVER_ENVIRON, **entry.environ}, entry.body, entry.seed).status >= 400
            except Exception:  # noqa: BLE001 - a request that moto no longer takes must not lose the others
                failed += 1
        self._failures.known = {}
        if failed:
            self._report(f"{failed} of {total} requests in the journal of other services could not be repeated")

    def is_in_use(self) -> bool:
        """Return whether moto is loaded, or has requests to repeat: else it has no resource that could matter."""
        return self._application is not None or not self._journal.is_empty()

    @contextmanager
    def backend(self, service: str, region: str) -> Iterator[Any]:
        """Give moto's backend of a service in a region, locked against other requests."""
        with self._lock:
            self.load()
            # Behind the lock: of two threads that import parts of a package, one may meet a half of it.
            from moto.backends import get_backend

            yield get_backend(service)[self._account][region]  # type: ignore[call-overload]

    def respond(self, environ: Mapping[str, Any], body: bytes) -> HttpResponse:
        """Return moto's response to a request."""
        self.load()
        operation = operation_of(environ, body)
        is_journaled = _is_change(environ, operation)
        with nullcontext() if _BLOCKING.match(operation) else self._lock:
            entry = new_entry(environ, body, secrets.randbits(64))
            if is_journaled:
                self._failures.noted.clear()
            try:
                response = self._call(environ, body, entry.seed)
            except ApiError as error:
                return http_responses.error(
                    http_responses.protocol_of(environ, None), error.code, error.message, error.status
                )
            if is_journaled and response.status < 400:
                self._journal.append(entry._replace(failures=dict(self._failures.noted)))
        return _unrouted(environ) if _is_page(response) else response

    def _call(self, environ: Mapping[str, Any], body: bytes, seed: int) -> HttpResponse:
        self._seed(seed)
        request = {**environ, "wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        request.pop("HTTP_TRANSFER_ENCODING", None)
        started: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(
            status: str, headers: list[tuple[str, str]], failed: object = None
        ) -> Callable[[bytes], None]:
            started.append((status, headers))
            return lambda data: None

        parts: Iterable[bytes] = self._application(request, start_response)
        try:
            content = b"".join(parts)
        finally:
            getattr(parts, "close", lambda: None)()
        status, headers = started[-1]
        if _KEY_ISSUERS.match(operation_of(environ, body)):
            self.issued_keys |= {key.decode() for key in _ISSUED_KEY.findall(content)}
        return HttpResponse(int(status.split(" ", 1)[0]), tuple(filter(_is_passed_on, headers)), content)


def _is_page(response: HttpResponse) -> bool:
    """Return whether moto's web framework responded, which had no route for the request."""
    is_html = any(name.lower() == "content-type" and "text/html" in value for name, value in response.headers)
    return response.status in (404, 405) and is_html and b"<!doctype html>" in response.body[:32].lower()


def _unrouted(environ: Mapping[str, Any]) -> HttpResponse:
    scope = parse_scope(str(environ.get("HTTP_AUTHORIZATION", "")), "")
    service = scope.service if scope else "this service"
    message = f"mlci serve does not do {environ['REQUEST_METHOD']} {environ['PATH_INFO']} of {service}"
    # The protocol of these services, restXml, has the errors of the query protocol.
    protocol = "query" if service in _REST_XML else http_responses.protocol_of(environ, None)
    return http_responses.error(protocol, "UnknownOperationException", message, 400)


SERVER_ENVIRON: Mapping[str, Any] = {
    "SERVER_NAME": "127.0.0.1",
    "SERVER_PORT": "80",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "SCRIPT_NAME": "",
    "wsgi.version": (1, 0),
    "wsgi.url_scheme": "http",
    "wsgi.errors": io.StringIO(),
    "wsgi.multithread": True,
    "wsgi.multiprocess": False,
    "wsgi.run_once": False,
}


def operation_of(environ: Mapping[str, Any], body: bytes) -> str:
    """Return the operation's name; for REST, which has none, the method as a word.

    >>> operation_of({"HTTP_X_AMZ_TARGET": "AmazonSSM.PutParameter"}, b"")
    'PutParameter'
    >>> operation_of({"CONTENT_TYPE": "application/x-www-form-urlencoded"}, b"Action=CreateRole&Version=1")
    'CreateRole'
    >>> operation_of({"PATH_INFO": "/service/X/operation/PutMetricData", "REQUEST_METHOD": "POST"}, b"")
    'PutMetricData'
    """
    target = str(environ.get("HTTP_X_AMZ_TARGET", ""))
    if target:
        return target.rpartition(".")[2]
    if str(environ.get("CONTENT_TYPE", "")).startswith("application/x-www-form-urlencoded"):
        return parse_qs(body.decode("latin-1")).get("Action", [""])[0]
    path = str(environ.get("PATH_INFO", ""))
    if "/operation/" in path:
        return path.rpartition("/")[2]
    if path.endswith("/invocations"):
        return "Invoke"
    return {"GET": "Get", "HEAD": "Head"}.get(str(environ.get("REQUEST_METHOD", "")), "")


def _is_change(environ: Mapping[str, Any], operation: str) -> bool:
    return not _READS.match(operation) and not _TRANSIENT.match(operation)


def _is_passed_on(header: tuple[str, str]) -> bool:
    name = header[0].lower()
    return not name.startswith("access-control-") and name not in ("content-length", "connection", "server", "date")
