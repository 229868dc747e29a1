"""`mlci run`: the main job."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import click

from mlci.cli.flow_file import check_writable, displayed, runs_of
from mlci.cli.job_summary import write_job_summary
from mlci.cli.kept_endpoints import check_keeps_endpoint, keep_endpoints
from mlci.cli.options import (
    RunOptions,
    attach_option,
    follow_option,
    fresh_option,
    from_option,
    keep_endpoint_option,
    only_option,
    run_options,
    timeout_option,
    until_option,
)
from mlci.cli.output import echo
from mlci.cli.run_context import open_run
from mlci.errors import InputError

if TYPE_CHECKING:
    from mlci.cli.run_context import RunSession
    from mlci.flow.part import Part
    from mlci.plan import Plan
    from mlci.runs.run_folder import RunFolder


@click.command("run")
@run_options(
    follow_option,
    fresh_option,
    only_option,
    from_option,
    until_option,
    timeout_option,
    keep_endpoint_option,
    attach_option,
)
def command(
    options: RunOptions,
    follows_logs: bool,
    fresh: str,
    only: Sequence[str],
    first: str | None,
    last: str | None,
    timeout_s: float | None,
    keeps_endpoint: bool,
    attaches: bool,
) -> int:
    """Run the flow: stage, deploy, execute, judge, report.

    A step of which nothing has changed that can change its result takes the result of an earlier run; --fresh runs it.

    With --only, --from or --until, a part of the flow is run. What else it needs is taken from the newest run that has
    it, which is said. It has no verdict and writes no baseline, and a build refuses it. The steps of --only and --from
    are run, and those of --until are reused as in a whole run.

    \b
    Examples:
      mlci run
      mlci run --follow
      mlci run --param max_depth=6 --param min_auc=0.98
      mlci run --fresh train
      mlci run --from train
      mlci run --flow flows/nightly.yaml --timeout 45m
      mlci run --keep-endpoint
      mlci run --cloud aws --bucket my-bucket
    """
    from mlci.build_environment.time_limit import check_build_time
    from mlci.cli.fresh_steps import asked_steps, fresh_steps
    from mlci.report.console import summary
    from mlci.run import run

    if keeps_endpoint:
        check_keeps_endpoint(options)
    part = _part(only, first, last)
    check_writable(runs_of(options.flow_file).home)
    with open_run(options, timeout_s, attaches, follows_logs) as session:
        check_build_time(session.flow, os.environ)
        asked = fresh_steps(fresh, session.flow)
        if part is not None:
            session = _narrowed(session, part, options)
            asked = {**asked_steps(part, session.flow), **asked}
        session = replace(session, context=replace(session.context, fresh=asked))
        result = run(session.flow, session.context, session.cloud)
        folder = session.context.folder.sibling(result.run_id)
        echo(summary(result, displayed(folder.path)))
        write_job_summary(os.environ, folder.path)
        _publish(session, folder)
        if keeps_endpoint:
            keep_endpoints(session.cloud.endpoint_urls())
    return result.exit_code


def _publish(session: RunSession, folder: RunFolder) -> None:
    """Write the reports of a build into the bucket, and print the address of the page as the last line."""
    target, cloud = session.context.target, session.cloud
    if target.build is None or cloud.name == "local":
        return
    from mlci.backends.aws.console_urls import object_link
    from mlci.runs.published_reports import publish_reports

    key = publish_reports(session.flow.name, target, folder, cloud, session.context.reporter.log)
    if key:
        echo(f"report in the S3 console: {object_link(target.bucket, key, target.partition, session.context.region)}")


def _part(only: Sequence[str], first: str | None, last: str | None) -> Part | None:
    """The part that the options choose; None for the whole flow.

    Raises: InputError, in a build, whose success would look like a verdict.
    """
    from mlci.build_environment.build import is_build
    from mlci.flow.part import Part

    if not (only or first or last):
        return None
    if is_build(os.environ):
        raise InputError(
            "a build runs the whole flow: a part has no verdict",
            "Leave out --only, --from and --until. (CODEBUILD_BUILD_ID or CI is set, so this is a build.)",
        )
    return Part(tuple(only), first, last)


def _narrowed(session: RunSession, part: Part, options: RunOptions) -> RunSession:
    """The session with the steps of a part alone.

    Raises: InputError.
    """
    from mlci.baseline import find_baseline
    from mlci.partial import PartialRunPlanner
    from mlci.plan import plan
    from mlci.runs.earlier_runs import earlier_runs
    from mlci.stage import stage

    flow, context, cloud = session.flow, session.context, session.cloud
    # The run itself looks for the baseline again, and tells about it then.
    baseline = find_baseline(replace(flow, gate=()), context.target, cloud, context.history, lambda text: None)

    def whole() -> Plan | None:
        try:
            return plan(flow, stage(flow, context.repository, context.region, context.cache), context.target, baseline)
        except InputError:  # of a step that is not run
            return None

    planner = PartialRunPlanner(
        target=context.target,
        baseline=baseline,
        earlier=tuple(earlier_runs(context.folder.siblings(), flow.name, cloud.name)),
        is_empty=cloud.is_empty,
        whole=whole,
        now=datetime.now(timezone.utc),
        command=_command(options, cloud.name),
    )
    narrowed = planner.plan(flow, part)
    for message in narrowed.messages:
        context.reporter.log(message)
    return replace(session, flow=narrowed.flow, context=replace(context, part=narrowed))


def _command(options: RunOptions, cloud: str) -> str:
    """The command that runs this flow on this cloud."""
    flow = [] if str(options.flow_file) == "flow.yaml" else ["--flow", str(options.flow_file)]
    return shlex.join(["mlci", "run", *flow, *(["--cloud", cloud] if cloud != "local" else [])])
