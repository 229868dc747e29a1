"""The model registry of the local cloud: a file in `.mlci`, which runs and `mlci models` share."""

from __future__ import annotations

import getpass
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlci.backends.local_location import REGISTRY as REGISTRY
from mlci.errors import CloudError
from mlci_dataclasses import dataclass
from mlci_emulator.identity import REGION
from mlci_emulator.protocol.operations import ApiError, Service
from mlci_emulator.services.sagemaker.registry import open_registry
from mlci_emulator.store.directory import DirectoryStore, NoSuchKey


@dataclass(frozen=True)
class LocalRegistry:
    """The registry in a file, and the store that holds its models."""

    service: Service
    store: DirectoryStore
    file: Path

    @property
    def caller(self) -> str:
        try:
            return getpass.getuser()
        except (OSError, KeyError):  # the user has no name
            return "somebody"

    def call(self, operation: str, **request: Any) -> Mapping[str, Any]:
        name = "".join(part.capitalize() for part in operation.split("_"))
        try:
            return self.service.call(name, request, REGION)
        except ApiError as error:
            raise CloudError(f"{name}: {error.code}: {error.message}") from error
        except sqlite3.DatabaseError as error:
            what = f'the model registry "{self.file}" can\'t be read: {error}'
            raise CloudError(what, hint="Restore it, or remove it to start with an empty one.") from error

    def pages(self, operation: str, tokens: tuple[str, str], **request: Any) -> Iterator[Mapping[str, Any]]:
        request_token, page_token = tokens
        while True:
            page = self.call(operation, **request)
            yield page
            if not page.get(page_token):
                return
            request = {**request, request_token: page[page_token]}

    def read(self, uri: str) -> bytes | None:
        try:
            with self.store.open(uri) as stream:
                return stream.read()
        except NoSuchKey:
            return None


@contextmanager
def open_local_registry(home: Path) -> Iterator[LocalRegistry]:
    """Yield the registry in the folder `.mlci`; where it has none yet, an empty one."""
    file = home / REGISTRY
    with open_registry(file if file.exists() else None) as service:
        yield LocalRegistry(service, DirectoryStore(home / "store"), file)
