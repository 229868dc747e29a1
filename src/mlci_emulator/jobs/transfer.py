"""Downloads a job's inputs from the store before it runs, and uploads its outputs afterwards."""

from __future__ import annotations

import contextlib
import gzip
import os
import tarfile
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from mlci_emulator.errors import OperationError
from mlci_emulator.jobs.contained_files import ContainedFile, NotContainedError, walk
from mlci_emulator.store.directory import DirectoryStore, NoSuchKey
from mlci_emulator.store.object_batch import ObjectBatch
from mlci_emulator.store.s3_uris import split_s3_uri


class TransferFailed(Exception):
    """An input can't be downloaded, or an output uploaded; the text is the job's failure reason."""


class Interrupted(Exception):
    """The job was stopped during the transfer."""


#: Objects that a thread copies one after the other, and the number of threads.
_BATCH, _WORKERS = 64, 4
#: The part of an input's objects that is all of them.
ALL = (0, 1)


def download(
    store: DirectoryStore,
    uri: str,
    folder: Path,
    is_stopped: Callable[[], bool],
    is_required: bool = True,
    shard: tuple[int, int] = ALL,
) -> None:
    """Copy the objects whose keys begin with the URI's key into the folder: all of them, or shard i of n.

    Shards are as large as each other: each nth object, from the ith on. Source of "approximately 1/n of the total
    number of objects": https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_S3DataSource.html.

    An object below `<uri>/` gets its name relative to that folder. Another one, whose key continues the last name of
    the URI (`train-x.csv` and `train2/x.csv` for `s3://bucket/data/train`), keeps that name as a whole.

    Sources: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_S3DataSource.html ("SageMaker uses all
    objects that match the specified key name prefix"); https://github.com/aws/sagemaker-python-sdk/issues/3612 (names).

    Raises:
        TransferFailed: no key begins like this, and one is required.
        Interrupted: the job was stopped.
    """
    folder.mkdir(parents=True, exist_ok=True)
    uris = list(store.list(uri))
    number, count = shard
    _fetch_all(store, [(each, input_name(uri, each)) for each in uris[number::count]], folder, is_stopped)
    if not uris and is_required:
        # Source: the text of CreateTrainingJob's ValidationException. Jobs that started before report it like this.
        raise TransferFailed(
            f'ClientError: Data download failed: No S3 objects found under S3 URL "{uri}" given in input data source.'
        )


def input_name(uri: str, object_uri: str) -> str:
    """Return the name of an object's file in the folder of an input that is the prefix `uri`.

    >>> [input_name("s3://b/d/train", f"s3://b/d/{key}") for key in ("train", "train/x", "train-x", "train2/x")]
    ['train', 'x', 'train-x', 'train2/x']
    >>> input_name("s3://b", "s3://b/d/x"), input_name("s3://b/d/", "s3://b/d/x")
    ('d/x', 'x')
    """
    (_, prefix), (_, key) = split_s3_uri(uri), split_s3_uri(object_uri)
    is_below = prefix != "" and key.startswith(f"{prefix}/")
    return key.removeprefix(f"{prefix}/") if is_below else key[prefix.rfind("/") + 1 :]


def _fetch_all(
    store: DirectoryStore, objects: Sequence[tuple[str, str]], folder: Path, is_stopped: Callable[[], bool]
) -> None:
    """Copy objects to files below a folder, by their URIs and names; many of them in several threads."""
    has_failed = threading.Event()

    def fetch(part: Sequence[tuple[str, str]]) -> None:
        try:
            with store.batch() as batch:
                for uri, name in part:
                    if is_stopped():
                        raise Interrupted
                    if has_failed.is_set():
                        return
                    _fetch(batch, uri, folder, name)
        except BaseException:
            has_failed.set()
            raise

    parts = [objects[start : start + _BATCH] for start in range(0, len(objects), _BATCH)]
    if len(parts) < 2:
        fetch(objects)
        return
    from concurrent.futures import ThreadPoolExecutor  # late: most inputs have few files

    with ThreadPoolExecutor(_WORKERS, "download") as pool:
        work = [pool.submit(fetch, part) for part in parts]
    for each in work:
        each.result()


def _fetch(batch: ObjectBatch, uri: str, folder: Path, name: str) -> None:
    if name == "" or name.endswith("/"):  # S3's console creates such an object for a folder
        return
    if set(name.split("/")) & {"", ".", ".."}:
        raise TransferFailed(f"ClientError: Data download failed: \"{uri}\" can't be a file below the input's folder.")
    target = os.path.join(folder, name)
    try:
        try:
            batch.fetch_file(uri, target)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(target), exist_ok=True)
            batch.fetch_file(uri, target)
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise TransferFailed(
            f'ClientError: Data download failed: "{uri}" can\'t be a file, as other objects of the input lie below it.'
        ) from error


def upload(store: DirectoryStore, outputs: Iterable[tuple[Sequence[str], str]], root: Path) -> list[int]:
    """Move all files of these folders below `root` into the store, and return the number of files of each.

    Symbolic links are left out. Source: "Symlinks are not followed when uploading output data",
    https://docs.aws.amazon.com/sagemaker/latest/dg/byoc-input-and-output.html

    Raises:
        TransferFailed: a link took a folder's place, or a file can't be stored.
    """
    with _upload_errors():
        return [
            sum(1 for file in walk(root, path) if _move(store, file, f"{uri.rstrip('/')}/{file.name}"))
            for path, uri in outputs
        ]


def _move(store: DirectoryStore, file: ContainedFile, uri: str) -> bool:
    store.move_file(file.base, uri, file.folder)
    return True


@contextlib.contextmanager
def _upload_errors() -> Iterator[None]:
    try:
        yield
    except (NotContainedError, OperationError, OSError) as error:
        raise TransferFailed(f"ClientError: Data upload failed: {error}") from error


def has_files(root: Path, path: Sequence[str]) -> bool:
    """Return True if a folder below `root` has a file, or a link, that `pack` would store.

    Raises: TransferFailed
    """
    with _upload_errors():
        return next(walk(root, path, follows_links=True), None) is not None


def pack(store: DirectoryStore, path: Sequence[str], uri: str, roots: Sequence[Path], temporary: Path) -> None:
    """Store a folder below `roots` as a tar.gz whose bytes only depend on its files' names, contents and execute bits.

    Links are followed, but not out of a root. Of files of one name, that of the first root counts.

    Raises:
        TransferFailed: a link leads nowhere or out of a root, or a file can't be stored.
    """
    temporary.mkdir(parents=True, exist_ok=True)
    archive = temporary / "archive.tar.gz"
    with (
        _upload_errors(),
        open(archive, "wb") as raw,
        gzip.GzipFile(filename="", fileobj=raw, mode="wb", compresslevel=6, mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for file in _files(roots, path):
            with open(file.open(), "rb") as stream:
                status = os.fstat(stream.fileno())
                member = tarfile.TarInfo(file.name)
                member.size = status.st_size
                member.mode = 0o755 if status.st_mode & 0o111 else 0o644
                tar.addfile(member, stream)
    store.move_file(archive, uri)


def _files(roots: Sequence[Path], path: Sequence[str]) -> Iterator[ContainedFile]:
    """Yield the files of a folder below any of the roots, each name once."""
    names: set[str] = set()
    for root in roots:
        for file in walk(root, path, follows_links=True):
            if file.name not in names:
                names.add(file.name)
                yield file


def common_files(roots: Sequence[Path], path: Sequence[str]) -> list[str]:
    """Return the names of the files that a folder has below more than one of the roots, sorted.

    Links are left out, and so is a folder that can't be walked: its upload fails.
    """
    counts: Counter[str] = Counter()
    for root in roots:
        with contextlib.suppress(NotContainedError, OSError):
            counts.update(file.name for file in walk(root, path))
    return sorted(name for name, count in counts.items() if count > 1)


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
