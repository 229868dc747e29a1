"""Models, endpoints, model packages and tags."""

from __future__ import annotations

from typing import Any

import pytest

from mlci_emulator.protocol.operations import ApiError
from support.local_jobs import sourcedir
from support.sagemaker import REGION, SageMakerHarness

ARN = f"arn:aws:sagemaker:{REGION}:000000000000"
ROLE = "arn:aws:iam::000000000000:role/job"


def refused(sagemaker: SageMakerHarness, operation: str, **request: Any) -> str:
    with pytest.raises(ApiError) as caught:
        sagemaker.call(operation, **request)
    return str(caught.value)


def make_model(sagemaker: SageMakerHarness, name: str = "model") -> dict[str, Any]:
    script = "def model_fn(model_dir): return None\n"
    sagemaker.harness.store.put_bytes(sourcedir({"code/inference.py": script}), "s3://b/model.tar.gz")
    container = {"Image": "image", "ModelDataUrl": "s3://b/model.tar.gz"}
    return sagemaker.call("CreateModel", ModelName=name, PrimaryContainer=container, ExecutionRoleArn=ROLE)


def make_config(sagemaker: SageMakerHarness, name: str = "config", model: str = "model") -> dict[str, Any]:
    variant = {
        "VariantName": "all",
        "ModelName": model,
        "InstanceType": "ml.m5.large",
        "InitialInstanceCount": 1,
        "InitialVariantWeight": 2.0,
    }
    return sagemaker.call("CreateEndpointConfig", EndpointConfigName=name, ProductionVariants=[variant])


def test_a_model(sagemaker: SageMakerHarness) -> None:
    assert make_model(sagemaker) == {"ModelArn": f"{ARN}:model/model"}
    described = sagemaker.call("DescribeModel", ModelName="model")
    assert described["PrimaryContainer"]["Image"] == "image"
    assert described["EnableNetworkIsolation"] is False
    assert refused(sagemaker, "CreateModel", ModelName="model", PrimaryContainer={"Image": "i"}) == (
        f'ValidationException: Cannot create already existing model "{ARN}:model/model".'
    )
    (summary,) = sagemaker.call("ListModels", NameContains="mod")["Models"]
    assert summary == {name: described[name] for name in ("ModelName", "ModelArn", "CreationTime")}
    assert sagemaker.call("DeleteModel", ModelName="model") == {}
    gone = f'ValidationException: Could not find model "{ARN}:model/model".'
    assert refused(sagemaker, "DescribeModel", ModelName="model") == gone
    assert refused(sagemaker, "DeleteModel", ModelName="model") == gone


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "needs a PrimaryContainer or Containers"),
        ({"PrimaryContainer": {"Image": "i", "ModelDataUrl": "s3://b/no"}}, "Could not find model data at s3://b/no."),
        ({"PrimaryContainer": {"Image": "i", "ModelDataUrl": "https://x/no"}}, "Could not find model data at https:"),
        ({"PrimaryContainer": {"Environment": {}}}, "needs an Image or a ModelPackageName"),
        ({"PrimaryContainer": {"ModelPackageName": "no"}}, 'no model package "no"'),
        ({"ExecutionRoleArn": "me"}, "Value 'me' at 'executionRoleArn' failed to satisfy constraint"),
    ],
)
def test_a_model_that_is_rejected(sagemaker: SageMakerHarness, changes: dict[str, Any], text: str) -> None:
    assert text in refused(sagemaker, "CreateModel", ModelName="m", **changes)


def test_an_endpoint_from_creation_to_deletion(sagemaker: SageMakerHarness) -> None:
    make_model(sagemaker)
    make_config(sagemaker)
    answer = sagemaker.call("CreateEndpoint", EndpointName="e", EndpointConfigName="config")
    assert answer == {"EndpointArn": f"{ARN}:endpoint/e"}
    described = sagemaker.wait_until("Endpoint", "e", lambda found: found["EndpointStatus"] != "Creating")
    assert described["EndpointStatus"] == "InService"
    (variant,) = described["ProductionVariants"]
    assert variant["CurrentWeight"] == 2.0
    assert variant["DeployedImages"][0]["SpecifiedImage"] == "image"
    assert sagemaker.call("ListEndpoints", StatusEquals="InService")["Endpoints"][0]["EndpointName"] == "e"
    make_config(sagemaker, "other")
    sagemaker.call("UpdateEndpoint", EndpointName="e", EndpointConfigName="other")
    described = sagemaker.wait_until("Endpoint", "e", lambda found: found["EndpointStatus"] != "Updating")
    assert (described["EndpointStatus"], described["EndpointConfigName"]) == ("InService", "other")
    assert f'already existing endpoint "{ARN}:endpoint/e".' in refused(
        sagemaker, "CreateEndpoint", EndpointName="e", EndpointConfigName="config"
    )
    sagemaker.call("DeleteEndpoint", EndpointName="e")
    assert refused(sagemaker, "DescribeEndpoint", EndpointName="e") == (
        f'ValidationException: Could not find endpoint "{ARN}:endpoint/e".'
    )


def test_an_endpoint_whose_artefact_is_gone_fails(sagemaker: SageMakerHarness) -> None:
    make_model(sagemaker)
    make_config(sagemaker)
    sagemaker.harness.store.remove("s3://b/model.tar.gz")
    sagemaker.call("CreateEndpoint", EndpointName="e", EndpointConfigName="config")
    described = sagemaker.wait_until("Endpoint", "e", lambda found: found["EndpointStatus"] != "Creating")
    assert described["EndpointStatus"] == "Failed"
    assert described["FailureReason"] == "Could not find model data at s3://b/model.tar.gz."


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"AsyncInferenceConfig": {"OutputConfig": {"S3OutputPath": "s3://bucket/out"}}}, "AsyncInferenceConfig"),
    ],
)
def test_settings_that_nothing_would_perform_are_rejected(
    sagemaker: SageMakerHarness, settings: dict[str, Any], reason: str
) -> None:
    make_model(sagemaker)
    variant = {
        "VariantName": "all",
        "ModelName": "model",
        "InstanceType": "ml.m5.large",
        "InitialInstanceCount": 1,
    }
    request = {"EndpointConfigName": "config", "ProductionVariants": [variant]}
    assert reason in refused(sagemaker, "CreateEndpointConfig", **request, **settings)
    sagemaker.call("CreateEndpointConfig", **request)


def test_endpoint_configurations(sagemaker: SageMakerHarness) -> None:
    make_model(sagemaker)
    assert make_config(sagemaker) == {"EndpointConfigArn": f"{ARN}:endpoint-config/config"}
    with pytest.raises(ApiError, match='Cannot create already existing endpoint configuration "arn'):
        make_config(sagemaker)
    with pytest.raises(ApiError, match='Could not find model "arn'):
        make_config(sagemaker, "new", "none")
    missing = refused(sagemaker, "CreateEndpoint", EndpointName="e", EndpointConfigName="none")
    assert missing == f'ValidationException: Could not find endpoint configuration "{ARN}:endpoint-config/none".'
    described = sagemaker.call("DescribeEndpointConfig", EndpointConfigName="config")
    assert described["ProductionVariants"][0]["ModelName"] == "model"
    assert len(sagemaker.call("ListEndpointConfigs")["EndpointConfigs"]) == 1
    sagemaker.call("DeleteEndpointConfig", EndpointConfigName="config")
    assert sagemaker.call("ListEndpointConfigs") == {"EndpointConfigs": []}


def specification() -> dict[str, Any]:
    container = {"Image": "image", "ModelDataUrl": "s3://b/model.tar.gz", "Environment": {"A": "1"}}
    return {"Containers": [container], "SupportedContentTypes": ["text/csv"]}


def test_versions_of_a_group(sagemaker: SageMakerHarness) -> None:
    group = sagemaker.call("CreateModelPackageGroup", ModelPackageGroupName="g", ModelPackageGroupDescription="d")
    assert group == {"ModelPackageGroupArn": f"{ARN}:model-package-group/g"}
    for number in (1, 2):
        token = f"t{number}"
        made = sagemaker.call(
            "CreateModelPackage", ModelPackageGroupName="g", InferenceSpecification=specification(), ClientToken=token
        )
        assert made == {"ModelPackageArn": f"{ARN}:model-package/g/{number}"}
    first = f"{ARN}:model-package/g/1"
    described = sagemaker.call("DescribeModelPackage", ModelPackageName=first)
    assert described["ModelPackageVersion"] == 1
    assert described["ModelApprovalStatus"] == "PendingManualApproval"
    assert described["ModelPackageStatus"] == "Completed"
    assert described["ModelPackageGroupName"] == described["ModelPackageName"] == "g"
    sagemaker.call(
        "UpdateModelPackage", ModelPackageArn=first, ModelApprovalStatus="Approved", ApprovalDescription="ok"
    )
    approved = sagemaker.call("ListModelPackages", ModelPackageGroupName="g", ModelApprovalStatus="Approved")
    assert [summary["ModelPackageArn"] for summary in approved["ModelPackageSummaryList"]] == [first]
    assert len(sagemaker.call("ListModelPackages", ModelPackageGroupName="g")["ModelPackageSummaryList"]) == 2
    assert sagemaker.call("ListModelPackages") == {"ModelPackageSummaryList": []}
    assert "ConflictException" in refused(sagemaker, "DeleteModelPackageGroup", ModelPackageGroupName="g")
    sagemaker.call("DeleteModelPackage", ModelPackageName=f"{ARN}:model-package/g/2")
    made = sagemaker.call("CreateModelPackage", ModelPackageGroupName="g", InferenceSpecification=specification())
    assert made["ModelPackageArn"].endswith("/3"), "a version's number is never used again"
    assert "$versions" not in sagemaker.call("DescribeModelPackageGroup", ModelPackageGroupName="g")
    many = sagemaker.call("BatchDescribeModelPackage", ModelPackageArnList=[first, f"{ARN}:model-package/g/9"])
    assert set(many["ModelPackageSummaries"]) == {first}
    assert set(many["BatchDescribeModelPackageErrorMap"]) == {f"{ARN}:model-package/g/9"}


def test_a_package_by_itself(sagemaker: SageMakerHarness) -> None:
    request = {"InferenceSpecification": specification(), "ModelPackageName": "p"}
    assert sagemaker.call("CreateModelPackage", **request) == {"ModelPackageArn": f"{ARN}:model-package/p"}
    assert "already exists" in refused(sagemaker, "CreateModelPackage", **request)
    assert "ModelApprovalStatus" not in sagemaker.call("DescribeModelPackage", ModelPackageName="p")
    assert len(sagemaker.call("ListModelPackages")["ModelPackageSummaryList"]) == 1
    metadata = {"a": "1", "b": "2"}
    arn = f"{ARN}:model-package/p"
    sagemaker.call("UpdateModelPackage", ModelPackageArn=arn, CustomerMetadataProperties=metadata)
    sagemaker.call("UpdateModelPackage", ModelPackageArn=arn, CustomerMetadataPropertiesToRemove=["a"])
    assert sagemaker.call("DescribeModelPackage", ModelPackageName=arn)["CustomerMetadataProperties"] == {"b": "2"}


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        ({}, "Missing ARN."),
        ({"ModelPackageName": "a", "ModelPackageGroupName": "g"}, "Both ModelPackageName and ModelPackageGroupName"),
        ({"ModelPackageGroupName": "g", "Tags": [{"Key": "k", "Value": "v"}]}, "Tags are not supported"),
        ({"ModelPackageGroupName": "none"}, f"ModelPackageGroup {ARN}:model-package-group/none does not exist."),
    ],
)
def test_a_package_that_is_rejected(sagemaker: SageMakerHarness, request_: dict[str, Any], text: str) -> None:
    assert text in refused(sagemaker, "CreateModelPackage", **request_)


def test_a_package_becomes_a_model_that_transforms(sagemaker: SageMakerHarness) -> None:
    script = "import os\ndef model_fn(d): return os.environ['A']\ndef transform_fn(model, *rest): return model"
    sagemaker.harness.store.put_bytes(sourcedir({"code/inference.py": script}), "s3://b/model.tar.gz")
    sagemaker.harness.store.put_bytes(b"x\n", "s3://b/in/x")
    sagemaker.call("CreateModelPackageGroup", ModelPackageGroupName="g")
    arn = sagemaker.call("CreateModelPackage", ModelPackageGroupName="g", InferenceSpecification=specification())[
        "ModelPackageArn"
    ]
    sagemaker.call("CreateModel", ModelName="m", PrimaryContainer={"ModelPackageName": arn}, ExecutionRoleArn=ROLE)
    assert sagemaker.call("DescribeModel", ModelName="m")["PrimaryContainer"] == {"ModelPackageName": arn}
    sagemaker.call(
        "CreateTransformJob",
        TransformJobName="job",
        ModelName="m",
        TransformInput={"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://b/in/"}}},
        TransformOutput={"S3OutputPath": "s3://b/out"},
        TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 1},
    )
    assert sagemaker.wait_for_end("TransformJob")["TransformJobStatus"] == "Completed", sagemaker.log_text("job")
    assert sagemaker.harness.store.read_bytes("s3://b/out/x.out") == b"1"


def test_tags(sagemaker: SageMakerHarness) -> None:
    arn = make_model(sagemaker)["ModelArn"]
    tags = [{"Key": f"k{number}", "Value": "v"} for number in range(3)]
    assert sagemaker.call("AddTags", ResourceArn=arn, Tags=tags) == {"Tags": tags}
    sagemaker.call("AddTags", ResourceArn=arn, Tags=[{"Key": "k1", "Value": "new"}])
    sagemaker.call("DeleteTags", ResourceArn=arn, TagKeys=["k0"])
    assert sagemaker.call("ListTags", ResourceArn=arn)["Tags"] == [{"Key": "k1", "Value": "new"}, tags[2]]
    many = [{"Key": f"m{number}", "Value": "v"} for number in range(50)]
    sagemaker.call("AddTags", ResourceArn=arn, Tags=many)
    first = sagemaker.call("ListTags", ResourceArn=arn)
    second = sagemaker.call("ListTags", ResourceArn=arn, NextToken=first["NextToken"])
    assert (len(first["Tags"]), len(second["Tags"])) == (50, 2)
    assert "NextToken" not in second
    sagemaker.call("DeleteModel", ModelName="model")
    assert "has no resource" in refused(sagemaker, "ListTags", ResourceArn=arn)


def test_a_request_with_the_token_of_another_makes_no_second_version(sagemaker: SageMakerHarness) -> None:
    sagemaker.call("CreateModelPackageGroup", ModelPackageGroupName="g")
    tokens = ["a", "a", "b", None, None]
    arns = [
        sagemaker.call("CreateModelPackage", ModelPackageGroupName="g", ClientToken=token)["ModelPackageArn"]
        for token in tokens
    ]
    assert [arn.rpartition("/")[2] for arn in arns] == ["1", "1", "2", "3", "4"]
