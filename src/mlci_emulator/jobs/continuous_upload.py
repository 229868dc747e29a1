"""Uploads the outputs of a processing job whose S3UploadMode is Continuous while its script runs.

Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ProcessingS3Output.html: "Whether to upload the
results of the processing job continuously or after the job completes."
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator, Sequence

from mlci_emulator.errors import OperationError
from mlci_emulator.jobs.contained_files import NotContainedError, walk
from mlci_emulator.jobs.requests import S3Transfer
from mlci_emulator.jobs.workspace import Workspace
from mlci_emulator.store.directory import DirectoryStore

#: The interval at which new and changed files are looked for.
INTERVAL_S = 0.5

_Version = tuple[int, int, int]


@contextlib.contextmanager
def continuous_upload(outputs: Sequence[S3Transfer], space: Workspace, store: DirectoryStore) -> Iterator[None]:
    """Upload the files of these outputs each time that they changed, and at the end, whatever the script's result."""
    if not outputs:
        yield
        return
    has_ended = threading.Event()
    uploaded: dict[str, _Version] = {}

    def run() -> None:
        while not has_ended.wait(INTERVAL_S):
            _upload_changes(outputs, space, store, uploaded)

    thread = threading.Thread(target=run, name="continuous upload", daemon=True)
    thread.start()
    try:
        yield
    finally:
        has_ended.set()
        thread.join()
        _upload_changes(outputs, space, store, uploaded)


def _upload_changes(
    outputs: Sequence[S3Transfer], space: Workspace, store: DirectoryStore, uploaded: dict[str, _Version]
) -> None:
    for output in outputs:
        # The script changes the files meanwhile: an error here passes, or fails the upload at the end as well.
        with contextlib.suppress(OSError, NotContainedError, OperationError):
            for file in walk(space.ml, space.names(output.path)):
                status = os.stat(file.base, dir_fd=file.folder, follow_symlinks=False)
                uri, version = (
                    f"{output.uri.rstrip('/')}/{file.name}",
                    (status.st_ino, status.st_mtime_ns, status.st_size),
                )
                if uploaded.get(uri) != version:
                    store.put_file(file.base, uri, file.folder)
                    uploaded[uri] = version
