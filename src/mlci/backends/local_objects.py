"""The objects of the local store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timezone

from mlci.backends.local_errors import translate_emulator_errors
from mlci.backends.protocol import RunningExecution, StoredObject
from mlci.s3_uris import split_s3_uri
from mlci_dataclasses import dataclass
from mlci_emulator.errors import EmulatorError
from mlci_emulator.store.directory import DirectoryStore, NoSuchKey


@dataclass(frozen=True)
class LocalObjects:
    """The objects in the directory that stands for S3, for `mlci gc`. Its runs are processes, which the folder of runs
    tells of."""

    store: DirectoryStore

    def list(self, prefix: str) -> Iterator[StoredObject]:
        bucket, key_prefix = split_s3_uri(prefix)
        for key, status in self.store.walk(bucket, key_prefix):
            modified = datetime.fromtimestamp(status.st_mtime, timezone.utc)
            yield StoredObject(f"s3://{bucket}/{key}", status.st_size, modified)

    def read(self, uri: str) -> bytes | None:
        try:
            return self.store.read_bytes(uri)
        except NoSuchKey:
            return None

    def delete(self, uris: Sequence[str]) -> Mapping[str, str]:
        left = {}
        for uri in uris:
            try:
                self.store.remove(uri)
            except OSError as error:
                left[uri] = error.strerror or str(error)
            except EmulatorError as error:
                left[uri] = error.what
        return left

    def running(self, flow: str, is_protected: bool) -> Iterable[RunningExecution]:
        return ()

    def model_uris(self, flow: str) -> Iterable[str]:
        return ()  # models live as long as their run


def read_object(store: DirectoryStore, uri: str, max_bytes: int | None) -> bytes | None:
    """Returns an object, or its first `max_bytes`; None where there is none.

    Raises: InputError, CloudError.
    """
    with translate_emulator_errors():
        try:
            with store.open(uri) as stream:
                return stream.read(-1 if max_bytes is None else max_bytes)
        except NoSuchKey:
            return None
