"""Prepares the container of a processing job (files, environment, command), and uploads its outputs.

Sources: https://docs.aws.amazon.com/sagemaker/latest/dg/build-your-own-processing-container.html (byoc-config,
byoc-run-image, byoc-metadata).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from mlci_emulator.jobs import failure_reason
from mlci_emulator.jobs.containers import ContainerCommand, base_environment, local_command, write_json
from mlci_emulator.jobs.hosts import Host
from mlci_emulator.jobs.python_overlay import JobPython
from mlci_emulator.jobs.requests import ProcessingRequest
from mlci_emulator.jobs.transfer import ALL, TransferFailed, download, upload
from mlci_emulator.jobs.workspace import Workspace
from mlci_emulator.store.directory import DirectoryStore

_CONFIG_FIELDS = [
    "ProcessingJobName",
    "AppSpecification",
    "Environment",
    "ProcessingInputs",
    "ProcessingOutputConfig",
    "ProcessingResources",
    "RoleArn",
    "StoppingCondition",
]


def prepare_folder(
    request: ProcessingRequest,
    host: Host,
    arn: str,
    space: Workspace,
    store: DirectoryStore,
    is_stopped: Callable[[], bool],
) -> None:
    """Fill a host's folder, which its container sees as `/opt/ml`."""
    for source in request.inputs:
        shard = (host.number, len(host.names)) if source.is_sharded else ALL
        download(store, source.uri, space.host_path(source.path), is_stopped, shard=shard)
    for output in request.outputs:
        space.host_path(output.path).mkdir(parents=True, exist_ok=True)
    (space.ml / "output").mkdir(exist_ok=True)
    config = {name: request.api_request[name] for name in _CONFIG_FIELDS if name in request.api_request}
    write_json(space.ml / "config" / "processingjobconfig.json", {"ProcessingJobArn": arn, **config})
    write_json(space.ml / "config" / "resourceconfig.json", {"current_host": host.name, "hosts": [*host.names]})


def container_command(
    request: ProcessingRequest, host: Mapping[str, str], python: JobPython, temporary: Path
) -> ContainerCommand:
    """Return the script's command. On AWS the image sets the working folder; here it is removed after the job."""
    environment = {**base_environment(host, python, temporary), **request.environment}
    folder = "" if python.is_in_image else "/opt/ml"
    if not request.command:
        return ContainerCommand((), environment, folder, arguments=request.arguments)
    return ContainerCommand(local_command(request.command, python), environment, folder)


def upload_outputs(request: ProcessingRequest, space: Workspace, store: DirectoryStore) -> None:
    """Upload the outputs of a job that succeeded."""
    upload(store, [(space.names(output.path), output.uri) for output in request.outputs], space.ml)


def exit_message(space: Workspace) -> str | None:
    """Return the first kilobyte of what the script wrote to `/opt/ml/output/message`.

    Raises:
        TransferFailed: it is not UTF-8, which fails the job.
    """
    data = space.read("/opt/ml/output/message", 4 * failure_reason.LIMIT + 1)
    if data is None:
        return None
    is_whole = len(data) <= 4 * failure_reason.LIMIT
    try:
        return data.decode("utf-8", "strict" if is_whole else "ignore")[: failure_reason.LIMIT]
    except UnicodeDecodeError as error:
        raise TransferFailed(f"ClientError: /opt/ml/output/message is not UTF-8: {error}") from error


def job_failure_reason(exit_code: int, message: str | None, log_tail: str, hint: str) -> str:
    """Return the failure reason: the script's own message, or else its log's end."""
    return failure_reason.processing(exit_code, message if message is not None else log_tail, hint)
