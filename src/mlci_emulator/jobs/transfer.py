"""Downloads a job's inputs from the store before it runs, and uploads its outputs afterwards."""

from __future__ import annotations

import gzip
import os
import stat
import tarfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from mlci_emulator.store.directory import DirectoryStore, NoSuchKey

_CONTAINER = "/opt/ml/"


class TransferFailed(Exception):
    """An input can't be downloaded, or an output uploaded; the text is the job's failure reason."""


class Interrupted(Exception):
    """The job was stopped during the transfer."""


def download(store: DirectoryStore, uri: str, folder: Path, is_stopped: Callable[[], bool]) -> None:
    """Copy the object, or all objects below the prefix, into the folder; a single object keeps its own name.

    Raises:
        TransferFailed: the prefix has no objects.
        Interrupted: the job was stopped.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not uri.endswith("/") and store.exists(uri):
        _fetch(store, uri, folder, uri.rpartition("/")[2])
        return
    prefix = uri if uri.endswith("/") else f"{uri}/"
    is_empty = True
    for object_uri in store.list(prefix):
        is_empty = False
        if is_stopped():
            raise Interrupted
        _fetch(store, object_uri, folder, object_uri.removeprefix(prefix))
    if is_empty:
        # Source: the text of CreateTrainingJob's ValidationException. Jobs that started before report it like this.
        raise TransferFailed(
            f'ClientError: Data download failed: No S3 objects found under S3 URL "{uri}" given in input data source.'
        )


def _fetch(store: DirectoryStore, uri: str, folder: Path, name: str) -> None:
    if name == "" or name.endswith("/"):  # S3's console creates such an object for a folder
        return
    if set(name.split("/")) & {"", ".", ".."}:
        raise TransferFailed(f"ClientError: Data download failed: \"{uri}\" can't be a file below the input's folder.")
    try:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        store.fetch_file(uri, folder / name)
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise TransferFailed(
            f'ClientError: Data download failed: "{uri}" can\'t be a file, as other objects of the input lie below it.'
        ) from error


def upload(store: DirectoryStore, outputs: Iterable[tuple[Path, str]], root: Path) -> None:
    """Move all files of these folders into the store, below their prefixes. `root` is the job's `/opt/ml`.

    Raises:
        TransferFailed: a symbolic link leads out of the job's folder.
    """
    plain: list[tuple[Path, str]] = []
    linked: list[tuple[Path, str]] = []
    for folder, uri in outputs:
        for name, file in files(folder, root):
            is_link = file.is_symlink() or file != folder / name
            (linked if is_link else plain).append((file, f"{uri.rstrip('/')}/{name}"))
    for file, uri in linked:  # first, because their targets may be moved next
        store.put_file(_resolved(file, root), uri)
    for file, uri in plain:
        store.move_file(file, uri)


def pack(store: DirectoryStore, folder: Path, uri: str, root: Path, temporary: Path) -> None:
    """Store the folder as a tar.gz whose bytes only depend on the files' names, contents and execute permission."""
    temporary.mkdir(parents=True, exist_ok=True)
    archive = temporary / "archive.tar.gz"
    with (
        open(archive, "wb") as raw,
        gzip.GzipFile(filename="", fileobj=raw, mode="wb", compresslevel=6, mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for name, file in files(folder, root):
            file = _resolved(file, root)
            member = tarfile.TarInfo(name)
            member.size = file.stat().st_size
            member.mode = 0o755 if os.access(file, os.X_OK) and file.stat().st_mode & 0o111 else 0o644
            with open(file, "rb") as stream:
                tar.addfile(member, stream)
    store.move_file(archive, uri)


def unpack(store: DirectoryStore, uri: str, folder: Path, temporary: Path) -> None:
    """Unpack a `sourcedir.tar.gz`.

    Raises:
        TransferFailed: the object does not exist, or is no such archive.
    """
    folder.mkdir(parents=True, exist_ok=True)
    archive = temporary / "sourcedir.tar.gz"
    try:
        store.fetch_file(uri, archive)
        with tarfile.open(archive, "r:gz") as tar:
            if hasattr(tarfile, "data_filter"):
                tar.extractall(folder, filter="data")
            else:  # Python 3.10 before 3.10.12
                tar.extractall(folder)
    except NoSuchKey as error:
        raise TransferFailed(f"ClientError: Data download failed: {error}") from error
    except (tarfile.TarError, OSError, EOFError) as error:
        raise TransferFailed(f"ClientError: {uri} can't be unpacked: {error}") from error
    finally:
        archive.unlink(missing_ok=True)


def files(folder: Path, root: Path, name: str = "", seen: frozenset[str] = frozenset()) -> Iterator[tuple[str, Path]]:
    """Yield all files below the folder, sorted, with their relative names; links to folders are followed once."""
    real = os.path.realpath(folder)
    if real in seen or not folder.is_dir():
        return
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        path = Path(entry.path)
        target = _resolved(path, root)
        mode = target.stat().st_mode
        if stat.S_ISDIR(mode):
            yield from files(target, root, f"{name}{entry.name}/", seen | {real})
        elif stat.S_ISREG(mode):  # a pipe or a socket has no content to upload
            yield f"{name}{entry.name}", path


def _resolved(path: Path, root: Path) -> Path:
    """Return a link's target as the job sees it, or the path itself.

    A target outside of the job's folder is rejected, because it could be any file of the user's.
    """
    link = path
    for _ in range(40):
        if not link.is_symlink():
            break
        target = os.readlink(link)
        link = root / target[len(_CONTAINER) :] if target.startswith(_CONTAINER) else link.parent / target
    real = Path(os.path.realpath(link))
    if path.is_symlink() and not (real.exists() and real.is_relative_to(os.path.realpath(root))):
        where = path.relative_to(root) if path.is_relative_to(root) else path.name
        raise TransferFailed(
            f"ClientError: Data upload failed: /opt/ml/{where} is a link to {os.readlink(path)}, "
            "which does not exist or is not under /opt/ml. Copy the file instead."
        )
    return link
