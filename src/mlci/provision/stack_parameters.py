"""The parameters of the stack: CloudFormation's, and options of `mlci bootstrap`, from one table.

What a value may be is held twice by the same pattern: here, before anything is asked of AWS, and by CloudFormation.
Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/parameters-section-structure.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mlci.errors import InputError, Problem

_PARTITION = "arn:aws[a-z-]*"


@dataclass(frozen=True)
class Parameter:
    """One parameter. `pattern` is for the whole value; `must` ends the sentence `--option must be …`. One without an
    option is set by mlci itself."""

    name: str
    help: str
    must: str
    option: str = ""
    default: str = ""
    pattern: str = ".*"
    allowed: tuple[str, ...] = ()
    least: int | None = None
    most: int | None = None

    @property
    def is_number(self) -> bool:
        return self.least is not None

    def takes(self, value: str) -> bool:
        if self.allowed:
            return value in self.allowed
        if self.least is not None and self.most is not None:
            return re.fullmatch(r"[0-9]{1,9}", value) is not None and self.least <= int(value) <= self.most
        return re.fullmatch(self.pattern, value) is not None


def _choice(name: str, option: str, help: str, *allowed: str) -> Parameter:
    return Parameter(name, help, f"one of {', '.join(allowed)}", option, allowed[0], allowed=allowed)


def _number(name: str, option: str, help: str, default: int, least: int, most: int) -> Parameter:
    must = f"a whole number from {least} to {most}"
    return Parameter(name, help, must, option, str(default), least=least, most=most)


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

PARAMETERS: tuple[Parameter, ...] = (
    Parameter(
        "Repository",
        "The GitHub repository, owner/name. Default: what git calls origin.",
        "owner/name, such as octo-org/model",
        "--repository",
        pattern=r"[A-Za-z0-9][A-Za-z0-9-]{0,38}/[A-Za-z0-9._-]{1,100}",
    ),
    Parameter(
        "BaseBranch",
        "The branch that pull requests go to, whose builds write the baseline. Default: git's, else main.",
        "the name of a branch",
        "--base-branch",
        default="main",
        pattern=r"[A-Za-z0-9][A-Za-z0-9._/-]{0,199}",
    ),
    Parameter(
        "FlowFile",
        "The flow file's path in the repository. Default: --flow's.",
        "a relative path that ends in .yaml or .yml",
        default="flow.yaml",
        pattern=r"[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*\.ya?ml",
    ),
    Parameter(
        "Connection",
        "The ARN of a CodeConnections connection to GitHub. Default: the stack makes one.",
        "the ARN of a connection, arn:aws:codeconnections:…:connection/…, or empty",
        "--connection",
        pattern=rf"|{_PARTITION}:codeconnections:[a-z0-9-]+:[0-9]{{12}}:connection/[0-9a-f-]{{36}}",
    ),
    _choice(
        "Connected",
        "",
        "Whether the connection's handshake is done: before, CodeBuild takes no project on it.",
        "false",
        "true",
    ),
    _choice(
        "Trigger",
        "--trigger",
        "What starts builds: GitHub's webhook, or the workflow .github/workflows/ml-ci.yml.",
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
    Parameter(
        "ChangedFiles",
        "Build only pull requests that change a file of this pattern. `inputs`: one that the flow reads.",
        "a regular expression of at most 4,000 characters, or empty",
        "--changed-files",
        pattern=r".{0,4000}",
    ),
    _number("ConcurrentBuilds", "--concurrent-builds", "How many pull requests are built at a time.", 10, 1, 1000),
    Parameter(
        "BuildImage",
        "The image that builds run in.",
        "an image, such as aws/codebuild/standard:7.0",
        "--build-image",
        default="aws/codebuild/standard:7.0",
        pattern=r"[A-Za-z0-9][A-Za-z0-9._/:@-]{0,254}",
    ),
    _choice(
        "ComputeType",
        "--compute-type",
        "The size of the machine that builds run on; the jobs have their own.",
        "BUILD_GENERAL1_SMALL",
        "BUILD_GENERAL1_MEDIUM",
        "BUILD_GENERAL1_LARGE",
        "BUILD_GENERAL1_XLARGE",
        "BUILD_GENERAL1_2XLARGE",
    ),
    _number("BuildTimeout", "--build-timeout", "After how many minutes a build is stopped.", 120, 5, 2160),
    _number("RunRetention", "--run-retention", "After how many days what runs wrote is deleted.", 90, 1, 3650),
    _number("CodeRetention", "--code-retention", "After how many days staged code and data are deleted.", 180, 1, 3650),
    _choice("LogRetention", "--log-retention", "After how many days the builds' logs are deleted.", *_RETENTIONS),
    Parameter(
        "ExistingBucket",
        "A bucket to use, such as one that an earlier stack left. Default: the stack makes one.",
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
        "The ARN of a policy that bounds every role of the stack.",
        "the ARN of a policy, arn:aws:iam::…:policy/…, or empty",
        "--permissions-boundary",
        pattern=rf"|{_PARTITION}:iam::([0-9]{{12}}|aws):policy/[A-Za-z0-9+=,.@_/-]{{1,128}}",
    ),
    Parameter(
        "VpcId",
        "The VPC that builds run in, with --subnet-ids and --security-group-ids. Default: none.",
        "the id of a VPC, vpc-…, or empty",
        "--vpc-id",
        pattern=r"|vpc-[0-9a-f]{8,17}",
    ),
    Parameter(
        "SubnetIds",
        "The private subnets of the VPC, with a way to the internet, divided by commas.",
        "ids of subnets, subnet-…, divided by commas, or empty",
        "--subnet-ids",
        pattern=r"|subnet-[0-9a-f]{8,17}(,subnet-[0-9a-f]{8,17}){0,15}",
    ),
    Parameter(
        "SecurityGroupIds",
        "The security groups of the builds, divided by commas.",
        "ids of security groups, sg-…, divided by commas, or empty",
        "--security-group-ids",
        pattern=r"|sg-[0-9a-f]{8,17}(,sg-[0-9a-f]{8,17}){0,4}",
    ),
    Parameter(
        "EcrRepository",
        "The name of a repository for images, which the stack makes and jobs may pull from. Default: none.",
        "the name of a repository, lower case, or empty",
        "--ecr-repository",
        pattern=r"|[a-z0-9]+([._/-][a-z0-9]+)*",
    ),
    Parameter(
        "OidcProvider",
        "The ARN of the account's provider for GitHub Actions. Default: found, else made, with --trigger actions.",
        "the ARN of a provider, arn:aws:iam::…:oidc-provider/token.actions.githubusercontent.com, or empty",
        "--oidc-provider",
        pattern=rf"|{_PARTITION}:iam::[0-9]{{12}}:oidc-provider/token\.actions\.githubusercontent\.com",
    ),
)


def check(values: Mapping[str, str]) -> None:
    """Raises InputError, with all that is wrong, a sentence each."""
    wrong = list(_wrong(values))
    if wrong:
        raise InputError(wrong)


def _wrong(values: Mapping[str, str]) -> Iterator[Problem]:
    for parameter in PARAMETERS:
        value = values.get(parameter.name, parameter.default)
        if not parameter.takes(value):
            what = f'"{value}" is not {parameter.must}' if value else f"missing; it is {parameter.must}"
            yield Problem(parameter.option or parameter.name, 0, 0, what)
    if len({bool(values.get(name)) for name in ("VpcId", "SubnetIds", "SecurityGroupIds")}) > 1:
        what = "--vpc-id, --subnet-ids and --security-group-ids go together"
        yield Problem("--vpc-id", 0, 0, what, "Give all three, or none.")
    try:
        re.compile(values.get("ChangedFiles", ""))
    except re.error as error:
        yield Problem("--changed-files", 0, 0, f'"{values["ChangedFiles"]}" is no regular expression: {error}')
