"""The decision of `mlci approve` and `mlci reject`, on the cloud that the run is on."""

from __future__ import annotations

import os
import pwd
import time
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from mlci.aws_settings import AwsSettingName
from mlci.cli.flow_file import load_flow, own_runs_of, runs_of
from mlci.cli.output import echo
from mlci.errors import InputError

if TYPE_CHECKING:
    from mlci.decisions.approvals import RunApprovals
    from mlci.runs.run_folder import RunFolder, Runs


def decide(
    run: str,
    step: str | None,
    decision: tuple[str, str],
    flow_file: Path,
    cloud: str | None,
    aws: Mapping[AwsSettingName, str | None],
    is_protected: bool,
) -> None:
    """Decides about a step that a run waits for. `decision` is "approved" or "rejected", and the reason.

    Raises: InputError, if there is nothing to decide.
    """
    from mlci.decisions.approvals import decision_of

    runs = own_runs_of(flow_file)
    folder = runs.here_or_elsewhere(run)
    if _is_local(folder, cloud, runs):
        approvals, decider = _local_approvals(folder), user_name()
    else:
        approvals, decider = _aws_approvals(folder, flow_file, aws, is_protected)
    approval = approvals.find(step)
    made = decision_of(decision[0], decider, datetime.now(timezone.utc), decision[1])
    approvals.decide(approval, made)
    echo(f"run {folder.run_id}: {approval.step} is {made}")


def _is_local(folder: RunFolder, cloud: str | None, runs: Runs) -> bool:
    """Returns True for a run of this machine. A run that was not started here is on AWS."""
    start = folder.started()
    started = start.cloud if start else None
    if cloud is not None and started is not None and cloud != started:
        raise InputError(f"run {folder.run_id} is on the {started} cloud", f"Leave out --cloud {cloud}.")
    if started is None and cloud != "aws":
        from mlci.backends import default_backend

        if cloud == "local" or default_backend(os.environ)[0] == "local":
            hint = f"{runs.hint(folder.run_id)} Add --cloud aws for a run that was started elsewhere."
            raise InputError(f'there is no run "{folder.run_id}" here', hint)
    return started == "local"


def _local_approvals(folder: RunFolder) -> RunApprovals:
    from mlci.backends.local_decisions import LocalDecisions
    from mlci.backends.local_location import LOCATION
    from mlci.decisions.approvals import RunApprovals
    from mlci.plan.names import Names

    start, result = folder.started(), folder.result()
    assert start is not None
    if result is not None:
        what = f"run {folder.run_id} has ended already: {str(result['status']).replace('_', ' ')}"
        raise InputError(what, f"See: mlci show {folder.run_id}")
    if not folder.is_running():
        raise InputError(f"run {folder.run_id} was killed: nothing of it waits", "Start another: mlci run")
    waiting = LocalDecisions(folder.path.parent.parent, lambda run_id: folder.sibling(run_id).is_running())
    return RunApprovals(waiting, LOCATION.bucket, Names(start.flow), folder.run_id, time.sleep)


def _aws_approvals(
    folder: RunFolder, flow_file: Path, aws: Mapping[AwsSettingName, str | None], is_protected: bool
) -> tuple[RunApprovals, str]:
    """Returns the approvals of a run on AWS, and the ARN of whoever asks."""
    from mlci.backends.aws.configure import checked_settings, open_cloud
    from mlci.backends.protocol import BackendOptions
    from mlci.decisions.approvals import RunApprovals

    flow = load_flow(flow_file)
    options = BackendOptions(flow, runs_of(flow_file).home, os.environ, aws, is_protected=is_protected)
    settings = checked_settings(flow, aws, os.environ)
    cloud = open_cloud(options, settings, folder.log, echo)
    is_running = cloud.is_running(flow.name, folder.run_id)
    if is_running is None:
        side = "leave out --protected for a pull request's" if is_protected else "add --protected for the base branch's"
        hint = f"Pass the whole id of the run, and {side}"
        raise InputError(f'there is no run "{folder.run_id}" of {flow.name} on AWS', hint)
    if not is_running:
        raise InputError(f"run {folder.run_id} has ended: nothing of it waits")
    names = cloud.target.names(flow.name)
    return RunApprovals(cloud, settings["bucket"], names, folder.run_id, time.sleep), cloud.target.identity.arn


def user_name() -> str:
    """Returns the name of the user that this process runs as."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"user {os.getuid()}"
