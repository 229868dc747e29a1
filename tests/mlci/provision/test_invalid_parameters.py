"""Every value wrong in turn: a sentence each, and nothing is made."""

from __future__ import annotations

import re

import boto3
import pytest

from mlci.errors import InputError
from mlci.provision.stack_parameters import PARAMETERS
from support.bootstrap_account import Answers, Boot
from support.fake_aws import ACCOUNT, REGION
from support.fake_cloudformation import refusal

CONNECTION = f"arn:aws:codeconnections:{REGION}:{ACCOUNT}:connection/{'a' * 8}-0000-0000-0000-{'b' * 12}"
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/00000000-0000-0000-0000-000000000000"
PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/token.actions.githubusercontent.com"


def refused(boot: Boot, prompt: Answers, **chosen: str) -> str:
    with pytest.raises(InputError) as raised:
        boot.set_up(prompt, **chosen)
    assert raised.value.exit_code == 2
    assert not boot.formation.living
    assert not [call for call in boot.formation.calls if call.startswith("create_")]
    return str(raised.value)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("Repository", "model", '--repository: "model" is not'),
        ("BaseBranch", "-x", '--base-branch: "-x" is not'),
        ("Connection", "mine", '--connection: "mine" is not'),
        ("Trigger", "cron", '--trigger: "cron" is not'),
        ("CommentApproval", "NONE", '--comment-approval: "NONE" is not'),
        ("ChangedFiles", "(", '--changed-files: "\\(" is no regular expression'),
        ("ConcurrentBuilds", "0", '--concurrent-builds: "0" is not'),
        ("Approvers", "read", '--approvers: "read" is not'),
        ("RepositoryId", "octo", '--repository-id: "octo" is not'),
        ("BuildImage", "", "--build-image: missing"),
        ("ComputeType", "HUGE", '--compute-type: "HUGE" is not'),
        ("BuildTimeout", "2h", '--build-timeout: "2h" is not'),
        ("RunRetention", "-1", '--run-retention: "-1" is not'),
        ("CodeRetention", "0", '--code-retention: "0" is not'),
        ("LogRetention", "91", '--log-retention: "91" is not'),
        ("ExistingBucket", "No_Bucket", '--existing-bucket: "No_Bucket" is not'),
        ("KmsKey", "alias/mine", '--kms-key: "alias/mine" is not'),
        ("PermissionsBoundary", "Boundary", '--permissions-boundary: "Boundary" is not'),
        ("VpcId", "vpc", '--vpc-id: "vpc" is not'),
        ("SubnetIds", "subnet-1", '--subnet-ids: "subnet-1" is not'),
        ("SecurityGroupIds", "sg-1", '--security-group-ids: "sg-1" is not'),
        ("EcrRepository", "Upper", '--ecr-repository: "Upper" is not'),
        ("OidcProvider", "github", '--oidc-provider: "github" is not'),
    ],
)
def test_what_can_be_no_such_value(boot: Boot, yes: Answers, name: str, value: str, words: str) -> None:
    assert re.search(words, refused(boot, yes, **{name: value}))


def test_all_is_told_at_once(boot: Boot, yes: Answers) -> None:
    output = refused(boot, yes, Trigger="cron", RunRetention="0")
    assert len(output.splitlines()) == 2
    output = refused(boot, yes, KmsKey=KEY, ExistingBucket="there-is-none")
    assert "--kms-key: there is no key" in output
    assert '--existing-bucket: the bucket "there-is-none" does not exist' in output


def test_github_actions_need_the_id_of_the_repository(boot: Boot, yes: Answers) -> None:
    boot.repository_ids.clear()
    assert "--repository-id: missing" in refused(boot, yes, Trigger="actions")
    assert boot.set_up(yes, Trigger="actions", RepositoryId="99") == 0
    assert boot.stack is not None
    assert boot.stack.parameters["RepositoryId"] == "99"


def test_the_id_of_a_public_repository_is_looked_up_and_follows_its_name(boot: Boot, yes: Answers) -> None:
    boot.set_up(yes, Trigger="actions")
    assert boot.stack is not None
    assert boot.stack.parameters["RepositoryId"] == "1234"
    boot.repository_ids["octo/other"] = "5678"
    boot.set_up(yes, Repository="octo/other")
    assert boot.stack.parameters["RepositoryId"] == "5678"


def test_a_connection_with_the_services_earlier_name_is_valid() -> None:
    earlier = CONNECTION.replace("codeconnections", "codestar-connections")
    [parameter] = [each for each in PARAMETERS if each.name == "Connection"]
    assert parameter.accepts(CONNECTION)
    assert parameter.accepts(earlier)
    assert not parameter.accepts(earlier.replace("codestar", "codestart"))


def test_a_repository_that_nothing_names(boot: Boot, yes: Answers) -> None:
    boot.origin = None
    assert "--repository: missing" in refused(boot, yes)


def test_a_connection_that_is_not_there_or_of_no_use(boot: Boot, yes: Answers) -> None:
    elsewhere = CONNECTION.replace(REGION, "us-east-1")
    assert "is in us-east-1, and the stack in eu-west-1" in refused(boot, yes, Connection=elsewhere)
    boot.connections.statuses = ["ERROR"]
    assert "has the status ERROR" in refused(boot, yes, Connection=CONNECTION)
    boot.connections.provider = "Bitbucket"
    needed = "is a connection to Bitbucket, and github.com needs one to GitHub"
    assert needed in refused(boot, yes, Connection=CONNECTION)
    boot.connections.refuses = refusal("GetConnection", "ResourceNotFoundException", "not found")
    assert f"there is no connection {CONNECTION}" in refused(boot, yes, Connection=CONNECTION)


def test_a_change_to_a_connection_that_is_not_complete(boot: Boot, yes: Answers) -> None:
    boot.set_up(yes)
    boot.connections.statuses = ["PENDING"]
    with pytest.raises(InputError, match="can't switch to a connection whose handshake is not complete"):
        boot.set_up(yes, Connection=CONNECTION)


def test_a_connection_that_is_given_and_available_needs_one_change_only(boot: Boot, yes: Answers) -> None:
    assert boot.set_up(yes, Connection=CONNECTION) == 0
    assert boot.stack is not None
    assert boot.stack.status == "CREATE_COMPLETE"
    assert boot.stack.parameters["Connected"] == "true"


@pytest.mark.parametrize("state", ["disabled", "asymmetric", "fine"])
def test_a_key(boot: Boot, yes: Answers, state: str) -> None:
    kms = boto3.client("kms", region_name=REGION)
    spec, usage = ("RSA_2048", "ENCRYPT_DECRYPT") if state == "asymmetric" else ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT")
    key = kms.create_key(KeySpec=spec, KeyUsage=usage)["KeyMetadata"]["Arn"]
    if state == "disabled":
        kms.disable_key(KeyId=key.rpartition("/")[2])
        assert "is Disabled, not Enabled" in refused(boot, yes, KmsKey=key)
    elif state == "asymmetric":
        assert "is RSA_2048, not symmetric" in refused(boot, yes, KmsKey=key)
    else:
        assert boot.set_up(yes, KmsKey=key) == 0


def test_a_key_of_another_region(boot: Boot, yes: Answers) -> None:
    output = refused(boot, yes, KmsKey=KEY.replace(REGION, "us-east-1"))
    assert "is in us-east-1, and the stack in eu-west-1" in output


def test_a_boundary(boot: Boot, yes: Answers) -> None:
    missing = f"arn:aws:iam::{ACCOUNT}:policy/none"
    assert f"there is no policy {missing}" in refused(boot, yes, PermissionsBoundary=missing)
    document = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}'
    made = boto3.client("iam").create_policy(PolicyName="edge", PolicyDocument=document)["Policy"]["Arn"]
    assert boot.set_up(yes, PermissionsBoundary=made) == 0


def test_a_bucket_in_another_region(boot: Boot, yes: Answers) -> None:
    boto3.client("s3", region_name="us-east-1").create_bucket(Bucket="far-away")
    output = refused(boot, yes, ExistingBucket="far-away")
    assert "far-away" in output
    assert "us-east-1" in output


def test_a_network(boot: Boot, yes: Answers) -> None:
    ec2 = boto3.client("ec2", region_name=REGION)
    vpc, other = (ec2.create_vpc(CidrBlock=block)["Vpc"]["VpcId"] for block in ("10.0.0.0/16", "10.1.0.0/16"))
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
    strange = ec2.create_subnet(VpcId=other, CidrBlock="10.1.0.0/24")["Subnet"]["SubnetId"]
    group = ec2.create_security_group(GroupName="builds", Description="x", VpcId=vpc)["GroupId"]
    none = {"VpcId": "vpc-00000000", "SubnetIds": subnet, "SecurityGroupIds": group}
    assert "there is no VPC vpc-00000000" in refused(boot, yes, **none)
    wrong = {"VpcId": vpc, "SubnetIds": f"{subnet},{strange},subnet-00000000", "SecurityGroupIds": "sg-00000000"}
    output = refused(boot, yes, **wrong)
    assert f"the subnet {strange} is in {other}, not in {vpc}" in output
    assert "there is no subnet subnet-00000000" in output
    assert "there is no security group sg-00000000" in output
    assert "must be set together" in refused(boot, yes, VpcId=vpc)
    assert boot.set_up(yes, VpcId=vpc, SubnetIds=subnet, SecurityGroupIds=group) == 0


def test_a_provider(boot: Boot, yes: Answers) -> None:
    assert f"there is no provider {PROVIDER}" in refused(boot, yes, OidcProvider=PROVIDER, Trigger="actions")
    boto3.client("iam").create_open_id_connect_provider(
        Url="https://token.actions.githubusercontent.com", ClientIDList=["other"]
    )
    output = refused(boot, yes, OidcProvider=PROVIDER, Trigger="actions")
    assert "does not accept the audience sts.amazonaws.com" in output
