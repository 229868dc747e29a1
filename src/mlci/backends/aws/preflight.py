"""What a stack is to use of others, looked at before anything is made: what is wrong with it, a sentence each.

Whoever may not look gets no verdict: CloudFormation, with other rights perhaps, finds out.
Sources: API_DescribeKey.html of KMS, API_GetPolicy.html and API_ListOpenIDConnectProviders.html of IAM,
API_DescribeSubnets.html and its neighbours of EC2, each under https://docs.aws.amazon.com
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from mlci.backends.aws.api_calls import DENIED_CODES, Api, AwsError
from mlci.backends.aws.codeconnections import Connections
from mlci.backends.aws.s3_objects import Objects
from mlci.errors import InputError, Problem

GITHUB = "token.actions.githubusercontent.com"
_DENIED = DENIED_CODES | {"UnauthorizedOperation", "403"}


@dataclass(frozen=True)
class Preflight:
    """`api` gives the client of a service in the stack's region."""

    api: Callable[[str], Api]
    region: str

    def problems(self, values: Mapping[str, str]) -> Iterator[Problem]:
        """All that is wrong with what the parameters name."""
        checks: dict[str, Callable[[str], Iterator[Problem]]] = {
            "Connection": self._connection,
            "KmsKey": self._key,
            "PermissionsBoundary": self._boundary,
            "ExistingBucket": self._bucket,
            "OidcProvider": self._provider,
        }
        for name, check in checks.items():
            if values.get(name):
                yield from _gently(check(values[name]))
        if values.get("VpcId"):
            subnets, groups = (values.get(name, "").split(",") for name in ("SubnetIds", "SecurityGroupIds"))
            yield from _gently(self._network(values["VpcId"], subnets, groups))

    def provider(self) -> str | None:
        """The account's provider for GitHub Actions, of which it can have one; None where there is none."""
        found = self.api("iam").call("list_open_id_connect_providers")["OpenIDConnectProviderList"]
        return next((entry["Arn"] for entry in found if entry["Arn"].endswith(f"/{GITHUB}")), None)

    def _connection(self, arn: str) -> Iterator[Problem]:
        yield from self._place("--connection", arn)
        connection = Connections(self.api("codeconnections")).find(arn)
        if connection is None:
            hint = "`aws codeconnections list-connections` lists those that there are; without, the stack makes one."
            yield Problem("--connection", 0, 0, f"there is no connection {arn}", hint)
        elif connection.provider != "GitHub":
            yield Problem("--connection", 0, 0, f"{arn} leads to {connection.provider}, not to GitHub")
        elif connection.status == "ERROR":
            hint = "Look at it in the console: Developer Tools, Settings, Connections."
            yield Problem("--connection", 0, 0, f"the connection {arn} has the status ERROR", hint)

    def _key(self, arn: str) -> Iterator[Problem]:
        option = "--kms-key"
        yield from self._place(option, arn)
        try:
            key = self.api("kms").call("describe_key", KeyId=arn)["KeyMetadata"]
        except AwsError as error:
            if error.code not in ("NotFoundException", "InvalidArnException"):
                raise
            yield Problem(option, 0, 0, f"there is no key {arn}", "`aws kms list-keys` lists those that there are.")
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
            Objects(self.api("s3")).check_bucket(bucket, self.region)
        except InputError as error:
            for problem in error.problems:
                yield Problem("--existing-bucket", 0, 0, problem.what, problem.hint.replace("--bucket", "another"))

    def _provider(self, arn: str) -> Iterator[Problem]:
        try:
            told = self.api("iam").call("get_open_id_connect_provider", OpenIDConnectProviderArn=arn)
        except AwsError as error:
            if error.code not in ("NoSuchEntity", "InvalidInput"):
                raise
            hint = "`aws iam list-open-id-connect-providers` lists those that there are; without, the stack makes one."
            yield Problem("--oidc-provider", 0, 0, f"there is no provider {arn}", hint)
            return
        audience = "sts.amazonaws.com.cn" if self.region.startswith("cn-") else "sts.amazonaws.com"
        if audience not in told.get("ClientIDList", ()):
            hint = f"Add it: aws iam add-client-id-to-open-id-connect-provider --client-id {audience} \
--open-id-connect-provider-arn {arn}"
            yield Problem("--oidc-provider", 0, 0, f"{arn} does not take the audience {audience}", hint)

    def _network(self, vpc: str, subnets: Sequence[str], groups: Sequence[str]) -> Iterator[Problem]:
        """Each is asked for by a filter: asked for by its id, one that is missing hides what is wrong with the rest."""
        ec2 = self.api("ec2")
        if not ec2.call("describe_vpcs", Filters=[{"Name": "vpc-id", "Values": [vpc]}])["Vpcs"]:
            yield Problem("--vpc-id", 0, 0, f"there is no VPC {vpc} in {self.region}")
            return
        told = ec2.call("describe_subnets", Filters=[{"Name": "subnet-id", "Values": list(subnets)}])["Subnets"]
        yield from _outside(
            "--subnet-ids", "subnet", subnets, {entry["SubnetId"]: entry["VpcId"] for entry in told}, vpc
        )
        told = ec2.call("describe_security_groups", Filters=[{"Name": "group-id", "Values": list(groups)}])
        places = {entry["GroupId"]: entry.get("VpcId", "") for entry in told["SecurityGroups"]}
        yield from _outside("--security-group-ids", "security group", groups, places, vpc)

    def _place(self, option: str, arn: str) -> Iterator[Problem]:
        region = arn.split(":")[3]
        if region != self.region:
            yield Problem(option, 0, 0, f"{arn} is in {region}, and the stack in {self.region}", "Both have to be one.")


def _outside(option: str, noun: str, wanted: Sequence[str], places: Mapping[str, str], vpc: str) -> Iterator[Problem]:
    for one in wanted:
        if one not in places:
            yield Problem(option, 0, 0, f"there is no {noun} {one}")
        elif places[one] != vpc:
            yield Problem(option, 0, 0, f"the {noun} {one} is in {places[one] or 'no VPC'}, not in {vpc}")


def _gently(found: Iterator[Problem]) -> Iterator[Problem]:
    try:
        yield from found
    except AwsError as error:
        if error.code not in _DENIED:
            raise
