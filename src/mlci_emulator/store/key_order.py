"""Lists the objects below a folder in the order in which S3 lists keys: that of their UTF-8 bytes."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from mlci_dataclasses import dataclass
from mlci_emulator.store import object_keys
from mlci_emulator.store.atomic_files import FOLDER


@dataclass(frozen=True)
class _Entry:
    """A file or a folder. `key_prefix` is a file's key, or the prefix of the keys in a folder."""

    key_prefix: str
    names: tuple[str, ...]
    is_folder: bool


class KeyWalk:
    """Iterates over keys and the status of their files. An object that changes meanwhile is seen before or after."""

    def __init__(self, folder: Path, prefix: str, after: str) -> None:
        self._top, self._prefix, self._after = folder, prefix, after
        self._skipped_prefix: str | None = None

    def skip_prefix(self, prefix: str) -> None:
        """Skip the following keys with this prefix, without reading their folders."""
        self._skipped_prefix = prefix

    def __iter__(self) -> Iterator[tuple[str, os.stat_result]]:
        key_prefix = self._prefix[: self._prefix.rfind("/") + 1]
        with contextlib.suppress(OSError):  # the folder does not exist
            folder = os.open(self._top, FOLDER)
            try:
                child = _open_descendant(folder, object_keys.folder_parts(key_prefix))
            finally:
                os.close(folder)
            try:
                yield from self._below(child, key_prefix)
            finally:
                os.close(child)

    def _below(self, folder: int, key_prefix: str) -> Iterator[tuple[str, os.stat_result]]:
        for entry in sorted(self._entries(folder, key_prefix, ()), key=lambda entry: entry.key_prefix):
            if self._skipped_prefix is not None and entry.key_prefix.startswith(self._skipped_prefix):
                continue
            if entry.is_folder:
                try:
                    inner = _open_descendant(folder, entry.names)
                except OSError:  # removed in the meantime
                    continue
                try:
                    yield from self._below(inner, entry.key_prefix)
                finally:
                    os.close(inner)
            elif (status := _status(folder, entry.names)) is not None:
                yield entry.key_prefix, status

    def _entries(self, folder: int, key_prefix: str, folder_names: tuple[str, ...]) -> list[_Entry]:
        entries: dict[str, _Entry] = {}
        with os.scandir(folder) as scanned:
            listed = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in scanned if not entry.is_symlink()]
        for name, is_folder in listed:
            part = object_keys.key_text(name, is_folder)
            if part is None or not self._may_match(key_prefix + part, is_folder):
                continue
            if is_folder and object_keys.is_name_fragment(name):
                entries.update(
                    (entry.key_prefix, entry)
                    for entry in self._fragment_entries(folder, key_prefix + part, (*folder_names, name))
                )
            elif key_prefix + part not in entries or not object_keys.is_alternate_name(name):
                entries[key_prefix + part] = _Entry(key_prefix + part, (*folder_names, name), is_folder)
        return list(entries.values())

    def _fragment_entries(self, folder: int, key_prefix: str, folder_names: tuple[str, ...]) -> list[_Entry]:
        try:
            inner = _open_descendant(folder, folder_names[-1:])
        except OSError:
            return []
        try:
            return self._entries(inner, key_prefix, folder_names)
        finally:
            os.close(inner)

    def _may_match(self, key_prefix: str, is_folder: bool) -> bool:
        """Return True if this key, or a key below this folder, may have the prefix and follow the start."""
        if not is_folder:
            return key_prefix.startswith(self._prefix) and key_prefix > self._after
        is_in = key_prefix.startswith(self._prefix) or self._prefix.startswith(key_prefix)
        return is_in and (key_prefix > self._after or self._after.startswith(key_prefix))


def _open_descendant(folder: int, names: tuple[str, ...] | list[str]) -> int:
    """Open a folder below an open one, which stays open."""
    current = os.dup(folder)
    for name in names:
        try:
            child = os.open(name, FOLDER, dir_fd=current)
        finally:
            os.close(current)
        current = child
    return current


def _status(folder: int, names: tuple[str, ...]) -> os.stat_result | None:
    *folder_names, name = names
    if not folder_names:  # nearly always
        with contextlib.suppress(OSError):
            status = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if stat.S_ISREG(status.st_mode):
                return status
    try:
        current = _open_descendant(folder, folder_names)
    except OSError:
        return None
    try:
        for alias in (name, object_keys.alternate_name(name)):  # the second one if a folder took the first name
            with contextlib.suppress(OSError):
                status = os.stat(alias, dir_fd=current, follow_symlinks=False)
                if stat.S_ISREG(status.st_mode):
                    return status
    finally:
        os.close(current)
    return None
