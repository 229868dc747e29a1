"""`mlci bootstrap --delete`: what goes, what stays, and that nothing goes unasked."""

from __future__ import annotations

import itertools
import json

import boto3
import pytest

from mlci.errors import CloudError, InputError, Stopped
from support.bootstrap_account import BUCKET, FLOW, STACK, TEMPLATE, Answers, Boot
from support.fake_aws import ACCOUNT, REGION
from support.fake_cloudformation import FormationStack


def put(bucket: str, key: str, times: int = 1) -> None:
    s3 = boto3.client("s3", region_name=REGION)
    for number in range(times):
        s3.put_object(Bucket=bucket, Key=key, Body=f"{number}".encode())


def machine(name: str, flow: str = FLOW) -> str:
    definition = {"StartAt": "A", "States": {"A": {"Type": "Pass", "End": True}}}
    made = boto3.client("stepfunctions").create_state_machine(
        name=name,
        definition=json.dumps(definition),
        roleArn=f"arn:aws:iam::{ACCOUNT}:role/any",
        tags=[{"key": "mlci:flow", "value": flow}],
    )
    return str(made["stateMachineArn"])


@pytest.fixture
def made(boot: Boot, yes: Answers) -> Boot:
    boot.set_up(yes)
    return boot


def test_the_bucket_stays_and_can_be_used_again(made: Boot) -> None:
    put(BUCKET, "mlci/small/baselines/main.json")
    prompt = Answers([True])
    assert made.tear_down(prompt) == 0
    assert made.stack is None
    assert made.buckets == [BUCKET]
    assert f"kept: the bucket {BUCKET}" in prompt.text
    assert f"mlci bootstrap --existing-bucket {BUCKET}" in prompt.text
    assert "  - WorkflowRole        AWS::IAM::Role" in prompt.said
    assert not [line for line in prompt.said if "AWS::S3::Bucket" in line]


def test_a_second_time_there_is_nothing_to_do(made: Boot, yes: Answers) -> None:
    made.tear_down(yes)
    again = Answers(is_interactive=False)
    assert made.tear_down(again) == 0
    assert f'no stack "{STACK}"' in again.text


def test_the_bucket_goes_where_that_is_asked_for(made: Boot) -> None:
    put(BUCKET, "a", times=3)
    put(BUCKET, "b")
    s3 = boto3.client("s3", region_name=REGION)
    s3.delete_object(Bucket=BUCKET, Key="b")
    s3.create_multipart_upload(Bucket=BUCKET, Key="c")
    prompt = Answers([True])
    assert made.tear_down(prompt, deletes_bucket=True) == 0
    assert made.buckets == []
    assert "THE BUCKET" in prompt.text
    assert prompt.questions == ["Delete all of this, and everything in the bucket?"]
    assert "with 9 object versions" in prompt.text  # four files are what builds install


def test_a_bucket_that_an_earlier_deletion_left_is_found_by_its_tag(made: Boot, yes: Answers) -> None:
    s3 = boto3.client("s3", region_name=REGION)
    s3.create_bucket(Bucket=f"{STACK}-of-others", CreateBucketConfiguration={"LocationConstraint": REGION})
    made.tear_down(yes)
    assert made.tear_down(yes, deletes_bucket=True) == 0
    assert made.buckets == [f"{STACK}-of-others"]
    assert made.tear_down(yes, deletes_bucket=True) == 0


def test_a_bucket_of_others_is_not_deleted(made: Boot, yes: Answers) -> None:
    s3 = boto3.client("s3", region_name=REGION)
    s3.create_bucket(Bucket="others", CreateBucketConfiguration={"LocationConstraint": REGION})
    made.tear_down(yes)
    with pytest.raises(InputError, match="others was not created for this flow"):
        made.tear_down(yes, deletes_bucket=True, bucket="others")
    assert "others" in made.buckets


def test_a_bucket_of_others_that_the_stack_uses_is_not_deleted(boot: Boot, yes: Answers) -> None:
    s3 = boto3.client("s3", region_name=REGION)
    s3.create_bucket(Bucket="others", CreateBucketConfiguration={"LocationConstraint": REGION})
    boot.set_up(yes, TEMPLATE.replace("Value: {Ref: Bucket}", "Value: others"), ExistingBucket="others")
    with pytest.raises(InputError, match="others was not created for this flow"):
        boot.tear_down(yes, deletes_bucket=True)
    assert boot.stack is not None
    assert boot.tear_down(yes) == 0


def test_the_state_machines_that_runs_made_go_too_but_no_others(made: Boot, yes: Answers) -> None:
    machine("mlci-small")
    machine("mlci-small_protected", "another")
    made.tear_down(yes)
    left = boto3.client("stepfunctions").list_state_machines()["stateMachines"]
    assert [entry["name"] for entry in left] == ["mlci-small_protected"]


def test_nothing_is_deleted_while_a_run_goes_on(made: Boot, yes: Answers) -> None:
    arn = machine("mlci-small_protected")
    boto3.client("stepfunctions").start_execution(stateMachineArn=arn, name="20261125-070000-abcdef")
    with pytest.raises(InputError, match="mlci stop 20261125-070000-abcdef --protected"):
        made.tear_down(yes)
    assert made.stack is not None


def test_the_provider_that_others_may_use_stays(boot: Boot, yes: Answers) -> None:
    boot.set_up(yes, Trigger="actions")
    assert boot.tear_down(yes) == 0
    assert "kept: the account's OIDC provider for GitHub Actions" in yes.text


def test_a_no_deletes_nothing(made: Boot) -> None:
    with pytest.raises(Stopped, match="nothing was deleted"):
        made.tear_down(Answers([False]))
    with pytest.raises(InputError, match=r"there is no terminal.*--yes"):
        made.tear_down(Answers(is_interactive=False))
    assert made.stack is not None


def test_what_can_not_be_deleted_is_told_with_its_reason(made: Boot, yes: Answers) -> None:
    made.formation.fails["WorkflowRole"] = "Cannot delete entity, must detach all policies first."
    with pytest.raises(CloudError, match=r"could not be deleted: WorkflowRole.*must detach all policies"):
        made.tear_down(yes)
    made.formation.fails.clear()
    assert made.tear_down(yes) == 0
    assert made.stack is None


def test_a_stack_of_others_is_not_deleted(made: Boot, yes: Answers) -> None:
    assert made.stack is not None
    made.stack.tags = {}
    with pytest.raises(InputError, match="mlci did not create it"):
        made.tear_down(yes)


def test_an_interrupt_ends_the_waiting_only(made: Boot, yes: Answers) -> None:
    def at(stack: FormationStack) -> None:
        if stack.status == "DELETE_IN_PROGRESS":
            stack.work = itertools.repeat(None)  # for ever

    made.formation.at = at
    yes.heard.put("stopped by SIGINT")
    with pytest.raises(Stopped, match="continues to delete"):
        made.tear_down(yes)
