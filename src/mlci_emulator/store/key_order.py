"""All objects below a folder, in the order in which S3 lists keys: that of their UTF-8 bytes."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mlci_emulator.store import object_keys
from mlci_emulator.store.atomic_files import FOLDER


@dataclass(frozen=True)
class _Entry:
    """A file or a folder; `text` is its key, or what the keys below it begin with."""

    text: str
    names: tuple[str, ...]
    is_folder: bool


class Walk:
    """Keys and the status of their files. What changes meanwhile is seen before or after its change, and whole."""

    def __init__(self, folder: Path, prefix: str, after: str) -> None:
        self._top, self._prefix, self._after = folder, prefix, after
        self._passed: str | None = None

    def pass_by(self, prefix: str) -> None:
        """Leave out the keys that follow and begin with this, without looking at them."""
        self._passed = prefix

    def __iter__(self) -> Iterator[tuple[str, os.stat_result]]:
        text = self._prefix[: self._prefix.rfind("/") + 1]
        with contextlib.suppress(OSError):  # there is no such folder
            folder = os.open(self._top, FOLDER)
            try:
                below = _descend(folder, object_keys.folder_parts(text))
            finally:
                os.close(folder)
            try:
                yield from self._below(below, text)
            finally:
                os.close(below)

    def _below(self, folder: int, text: str) -> Iterator[tuple[str, os.stat_result]]:
        for entry in sorted(self._entries(folder, text, ()), key=lambda entry: entry.text):
            if self._passed is not None and entry.text.startswith(self._passed):
                continue
            if entry.is_folder:
                try:
                    inner = _descend(folder, entry.names)
                except OSError:  # removed meanwhile
                    continue
                try:
                    yield from self._below(inner, entry.text)
                finally:
                    os.close(inner)
            elif (status := _status(folder, entry.names)) is not None:
                yield entry.text, status

    def _entries(self, folder: int, text: str, way: tuple[str, ...]) -> list[_Entry]:
        found: dict[str, _Entry] = {}
        with os.scandir(folder) as scanned:
            listed = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in scanned if not entry.is_symlink()]
        for name, is_folder in listed:
            part = object_keys.key_text(name, is_folder)
            if part is None or not self._leads_on(text + part, is_folder):
                continue
            if is_folder and object_keys.is_unfinished(name):
                found.update((entry.text, entry) for entry in self._unfinished(folder, text + part, (*way, name)))
            elif text + part not in found or not object_keys.is_beside(name):
                found[text + part] = _Entry(text + part, (*way, name), is_folder)
        return list(found.values())

    def _unfinished(self, folder: int, text: str, way: tuple[str, ...]) -> list[_Entry]:
        try:
            inner = _descend(folder, way[-1:])
        except OSError:
            return []
        try:
            return self._entries(inner, text, way)
        finally:
            os.close(inner)

    def _leads_on(self, text: str, is_folder: bool) -> bool:
        """Whether this key, or one that begins so, has the prefix and comes after the start."""
        if not is_folder:
            return text.startswith(self._prefix) and text > self._after
        is_in = text.startswith(self._prefix) or self._prefix.startswith(text)
        return is_in and (text > self._after or self._after.startswith(text))


def _descend(folder: int, names: tuple[str, ...] | list[str]) -> int:
    """The folder below, opened; the given one stays open."""
    place = os.dup(folder)
    for name in names:
        try:
            below = os.open(name, FOLDER, dir_fd=place)
        finally:
            os.close(place)
        place = below
    return place


def _status(folder: int, names: tuple[str, ...]) -> os.stat_result | None:
    *way, name = names
    try:
        place = _descend(folder, way)
    except OSError:
        return None
    try:
        for alias in (name, object_keys.beside(name)):  # there, when a folder took its place meanwhile
            with contextlib.suppress(OSError):
                status = os.stat(alias, dir_fd=place, follow_symlinks=False)
                if stat.S_ISREG(status.st_mode):
                    return status
    finally:
        os.close(place)
    return None
