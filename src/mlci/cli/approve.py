"""`mlci approve`: the decision to let a run go on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from mlci.aws_settings import AwsSettingName
from mlci.cli.decide import decide
from mlci.cli.options import aws_options, cloud_option, debug_option, flow_option, protected_option
from mlci.step_types.states import APPROVED


@click.command("approve")
@click.argument("run", metavar="RUN")
@click.argument("step", metavar="[STEP]", required=False)
@click.option("--reason", default="", envvar="MLCI_REASON", metavar="TEXT", help="Why; the reports show it.")
@flow_option
@cloud_option
@aws_options
@protected_option
@debug_option
def command(
    run: str,
    step: str | None,
    reason: str,
    flow_file: Path,
    cloud: str | None,
    aws: Mapping[AwsSettingName, str | None],
    is_protected: bool,
) -> int:
    """Approve a step that a run waits for: the run goes on.

    RUN is the run's id, or "latest"; for a run that was started here, the beginning or end of it is enough. Without
    STEP, the open approvals are listed. The reports say who decided, when and why: on AWS, whoever the credentials
    belong to; for a local run, the user of this machine.

    A run of the base branch on AWS takes --protected.
    """
    decide(run, step, (APPROVED, reason), flow_file, cloud, aws, is_protected)
    return 0
