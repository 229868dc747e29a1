"""`mlci baseline`: the metrics that rules compare with, and decisions about them."""

from __future__ import annotations

import functools
import itertools
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlci.aws_settings import AwsSettingName
from mlci.cli.flow_file import build_of_flow, runs_of
from mlci.cli.options import (
    RunOptions,
    add_options,
    aws_options,
    cloud_option,
    debug_option,
    flow_option,
)
from mlci.cli.output import echo, echo_document
from mlci.cli.run_context import RunSession, open_run
from mlci.errors import InputError

if TYPE_CHECKING:
    from mlci.baseline import Baseline

json_option = click.option("--json", "is_json", is_flag=True, help="Print JSON, for other programs.")


def session_options(*more: Callable[..., Any]) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Adds the options that choose a flow and a cloud, which the command gets as `options`."""

    def decorate(command: Callable[..., int]) -> Callable[..., int]:
        @functools.wraps(command)
        def collected(
            flow_file: Path, cloud: str | None, aws: Mapping[AwsSettingName, str | None], **values: Any
        ) -> int:
            return command(options=RunOptions(flow_file, cloud, aws=aws), **values)

        return add_options(collected, flow_option, cloud_option, *more, aws_options, debug_option)

    return decorate


@click.group("baseline")
def command() -> None:
    """Show the baseline of the base branch, or decide about it.

    The baseline is what `max_drop` and `max_rise` compare with: the metrics of the last passing run of the base branch,
    of a clean commit and with the flow's own params. On AWS, `set` and `reset` take the rights of the base branch's
    builds; inside of a build, they work in those of the base branch alone. MLCI_BASE_BRANCH names another base branch.
    """


@command.command("show")
@session_options(json_option)
def show(options: RunOptions, is_json: bool) -> int:
    """Show the baseline: its run, its commit and its metrics."""
    from mlci.baseline import baseline_uri, read_current
    from mlci.report.baseline_list import baseline_json, describe_baseline

    with open_run(options) as session:
        flow, target = session.flow.name, session.context.target
        current = read_current(flow, target, session.cloud)
        if is_json:
            echo_document(json.dumps(baseline_json(current), indent=2) + "\n")
        else:
            echo(describe_baseline(current, target.base_branch or "", baseline_uri(flow, target) or ""))
    return 0


@command.command("history")
@session_options(
    json_option,
    click.option(
        "--limit", type=click.IntRange(min=1), default=20, show_default=True, help="Show at most so many runs."
    ),
)
def history(options: RunOptions, is_json: bool, limit: int) -> int:
    """List the runs that earned the baseline, the newest first."""
    from mlci.baseline import former_baselines, read_current
    from mlci.report.baseline_list import HISTORY_HEAD, baseline_json, history_row
    from mlci.report.console import table

    with open_run(options) as session:
        flow, target = session.flow, session.context.target
        current = read_current(flow.name, target, session.cloud)
        former = list(itertools.islice(former_baselines(flow.name, target, session.cloud), limit))
    if is_json:
        echo_document(json.dumps([baseline_json(baseline) for baseline in former], indent=2) + "\n")
    elif not former:
        echo(f"No run of {target.base_branch} has earned the baseline yet.")
    else:
        table(HISTORY_HEAD, [history_row(baseline, current, flow.gate) for baseline in former], sys.stdout)
    return 0


@command.command("set")
@click.argument("run", metavar="RUN")
@session_options()
def set_(options: RunOptions, run: str) -> int:
    """Make a run the baseline.

    RUN is a run of this flow that earned it once: one of `mlci baseline history`, or one that was started here. A run's
    id, or the beginning or end of one.
    """
    from mlci.baseline import by_hand, find_former, replace_baseline

    _check_rights(options)
    with open_run(options) as session:
        flow, target = session.flow.name, session.context.target
        baseline = find_former(flow, target, run, session.cloud) or _earned_here(session, options, run)
        replace_baseline(flow, target, by_hand(baseline), session.cloud)
        echo(f"the baseline of {target.base_branch} is run {baseline.run_id} now")
    return 0


@command.command("reset")
@session_options()
def reset_(options: RunOptions) -> int:
    """Remove the baseline: the next passing run of the base branch writes a new one.

    Until then, `max_drop` and `max_rise` hold. The history stays, so `mlci baseline set` takes it back.
    """
    from mlci.baseline import replace_baseline, reset

    _check_rights(options)
    with open_run(options) as session:
        target = session.context.target
        replace_baseline(session.flow.name, target, reset(), session.cloud)
        echo(f"the baseline of {target.base_branch} is reset: its next passing run writes it")
    return 0


def _check_rights(options: RunOptions) -> None:
    """Raises InputError inside of a build that is not the base branch's. Elsewhere, IAM decides, or the owner of the
    machine."""
    build = build_of_flow(options.flow_file)
    if build.is_build and not build.is_trusted:
        raise InputError(
            f"the baseline can't be changed in this {build}",
            f"Do it in a build of {build.base_branch or 'the base branch'}, or outside of builds.",
        )


def _earned_here(session: RunSession, options: RunOptions, run: str) -> Baseline:
    """Returns the baseline that a run of this machine earned.

    Raises: InputError, which says why the run can't be the baseline.
    """
    from mlci.baseline import Baseline

    folder = runs_of(options.flow_file).find(run)
    result = folder.result() or {}
    refused = _refusal(session, result)
    if refused:
        raise InputError(
            f"run {folder.run_id} can't be the baseline of {session.context.target.base_branch}: {refused}",
            "`mlci baseline history` lists those that can.",
        )
    commit = str(result["commit"]) if result.get("commit") else None
    committed = session.context.history.committed(commit) if commit else None
    metrics = result["metrics"]
    assert isinstance(metrics, dict)
    return Baseline(metrics, folder.run_id, commit, committed)


def _refusal(session: RunSession, result: Mapping[str, Any]) -> str:
    """Returns why a run with this result can't be the baseline; empty if it can."""
    if not result:
        return "it has not finished"
    if result["flow"] != session.flow.name:
        return f'it is of the flow "{result["flow"]}"'
    if result["cloud"] != session.cloud.name:
        return f"it ran on the {result['cloud']} cloud, and this is the baseline of the {session.cloud.name} cloud"
    if result["status"] != "passed":
        return f"it did not pass ({str(result['status']).replace('_', ' ')})"
    if result.get("partial"):
        return "only a part of the flow ran"
    if not isinstance(result.get("metrics"), dict) or not result["metrics"]:
        return "it has no metrics"
    earned = result.get("baseline")
    if not isinstance(earned, dict):
        return "it was no run of the base branch, or an older mlci made it"
    return "" if earned.get("earned") else str(earned.get("reason"))
