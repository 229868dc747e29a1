"""What a run takes from outside of the flow: build, backend, folder, clock, chance and terminal, read here."""

from __future__ import annotations

import os
import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from mlci.cli.flow_file import build_of_flow, cache_of, load_flow, runs_of
from mlci.errors import InputError, Problem

if TYPE_CHECKING:
    from mlci.backends.aws.backend import AwsCloud
    from mlci.backends.protocol import Cloud
    from mlci.build import Build
    from mlci.cli.options import RunOptions
    from mlci.flow.models import Flow
    from mlci.plan.models import Target
    from mlci.run import Surroundings


@dataclass(frozen=True)
class RunSession:
    """A flow, the context of its run, and the backend that it runs on."""

    flow: Flow
    context: Surroundings
    cloud: Cloud


@contextmanager
def open_run(options: RunOptions, timeout_s: float | None = None, attaches: bool = True) -> Iterator[RunSession]:
    """The flow, with an open backend.

    Raises: InputError, for a flow, an option or a setting that is wrong.
    """
    flow = load_flow(options.flow_file, options.params)
    if cloud_name(options)[0] == "aws":
        context, aws = _open_aws(flow, options, timeout_s, attaches)
        yield RunSession(flow, context, aws)
        return
    context = local_context(options.flow_file, build_of_flow(options.flow_file), timeout_s)
    with _open_local(flow, options, context) as local:
        yield RunSession(flow, context, local)


def cloud_name(options: RunOptions) -> tuple[Literal["local", "aws"], str]:
    """The backend to run on, and why. The default inside of CodeBuild is aws."""
    if options.cloud:
        return ("aws" if options.cloud == "aws" else "local"), "--cloud or MLCI_CLOUD"
    if "CODEBUILD_BUILD_ID" in os.environ:
        return "aws", "this is CodeBuild"
    return "local", "the default outside of CodeBuild"


def local_context(flow_file: Path, build: Build, timeout_s: float | None = None) -> Surroundings:
    """The context of a run on the local backend. Commands that only look at a flow take the same."""
    from mlci.backends import local

    target = _target(build, local.BUCKET, local.JOB_ROLE)
    return _context(flow_file, target, local.REGION, timeout_s, attaches=False)


def _open_aws(
    flow: Flow, options: RunOptions, timeout_s: float | None, attaches: bool
) -> tuple[Surroundings, AwsCloud]:
    from mlci.cli.aws_session import checked_settings, open_aws
    from mlci.plan.names import Names

    settings, build = checked_settings(flow, options.aws), build_of_flow(options.flow_file)
    if options.is_protected and build.pull_request:
        raise InputError(
            f"{build} can't run under the protected names, which are the base branch's",
            "Leave out --protected (MLCI_PROTECTED).",
        )
    target = _target(build, settings["bucket"], settings["job_role"], options.is_protected)
    context = _context(options.flow_file, target, settings["region"], timeout_s, attaches)

    def log_file(job: str) -> Path:
        run, step = Names(flow.name, options.is_protected).step_of(job, flow.steps)
        return context.folder.sibling(run).log(step)

    cloud = open_aws(flow, settings, build.repository, log_file, context.watcher.say, options.is_protected)
    return context, cloud


def _target(build: Build, bucket: str, job_role: str, is_protected: bool = False) -> Target:
    from mlci.plan import Target, run_id

    return Target(
        bucket=bucket,
        job_role=job_role,
        run_id=run_id(datetime.now(timezone.utc), secrets.token_hex(3)),
        commit=build.commit,
        base_branch=build.base_branch,
        is_trusted=build.is_trusted,
        build=build.id,
        is_protected=is_protected,
    )


def _context(flow_file: Path, target: Target, region: str, timeout_s: float | None, attaches: bool) -> Surroundings:
    from mlci.cli.signals import interrupt_signals
    from mlci.report.console import Screen
    from mlci.run import Surroundings
    from mlci.stage import repository_around

    folder = runs_of(flow_file).folder(target.run_id)
    return Surroundings(
        repository=repository_around(flow_file),
        region=region,
        cache=cache_of(),
        target=target,
        folder=folder,
        watcher=Screen(sys.stdout, sys.stdout.isatty(), folder.tail),
        listening=interrupt_signals,
        timeout_s=timeout_s,
        attaches=attaches,
    )


@contextmanager
def _open_local(flow: Flow, options: RunOptions, context: Surroundings) -> Iterator[Cloud]:
    from mlci.backends.local import job_settings, open_local
    from mlci.plan.names import Names

    home = runs_of(options.flow_file).home
    settings = job_settings(
        home / "work",
        lambda job: context.folder.log(Names(flow.name).step_of(job, flow.steps)[1]),
        _python(flow, options.flow_file),
        os.environ,
        options.isolation,
    )
    with open_local(home / "store", settings, context.watcher.say) as cloud:
        yield cloud


def _python(flow: Flow, flow_file: Path) -> str:
    """The interpreter that local jobs run with: `local: {python: …}`, or the one that runs mlci.

    Raises: InputError.
    """
    if flow.python is None:
        return sys.executable
    command = str(flow_file.resolve().parent / flow.python) if "/" in flow.python else flow.python
    python = shutil.which(command)
    if python is None:
        at = flow.position("local", "python")
        problem = Problem(at.file, at.line, at.column, f'"{flow.python}" is no Python interpreter', "Is it installed?")
        raise InputError([problem])
    return python
