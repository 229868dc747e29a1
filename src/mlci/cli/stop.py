"""`mlci stop`: stops a run, whoever started it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlci.aws_settings import AwsSettingName
from mlci.cli.flow_file import load_flow, own_runs_of
from mlci.cli.options import aws_options, debug_option, flow_option, protected_option
from mlci.cli.output import echo
from mlci.errors import CloudError, InputError

if TYPE_CHECKING:
    from mlci.runs.run_folder import RunFolder

#: A local run ends its jobs within seconds.
_LOCAL_STOP_S = 30.0


@click.command("stop")
@click.argument("run", metavar="RUN")
@flow_option
@aws_options
@protected_option
@debug_option
def command(run: str, flow_file: Path, aws: Mapping[AwsSettingName, str | None], is_protected: bool) -> int:
    """Stop a run, with all of its jobs.

    RUN is the run's id, or "latest"; for a run that was started here, the beginning or end of it is enough. A local run
    is stopped by its own process, which reports and exits with 4.
    """
    runs = own_runs_of(flow_file)
    folder = runs.here_or_elsewhere(run)
    start = folder.started()
    if start is not None and start.cloud == "local":
        echo(f"run {folder.run_id}: {_stop_local(folder)}")
        return 0
    from mlci.backends.aws.configure import checked_settings, open_cloud
    from mlci.backends.protocol import BackendOptions

    flow = load_flow(flow_file)
    options = BackendOptions(flow, runs.home, os.environ, aws, is_protected=is_protected)
    try:
        settings = checked_settings(flow, aws, os.environ)
    except InputError as error:
        if start is not None:
            raise
        raise InputError(
            f'there is no run "{run}" here', f"{runs.hint(run)} To stop one on AWS, set what `mlci config` shows."
        ) from error
    cloud = open_cloud(options, settings, folder.log, echo)
    echo(f"run {folder.run_id}: {cloud.stop(flow.name, folder.run_id, 'mlci stop')}")
    return 0


def _stop_local(folder: RunFolder, sleep: Callable[[float], None] = time.sleep) -> str:
    """Asks the process of a local run to stop it, waits for its end, and returns a description of what was stopped.

    Raises: CloudError, if it does not end.
    """
    result = folder.result()
    if result is not None:
        return f"it has ended already: {str(result['status']).replace('_', ' ')}"
    if not folder.is_running():
        return "its process is gone, and nothing of it runs"
    folder.request_stop()
    end = time.monotonic() + _LOCAL_STOP_S
    while folder.is_running():
        if time.monotonic() > end:
            raise CloudError(f"run {folder.run_id} has not stopped within {_LOCAL_STOP_S:.0f} s.")
        sleep(0.1)
    result = folder.result()
    return str(result["status"]).replace("_", " ") if result else "stopped"
