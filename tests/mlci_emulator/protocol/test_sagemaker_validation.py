"""What SageMaker and Step Functions say of wrong requests."""

from __future__ import annotations

from typing import Any

import pytest

from mlci_emulator.protocol import java_patterns, models, sagemaker_validation
from mlci_emulator.protocol.operations import ApiError
from support.local_jobs import processing_request, training_request


def refused(operation: str, request: Any) -> str:
    with pytest.raises(ApiError) as caught:
        sagemaker_validation.check(operation, request)
    return str(caught.value)


def test_right_requests_are_taken() -> None:
    sagemaker_validation.check("CreateProcessingJob", processing_request())
    sagemaker_validation.check("CreateTrainingJob", training_request(Environment={"A": "1"}, VpcConfig=None))


def test_all_constraints_are_told_at_once() -> None:
    """The form of https://github.com/aws/amazon-sagemaker-examples/issues/2236."""
    request = training_request("a_b", RoleArn=None)
    assert refused("CreateTrainingJob", request) == (
        "ValidationException: 2 validation errors detected: "
        "Value null at 'roleArn' failed to satisfy constraint: Member must not be null; "
        "Value 'a_b' at 'trainingJobName' failed to satisfy constraint: "
        "Member must satisfy regular expression pattern: [a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}"
    )


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"StoppingCondition": {"MaxRuntimeInSeconds": 0}}, "'0' at 'stoppingCondition.maxRuntimeInSeconds' failed"),
        ({"InputDataConfig": []}, "'[]' at 'inputDataConfig' failed to satisfy constraint: Member must have length gr"),
        ({"Tags": [{"Key": ""}]}, "Value null at 'tags.1.member.value'"),
        ({"Environment": {"a-b": "c"}}, "Value '{a-b=c}' at 'environment' failed to satisfy constraint: Map keys must"),
        ({"HyperParameters": {"a": "x" * 2501}}, "Map value must satisfy constraint: [Member must have length less"),
        (
            {"OutputDataConfig": {"S3OutputPath": "s3://b", "CompressionType": "ZIP"}},
            (
                "'ZIP' at 'outputDataConfig.compressionType' failed to satisfy constraint: "
                "Member must satisfy enum value set: [GZIP, NONE]"
            ),
        ),
        ({"VpcConfig": {"SecurityGroupIds": ["a b"], "Subnets": ["s"]}}, "'[a b]' at 'vpcConfig.securityGroupIds'"),
    ],
)
def test_a_constraint(changes: dict[str, Any], text: str) -> None:
    assert text in refused("CreateTrainingJob", training_request(**changes))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"TrainingJobName": 1}, "NUMBER_VALUE cannot be converted to String"),
        ({"EnableNetworkIsolation": "no"}, "STRING_VALUE cannot be converted to Boolean"),
        ({"StoppingCondition": {"MaxRuntimeInSeconds": True}}, "TRUE_VALUE cannot be converted to Integer"),
        ({"TrainingJobName": {}}, "Start of structure or map found where not expected."),
        ({"Tags": "x"}, "Expected list or null"),
    ],
)
def test_a_wrong_type(changes: dict[str, Any], text: str) -> None:
    assert refused("CreateTrainingJob", training_request(**changes)) == f"SerializationException: {text}"


def test_an_unknown_field_is_not_dropped_in_silence() -> None:
    request = training_request(ResourceConfig={"InstanceCount": 1, "VolumeSize": 1})
    assert 'does not know the field "ResourceConfig.VolumeSize"' in refused("CreateTrainingJob", request)


def test_every_pattern_of_the_model_is_understood() -> None:
    patterns = {shape["pattern"] for shape in models.model_data("sagemaker")["shapes"].values() if "pattern" in shape}
    assert len(patterns) > 100
    assert [pattern for pattern in patterns if java_patterns.compile_pattern(pattern)[0] is None] == []


@pytest.mark.parametrize(
    ("pattern", "value", "is_taken"),
    [
        (r"([\p{L}\p{Z}\p{N}_.:/=+\-@]*)", "Größe 1/٣", True),
        (r"([\p{L}\p{Z}\p{N}_.:/=+\-@]*)", "a$b", False),
        (r"[\p{L}\p{M}\p{Z}\p{S}\p{N}\p{P}]*", "„so“ + 1 € [x]~", True),
        (r"[\p{L}\p{M}\p{Z}\p{S}\p{N}\p{P}]*", "a\tb", False),
        (r"[a-z]+", "abc\n", False),
    ],
)
def test_categories_of_characters(pattern: str, value: str, is_taken: bool) -> None:
    assert java_patterns.matches(pattern, value) is is_taken
