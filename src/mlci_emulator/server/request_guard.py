"""Rejects requests from web pages. The endpoint runs code, so a page in the user's browser must not reach it.

A browser sends `Origin` with the requests of a page's script to another site, `Sec-Fetch-Site` with those of its links
and images, and the attacker's own host name after DNS rebinding to 127.0.0.1; all of these are rejected. Besides, each
request must carry the access key id, which no page knows. The signature itself is not checked: whoever knows the key id
read it in this user's terminal or environment, where the secret is next to it.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Collection
from typing import NamedTuple

from mlci_emulator.server.credential_scope import parse_scope

#: SDKs put `sync-` before the host for StartSyncExecution.
_HOST = re.compile(
    r"(?:(?:sync-)?(?:127\.0\.0\.1|localhost)|\[::1\]|(?:[a-z0-9_-](?:[a-z0-9_.-]*[a-z0-9_-])?\.)localhost)(?::(\d+))?"
)


class RequestHead(NamedTuple):
    """The parts of a request's head that the guard checks; None is a missing header."""

    method: str
    host: str | None
    origin: str | None
    fetch_site: str | None
    authorization: str
    query: str


class Rejection(NamedTuple):
    """The reason to reject a request. `is_about_key` tells a wrong key from a wrong client."""

    message: str
    is_about_key: bool = False


class RequestGuard:
    """The guard of one server, with its port and the access keys that it accepts."""

    def __init__(self, port: int, keys: Callable[[], Collection[str]]) -> None:
        self._port, self._keys = port, keys

    def reject(self, head: RequestHead) -> Rejection | None:
        """Return the reason to reject a request, or None."""
        if head.method.upper() == "OPTIONS":
            return Rejection("mlci serve rejects OPTIONS requests: it serves no web pages")
        if head.origin is not None:
            return Rejection(
                f'mlci serve rejects requests of web pages: this one has the header "Origin: {head.origin}"'
            )
        if head.fetch_site not in (None, "none"):
            return Rejection(
                f'mlci serve rejects requests of web pages: this one has "Sec-Fetch-Site: {head.fetch_site}"'
            )
        if not self._is_allowed_host(head.host):
            return Rejection(
                f'mlci serve rejects the host "{head.host or ""}": use http://127.0.0.1:{self._port} or '
                f"http://localhost:{self._port}"
            )
        scope = parse_scope(head.authorization, head.query)
        if scope is None:
            return Rejection("this request is not signed: sign it with the access key id that mlci serve printed", True)
        if not self._is_key(scope.key):
            return Rejection("the access key id is not the one that mlci serve printed: export that one", True)
        return None

    def _is_allowed_host(self, host: str | None) -> bool:
        match = _HOST.fullmatch((host or "").lower())
        return match is not None and int(match.group(1) or 80) == self._port

    def _is_key(self, key: str) -> bool:
        # All keys are compared, so that the time tells nothing about the nearest one.
        return sum(hmac.compare_digest(key.encode(), known.encode()) for known in self._keys()) > 0
