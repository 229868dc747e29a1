"""Start, what to export, stop."""

from __future__ import annotations

import os
import re
import secrets
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mlci_emulator.errors import ConfigurationError
from mlci_emulator.jobs.isolation import Isolation
from mlci_emulator.server.data_folder import Folder
from mlci_emulator.server.http_listener import Listener, bind
from mlci_emulator.server.request_guard import Guard
from mlci_emulator.server.service_assembly import Parts, Surroundings

#: The exit code of a process that a second signal ends.
FORCED_EXIT_CODE = 4
#: What can stand in a signed request, and in a shell, without quotes.
_KEY = re.compile(r"[A-Za-z0-9_.-]{1,128}")


@dataclass(frozen=True)
class ServeSettings:
    """What `mlci serve` was asked for. `access_key` None: one is made up."""

    port: int
    data: Path
    access_key: str | None
    region: str
    isolation: Isolation
    python: str
    environment: Mapping[str, str]
    is_verbose: bool = False
    is_debug: bool = False


def serve(settings: ServeSettings, wait: Callable[[], object]) -> int:
    """Serves until `wait` returns; when it returns once more, the process ends at once.

    Raises: ConfigurationError, where the port or the data folder can't be had, or the access key can't be one.
    """
    if settings.access_key is not None and not _KEY.fullmatch(settings.access_key):
        raise ConfigurationError(
            f'"{settings.access_key}" can\'t be the access key id',
            "Take letters, digits, dots, hyphens and underscores.",
        )
    folder = Folder(settings.data)
    sockets = bind(settings.port)
    port = sockets[0].getsockname()[1]
    key = settings.access_key or made_up_key()
    tempfile.tempdir = str(folder.spool)  # bodies of large requests, of this process only
    exports = _exports(port, key, settings.region)
    parts = Parts(
        folder,
        Surroundings(
            dict(settings.environment),
            exports,
            settings.python,
            settings.isolation,
            tell,
            settings.is_verbose,
            settings.is_debug,
        ),
    )
    listener = Listener(sockets, parts.application, Guard(port, lambda: {key, *parts.issued_keys()}))
    listener.start()
    for name, value in exports.items():
        print(f"export {name}={value}")
    print(f"# State and objects lie in {folder.path}. Ctrl-C ends it.", flush=True)
    parts.warm_up()
    wait()
    _force_at_next(wait)
    listener.stop_accepting()
    parts.close()
    listener.stop(patience_s=0.5)
    folder.close()
    return 0


def made_up_key() -> str:
    """An access key id as AWS's look: AKIA and sixteen letters and digits."""
    return "AKIA" + "".join(secrets.choice("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") for _ in range(16))


def tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _exports(port: int, key: str, region: str) -> dict[str, str]:
    """The variables by which SDKs and the AWS CLI find this server.

    The last one is for StartSyncExecution, whose SDKs put `sync-` before the host, which no resolver knows here.
    Source: https://docs.aws.amazon.com/sdkref/latest/guide/settings-reference.html
    """
    return {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": key,
        "AWS_SECRET_ACCESS_KEY": "mlci",
        "AWS_DEFAULT_REGION": region,
        "AWS_DISABLE_HOST_PREFIX_INJECTION": "true",
    }


def _force_at_next(wait: Callable[[], object]) -> None:
    """A second signal ends the process at once; jobs end with it."""

    def force() -> None:
        wait()
        tell("mlci: forced to stop")
        os._exit(FORCED_EXIT_CODE)

    threading.Thread(target=force, name="force", daemon=True).start()
