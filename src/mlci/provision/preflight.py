"""Checks of the resources that parameters refer to, before anything is created.

A check that the caller may not make is skipped: CloudFormation, perhaps with other permissions, reports the problem.
Sources: API_DescribeKey.html of KMS, API_GetPolicy.html and API_ListOpenIDConnectProviders.html of IAM,
API_DescribeSubnets.html and its neighbours of EC2, each under https://docs.aws.amazon.com
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence

from mlci.backends.aws.api_calls import DENIED_CODES, Api, AwsError
from mlci.backends.aws.codeconnections import Connections
from mlci.backends.aws.s3_objects import Objects
from mlci.errors import InputError, Problem
from mlci.provision.stack_names import GITHUB_OIDC_HOST
from mlci.provision.stack_parameters import GITHUB
from mlci_dataclasses import dataclass

_DENIED = DENIED_CODES | {"UnauthorizedOperation", "403"}


@dataclass(frozen=True)
class Preflight:
    """Checks in one region. `api` returns the client of a service."""

    api: Callable[[str], Api]
    objects: Objects
    region: str

    def problems(self, values: Mapping[str, str]) -> Iterator[Problem]:
        """Yield every problem of the resources that the values refer to."""
        checks: dict[str, Callable[[str], Iterator[Problem]]] = {
            "Connection": functools.partial(self._connection, values.get("GitHubHost") or GITHUB),
            "KmsKey": self._key,
            "PermissionsBoundary": self._boundary,
            "ExistingBucket": self._bucket,
            "OidcProvider": self._provider,
            "GitHubSecret": self._secret,
        }
        for name, check in checks.items():
            if values.get(name):
                yield from _ignore_denied(check(values[name]))
        if values.get("VpcId"):
            subnets, groups = (values.get(name, "").split(",") for name in ("SubnetIds", "SecurityGroupIds"))
            yield from _ignore_denied(self._network(values["VpcId"], subnets, groups))

    def oidc_provider(self) -> str | None:
        """Return the ARN of the account's OIDC provider for GitHub Actions, or None."""
        results = self.api("iam").call("list_open_id_connect_providers")["OpenIDConnectProviderList"]
        return next((entry["Arn"] for entry in results if entry["Arn"].endswith(f"/{GITHUB_OIDC_HOST}")), None)

    def _connection(self, host: str, arn: str) -> Iterator[Problem]:
        provider = "GitHub" if host == GITHUB else "GitHubEnterpriseServer"
        yield from self._check_region("--connection", arn)
        connection = Connections(self.api("codeconnections")).find(arn)
        if connection is None:
            hint = "`aws codeconnections list-connections` lists them. Without the option, the stack creates one."
            yield Problem("--connection", 0, 0, f"there is no connection {arn}", hint)
        elif connection.provider not in (provider, ""):
            what = f"{arn} is a connection to {connection.provider}, and {host} needs one to {provider}"
            yield Problem("--connection", 0, 0, what, "--github-host names the host of the repository.")
        elif connection.status == "ERROR":
            hint = "See the console: Developer Tools, Settings, Connections."
            yield Problem("--connection", 0, 0, f"the connection {arn} has the status ERROR", hint)

    def _key(self, arn: str) -> Iterator[Problem]:
        option = "--kms-key"
        yield from self._check_region(option, arn)
        try:
            key = self.api("kms").call("describe_key", KeyId=arn)["KeyMetadata"]
        except AwsError as error:
            if error.code not in ("NotFoundException", "InvalidArnException"):
                raise
            yield Problem(option, 0, 0, f"there is no key {arn}", "`aws kms list-keys` lists the keys.")
            return
        if key.get("KeyState") != "Enabled":
            yield Problem(option, 0, 0, f"the key {arn} is {key.get('KeyState')}, not Enabled")
        if key.get("KeySpec", key.get("CustomerMasterKeySpec")) != "SYMMETRIC_DEFAULT":
            hint = "S3 encrypts with symmetric keys only."
            yield Problem(option, 0, 0, f"the key {arn} is {key.get('KeySpec')}, not symmetric", hint)

    def _boundary(self, arn: str) -> Iterator[Problem]:
        try:
            self.api("iam").call("get_policy", PolicyArn=arn)
        except AwsError as error:
            if error.code not in ("NoSuchEntity", "InvalidInput"):
                raise
            yield Problem("--permissions-boundary", 0, 0, f"there is no policy {arn}", "Is its account the right one?")

    def _bucket(self, bucket: str) -> Iterator[Problem]:
        try:
            self.objects.check_bucket(bucket, self.region)
        except InputError as error:
            for problem in error.problems:
                yield Problem("--existing-bucket", 0, 0, problem.what, problem.hint.replace("--bucket", "another"))

    def _provider(self, arn: str) -> Iterator[Problem]:
        try:
            response = self.api("iam").call("get_open_id_connect_provider", OpenIDConnectProviderArn=arn)
        except AwsError as error:
            if error.code not in ("NoSuchEntity", "InvalidInput"):
                raise
            hint = "`aws iam list-open-id-connect-providers` lists them. Without the option, the stack creates one."
            yield Problem("--oidc-provider", 0, 0, f"there is no provider {arn}", hint)
            return
        audience = "sts.amazonaws.com.cn" if self.region.startswith("cn-") else "sts.amazonaws.com"
        if audience not in response.get("ClientIDList", ()):
            hint = f"Add it: aws iam add-client-id-to-open-id-connect-provider --client-id {audience} \
--open-id-connect-provider-arn {arn}"
            yield Problem("--oidc-provider", 0, 0, f"{arn} does not accept the audience {audience}", hint)

    def _secret(self, arn: str) -> Iterator[Problem]:
        """Yield a problem of a secret in this region. The reporter's policy names its whole ARN, with the suffix.

        Source: https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_DescribeSecret.html (SecretId)
        """
        if arn.split(":")[3] != self.region:
            return
        try:
            found = self.api("secretsmanager").call("describe_secret", SecretId=arn)
        except AwsError as error:
            if error.code != "ResourceNotFoundException":
                raise
            hint = "`aws secretsmanager list-secrets` lists them. docs/pull-requests.md says what one holds."
            yield Problem("--github-secret", 0, 0, f"there is no secret {arn}", hint)
            return
        if found["ARN"] != arn:
            yield Problem("--github-secret", 0, 0, f"{arn} is not the whole ARN", f"It is {found['ARN']}")
        if found.get("DeletedDate"):
            yield Problem("--github-secret", 0, 0, f"the secret {arn} is scheduled for deletion", "Restore it first.")

    def _network(self, vpc: str, subnets: Sequence[str], groups: Sequence[str]) -> Iterator[Problem]:
        """Yield the problems of a VPC with its subnets and security groups.

        Each is looked up by a filter: a lookup by ID fails at the first missing one, and hides the other problems.
        """
        ec2 = self.api("ec2")
        if not ec2.call("describe_vpcs", Filters=[{"Name": "vpc-id", "Values": [vpc]}])["Vpcs"]:
            yield Problem("--vpc-id", 0, 0, f"there is no VPC {vpc} in {self.region}")
            return
        response = ec2.call("describe_subnets", Filters=[{"Name": "subnet-id", "Values": list(subnets)}])
        vpcs = {entry["SubnetId"]: entry["VpcId"] for entry in response["Subnets"]}
        yield from _check_vpc("--subnet-ids", "subnet", subnets, vpcs, vpc)
        response = ec2.call("describe_security_groups", Filters=[{"Name": "group-id", "Values": list(groups)}])
        vpcs = {entry["GroupId"]: entry.get("VpcId", "") for entry in response["SecurityGroups"]}
        yield from _check_vpc("--security-group-ids", "security group", groups, vpcs, vpc)

    def _check_region(self, option: str, arn: str) -> Iterator[Problem]:
        region = arn.split(":")[3]
        if region != self.region:
            hint = "Both must be in the same region."
            yield Problem(option, 0, 0, f"{arn} is in {region}, and the stack in {self.region}", hint)


def _check_vpc(option: str, noun: str, ids: Sequence[str], vpcs: Mapping[str, str], vpc: str) -> Iterator[Problem]:
    """Yield a problem for each ID that does not exist, or is in another VPC. `vpcs` maps the existing ones to
    theirs."""
    for id_ in ids:
        if id_ not in vpcs:
            yield Problem(option, 0, 0, f"there is no {noun} {id_}")
        elif vpcs[id_] != vpc:
            yield Problem(option, 0, 0, f"the {noun} {id_} is in {vpcs[id_] or 'no VPC'}, not in {vpc}")


def _ignore_denied(problems: Iterator[Problem]) -> Iterator[Problem]:
    try:
        yield from problems
    except AwsError as error:
        if error.code not in _DENIED:
            raise
