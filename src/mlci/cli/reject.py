"""`mlci reject`: the decision to end a run that waits for one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from mlci.aws_settings import AwsSettingName
from mlci.cli.decide import decide
from mlci.cli.options import aws_options, cloud_option, debug_option, flow_option, protected_option
from mlci.errors import InputError
from mlci.step_types.states import REJECTED


@click.command("reject")
@click.argument("run", metavar="RUN")
@click.argument("step", metavar="[STEP]", required=False)
@click.option(
    "--reason", required=True, envvar="MLCI_REASON", metavar="TEXT", help="Why; the run ends with it as its reason."
)
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
    """Reject a step that a run waits for: the run ends as one that missed its gate, with exit code 1.

    RUN and STEP are those of `mlci approve`.
    """
    if not reason.strip():
        raise InputError("a rejection needs a reason, and --reason is empty", "The run ends with it: --reason <why>")
    decide(run, step, (REJECTED, reason), flow_file, cloud, aws, is_protected)
    return 0
