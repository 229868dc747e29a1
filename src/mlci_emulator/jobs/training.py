"""Prepares the container of a training job (files, environment, command), and uploads its model.

The job is in script mode, has an entry point or an image that starts by itself, or is of a built-in algorithm.

Sources: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-running-container.html and
-output.html; sagemaker-training-toolkit (see training_toolkit.py), entry_point.py and process.py.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mlci_emulator.jobs import failure_reason, image_toolkits, training_toolkit
from mlci_emulator.jobs.containers import ContainerCommand, base_environment, local_command, write_json
from mlci_emulator.jobs.hosts import Host
from mlci_emulator.jobs.python_overlay import JobPython
from mlci_emulator.jobs.requests import TrainingRequest
from mlci_emulator.jobs.transfer import ALL, TransferFailed, download, has_files, pack, unpack
from mlci_emulator.jobs.workspace import Workspace
from mlci_emulator.store.directory import DirectoryStore

if TYPE_CHECKING:
    from mlci_asl import Json

XGBOOST_TRAINING = Path(__file__).with_name("xgboost_training.py")


def prepare_folder(
    request: TrainingRequest, host: Host, space: Workspace, store: DirectoryStore, is_stopped: Callable[[], bool]
) -> None:
    """Fill a host's folder, which its container sees as `/opt/ml`.

    Raises:
        TransferFailed: an input or the script does not exist.
    """
    for folder in ("model", "output/data", "input/data"):
        (space.ml / folder).mkdir(parents=True)
    for channel in request.channels:
        shard = (host.number, len(host.names)) if channel.is_sharded else ALL
        download(store, channel.uri, space.ml / "input" / "data" / channel.name, is_stopped, shard=shard)
    configuration = space.ml / "input" / "config"
    write_json(configuration / "hyperparameters.json", dict(request.hyperparameters))
    write_json(
        configuration / "inputdataconfig.json", {channel.name: dict(channel.config) for channel in request.channels}
    )
    if request.checkpoints:
        # Source: https://github.com/awslabs/sagemaker-debugger, smdebug/core/state_store.py
        checkpoints: dict[str, Json] = {"S3Uri": request.checkpoints.uri, "LocalPath": request.checkpoints.path}
        write_json(configuration / "checkpointconfig.json", checkpoints)
    write_json(configuration / "resourceconfig.json", training_toolkit.resource_config(request.instance, host))
    if not request.program:
        return
    unpack(store, request.code_uri, space.ml / "code", space.temporary)
    if image_toolkits.runs_module(image_toolkits.image_toolkit(request.image), request.program, has_setup(space)):
        return  # Python finds the module, or says that there is none
    script = space.ml / "code" / request.program
    if not script.is_file():
        raise TransferFailed(f'ClientError: there is no "{request.program}" in {request.code_uri}')
    if not request.program.endswith(".py"):
        script.chmod(0o755)


def log_notes(space: Workspace) -> str:
    """Return the first lines of the job's log, which name what only SageMaker's container does, or ""."""
    present = [name for name in ("requirements.txt", "setup.py") if (space.ml / "code" / name).is_file()]
    return "".join(
        f"mlci: {name} is installed by the container on SageMaker. Here it is not: "
        "the script runs in the Python environment that you chose.\n"
        for name in present
    )


def has_setup(space: Workspace) -> bool:
    """Return True if a setup.py lies beside the program, which changes how toolkits start it."""
    return (space.ml / "code" / "setup.py").is_file()


def container_command(
    request: TrainingRequest,
    host: Host,
    arn: str,
    base: str,
    inherited: Mapping[str, str],
    python: JobPython,
    space: Workspace,
) -> ContainerCommand:
    """Return the script's command. `base` is `/opt/ml`, or the folder that replaces it in all variables.

    It also replaces it in hyperparameters: they are in variables that hold JSON, of which the script's starter makes
    arguments. A job with an entry point has no training toolkit, and so none of the toolkit's variables: all that it
    gets is in /opt/ml/input/config.
    """
    of_job = {
        **base_environment(inherited, python, space.temporary),
        "SAGEMAKER_REGION": arn.split(":")[3],
        "TRAINING_JOB_ARN": arn,
        **request.environment,
    }
    if request.entrypoint:
        folder = "" if python.is_in_image else "/opt/ml"
        environment = {"TRAINING_JOB_NAME": request.name, **of_job}
        return ContainerCommand(local_command(request.entrypoint, python), environment, folder)
    if not request.program and python.is_in_image:
        environment = {"TRAINING_JOB_NAME": request.name, **of_job}
        return ContainerCommand((), environment, "", arguments=request.arguments)
    if not request.program:
        return ContainerCommand((python.executable, str(XGBOOST_TRAINING), "/opt/ml"), of_job, "/opt/ml")
    hyperparameters = image_toolkits.in_folder(base, request.hyperparameters)
    job = training_toolkit.ToolkitJob(
        request.name,
        base,
        request.program,
        request.code_uri,
        hyperparameters,
        {channel.name: channel.config for channel in request.channels},
        request.instance,
        training_toolkit.Processors(os.cpu_count() or 1, len(glob.glob("/dev/nvidia[0-9]*"))),
        host,
    )
    environment = {**of_job, **training_toolkit.environment(job)}
    if "PYTHONPATH" in request.environment:  # the toolkit passes on its own sys.path, which includes it
        environment["PYTHONPATH"] += ":" + request.environment["PYTHONPATH"]
    toolkit = image_toolkits.image_toolkit(request.image)
    arguments = training_toolkit.script_arguments(training_toolkit.user_hyperparameters(hyperparameters))
    command = image_toolkits.start_command(toolkit, python.executable, request.program, arguments, has_setup(space))
    return ContainerCommand(command, environment, "/opt/ml/code", required="train" if python.is_in_image else "")


def output_prefix(output_uri: str, name: str) -> str:
    """Return the prefix of a job's archives."""
    return f"{output_uri.rstrip('/')}/{name}/output"


def upload_archives(request: TrainingRequest, spaces: Sequence[Workspace], store: DirectoryStore) -> None:
    """Store the job's model and its other output as archives. An empty folder is not stored.

    Each archive has the files of all instances.

    Sources: https://github.com/aws/sagemaker-python-sdk/issues/3455: SageMaker saves no empty archive, and Describe…
    names it all the same; https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-output.html
    ("If multiple containers in a single training job write to this directory they should ensure no file/directory
    names clash. SageMaker AI aggregates the result in a TAR file").
    """
    prefix = output_prefix(request.output_uri, request.name)
    for path, archive in ((["model"], "model.tar.gz"), (["output", "data"], "output.tar.gz")):
        roots = [space.ml for space in spaces if has_files(space.ml, path)]
        if roots:
            pack(store, path, f"{prefix}/{archive}", roots, spaces[0].temporary)


def failure_message(space: Workspace) -> str | None:
    """Return what the script wrote to `/opt/ml/output/failure`; SageMaker reports its first 1,024 characters."""
    data = space.read("/opt/ml/output/failure", 4 * failure_reason.LIMIT)
    return None if data is None else data.decode("utf-8", "replace")[: failure_reason.LIMIT]
