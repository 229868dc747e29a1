"""What a command needs before its one call: the flow, the build, the settings, the cloud. The environment, the clock,
chance and the terminal are read here and handed on."""

from __future__ import annotations

import functools
import os
import queue
import secrets
import shutil
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Literal

from mlci.errors import CloudError, InputError, Problem

if TYPE_CHECKING:
    from mlci.backends.aws.backend import AwsCloud
    from mlci.backends.aws.caller_identity import Identity
    from mlci.backends.aws.session import Session
    from mlci.backends.protocol import Cloud
    from mlci.build import Build
    from mlci.cli.options import Choice
    from mlci.configuration import Ask, Settings
    from mlci.flow.models import Flow
    from mlci.interrupts import Interrupts
    from mlci.plan.models import Target
    from mlci.provision.access_requirements import Needs
    from mlci.provision.bootstrap import Account, Around, Person
    from mlci.provision.iam_policies import Document, Place
    from mlci.provision.stack_names import Role
    from mlci.run import Surroundings
    from mlci.runs import Runs
    from mlci.stage import Memo, Staged
    from mlci_emulator.jobs.isolation import Isolation
    from mlci_emulator.jobs.runner import Settings as JobSettings

#: How long an endpoint that stands in AWS's place is asked again: what it has not, it will not have later.
_ELSEWHERE_S = 5.0


@dataclass(frozen=True)
class Opened:
    """A flow and where it is to run."""

    flow: Flow
    around: Surroundings
    cloud: Cloud


@contextmanager
def opened(choice: Choice, timeout_s: float | None = None, attaches: bool = True) -> Iterator[Opened]:
    """The flow, and the cloud that it is to run on.

    Raises: InputError, for a flow, an option or a setting that is wrong.
    """
    flow = load_flow(choice.flow_file, choice.params)
    if cloud_name(choice)[0] == "aws":
        around, aws = _on_aws(flow, choice, timeout_s, attaches)
        yield Opened(flow, around, aws)
        return
    around = surroundings(choice.flow_file, build_around(choice.flow_file), timeout_s)
    with _local(flow, choice, around) as cloud:
        yield Opened(flow, around, cloud)


def cloud_name(choice: Choice) -> tuple[Literal["local", "aws"], str]:
    """Which cloud is meant, and why. Inside of CodeBuild that is AWS, unless another is asked for."""
    if choice.cloud:
        return ("aws" if choice.cloud == "aws" else "local"), "--cloud or MLCI_CLOUD"
    if "CODEBUILD_BUILD_ID" in os.environ:
        return "aws", "this is CodeBuild"
    return "local", "the default outside of CodeBuild"


def load_flow(flow_file: Path, params: Sequence[str] = ()) -> Flow:
    from mlci.flow import MAX_BYTES, load, param_overrides

    overrides, origins = param_overrides(params, os.environ)
    return load(read_file(flow_file, MAX_BYTES + 1), str(flow_file), overrides, origins)


def read_file(file: Path, most_bytes: int = -1) -> bytes:
    try:
        with file.open("rb") as stream:
            return stream.read(most_bytes)
    except FileNotFoundError as error:
        hint = "Make one with `mlci init`, or name another with --flow." if file.suffix in (".yaml", ".yml") else ""
        raise InputError(f'there is no file "{file}"', hint) from error
    except OSError as error:
        raise InputError(f'"{file}" can\'t be read: {error.strerror}', "Is it a file, and may you read it?") from error


def build_around(flow_file: Path) -> Build:
    """What this build is: CodeBuild and git say so.

    Raises: InputError, where git can't be asked, or where it tracks files of earlier runs.
    """
    from mlci.build import build_of
    from mlci.git import check_untracked, git_state

    check_untracked(runs_beside(flow_file).home)
    return build_of(os.environ, git_state(flow_file.resolve().parent))


def surroundings(flow_file: Path, build: Build, timeout_s: float | None = None) -> Surroundings:
    """What a run on the local cloud takes from outside of the flow; commands that only look take the same."""
    from mlci_emulator import identity as names

    target = _target(build, names.BUCKET, names.JOB_ROLE)
    return _surroundings(flow_file, target, names.REGION, timeout_s, attaches=False)


def settings_of(flow: Flow, choice: Choice, asking: Callable[[str], Ask] | None = None) -> Settings:
    """Where each setting of the aws cloud comes from.

    Raises: InputError, where AWS would have to be asked for one, and does not know who asks.
    """
    from mlci.backends.aws.session import usual_region
    from mlci.configuration import settle

    return settle(flow, choice.aws, os.environ, usual_region(os.environ), asking or _asking)


def shown_settings_of(flow: Flow, choice: Choice) -> Settings:
    """The same for a look: what can't be asked for is not set, and tells why."""

    def gently(region: str) -> Ask:
        def ask(names: Sequence[str]) -> Mapping[str, str]:
            try:
                return _asking(region)(names)
            except InputError as error:
                raise CloudError(str(error)) from error

        return ask

    return settings_of(flow, choice, gently)


@functools.cache
def caller(region: str) -> Identity:
    """Who calls AWS.

    Raises: InputError, where nobody does.
    """
    from mlci.backends.aws.caller_identity import identify

    return identify(_session(region))


def checked_settings(flow: Flow, choice: Choice) -> Settings:
    """All that a run on AWS needs. The credentials are checked first.

    Raises: InputError, for whatever is wrong or missing.
    """
    settings = settings_of(flow, choice)
    region = settings.get("region")
    if region:
        caller(region)
    settings.check(flow)
    return settings


def open_aws(
    flow: Flow,
    settings: Settings,
    repository: str | None,
    log_file: Callable[[str], Path],
    say: Callable[[str], None],
    is_protected: bool = False,
) -> AwsCloud:
    """The aws cloud, with a bucket that is there.

    Raises: InputError.
    """
    from mlci.backends.aws.backend import Place, aws_cloud

    region = settings["region"]
    place = Place(
        caller(region), region, settings["workflow_role"], repository, settings.get("log_group"), is_protected
    )
    cloud = aws_cloud(_session(region), place, flow.step_types, log_file, say)
    cloud.objects.check_bucket(settings["bucket"], region)
    return cloud


def stack_template(flow: Flow, flow_file: Path, region: str | None) -> str:
    """The CloudFormation template of a flow's stack. Needs no account.

    Raises: InputError, where the flow's files or images are wrong.
    """
    from mlci.provision.template import template

    return template(_needs(flow, flow_file, region))


def policies_of(choice: Choice) -> dict[Role, Document]:
    """The policy of each role, from the flow and what is set, without asking AWS.

    Raises: InputError, where the flow, its files or its images are wrong.
    """
    from mlci.provision.iam_policies import policies

    flow = load_flow(choice.flow_file)
    settings = settings_of(flow, choice, lambda region: lambda names: {})
    needed = _needs(flow, choice.flow_file, settings.get("region"))
    return policies(needed, _policy_place(flow, settings))


def _needs(flow: Flow, flow_file: Path, region: str | None) -> Needs:
    """What a flow's runs ask AWS for. Where no region is known, images are looked up in us-east-1."""
    from mlci.provision.access_requirements import needs

    return needs(flow, _staged(flow, flow_file, region or "us-east-1").images)


def _policy_place(flow: Flow, settings: Settings) -> Place:
    """What policies are about; `*` where that is not known."""
    from mlci.provision.iam_policies import Place
    from mlci.provision.stack_names import ROLES, logical_id, stack_name

    given: dict[Role, str | None] = {"workflow": settings.get("workflow_role"), "job": settings.get("job_role")}
    arns = [arn.split(":") for arn in given.values() if arn and arn.count(":") >= 5]
    partition, account = (arns[0][1], arns[0][4]) if arns else ("aws", "*")
    # What CloudFormation makes of the stack's name and of the roles' in the template.
    unknown = f"arn:{partition}:iam::{account}:role/{stack_name(flow.name)}-"
    roles = {role: given.get(role) or f"{unknown}{logical_id(role)}-*" for role in ROLES}
    region = settings.get("region") or "*"
    connection = f"arn:{partition}:codeconnections:{region}:{account}:connection/*"
    bucket = settings.get("bucket") or f"{stack_name(flow.name).lower()}-*"
    return Place(partition, region, account, bucket, connection, roles)


def region_of(flow: Flow, option: str | None) -> str | None:
    """The region to work in: of `--region` or MLCI_REGION, else the AWS SDK's own, else the flow's."""
    from mlci.backends.aws.session import usual_region

    return option or (usual_region(os.environ) or (None, ""))[0] or flow.aws.region


def open_account(flow: Flow, region: str | None) -> Account:
    """The account that the credentials are of.

    Raises: InputError, where there is no region, or nobody calls.
    """
    from mlci.provision.bootstrap import Account

    if region is None:
        hint = f"Set it: --region, MLCI_REGION, AWS_DEFAULT_REGION, a profile, or {flow.file} (aws: {{region: …}})."
        raise InputError("in which region? Nothing says so", hint)
    identity = caller(region)
    session = _session(region)
    if not session.api("sts").is_aws:
        session = session.impatient(_ELSEWHERE_S)
    return Account(functools.cache(session.api), identity, region)


def around(flow: Flow, flow_file: Path, region: str) -> Around:
    """What the repository says of itself."""
    from mlci.build import repository_name
    from mlci.git import git_state
    from mlci.provision.bootstrap import Around
    from mlci.provision.parameter_values import pattern_of
    from mlci.stage import repository_around

    repository = repository_around(flow_file)
    git = git_state(repository.base)
    place = repository.relative(flow_file.resolve())
    origin = repository_name(git.remote) or ""
    return Around(
        root=repository.root,
        flow_file=place,
        name=origin.removeprefix("github.com/") if origin.startswith("github.com/") else None,
        base_branch=git.base_branch,
        changed_files=lambda: pattern_of(repository, place, _staged(flow, flow_file, region)),
        origin=origin,
    )


def terminal(agrees: bool) -> Person:
    """The person at the terminal, or the script in their place."""
    from mlci.provision.prompt import Terminal

    return Terminal(sys.stdout, agrees, sys.stdin.isatty(), listening)


def _staged(flow: Flow, flow_file: Path, region: str) -> Staged:
    from mlci.stage import repository_around, stage

    return stage(flow, repository_around(flow_file), region, _memo(flow_file))


def _memo(flow_file: Path) -> Memo:
    """What was compiled and looked up before."""
    from mlci.stage import Memo

    return Memo(Path(os.environ.get("MLCI_CACHE") or runs_beside(flow_file).home / "cache"))


def _on_aws(flow: Flow, choice: Choice, timeout_s: float | None, attaches: bool) -> tuple[Surroundings, AwsCloud]:
    from mlci.plan.names import Names

    settings, build = checked_settings(flow, choice), build_around(choice.flow_file)
    if choice.is_protected and build.pull_request:
        raise InputError(
            f"{build} can't run under the protected names, which are the base branch's",
            "Leave out --protected (MLCI_PROTECTED).",
        )
    target = _target(build, settings["bucket"], settings["job_role"], choice.is_protected)
    around = _surroundings(choice.flow_file, target, settings["region"], timeout_s, attaches)

    def log_file(job: str) -> Path:
        run, step = Names(flow.name, choice.is_protected).step_of(job, flow.steps)
        return around.folder.sibling(run).log(step)

    return around, open_aws(flow, settings, build.repository, log_file, around.watcher.say, choice.is_protected)


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


def _surroundings(
    flow_file: Path, target: Target, region: str, timeout_s: float | None, attaches: bool
) -> Surroundings:
    from mlci.report.console import Screen
    from mlci.run import Surroundings
    from mlci.stage import repository_around

    folder = runs_beside(flow_file).folder(target.run_id)
    return Surroundings(
        repository=repository_around(flow_file),
        region=region,
        memo=_memo(flow_file),
        target=target,
        folder=folder,
        watcher=Screen(sys.stdout, sys.stdout.isatty(), folder.tail),
        listening=listening,
        timeout_s=timeout_s,
        attaches=attaches,
    )


@contextmanager
def _local(flow: Flow, choice: Choice, around: Surroundings) -> Iterator[Cloud]:
    from mlci.backends.local import local_cloud
    from mlci.plan.names import Names

    home = runs_beside(choice.flow_file).home
    settings = job_settings(
        home / "work",
        lambda job: around.folder.log(Names(flow.name).step_of(job, flow.steps)[1]),
        _python(flow, choice.flow_file),
        choice.isolation,
    )
    with local_cloud(home / "store", settings, around.watcher.say) as cloud:
        yield cloud


def job_settings(work: Path, logs: Callable[[str], Path], python: str, isolation: Isolation) -> JobSettings:
    from mlci_emulator.jobs.runner import Settings

    return Settings(work.absolute(), logs, python, environment=dict(os.environ), isolation=isolation)


@contextmanager
def listening() -> Iterator[Interrupts]:
    """While in here, signals that ask for an end are put in the queue."""
    interrupts: Interrupts = queue.SimpleQueue()

    def heard(number: int, frame: FrameType | None) -> None:
        interrupts.put(f"stopped by {signal.Signals(number).name}")

    before = {number: signal.signal(number, heard) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield interrupts
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def duration_s(option: str, text: str | None) -> float | None:
    """The seconds of a duration as an option gives it."""
    from mlci.flow import parse_duration
    from mlci.flow.invalid_value import Refused

    if text is None:
        return None
    try:
        return parse_duration(text)
    except Refused as error:
        raise InputError([Problem(option, 0, 0, error.what, error.hint)]) from error


def runs_beside(flow_file: Path) -> Runs:
    from mlci.runs import Runs

    return Runs(flow_file.resolve().parent / ".mlci")


@functools.cache
def _session(region: str) -> Session:
    from mlci.backends.aws.session import open_session

    return open_session(region)


def _asking(region: str) -> Ask:
    from mlci.backends.aws.ssm_parameters import Parameters

    caller(region)
    return Parameters(_session(region).impatient(10.0).api("ssm")).get


def _python(flow: Flow, flow_file: Path) -> str:
    """The interpreter that local jobs run with: `local: {python: …}`, or the one that runs mlci."""
    if flow.python is None:
        return sys.executable
    place = str(flow_file.resolve().parent / flow.python) if "/" in flow.python else flow.python
    found = shutil.which(place)
    if found is None:
        at = flow.position("local", "python")
        problem = Problem(at.file, at.line, at.column, f'"{flow.python}" is no Python interpreter', "Is it installed?")
        raise InputError([problem])
    return found
