"""The context of a run: build, backend, folder, clock, chance and terminal, which are read here."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from mlci.backends import configure, default_backend
from mlci.cli.flow_file import build_of_flow, cache_of, load_flow, runs_of
from mlci.errors import InputError
from mlci_dataclasses import dataclass

if TYPE_CHECKING:
    from mlci.backends.protocol import BackendOptions, Cloud, Location
    from mlci.build_environment.build import Build
    from mlci.cli.options import RunOptions
    from mlci.flow.models import Flow
    from mlci.model_registry import ModelRegistry
    from mlci.plan.models import Target
    from mlci.report.links import Links
    from mlci.running.context import RunContext


@dataclass(frozen=True)
class RunSession:
    """A flow, the context of its run, and the backend that it runs on."""

    flow: Flow
    context: RunContext
    cloud: Cloud


@contextmanager
def open_run(
    options: RunOptions,
    timeout_s: float | None = None,
    attaches: bool = True,
    follows_logs: bool = False,
    out: TextIO | None = None,
) -> Iterator[RunSession]:
    """Yields the flow, with an open backend. `out` is where progress is shown, by default standard output.

    Raises: InputError, for a flow, an option or a setting that is wrong.
    """
    from mlci.build_environment.git_history import GitHistory, start_work_tree
    from mlci.plan.names import JobSteps, Names

    flow = load_flow(options.flow_file, options.params, cache_of())
    folder = options.flow_file.resolve().parent
    tree = start_work_tree(folder)  # git looks through it while the modules of a run are imported
    build = build_of_flow(options.flow_file)
    backend = configure(backend_name(options)[0], backend_options(flow, options, build))
    location = backend.location
    if location.is_protected and build.pull_request:
        raise InputError(
            f"{build} can't run under the protected names, which are the base branch's",
            "Leave out --protected (MLCI_PROTECTED).",
        )
    context = _context(options.flow_file, build, location, out or sys.stdout, follows_logs)
    context = replace(context, timeout_s=timeout_s, attaches=attaches, tree=tree(), history=GitHistory(folder))
    if location.is_protected and not build.is_trusted:
        context.reporter.log(_without_baseline(build))

    jobs = JobSteps(Names(flow.name, location.is_protected), flow.steps)

    def log_file(job: str) -> Path:
        run, step = jobs.step_of(job)
        return context.folder.sibling(run).log(step)

    with backend.open(log_file, context.reporter.log) as cloud:
        yield RunSession(flow, _with_definitions(context, flow, cloud), cloud)


@contextmanager
def open_registry(options: RunOptions) -> Iterator[ModelRegistry]:
    """Yields the model registry of the cloud that the options choose.

    Raises: InputError, for a flow, an option or a setting that is wrong.
    """
    from mlci.model_registry import ModelRegistry

    flow, build = load_flow(options.flow_file, options.params, cache_of()), build_of_flow(options.flow_file)
    backend = configure(backend_name(options)[0], backend_options(flow, options, build))
    with backend.registry() as api:
        yield ModelRegistry(api)


def _with_definitions(context: RunContext, flow: Flow, cloud: Cloud) -> RunContext:
    """Returns the context with the definitions that builds share. The local store is no place for them: it lies in the
    checkout, which decides nothing."""
    if cloud.name == "local":
        return context
    from mlci.records.kept_definitions import KeptDefinitions

    return replace(context, definitions=KeptDefinitions(flow.name, context.target, cloud, context.reporter.log))


def _without_baseline(build: Build) -> str:
    """Returns the warning that a run under the protected names writes no baseline, and what to start instead."""
    branch = build.base_branch or "<the base branch>"
    project = build.project or "<the project>"
    return (
        f"warning: this run writes no baseline: {build} is not known to be of the newest commit of {branch}. "
        f"To write one, start a build of the branch: "
        f"aws codebuild start-build --project-name {project} --source-version {branch}"
    )


def backend_name(options: RunOptions) -> tuple[str, str]:
    """The backend to run on, and why."""
    return (options.cloud, "--cloud or MLCI_CLOUD") if options.cloud else default_backend(os.environ)


def local_context(flow_file: Path, build: Build) -> RunContext:
    """The context of a run on the local backend. Commands that only look at a flow take the same."""
    from mlci.backends.local_location import LOCATION

    # What these commands print is their result, so progress goes elsewhere.
    return replace(_context(flow_file, build, replace(LOCATION, cores=_cores()), sys.stderr), attaches=False)


def backend_options(flow: Flow, options: RunOptions, build: Build) -> BackendOptions:
    """All that a backend is configured by, for these options."""
    from mlci.backends.protocol import BackendOptions

    return BackendOptions(
        flow=flow,
        home=runs_of(options.flow_file).home,
        environment=os.environ,
        settings=options.aws,
        repository=build.repository,
        is_protected=options.is_protected,
        python=sys.executable,
        cache=cache_of().folder,
        isolation=options.isolation,
        cores=_cores(),
    )


def _cores() -> int:
    """The number of cores that this process may use, which may be fewer than the machine has."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS
        return os.cpu_count() or 1


def _target(build: Build, location: Location) -> Target:
    from mlci.plan import Target, run_id

    return Target(
        bucket=location.bucket,
        job_role=location.job_role,
        run_id=run_id(datetime.now(timezone.utc), os.urandom(2).hex()),
        commit=build.commit,
        base_branch=build.base_branch,
        is_trusted=build.is_trusted,
        build=build.id,
        is_protected=location.is_protected,
        partition=location.partition,
        registry=location.registry,
        cores=location.cores,
        poll_s=location.poll_s,
        region=location.region,
    )


def _context(flow_file: Path, build: Build, location: Location, out: TextIO, follows_logs: bool = False) -> RunContext:
    from mlci.cli.signals import interrupt_signals
    from mlci.report.console import ConsoleReporter
    from mlci.running.context import RunContext
    from mlci.runs.watch import WatchOptions
    from mlci.stage import find_repository

    target = _target(build, location)
    folder = runs_of(flow_file).folder(target.run_id)
    return RunContext(
        repository=find_repository(flow_file),
        region=location.region,
        cache=cache_of(),
        target=target,
        folder=folder,
        reporter=ConsoleReporter(
            out,
            out.isatty(),
            folder.tail,
            follows_logs,
            run_id=target.run_id,
            flow_file=str(flow_file),
            cloud="local" if target.runs_jobs_here else "aws",
        ),
        interrupts=interrupt_signals,
        watch=WatchOptions(follows_logs, None if out.isatty() else _heartbeat_s(os.environ)),
        build_started=build.started,
        links=links_of(build, os.environ),
    )


def links_of(build: Build, environment: Mapping[str, str]) -> Links:
    """The pages around a build: those of its repository where that is on a GitHub, and of its log. The commit of a run
    that is no build may be on this machine alone, and have no page."""
    from mlci.report.links import Links

    if not build.is_build:
        return Links()
    is_on_github = (build.repository or "").startswith(f"{_github_host(environment)}/")
    repository = f"https://{build.repository}" if is_on_github else ""
    number, arn, url = build.pull_request, environment.get("CODEBUILD_BUILD_ARN", ""), build.url or ""
    if arn.startswith("arn:"):
        from mlci.backends.aws.console_urls import build_link

        url = build_link(arn)
    return Links(repository, f"{repository}/pull/{number}" if repository and number else "", url)


def _github_host(environment: Mapping[str, str]) -> str:
    """The host of the GitHub that builds are of: the projects of a stack name theirs, and GitHub Actions its own.

    Source: https://docs.github.com/en/actions/reference/workflows-and-actions/variables (GITHUB_SERVER_URL)
    """
    server = environment.get("GITHUB_SERVER_URL", "").removeprefix("https://").rstrip("/")
    return environment.get("MLCI_GITHUB_HOST") or server or "github.com"


def _heartbeat_s(environment: Mapping[str, str]) -> float:
    """The time between two signs of life in a build log. Only tests set it."""
    return float(environment.get("MLCI_HEARTBEAT_S", "60"))
