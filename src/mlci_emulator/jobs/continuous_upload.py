"""Uploads files while a script runs: outputs of a processing job that are Continuous, checkpoints of a training job.

Sources: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ProcessingS3Output.html ("Whether to upload the
results of the processing job continuously or after the job completes");
https://docs.aws.amazon.com/sagemaker/latest/dg/model-checkpoints.html ("Existing checkpoints in S3 are written to the
SageMaker AI container at the start of the job … SageMaker AI also writes new checkpoints from the container to S3
during training. If a checkpoint is deleted in the SageMaker AI container, it will also be deleted in the S3 folder").
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence

from mlci_emulator.errors import OperationError
from mlci_emulator.jobs.contained_files import NotContainedError, walk
from mlci_emulator.jobs.requests import S3Transfer
from mlci_emulator.jobs.transfer import download
from mlci_emulator.jobs.workspace import Workspace
from mlci_emulator.store.directory import DirectoryStore

#: The interval at which new and changed files are looked for.
INTERVAL_S = 0.5

_Version = tuple[int, int, int]


@contextlib.contextmanager
def synchronized_checkpoints(
    checkpoints: S3Transfer | None, space: Workspace, store: DirectoryStore, is_stopped: Callable[[], bool]
) -> Iterator[None]:
    """Keep a folder and its objects the same: the objects come first, then the folder decides, also what is deleted."""
    if checkpoints is None:
        yield
        return
    download(store, checkpoints.uri, space.host_path(checkpoints.path), is_stopped, is_required=False)
    with continuous_upload([checkpoints], space, store, removes=True):
        yield


@contextlib.contextmanager
def continuous_upload(
    outputs: Sequence[S3Transfer], space: Workspace, store: DirectoryStore, removes: bool = False
) -> Iterator[None]:
    """Upload the files of these outputs each time that they changed, and at the end, whatever the script's result.

    `removes` removes the objects of files that are gone.
    """
    if not outputs:
        yield
        return
    has_ended = threading.Event()
    uploaded: dict[str, _Version] = {}
    if removes:
        _upload_changes(outputs, space, store, uploaded, removes)

    def run() -> None:
        while not has_ended.wait(INTERVAL_S):
            _upload_changes(outputs, space, store, uploaded, removes)

    thread = threading.Thread(target=run, name="continuous upload", daemon=True)
    thread.start()
    try:
        yield
    finally:
        has_ended.set()
        thread.join()
        _upload_changes(outputs, space, store, uploaded, removes)


def _upload_changes(
    outputs: Sequence[S3Transfer],
    space: Workspace,
    store: DirectoryStore,
    uploaded: dict[str, _Version],
    removes: bool,
) -> None:
    for output in outputs:
        present: set[str] = set()
        # The script changes the files meanwhile: an error here passes, or fails the upload at the end as well.
        with contextlib.suppress(OSError, NotContainedError, OperationError):
            for file in walk(space.ml, space.names(output.path)):
                status = os.stat(file.base, dir_fd=file.folder, follow_symlinks=False)
                uri, version = (
                    f"{output.uri.rstrip('/')}/{file.name}",
                    (status.st_ino, status.st_mtime_ns, status.st_size),
                )
                present.add(uri)
                if uploaded.get(uri) != version:
                    store.put_file(file.base, uri, file.folder)
                    uploaded[uri] = version
            for uri in (uploaded.keys() - present) if removes else ():
                store.remove(uri)
                del uploaded[uri]
