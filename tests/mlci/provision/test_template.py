"""Parameters of the template, evaluated by moto's engine."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from moto.cloudformation.parsing import ResourceMap, clean_json

from mlci.provision.access_requirements import AccessRequirements
from mlci.provision.stack_names import connection_name
from mlci.provision.template import template
from support.iam_calls import ACCOUNT, REGION

REQUIREMENTS = AccessRequirements("small", frozenset(["processing"]))
GITHUB = "token.actions.githubusercontent.com"


def evaluated(resource: str, **parameters: str) -> Any:
    """Return the properties of a resource, for these parameters."""
    document = yaml.safe_load(template(REQUIREMENTS))
    given = {"Repository": "octo/model", **parameters}
    resources = ResourceMap("1", "mlci-small", given, {}, REGION, ACCOUNT, document, {})
    resources.load_parameters()
    resources.load_conditions()
    return clean_json(document["Resources"][resource]["Properties"], resources)


def test_builds_have_no_limit_of_their_own_by_default() -> None:
    """A limit above the account's fails, and that is 1 in new accounts; builds above a limit fail."""
    assert "ConcurrentBuildLimit" not in evaluated("PullRequestProject")
    assert str(evaluated("PullRequestProject", ConcurrentBuilds="3")["ConcurrentBuildLimit"]) == "3"


@pytest.mark.parametrize("name", ["PullRequestProject", "BaseProject"])
def test_builds_know_the_host_of_their_github(name: str) -> None:
    for host in ("github.com", "git.example.com"):
        properties = evaluated(name, GitHubHost=host, ConnectionArn="arn", ExistingBucket="b")
        variables = {each["Name"]: each["Value"] for each in properties["Environment"]["EnvironmentVariables"]}
        assert variables["MLCI_GITHUB_HOST"] == host


@pytest.mark.parametrize(
    ("approvers", "roles"),
    [
        ("write", ["GITHUB_WRITE", "GITHUB_MAINTAIN", "GITHUB_ADMIN"]),
        ("maintain", ["GITHUB_MAINTAIN", "GITHUB_ADMIN"]),
        ("admin", ["GITHUB_ADMIN"]),
    ],
)
def test_approvers_have_a_role_or_a_higher_one(approvers: str, roles: list[str]) -> None:
    policy = evaluated("PullRequestProject", Approvers=approvers)["Triggers"]["PullRequestBuildPolicy"]
    assert policy == {"RequiresCommentApproval": "FORK_PULL_REQUESTS", "ApproverRoles": roles}


def test_the_trust_of_github_actions_names_the_repository_by_its_id() -> None:
    parameters = {"Trigger": "actions", "RepositoryId": "99", "BaseBranch": "trunk"}
    pull_request, base = (
        evaluated(role, **parameters)["AssumeRolePolicyDocument"]["Statement"][0]["Condition"]
        for role in ("PullRequestActionsRole", "BaseActionsRole")
    )
    for condition in (pull_request, base):
        assert condition["StringEquals"][f"{GITHUB}:aud"] == "sts.amazonaws.com"
        assert condition["StringEquals"][f"{GITHUB}:repository_id"] == "99"
    workflow = "octo/model/.github/workflows/ml-ci.yml@refs/heads/trunk"
    assert base["StringEquals"][f"{GITHUB}:job_workflow_ref"] == workflow
    assert base["StringLike"][f"{GITHUB}:sub"] == [
        "repo:octo/model:ref:refs/heads/trunk",
        "repo:octo@*/model@99:ref:refs/heads/trunk",
    ]
    assert evaluated("GitHubOidcProvider", **parameters)["ClientIdList"] == ["sts.amazonaws.com"]


def test_the_audience_of_tokens_has_the_domain_of_the_partition() -> None:
    """moto knows one domain, so that of China is not evaluated here."""
    resources = yaml.safe_load(template(REQUIREMENTS))["Resources"]
    audience = {"Fn::Sub": "sts.${AWS::URLSuffix}"}
    assert resources["GitHubOidcProvider"]["Properties"]["ClientIdList"] == [audience]
    for role in ("PullRequestActionsRole", "BaseActionsRole"):
        [statement] = resources[role]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        assert statement["Condition"]["StringEquals"][f"{GITHUB}:aud"] == audience


def test_the_connections_of_flows_with_long_names_differ() -> None:
    names = [connection_name(f"breast-cancer-screening-of-{end}") for end in ("the-north", "the-south")]
    assert len(set(names)) == 2
    assert all(len(name) <= 32 for name in names)
