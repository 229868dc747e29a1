"""Stacks whose resources cannot be created: they roll back, with the reason in their events, also after a restart."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from support.local_jobs import sourcedir
from support.serving import Serving, serving

BUCKET = {"Type": "AWS::S3::Bucket"}
UNKNOWN = {"Type": "AWS::Nowhere::Thing"}
ROLE = "arn:aws:iam::000000000000:role/any-role"
MACHINE = {"Type": "AWS::StepFunctions::StateMachine", "Properties": {"RoleArn": ROLE, "DefinitionString": "{}"}}
MODEL = {
    "Type": "AWS::SageMaker::Model",
    "Properties": {"ExecutionRoleArn": ROLE, "PrimaryContainer": {"Image": "image"}},
}
CONFIG = {
    "Type": "AWS::SageMaker::EndpointConfig",
    "Properties": {
        "ProductionVariants": [
            {
                "ModelName": {"Fn::GetAtt": ["Model", "ModelName"]},
                "VariantName": "all",
                "InitialInstanceCount": "1",
                "InstanceType": "ml.m5.large",
                "InitialVariantWeight": 1,
            }
        ]
    },
}
ENDPOINT = {
    "Type": "AWS::SageMaker::Endpoint",
    "Properties": {"EndpointName": "live", "EndpointConfigName": {"Fn::GetAtt": ["Config", "EndpointConfigName"]}},
}


def template(resources: Mapping[str, Any], outputs: Mapping[str, Any] | None = None) -> str:
    members = {name: {"Value": value} for name, value in (outputs or {}).items()}
    return json.dumps({"Resources": resources, **({"Outputs": members} if members else {})})


def bucket(name: str) -> dict[str, Any]:
    return {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": name}}


def status(served: Serving, stack: str) -> str:
    found: str = served.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"]
    return found


def failures(served: Serving, stack: str) -> dict[str, str]:
    """Return the reasons by logical id."""
    events = served.client("cloudformation").describe_stack_events(StackName=stack)["StackEvents"]
    return {
        event["LogicalResourceId"]: event["ResourceStatusReason"]
        for event in events
        if event["ResourceStatus"] == "CREATE_FAILED"
    }


def buckets(served: Serving) -> list[str]:
    return [found["Name"] for found in served.client("s3").list_buckets()["Buckets"]]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with serving(tmp_path_factory.mktemp("served")) as server:
        yield server


@pytest.mark.parametrize(
    ("name", "resource", "reason"),
    [
        ("unknown", UNKNOWN, "mlci serve has no resources of the type AWS::Nowhere::Thing"),
        ("custom", {"Type": "Custom::Thing", "Properties": {"ServiceToken": "arn"}}, "calls no functions"),
        ("custom-2", {"Type": "AWS::CloudFormation::CustomResource"}, "calls no functions"),
        ("wait", {"Type": "AWS::CloudFormation::WaitCondition"}, "wait condition"),
        ("instance", {"Type": "AWS::EC2::Instance", "Properties": {"ImageId": "ami-1"}}, "runs no instances"),
        ("notebook", {"Type": "AWS::SageMaker::NotebookInstance"}, "runs no notebooks"),
        ("pipeline", {"Type": "AWS::SageMaker::Pipeline"}, "AWS::SageMaker::Pipeline"),
        ("mapping", {"Type": "AWS::Lambda::EventSourceMapping"}, "polls no queues"),
        ("schedule", {"Type": "AWS::Scheduler::Schedule"}, "has no schedules"),
        (
            "rule",
            {"Type": "AWS::Events::Rule", "Properties": {"ScheduleExpression": "rate(1 day)"}},
            "has no schedules",
        ),
        (
            "topic",
            {
                "Type": "AWS::SNS::Topic",
                "Properties": {"Subscription": [{"Protocol": "email", "Endpoint": "a@example.com"}]},
            },
            "delivers no messages by email",
        ),
        ("machine", MACHINE, "Invalid State Machine Definition"),
    ],
)
def test_a_stack_with_a_refused_resource_rolls_back(
    served: Serving, name: str, resource: dict[str, Any], reason: str
) -> None:
    cloudformation = served.client("cloudformation")
    outputs = {"Refused": {"Ref": "Refused"}}
    first = bucket(f"first-{name}")
    cloudformation.create_stack(StackName=name, TemplateBody=template({"First": first, "Refused": resource}, outputs))
    assert status(served, name) == "ROLLBACK_COMPLETE"
    assert list(failures(served, name)) == ["Refused"]
    assert reason in failures(served, name)["Refused"]
    assert f"first-{name}" not in buckets(served)
    assert cloudformation.describe_stack_resources(StackName=name)["StackResources"] == []
    with pytest.raises(cloudformation.exceptions.ClientError):
        cloudformation.create_stack(StackName=name, TemplateBody=template({"First": first}))
    cloudformation.delete_stack(StackName=name)
    cloudformation.create_stack(StackName=name, TemplateBody=template({"First": first}))
    assert status(served, name) == "CREATE_COMPLETE"


def test_a_condition_leaves_a_refused_resource_out(served: Serving) -> None:
    text = json.loads(template({"First": BUCKET, "Refused": {**UNKNOWN, "Condition": "Cloud"}}))
    text["Conditions"] = {"Cloud": {"Fn::Equals": ["local", "cloud"]}}
    served.client("cloudformation").create_stack(StackName="conditional", TemplateBody=json.dumps(text))
    assert status(served, "conditional") == "CREATE_COMPLETE"


def test_a_change_set_that_creates_rolls_back(served: Serving) -> None:
    cloudformation = served.client("cloudformation")
    text = template({"First": bucket("first-of-change-set"), "Refused": UNKNOWN})
    change_set = {"StackName": "changed", "ChangeSetName": "create"}
    cloudformation.create_change_set(**change_set, ChangeSetType="CREATE", TemplateBody=text)
    cloudformation.execute_change_set(**change_set)
    assert status(served, "changed") == "ROLLBACK_COMPLETE"
    assert list(failures(served, "changed")) == ["Refused"]
    assert "first-of-change-set" not in buckets(served)
    assert cloudformation.describe_change_set(**change_set)["ExecutionStatus"] == "EXECUTE_FAILED"


@pytest.mark.parametrize("way", ["update", "change set"])
@pytest.mark.parametrize("resource", [UNKNOWN, MACHINE], ids=["by its type", "by its properties"])
def test_an_update_with_a_refused_resource_changes_nothing(served: Serving, way: str, resource: dict[str, Any]) -> None:
    cloudformation, s3 = served.client("cloudformation"), served.client("s3")
    name = f"u-{way.replace(' ', '-')}-{resource['Type'].rpartition(':')[2].lower()}"
    cloudformation.create_stack(StackName=name, TemplateBody=template({"First": bucket(name)}))
    s3.put_object(Bucket=name, Key="k", Body=b"1")
    text = template({"First": bucket(name), "Second": bucket(f"{name}-2"), "Third": resource})
    if way == "update":
        cloudformation.update_stack(StackName=name, TemplateBody=text)
    else:
        cloudformation.create_change_set(StackName=name, ChangeSetName="c", ChangeSetType="UPDATE", TemplateBody=text)
        cloudformation.execute_change_set(StackName=name, ChangeSetName="c")
    assert status(served, name) == "UPDATE_ROLLBACK_COMPLETE"
    assert list(failures(served, name)) == ["Third"]
    assert [found for found in buckets(served) if found.startswith(name)] == [name]
    assert s3.list_objects_v2(Bucket=name)["KeyCount"] == 1
    assert "Third" not in json.dumps(cloudformation.get_template(StackName=name)["TemplateBody"])


def test_models_and_endpoints_of_a_stack_are_the_emulator_s(served: Serving) -> None:
    cloudformation, sagemaker, s3 = (served.client(name) for name in ("cloudformation", "sagemaker", "s3"))
    s3.create_bucket(Bucket="of-models")
    script = sourcedir({"code/inference.py": "def model_fn(model_dir): return None\n"})
    s3.put_object(Bucket="of-models", Key="model.tar.gz", Body=script)
    container = {"Image": "image", "ModelDataUrl": "s3://of-models/model.tar.gz"}
    resources = {
        "Model": {"Type": MODEL["Type"], "Properties": {"ExecutionRoleArn": ROLE, "PrimaryContainer": container}},
        "Config": CONFIG,
        "Endpoint": ENDPOINT,
        "Group": {"Type": "AWS::SageMaker::ModelPackageGroup", "Properties": {"ModelPackageGroupName": "of-a-stack"}},
    }
    outputs = {"Model": {"Fn::GetAtt": ["Model", "ModelName"]}, "Endpoint": {"Ref": "Endpoint"}}
    cloudformation.create_stack(StackName="models", TemplateBody=template(resources, outputs))
    (stack,) = cloudformation.describe_stacks(StackName="models")["Stacks"]
    values = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    assert [model["ModelName"] for model in sagemaker.list_models()["Models"]] == [values["Model"]]
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName="live", WaiterConfig={"Delay": 1})
    assert sagemaker.describe_endpoint(EndpointName="live")["EndpointArn"] == values["Endpoint"]
    assert sagemaker.describe_model_package_group(ModelPackageGroupName="of-a-stack")
    cloudformation.delete_stack(StackName="models")
    assert (sagemaker.list_models()["Models"], sagemaker.list_endpoints()["Endpoints"]) == ([], [])


def test_a_model_that_sagemaker_rejects_rolls_its_stack_back(served: Serving) -> None:
    container = {"Image": "image", "ModelDataUrl": "s3://nowhere/model.tar.gz"}
    model = {"Type": MODEL["Type"], "Properties": {"ExecutionRoleArn": ROLE, "PrimaryContainer": container}}
    served.client("cloudformation").create_stack(StackName="no-data", TemplateBody=template({"Model": model}))
    assert status(served, "no-data") == "ROLLBACK_COMPLETE"
    assert "Could not find model data" in failures(served, "no-data")["Model"]


@pytest.mark.slow
def test_a_restart_rolls_back_the_same_resources(tmp_path: Path) -> None:
    resources = {"First": bucket("one"), "Machine": MACHINE}
    with serving(tmp_path) as first:
        cloudformation = first.client("cloudformation")
        cloudformation.create_stack(StackName="failed", TemplateBody=template(resources))
        cloudformation.create_stack(StackName="updated", TemplateBody=template({"First": bucket("two")}))
        cloudformation.update_stack(
            StackName="updated", TemplateBody=template({"First": bucket("two"), "Machine": MACHINE})
        )
        before = [failures(first, name) for name in ("failed", "updated")]
        first.stop()
    with serving(tmp_path) as second:
        assert status(second, "failed") == "ROLLBACK_COMPLETE"
        assert status(second, "updated") == "UPDATE_ROLLBACK_COMPLETE"
        assert [failures(second, name) for name in ("failed", "updated")] == before
