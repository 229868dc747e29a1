"""The parameters of the stack. One table defines CloudFormation's parameters and the options of `mlci bootstrap`.

The same pattern checks a value twice: here, before any call to AWS, and in CloudFormation.
Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/parameters-section-structure.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from mlci.errors import InputError, Problem
from mlci_dataclasses import dataclass

_PARTITION = "arn:aws[a-z-]*"
GITHUB = "github.com"


@dataclass(frozen=True)
class Parameter:
    """One parameter. `pattern` matches the whole value; `requirement` completes the sentence "--option must be …". mlci
    itself sets a parameter without an option."""

    name: str
    help: str
    requirement: str
    option: str = ""
    default: str = ""
    pattern: str = ".*"
    allowed: tuple[str, ...] = ()
    minimum: int | None = None
    maximum: int | None = None

    @property
    def is_number(self) -> bool:
        return self.minimum is not None

    def accepts(self, value: str) -> bool:
        if self.allowed:
            return value in self.allowed
        if self.minimum is not None and self.maximum is not None:
            return re.fullmatch(r"[0-9]{1,9}", value) is not None and self.minimum <= int(value) <= self.maximum
        return re.fullmatch(self.pattern, value) is not None


def _choice(name: str, option: str, help: str, *allowed: str) -> Parameter:
    return Parameter(name, help, f"one of {', '.join(allowed)}", option, allowed[0], allowed=allowed)


def _number(name: str, option: str, help: str, default: int, minimum: int, maximum: int) -> Parameter:
    requirement = f"a whole number from {minimum} to {maximum}"
    return Parameter(name, help, requirement, option, str(default), minimum=minimum, maximum=maximum)


#: Source: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html
_RETENTIONS = (
    "90",
    "1",
    "3",
    "5",
    "7",
    "14",
    "30",
    "60",
    "120",
    "150",
    "180",
    "365",
    "400",
    "545",
    "731",
    "1096",
    "1827",
)

HOST = Parameter(
    "GitHubHost",
    "The host of the repository, such as that of a GitHub Enterprise Server.",
    "the name of a host, such as github.example.com",
    "--github-host",
    default=GITHUB,
    pattern=r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+",
)

PARAMETERS: tuple[Parameter, ...] = (
    Parameter(
        "Repository",
        "The GitHub repository, owner/name. Default: Git's origin.",
        "owner/name, such as octo-org/model",
        "--repository",
        pattern=r"[A-Za-z0-9][A-Za-z0-9-]{0,38}/[A-Za-z0-9._-]{1,100}",
    ),
    HOST,
    Parameter(
        "RepositoryId",
        "The numeric ID of the repository, required with --trigger actions: gh api repos/OWNER/NAME --jq .id",
        "a number, or empty",
        "--repository-id",
        pattern=r"|[1-9][0-9]{0,19}",
    ),
    Parameter(
        "BaseBranch",
        "The target branch of pull requests; its builds write the baseline. Default: origin's default branch, or main.",
        "the name of a branch",
        "--base-branch",
        default="main",
        pattern=r"[A-Za-z0-9][A-Za-z0-9._/-]{0,199}",
    ),
    Parameter(
        "FlowFile",
        "The flow file's path in the repository. Default: the path of --flow.",
        "a relative path that ends in .yaml or .yml",
        default="flow.yaml",
        pattern=r"[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*\.ya?ml",
    ),
    Parameter(
        "Connection",
        "The ARN of a CodeConnections connection to GitHub. Default: the stack creates one.",
        "the ARN of a connection, arn:aws:codeconnections:…:connection/…, or empty",
        "--connection",
        # `codestar-connections` is the service's earlier name, and stays in the ARNs of older connections.
        pattern=rf"|{_PARTITION}:(codeconnections|codestar-connections):[a-z0-9-]+:[0-9]{{12}}:connection/[0-9a-f-]{{36}}",
    ),
    _choice(
        "Connected",
        "",
        "True after the connection's handshake; CodeBuild accepts no project before.",
        "false",
        "true",
    ),
    _choice(
        "Trigger",
        "--trigger",
        "The trigger of builds: GitHub's webhook, or the workflow .github/workflows/ml-ci.yml.",
        "webhook",
        "actions",
    ),
    _choice(
        "CommentApproval",
        "--comment-approval",
        "Which pull requests wait for a maintainer's comment before they are built.",
        "FORK_PULL_REQUESTS",
        "ALL_PULL_REQUESTS",
    ),
    _choice(
        "Approvers",
        "--approvers",
        "The GitHub role that approves builds, or a higher one. Pull requests of people with it need no approval.",
        "write",
        "maintain",
        "admin",
    ),
    Parameter(
        "GitHubSecret",
        "The ARN of a Secrets Manager secret with the GitHub App, or the token, that posts reports. Default: none.",
        "the ARN of a secret, arn:aws:secretsmanager:…:secret:…, or empty",
        "--github-secret",
        pattern=rf"|{_PARTITION}:secretsmanager:[a-z0-9-]+:[0-9]{{12}}:secret:[A-Za-z0-9/_+=.@-]{{1,519}}",
    ),
    _choice(
        "GitHubComment",
        "--github-comment",
        "When the reporter writes the comment of a pull request.",
        "always",
        "on-change",
        "never",
    ),
    Parameter(
        "InstallFiles",
        "The hash of the files that the reporter installs mlci from.",
        "a SHA-256, or empty",
        pattern=r"|[0-9a-f]{64}",
    ),
    Parameter(
        "ChangedFiles",
        "Build only pull requests that change a file matching this pattern. `inputs`: the files that the flow reads.",
        "a regular expression of at most 4,000 characters, or empty",
        "--changed-files",
        pattern=r".{0,4000}",
    ),
    Parameter(
        "ConcurrentBuilds",
        "The concurrent build limit of pull requests; builds above it fail. Default: the account's limit.",
        "a whole number from 1 to 1000, or empty",
        "--concurrent-builds",
        pattern=r"|[1-9][0-9]{0,2}|1000",
    ),
    Parameter(
        "BuildImage",
        "The Docker image of builds.",
        "an image, such as aws/codebuild/standard:7.0",
        "--build-image",
        default="aws/codebuild/standard:7.0",
        pattern=r"[A-Za-z0-9][A-Za-z0-9._/:@-]{0,254}",
    ),
    _choice(
        "ComputeType",
        "--compute-type",
        "The compute type of builds. Jobs have their own instance types.",
        "BUILD_GENERAL1_SMALL",
        "BUILD_GENERAL1_MEDIUM",
        "BUILD_GENERAL1_LARGE",
        "BUILD_GENERAL1_XLARGE",
        "BUILD_GENERAL1_2XLARGE",
    ),
    _number("BuildTimeout", "--build-timeout", "The timeout of a build, in minutes.", 120, 5, 2160),
    _number(
        "RunRetention",
        "--run-retention",
        "Days until the outputs of runs are deleted, and the records that pull requests have of them.",
        90,
        1,
        3650,
    ),
    _number("CodeRetention", "--code-retention", "Days until staged code and data are deleted.", 180, 1, 3650),
    _choice("LogRetention", "--log-retention", "Days until the builds' logs are deleted.", *_RETENTIONS),
    Parameter(
        "ExistingBucket",
        "An existing bucket to use, such as one that an earlier stack left. Default: the stack creates one.",
        "the name of a bucket, or empty",
        "--existing-bucket",
        pattern=r"|[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]",
    ),
    Parameter(
        "KmsKey",
        "The ARN of a KMS key for the bucket. Default: S3's own keys.",
        "the ARN of a key, arn:aws:kms:…:key/…, or empty",
        "--kms-key",
        pattern=rf"|{_PARTITION}:kms:[a-z0-9-]+:[0-9]{{12}}:key/[A-Za-z0-9-]{{1,100}}",
    ),
    Parameter(
        "PermissionsBoundary",
        "The ARN of a permissions boundary for every role of the stack.",
        "the ARN of a policy, arn:aws:iam::…:policy/…, or empty",
        "--permissions-boundary",
        pattern=rf"|{_PARTITION}:iam::([0-9]{{12}}|aws):policy/[A-Za-z0-9+=,.@_/-]{{1,128}}",
    ),
    Parameter(
        "VpcId",
        "The VPC of builds, with --subnet-ids and --security-group-ids. Default: none.",
        "a VPC ID, vpc-…, or empty",
        "--vpc-id",
        pattern=r"|vpc-[0-9a-f]{8,17}",
    ),
    Parameter(
        "SubnetIds",
        "Private subnets of the VPC with internet access, separated by commas.",
        "subnet IDs, subnet-…, separated by commas, or empty",
        "--subnet-ids",
        pattern=r"|subnet-[0-9a-f]{8,17}(,subnet-[0-9a-f]{8,17}){0,15}",
    ),
    Parameter(
        "SecurityGroupIds",
        "The security groups of builds, separated by commas.",
        "security group IDs, sg-…, separated by commas, or empty",
        "--security-group-ids",
        pattern=r"|sg-[0-9a-f]{8,17}(,sg-[0-9a-f]{8,17}){0,4}",
    ),
    Parameter(
        "EcrRepository",
        "The name of an ECR repository to create, from which jobs may pull images. Default: none.",
        "the name of a repository in lower case, or empty",
        "--ecr-repository",
        pattern=r"|[a-z0-9]+([._/-][a-z0-9]+)*",
    ),
    Parameter(
        "OidcProvider",
        "The ARN of the OIDC provider for GitHub Actions. Default: with --trigger actions, the account's or a new one.",
        "the ARN of a provider, arn:aws:iam::…:oidc-provider/token.actions.githubusercontent.com, or empty",
        "--oidc-provider",
        pattern=rf"|{_PARTITION}:iam::[0-9]{{12}}:oidc-provider/token\.actions\.githubusercontent\.com",
    ),
)


def check(values: Mapping[str, str]) -> None:
    """Raise InputError, with every problem, if a value is invalid."""
    problems = list(_problems(values))
    if problems:
        raise InputError(problems)


def _problems(values: Mapping[str, str]) -> Iterator[Problem]:
    for parameter in PARAMETERS:
        value = values.get(parameter.name, parameter.default)
        if not parameter.accepts(value):
            what = (
                f'"{value}" is not {parameter.requirement}' if value else f"missing; it must be {parameter.requirement}"
            )
            yield Problem(parameter.option or parameter.name, 0, 0, what)
    if len({bool(values.get(name)) for name in ("VpcId", "SubnetIds", "SecurityGroupIds")}) > 1:
        what = "--vpc-id, --subnet-ids and --security-group-ids must be set together"
        yield Problem("--vpc-id", 0, 0, what, "Set all three, or none.")
    if values.get("Trigger") == "actions" and not values.get("RepositoryId"):
        what = "missing; roles for GitHub Actions trust the repository by its ID, since a name can be registered anew"
        hint = f"Look it up: gh api repos/{values.get('Repository', 'OWNER/NAME')} --jq .id"
        yield Problem("--repository-id", 0, 0, what, hint)
    yield from _host_problems(values)
    try:
        re.compile(values.get("ChangedFiles", ""))
    except re.error as error:
        yield Problem("--changed-files", 0, 0, f'"{values["ChangedFiles"]}" is no regular expression: {error}')


def _host_problems(values: Mapping[str, str]) -> Iterator[Problem]:
    """Yield what a host other than github.com lacks, or can't have.

    Source: https://docs.aws.amazon.com/dtconsole/latest/userguide/connections-create-gheserver.html
    """
    host = values.get("GitHubHost", GITHUB)
    if host == GITHUB or not HOST.accepts(host):
        return
    if host.endswith(".ghe.com"):
        what = f"AWS connects to github.com and to GitHub Enterprise Server, not to {host}"
        yield Problem("--github-host", 0, 0, what, "Run the flow in GitHub Actions: `mlci init --ci github`.")
    if not values.get("Connection"):
        what = f"missing; the stack can't create a connection to {host}, since its host is set up in the console"
        hint = (
            "Create host and connection there: Developer Tools, Settings, Connections. Then pass the connection's ARN."
        )
        yield Problem("--connection", 0, 0, what, hint)
    if values.get("Trigger") == "actions":
        what = f'"actions" is for github.com: the tokens of {host} are issued by another provider'
        yield Problem("--trigger", 0, 0, what, "Leave it out: CodeBuild's webhook starts builds.")
