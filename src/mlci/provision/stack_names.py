"""Names of a flow's stack, and of the roles, projects and log groups in it."""

from __future__ import annotations

import hashlib
from typing import Literal, get_args

from mlci.plan.names import FLOW_TAG

#: The issuer of GitHub Actions' OIDC tokens, which is part of the provider's ARN and of condition keys.
GITHUB_OIDC_HOST = "token.actions.githubusercontent.com"
#: The roles of a stack. Protected runs have roles of their own; `workflow` and `job` are for all others.
Role = Literal[
    "pull_request_build",
    "base_build",
    "workflow",
    "protected_workflow",
    "job",
    "protected_job",
    "pull_request_actions",
    "base_actions",
    "reporter",
    "reporter_events",
]
ROLES: tuple[Role, ...] = get_args(Role)


def stack_name(flow: str) -> str:
    return f"mlci-{flow}"


#: Source: https://docs.aws.amazon.com/codeconnections/latest/APIReference/API_CreateConnection.html
_CONNECTION_MAX_CHARS = 32


def connection_name(flow: str) -> str:
    """Return the name of the connection. A long one is cut and ends in a hash, so that no two flows share it.

    >>> connection_name("breast-cancer")
    'mlci-breast-cancer'
    >>> connection_name("breast-cancer-screening-nightly")
    'mlci-breast-cancer-scre-7327d0f0'
    """
    name = stack_name(flow)
    if len(name) <= _CONNECTION_MAX_CHARS:
        return name
    digits = hashlib.sha256(flow.encode()).hexdigest()[:8]
    return f"{name[: _CONNECTION_MAX_CHARS - 9].rstrip('-')}-{digits}"


def project_name(flow: str, is_base: bool) -> str:
    """Return the name of a CodeBuild project.

    >>> project_name("breast-cancer", is_base=False)
    'mlci-breast-cancer-pull-request'
    """
    return f"mlci-{flow}-base" if is_base else f"mlci-{flow}-pull-request"


def reporter_name(flow: str) -> str:
    """Return the name of the project that posts reports."""
    return f"mlci-{flow}-reporter"


def build_log_group(project: str) -> str:
    """Return the name of a project's log group."""
    return f"/aws/codebuild/{project}"


def logical_id(role: Role) -> str:
    """Return the logical ID of a role in the template.

    >>> logical_id("pull_request_build")
    'PullRequestBuildRole'
    """
    return f"{capitalized(role)}Role"


def capitalized(name: str) -> str:
    """Return a name in CloudFormation's spelling.

    >>> capitalized("job_role")
    'JobRole'
    """
    return "".join(word.capitalize() for word in name.split("_"))


def tags(flow: str) -> list[dict[str, str]]:
    """Return the tags of a flow's resources."""
    return [{"Key": FLOW_TAG, "Value": flow}]
