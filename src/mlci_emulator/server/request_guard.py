"""Who may ask. The endpoint runs code, so a page in the user's browser must not be able to reach it.

A browser sends `Origin` with what a page's script asks of another site, `Sec-Fetch-Site` with what its links and images
do, and the attacker's own host name where a name was rebound to 127.0.0.1; each of these is refused. Beyond that, each
request must carry the access key id, which no page knows. The signature itself is not checked: whoever knows the key id
read it from this user's terminal or environment, where the secret stands beside it.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Collection
from typing import NamedTuple

from mlci_emulator.server.credential_scope import scope

#: `sync-` is what SDKs put before the host for StartSyncExecution.
_HOST = re.compile(
    r"(?:(?:sync-)?(?:127\.0\.0\.1|localhost)|\[::1\]|(?:[a-z0-9_-](?:[a-z0-9_.-]*[a-z0-9_-])?\.)localhost)(?::(\d+))?"
)


class Asked(NamedTuple):
    """What of a request's head the guard looks at; None is a header that isn't there."""

    method: str
    host: str | None
    origin: str | None
    fetch_site: str | None
    authorization: str
    query: str


class Refusal(NamedTuple):
    """Why a request is refused. `is_about_key` tells a wrong key from a wrong client."""

    message: str
    is_about_key: bool = False


class Guard:
    """The guard of one server: its port, and the access keys that it takes."""

    def __init__(self, port: int, keys: Callable[[], Collection[str]]) -> None:
        self._port, self._keys = port, keys

    def refusal(self, asked: Asked) -> Refusal | None:
        """Why the request is refused, or None."""
        if asked.method.upper() == "OPTIONS":
            return Refusal("mlci serve answers no OPTIONS requests: web pages have no business here")
        if asked.origin is not None:
            return Refusal(
                f'mlci serve refuses requests of web pages: this one has the header "Origin: {asked.origin}"'
            )
        if asked.fetch_site not in (None, "none"):
            return Refusal(
                f'mlci serve refuses requests of web pages: this one has "Sec-Fetch-Site: {asked.fetch_site}"'
            )
        if not self._is_our_host(asked.host):
            return Refusal(
                f'mlci serve refuses the host "{asked.host or ""}": ask http://127.0.0.1:{self._port} or '
                f"http://localhost:{self._port}"
            )
        found = scope(asked.authorization, asked.query)
        if found is None:
            return Refusal("this request is not signed; mlci serve needs the access key id that it printed", True)
        if not self._is_key(found.key):
            return Refusal("the access key id is not the one that mlci serve printed: export that one", True)
        return None

    def _is_our_host(self, host: str | None) -> bool:
        match = _HOST.fullmatch((host or "").lower())
        return match is not None and int(match.group(1) or 80) == self._port

    def _is_key(self, key: str) -> bool:
        # All are compared, so that the time says nothing about which one is nearest.
        return sum(hmac.compare_digest(key.encode(), known.encode()) for known in self._keys()) > 0
