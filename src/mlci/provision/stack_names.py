"""What the stack of a flow, and what is in it, is called."""

from __future__ import annotations

from typing import Literal, get_args

from mlci.backends.aws.state_machines import FLOW_TAG

#: The roles of a stack. `workflow` and `job` serve every run but the protected ones, which have their own.
Role = Literal[
    "pull_request_build",
    "base_build",
    "workflow",
    "protected_workflow",
    "job",
    "protected_job",
    "pull_request_actions",
    "base_actions",
]
ROLES: tuple[Role, ...] = get_args(Role)


def stack_name(flow: str) -> str:
    return f"mlci-{flow}"


def project(flow: str, is_base: bool) -> str:
    """A CodeBuild project.

    >>> project("breast-cancer", is_base=False)
    'mlci-breast-cancer-pull-request'
    """
    return f"mlci-{flow}-base" if is_base else f"mlci-{flow}-pull-request"


def build_log(project: str) -> str:
    """A project's log group."""
    return f"/aws/codebuild/{project}"


def logical_id(role: Role) -> str:
    """A role in the template.

    >>> logical_id("pull_request_build")
    'PullRequestBuildRole'
    """
    return f"{capitalized(role)}Role"


def capitalized(name: str) -> str:
    """A name as CloudFormation writes it.

    >>> capitalized("job_role")
    'JobRole'
    """
    return "".join(word.capitalize() for word in name.split("_"))


def tags(flow: str) -> list[dict[str, str]]:
    """What marks a resource as the flow's."""
    return [{"Key": FLOW_TAG, "Value": flow}]
