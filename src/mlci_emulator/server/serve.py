"""Starts a server, prints the variables that point an SDK at it, and stops it."""

from __future__ import annotations

import os
import re
import secrets
import shlex
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from mlci_dataclasses import dataclass
from mlci_emulator.errors import ConfigurationError
from mlci_emulator.jobs.container_runtime import ContainerRuntime
from mlci_emulator.jobs.isolation import Isolation
from mlci_emulator.server.data_folder import DataFolder
from mlci_emulator.server.http_listener import HttpListener, bind
from mlci_emulator.server.request_guard import RequestGuard
from mlci_emulator.server.sdk_configuration import write_sdk_configuration
from mlci_emulator.server.service_assembly import EmulatorServices, ServerContext

#: The exit code of a process that a second signal ends.
FORCED_EXIT_CODE = 4
#: An access key id that needs no quotes, neither in a signed request nor in a shell.
_KEY = re.compile(r"[A-Za-z0-9_.-]{1,128}")


@dataclass(frozen=True)
class ServeSettings:
    """The options of `mlci serve`. Without an `access_key`, one is generated. `runtime` runs jobs in their images.

    `warm_pool_quota` is the number of instances of each type that may wait in warm pools, None for any.
    """

    port: int
    data: Path
    access_key: str | None
    region: str
    isolation: Isolation
    python: str
    environment: Mapping[str, str]
    is_verbose: bool = False
    is_debug: bool = False
    runtime: ContainerRuntime | None = None
    warm_pool_quota: int | None = None


def serve(settings: ServeSettings, wait: Callable[[], object]) -> int:
    """Serve until `wait` returns; when it returns once more, the process ends at once.

    Raises: ConfigurationError, for a port or data folder that cannot be used, or an invalid access key.
    """
    if settings.access_key is not None and not _KEY.fullmatch(settings.access_key):
        raise ConfigurationError(
            f'"{settings.access_key}" is no valid access key id',
            "Use letters, digits, dots, hyphens and underscores.",
        )
    folder = DataFolder(settings.data)
    sockets = bind(settings.port)
    port = sockets[0].getsockname()[1]
    key = settings.access_key or generate_access_key()
    tempfile.tempdir = str(folder.spool)  # bodies of large requests, of this process only
    exports = _exports(port, key, settings.region)
    exports |= write_sdk_configuration(folder.path / "sdk", exports["AWS_ENDPOINT_URL"])
    services = EmulatorServices(
        folder,
        ServerContext(
            dict(settings.environment),
            exports,
            settings.python,
            settings.isolation,
            log,
            settings.is_verbose,
            settings.is_debug,
            settings.runtime,
            settings.warm_pool_quota,
        ),
    )
    listener = HttpListener(sockets, services.application, RequestGuard(port, lambda: {key, *services.issued_keys()}))
    listener.start()
    for name, value in exports.items():
        print(f"export {name}={shlex.quote(value)}")
    print(f"# State and objects lie in {folder.path}. Ctrl-C ends it.", flush=True)
    services.warm_up()
    wait()
    _force_at_next(wait)
    listener.stop_accepting()
    services.close()
    listener.stop(timeout_s=0.5)
    folder.close()
    return 0


def generate_access_key() -> str:
    """Return a random access key id in AWS's form: AKIA and sixteen letters and digits."""
    return "AKIA" + "".join(secrets.choice("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") for _ in range(16))


def log(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _exports(port: int, key: str, region: str) -> dict[str, str]:
    """Return the variables by which SDKs and the AWS CLI find this server.

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
    """End the process at once at the second signal; jobs end with it."""

    def force() -> None:
        wait()
        log("mlci: forced to stop")
        os._exit(FORCED_EXIT_CODE)

    threading.Thread(target=force, name="force", daemon=True).start()
