"""Start, what to export, stop: the parts put together, for as long as nobody asks it to end."""

from __future__ import annotations

import os
import secrets
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mlci.cloud.local.isolation import Isolation
from mlci.cloud.local.names import ACCOUNT
from mlci.cloud.serve.application import Application
from mlci.cloud.serve.awsjson import JsonService
from mlci.cloud.serve.behind import Moto
from mlci.cloud.serve.folder import Folder
from mlci.cloud.serve.guard import Guard
from mlci.cloud.serve.journal import Journal
from mlci.cloud.serve.listener import Listener, bind
from mlci.errors import Stopped

#: moto takes two seconds of one core to import: not while the first requests are answered.
_WARM_UP_AFTER_S = 3.0


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

    Raises: InputError, where the port or the data folder can't be had.
    """
    folder = Folder(settings.data)
    sockets = bind(settings.port)
    port = sockets[0].getsockname()[1]
    key = settings.access_key or made_up_key()
    tempfile.tempdir = str(folder.spool)  # bodies of large requests, of this process only
    served = _Served(settings, folder)
    listener = Listener(sockets, served.application, Guard(port, lambda: (key,)))
    listener.start()
    print(_welcome(port, key, settings, folder), flush=True)
    served.warm_up()
    wait()
    _force_at_next(wait)
    listener.stop_accepting()
    served.close()
    listener.stop(patience_s=0.5)
    folder.close()
    return 0


class _Served:
    """The services, and what is to be closed at the end."""

    def __init__(self, settings: ServeSettings, folder: Folder) -> None:
        self._settings = settings
        self._moto = Moto(Journal(folder.journal), ACCOUNT, tell)
        self._journal_is_empty = Journal(folder.journal).is_empty()
        ours: dict[str, JsonService] = {}
        log: Callable[[str], None] | None = tell if settings.is_verbose else None
        self.application = Application(ours, None, self._moto, {}, self._failed, log)

    def warm_up(self) -> None:
        """Imports moto in the background: at once where it has something to repeat."""

        def load() -> None:
            time.sleep(0 if not self._journal_is_empty else _WARM_UP_AFTER_S)
            self._moto.load()

        threading.Thread(target=load, name="moto", daemon=True).start()

    def close(self) -> None:
        pass

    def _failed(self, error: BaseException) -> None:
        tell(f"an error inside: {type(error).__name__}: {error}")
        if self._settings.is_debug:
            tell("".join(traceback.format_exception(type(error), error, error.__traceback__)))


def made_up_key() -> str:
    """An access key id as AWS's look: AKIA and sixteen letters and digits."""
    return "AKIA" + "".join(secrets.choice("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") for _ in range(16))


def tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _welcome(port: int, key: str, settings: ServeSettings, folder: Folder) -> str:
    return "\n".join(
        (
            f"export AWS_ENDPOINT_URL=http://127.0.0.1:{port}",
            f"export AWS_ACCESS_KEY_ID={key}",
            "export AWS_SECRET_ACCESS_KEY=mlci",
            f"export AWS_DEFAULT_REGION={settings.region}",
            "export AWS_DISABLE_HOST_PREFIX_INJECTION=true  # StartSyncExecution, without a host name of its own",
            f"# State and objects lie in {folder.path}. Ctrl-C ends it.",
        )
    )


def _force_at_next(wait: Callable[[], object]) -> None:
    """A second signal ends the process at once; jobs end with it."""

    def force() -> None:
        wait()
        tell("mlci: forced to stop")
        os._exit(Stopped.exit_code)

    threading.Thread(target=force, name="force", daemon=True).start()
