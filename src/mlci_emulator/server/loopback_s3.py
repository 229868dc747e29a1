"""The store as an S3 endpoint on loopback, for scripts of a run that has no server: started when it is first needed.

It takes requests with a key of its own alone, which only those scripts get.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING

from mlci_emulator.protocol.operations import Service
from mlci_emulator.server.s3_endpoint import S3Endpoint

if TYPE_CHECKING:
    from mlci_emulator.server.http_listener import HttpListener


class LoopbackS3:
    """The endpoint of one run."""

    def __init__(self, s3: Service) -> None:
        self._s3 = s3
        self._lock = threading.Lock()
        self._listener: HttpListener | None = None
        self._exports: dict[str, str] = {}

    def exports(self) -> Mapping[str, str]:
        """Return the variables that point an SDK at the endpoint."""
        with self._lock:
            if self._listener is None:
                self._start()
            return dict(self._exports)

    def close(self) -> None:
        with self._lock:
            if self._listener is not None:
                self._listener.stop_accepting()
                self._listener.stop(timeout_s=0.5)

    def _start(self) -> None:
        # Late: most runs need no endpoint, and waitress may not be installed.
        from mlci_emulator.server.http_listener import HttpListener, bind
        from mlci_emulator.server.request_guard import RequestGuard
        from mlci_emulator.server.serve import generate_access_key

        sockets = bind(0)
        port, key = sockets[0].getsockname()[1], generate_access_key()
        self._listener = HttpListener(sockets, S3Endpoint(self._s3), RequestGuard(port, lambda: {key}))
        self._listener.start()
        url = f"http://127.0.0.1:{port}"
        self._exports = {
            # Older SDKs know the first alone. Whatever else they ask for is refused there.
            "AWS_ENDPOINT_URL": url,
            "AWS_ENDPOINT_URL_S3": url,
            "AWS_ACCESS_KEY_ID": key,
            "AWS_SECRET_ACCESS_KEY": "mlci",
        }
