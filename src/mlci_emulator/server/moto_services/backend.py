"""moto, in this process, for every service that is not ours. It is imported when it is first needed.

Requests go through it one at a time, since each has its own seed (see journal.py), and moto is not made for threads;
those that wait for something do not hold up the others.
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
from mlci_emulator.server.moto_services import journal
from mlci_emulator.server.moto_services.journal import Journal

#: Operations that change nothing, by the word that their names begin with.
_READS = re.compile(
    r"(?:Describe|Get|List|Lookup|Search|Select|Query|Scan|BatchGet|Batch?Describe|Head|Filter|Test|Validate|Simulate|"
    r"Estimate|Detect|Preview|Check|Decode|Start(?:Query|LiveTail)|Stop(?:Query)|ConsistentRead|TransactGet|Receive)"
)
#: Whose answers hold access keys that may be used from then on.
_ISSUES = re.compile(r"(?:AssumeRole|GetSessionToken|GetFederationToken|CreateAccessKey)")
_ISSUED = re.compile(rb"<AccessKeyId>(\w+)</AccessKeyId>")
#: What flows through and is not kept: messages, events, measurements.
_FLOWS = re.compile(
    r"(?:SendMessage|DeleteMessage|ChangeMessageVisibility|Publish|PutEvents$|PutMetricData$|Invoke|PutRecord)"
)
_WAITS = re.compile(r"(?:ReceiveMessage|Invoke)")


class Moto:
    """moto's server application, with a journal. `join` is called once, when it has been imported, with a function that
    says whether it is repeating what was asked before."""

    def __init__(
        self,
        kept: Journal,
        account: str,
        tell: Callable[[str], None],
        join: Callable[[Callable[[], bool]], None] = lambda is_replay: None,
    ) -> None:
        self._journal, self._account, self._tell, self._join = kept, account, tell, join
        self._is_replay = False
        self._lock = threading.RLock()
        self._application: Any = None
        self.issued_keys: frozenset[str] = frozenset()
        self._seed: Callable[[int], None] = lambda seed: None

    def load(self) -> None:
        """Import it, and ask again what was asked before; the first call takes some seconds."""
        with self._lock:
            if self._application is not None:
                return
            # Read once, at import. No backend of moto's is to reach for another place than this process.
            os.environ["MOTO_ACCOUNT_ID"] = self._account
            os.environ["MOTO_DISABLE_GLOBAL_CORS"] = "true"
            os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = "false"
            from moto.moto_api._internal import mock_random

            from mlci_emulator.server.moto_services.dispatch import Dispatcher

            self._seed = mock_random.seed
            self._join(lambda: self._is_replay)
            self._application = Dispatcher()
            self._is_replay = True
            self._replay()
            self._is_replay = False

    def _replay(self) -> None:
        failed = total = 0
        for kept in self._journal.entries():
            total += 1
            try:
                failed += self._ask({**SERVER, **kept.environ}, kept.body, kept.seed).status >= 400
            except Exception:  # noqa: BLE001 - one request that moto can't take any more is no reason to lose the others
                failed += 1
        if failed:
            self._tell(f"{failed} of {total} requests to other services that were kept could not be repeated")

    @contextmanager
    def backend(self, service: str, region: str) -> Iterator[Any]:
        """moto's backend of a service in a region, which nobody else asks meanwhile."""
        from moto.backends import get_backend

        with self._lock:
            self.load()
            yield get_backend(service)[self._account][region]  # type: ignore[call-overload]

    def answer(self, environ: Mapping[str, Any], body: bytes) -> HttpResponse:
        """What moto says."""
        self.load()
        operation = operation_of(environ, body)
        is_kept = _is_change(environ, operation)
        with nullcontext() if _WAITS.match(operation) else self._lock:
            made = journal.entry(environ, body, secrets.randbits(64))
            try:
                answered = self._ask(environ, body, made.seed)
            except ApiError as error:
                return http_responses.error(
                    http_responses.protocol_of(environ, None), error.code, error.message, error.status
                )
            if is_kept and answered.status < 400:
                self._journal.append(made)
        return answered

    def _ask(self, environ: Mapping[str, Any], body: bytes, seed: int) -> HttpResponse:
        self._seed(seed)
        asked = {**environ, "wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        asked.pop("HTTP_TRANSFER_ENCODING", None)
        started: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(
            status: str, headers: list[tuple[str, str]], failed: object = None
        ) -> Callable[[bytes], None]:
            started.append((status, headers))
            return lambda data: None

        parts: Iterable[bytes] = self._application(asked, start_response)
        try:
            answered = b"".join(parts)
        finally:
            getattr(parts, "close", lambda: None)()
        status, headers = started[-1]
        if _ISSUES.match(operation_of(environ, body)):
            self.issued_keys |= {found.decode() for found in _ISSUED.findall(answered)}
        return HttpResponse(int(status.split(" ", 1)[0]), tuple(filter(_is_passed_on, headers)), answered)


SERVER: Mapping[str, Any] = {
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
    """The operation's name; for REST, which has none, its method as a word.

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
    return not _READS.match(operation) and not _FLOWS.match(operation)


def _is_passed_on(header: tuple[str, str]) -> bool:
    name = header[0].lower()
    return not name.startswith("access-control-") and name not in ("content-length", "connection", "server", "date")
