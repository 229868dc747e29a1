"""The container of a processing job: its files, environment and command, and what becomes of its outputs.

Sources: https://docs.aws.amazon.com/sagemaker/latest/dg/build-your-own-processing-container.html (byoc-config,
byoc-run-image, byoc-metadata).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from mlci_emulator.jobs import failure_reason
from mlci_emulator.jobs.containers import Container, base_environment, local_command, write_json
from mlci_emulator.jobs.requests import ProcessingRequest
from mlci_emulator.jobs.training_toolkit import HOST
from mlci_emulator.jobs.transfer import TransferFailed, download, upload
from mlci_emulator.jobs.workspace import Workspace
from mlci_emulator.store.directory import DirectoryStore

_CONFIGURATION = [
    "ProcessingJobName",
    "AppSpecification",
    "Environment",
    "ProcessingInputs",
    "ProcessingOutputConfig",
    "ProcessingResources",
    "RoleArn",
    "StoppingCondition",
]


def fill(
    request: ProcessingRequest, arn: str, space: Workspace, store: DirectoryStore, is_stopped: Callable[[], bool]
) -> None:
    """Make the job's folder what the container finds as `/opt/ml`."""
    for source in request.inputs:
        download(store, source.uri, space.inside(source.path), is_stopped)
    for output in request.outputs:
        space.inside(output.path).mkdir(parents=True, exist_ok=True)
    (space.ml / "output").mkdir(exist_ok=True)
    given = {name: request.given[name] for name in _CONFIGURATION if name in request.given}
    write_json(space.ml / "config" / "processingjobconfig.json", {"ProcessingJobArn": arn, **given})
    write_json(space.ml / "config" / "resourceconfig.json", {"current_host": HOST, "hosts": [HOST]})


def container(request: ProcessingRequest, host: Mapping[str, str], python: str, temporary: Path) -> Container:
    """What to run. The working folder is the image's on AWS; here it is one that is removed after the job."""
    environment = {**base_environment(host, python, temporary), **request.environment}
    return Container(local_command(request.command, python), environment, "/opt/ml")


def keep(request: ProcessingRequest, space: Workspace, store: DirectoryStore) -> None:
    """Upload the outputs of a job that succeeded."""
    upload(store, [(space.inside(output.path), output.uri) for output in request.outputs], space.ml)


def exit_message(space: Workspace) -> str | None:
    """The first kilobyte of what the script wrote to `/opt/ml/output/message`.

    Raises:
        TransferFailed: it is not UTF-8, which fails the job.
    """
    file = space.ml / "output" / "message"
    if file.is_symlink() or not file.is_file():
        return None
    try:
        return file.read_bytes()[: 4 * failure_reason.LIMIT].decode("utf-8", "strict" if _is_short(file) else "ignore")[
            : failure_reason.LIMIT
        ]
    except UnicodeDecodeError as error:
        raise TransferFailed(f"ClientError: /opt/ml/output/message is not UTF-8: {error}") from error


def _is_short(file: Path) -> bool:
    return file.stat().st_size <= 4 * failure_reason.LIMIT
