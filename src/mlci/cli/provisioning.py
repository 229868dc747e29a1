"""The account, the repository, the terminal and the flow's needs, for `mlci bootstrap` and `mlci policy`."""

from __future__ import annotations

import functools
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mlci.cli.flow_file import stage_flow
from mlci.errors import InputError

if TYPE_CHECKING:
    from mlci.backends.aws.settings import Settings
    from mlci.flow.models import Flow
    from mlci.provision.access_requirements import AccessRequirements
    from mlci.provision.context import Account, RepositoryContext
    from mlci.provision.policy_statements import AccountScope, Document
    from mlci.provision.prompt import Prompt
    from mlci.provision.stack_names import Role

#: How long calls to an endpoint other than AWS's are retried: a service that it lacks will not appear later.
_OTHER_ENDPOINT_S = 5.0


def stack_template(flow: Flow, flow_file: Path, region: str | None) -> str:
    """The CloudFormation template of a flow's stack. Needs no account.

    Raises: InputError, if the flow's files or images are wrong.
    """
    from mlci.provision.template import template

    return template(_requirements(flow, flow_file, region))


def role_policies(flow: Flow, flow_file: Path, settings: Settings) -> dict[str, Document]:
    """The policy of each role, and of people who approve, accept or clean up, from the flow and the settings.

    Needs no account.

    Raises: InputError, if the flow's files or images are wrong.
    """
    from mlci.provision.iam_policies import accepter_policy, approver_policies, gc_policy, policies

    requirements = _requirements(flow, flow_file, settings.get("region"))
    scope = _policy_resources(flow, settings)
    documents: dict[str, Document] = dict(policies(requirements, scope).items())
    people = {"accepter": accepter_policy(flow.name, scope), "gc": gc_policy(flow.name, scope)}
    return {**documents, **approver_policies(requirements, scope), **people}


def _requirements(flow: Flow, flow_file: Path, region: str | None) -> AccessRequirements:
    """The access that a flow's runs need. If no region is known, images are looked up in us-east-1."""
    from mlci.provision.access_requirements import access_requirements

    return access_requirements(flow, stage_flow(flow, flow_file, region or "us-east-1").images)


def _policy_resources(flow: Flow, settings: Settings) -> AccountScope:
    """The account and resources that policies name; `*` for those that are not known."""
    from mlci.provision.policy_statements import UNKNOWN, AccountScope
    from mlci.provision.stack_names import ROLES, logical_id, stack_name

    known: dict[Role, str | None] = {"workflow": settings.get("workflow_role"), "job": settings.get("job_role")}
    arns = [arn.split(":") for arn in known.values() if arn and arn.count(":") >= 5]
    partition, account = (arns[0][1], arns[0][4]) if arns else ("aws", UNKNOWN)
    # CloudFormation names a role after the stack and the role's logical id.
    unknown = f"arn:{partition}:iam::{account}:role/{stack_name(flow.name)}-"
    roles = {role: known.get(role) or f"{unknown}{logical_id(role)}-*" for role in ROLES}
    region = settings.get("region") or UNKNOWN
    connection = f"arn:{partition}:codeconnections:{region}:{account}:connection/*"
    bucket = settings.get("bucket") or f"{stack_name(flow.name).lower()}-*"
    secret = os.environ.get("MLCI_GITHUB_SECRET") or UNKNOWN
    return AccountScope(partition, region, account, bucket, connection, roles, secret)


def stack_region(flow: Flow, option: str | None, needs_profile: bool = True) -> str | None:
    """The region of the stack: of `--region` or MLCI_REGION, else the AWS SDK's own, else the flow's."""
    from mlci.backends.aws.session import default_region

    return option or (default_region(os.environ, needs_profile) or (None, ""))[0] or flow.aws.get("region")


def open_account(flow: Flow, region: str | None) -> Account:
    """The account that the credentials belong to.

    Raises: InputError, if there is no region or there are no valid credentials.
    """
    from mlci.backends.aws.configure import caller_identity, open_session
    from mlci.provision.context import Account

    if region is None:
        raise InputError(
            "no region is configured",
            f"Pass --region, or set MLCI_REGION, AWS_DEFAULT_REGION, a profile, or {flow.file} (aws: {{region: …}}).",
        )
    identity = caller_identity(region)
    session = open_session(region)
    if not session.api("sts").is_aws:
        session = session.with_max_wait(_OTHER_ENDPOINT_S)
    return Account(functools.cache(session.api), identity, region)


def flow_repository(flow: Flow, flow_file: Path, region: str) -> RepositoryContext:
    """The repository that the flow file stands in."""
    from mlci.build_environment.build import repository_name
    from mlci.build_environment.git import git_state
    from mlci.provision.context import RepositoryContext
    from mlci.provision.github_repository import public_repository_id
    from mlci.provision.parameter_values import file_pattern
    from mlci.stage import find_repository

    repository = find_repository(flow_file)
    git = git_state(repository.base)
    path = repository.relative(flow_file.resolve())
    return RepositoryContext(
        root=repository.root,
        flow_file=path,
        base_branch=git.base_branch,
        changed_files=lambda: file_pattern(repository, path, stage_flow(flow, flow_file, region)),
        origin=repository_name(git.remote),
        repository_id=public_repository_id,
    )


def terminal_prompt(assume_yes: bool) -> Prompt:
    """The prompt at the terminal; `assume_yes` answers every question with yes."""
    from mlci.cli.signals import interrupt_signals
    from mlci.provision.prompt import TerminalPrompt

    return TerminalPrompt(sys.stdout, assume_yes, sys.stdin.isatty(), interrupt_signals)
