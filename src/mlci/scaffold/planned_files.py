"""The files that `mlci init` writes. None that exists is changed, but for lines that are appended."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from mlci.errors import InputError
from mlci_dataclasses import dataclass


@dataclass(frozen=True)
class PlannedFile:
    """A file to write, relative to the repository. With `appends`, its bytes are appended to a file that may exist."""

    path: Path
    data: bytes
    appends: bool = False


@dataclass(frozen=True)
class Scaffold:
    """All that `mlci init` does: the files to write, those that exist and stay, and remarks for the user."""

    folder: Path
    files: tuple[PlannedFile, ...]
    kept: tuple[Path, ...] = ()
    remarks: tuple[str, ...] = ()


def planned(folder: Path, files: Iterable[PlannedFile], remarks: Iterable[str] = ()) -> Scaffold:
    """Sorts out the files that exist already."""
    files = list(files)
    kept = tuple(file.path for file in files if not file.appends and (folder / file.path).exists())
    return Scaffold(folder, tuple(file for file in files if file.path not in kept), kept, tuple(remarks))


def write(scaffold: Scaffold) -> Iterator[str]:
    """Writes the files, and yields a line about each.

    Raises: InputError, for a file that can't be written.
    """
    try:
        for file in scaffold.files:
            target = scaffold.folder / file.path
            if file.appends and target.exists():
                with target.open("ab") as stream:
                    stream.write(file.data)
                yield f"appended to {target}: {added(file)}"
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as stream:  # whatever appeared since it was planned is not overwritten
                stream.write(file.data)
            yield f"wrote {target}"
    except OSError as error:
        raise InputError(
            f'"{error.filename}" can\'t be written: {error.strerror}', "Name a folder that you may write to."
        ) from error


def preview(scaffold: Scaffold) -> Iterator[str]:
    """Yields what `write` would do, and changes nothing."""
    for file in scaffold.files:
        target = scaffold.folder / file.path
        if file.appends and target.exists():
            yield f"would append to {target}: {added(file)}"
        else:
            yield f"would write {target}"


def added(file: PlannedFile) -> str:
    """Returns the appended lines as one."""
    return ", ".join(line for line in file.data.decode().splitlines() if line and not line.startswith("#"))


def appended(folder: Path, name: str, lines: Iterable[str]) -> Iterator[PlannedFile]:
    """Yields the addition to a file that may exist, unless it has all of these lines."""
    file = folder / name
    text = file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""
    there = {line.strip() for line in text.splitlines()}
    missing = [line for line in lines if line not in there]
    if missing:
        start = "" if text.endswith("\n") or not text else "\n"
        yield PlannedFile(Path(name), f"{start}{chr(10).join(missing)}\n".encode(), appends=True)
