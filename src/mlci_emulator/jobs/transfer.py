"""What SageMaker does around a job: objects become files before it, and files become objects after it."""

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
    """The text is the job's failure reason."""


class Interrupted(Exception):
    """The job was stopped in the meantime."""


def download(store: DirectoryStore, uri: str, folder: Path, is_stopped: Callable[[], bool]) -> None:
    """Put the object, or all objects below the prefix, into the folder; a single object keeps its own name.

    Raises:
        TransferFailed: there are none.
        Interrupted
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not uri.endswith("/") and store.exists(uri):
        _fetch(store, uri, folder, uri.rpartition("/")[2])
        return
    prefix = uri if uri.endswith("/") else f"{uri}/"
    is_empty = True
    for found in store.list(prefix):
        is_empty = False
        if is_stopped():
            raise Interrupted
        _fetch(store, found, folder, found.removeprefix(prefix))
    if is_empty:
        # Source: the ValidationException's text, quoted in many issues; a job that starts in between says this.
        raise TransferFailed(
            f'ClientError: Data download failed: No S3 objects found under S3 URL "{uri}" given in input data source.'
        )


def _fetch(store: DirectoryStore, uri: str, folder: Path, name: str) -> None:
    if name == "" or name.endswith("/"):  # how consoles mark a folder; it has no file
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
    """Move all files of these folders into the store, below their prefixes. `root` is what the job saw as `/opt/ml`.

    Raises:
        TransferFailed: a symbolic link leads out of the job's folder.
    """
    plain: list[tuple[Path, str]] = []
    linked: list[tuple[Path, str]] = []
    for folder, uri in outputs:
        for name, file in files(folder, root):
            is_link = file.is_symlink() or file != folder / name
            (linked if is_link else plain).append((file, f"{uri.rstrip('/')}/{name}"))
    for file, uri in linked:  # first, as what they lead to is about to be moved
        store.put_file(_followed(file, root), uri)
    for file, uri in plain:
        store.take_file(file, uri)


def pack(store: DirectoryStore, folder: Path, uri: str, root: Path, temporary: Path) -> None:
    """Store the folder as a tar.gz whose bytes depend on nothing but names, contents and the right to execute."""
    temporary.mkdir(parents=True, exist_ok=True)
    archive = temporary / "archive.tar.gz"
    with (
        open(archive, "wb") as raw,
        gzip.GzipFile(filename="", fileobj=raw, mode="wb", compresslevel=6, mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for name, file in files(folder, root):
            file = _followed(file, root)
            member = tarfile.TarInfo(name)
            member.size = file.stat().st_size
            member.mode = 0o755 if os.access(file, os.X_OK) and file.stat().st_mode & 0o111 else 0o644
            with open(file, "rb") as stream:
                tar.addfile(member, stream)
    store.take_file(archive, uri)


def unpack(store: DirectoryStore, uri: str, folder: Path, temporary: Path) -> None:
    """Unpack a `sourcedir.tar.gz`.

    Raises:
        TransferFailed: there is none, or it is no such archive.
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
    """All files below, sorted, with their names relative to the folder; links to folders are followed once."""
    real = os.path.realpath(folder)
    if real in seen or not folder.is_dir():
        return
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        path = Path(entry.path)
        target = _followed(path, root)
        mode = target.stat().st_mode
        if stat.S_ISDIR(mode):
            yield from files(target, root, f"{name}{entry.name}/", seen | {real})
        elif stat.S_ISREG(mode):  # a pipe or a socket has nothing to keep
            yield f"{name}{entry.name}", path


def _followed(path: Path, root: Path) -> Path:
    """What a link leads to, seen from inside the job. Elsewhere is refused: it could be any file of the user's."""
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
