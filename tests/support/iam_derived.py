"""What services do in the name of a role while a flow runs, as an execution's history and SageMaker's jobs show it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from support.aws_account import Account
from support.iam_calls import Call, arn, awaited_job, calls

_KINDS = {
    "createProcessingJob": "ProcessingJob",
    "createTrainingJob": "TrainingJob",
    "createTransformJob": "TransformJob",
    "createHyperParameterTuningJob": "HyperParameterTuningJob",
}


def calls_of_the_workflow(served: Account, execution: str) -> Iterator[Call]:
    """What Step Functions asked for: each task that it began, and what waiting for a job takes."""
    states = served.client("stepfunctions")
    for event in states.get_execution_history(executionArn=execution, maxResults=1000)["events"]:
        if event["type"] != "TaskScheduled":
            continue
        task = event["taskScheduledEventDetails"]
        operation, _, pattern = task["resource"].partition(".")
        service = task["resourceType"].removeprefix("aws-sdk:")
        request = json.loads(task["parameters"])
        if service == "sagemakerruntime":
            service = "sagemaker"
        if service in ("sfn", "states"):  # a task spells their members otherwise than their API
            service, request = "states", {f"{name[:1].lower()}{name[1:]}": value for name, value in request.items()}
        yield from calls(service, f"{operation[0].upper()}{operation[1:]}", request)
        if pattern == "sync" and service == "glue":
            for verb in ("GetJobRun", "GetJobRuns", "BatchStopJobRun"):
                yield from calls("glue", verb, request)
        elif pattern == "sync":
            kind = _KINDS[operation]
            named = {f"{kind}Name": request[f"{kind}Name"]}
            yield from awaited_job(kind)
            for verb in ("Describe", "Stop"):
                yield from calls("sagemaker", f"{verb}{kind}", named)


def _api_names(service: str, request: dict[str, Any]) -> dict[str, Any]:
    """The members of a request as the API calls them: those of Step Functions begin in lower case."""
    if service != "states":
        return request
    return {f"{name[0].lower()}{name[1:]}": value for name, value in request.items()}


def calls_of_the_jobs(served: Account, run: str) -> Iterator[Call]:
    """What SageMaker did for the jobs of a run: their inputs, outputs, logs, metrics and images."""
    sagemaker = served.client("sagemaker")
    for job in sagemaker.list_training_jobs(NameContains=run)["TrainingJobSummaries"]:
        told = sagemaker.describe_training_job(TrainingJobName=job["TrainingJobName"])
        image = told["AlgorithmSpecification"]["TrainingImage"]
        yield from _calls_of_a_job(served, "TrainingJob", job["TrainingJobName"], told, image)
    for job in sagemaker.list_processing_jobs(NameContains=run)["ProcessingJobSummaries"]:
        told = sagemaker.describe_processing_job(ProcessingJobName=job["ProcessingJobName"])
        image = told["AppSpecification"]["ImageUri"]
        yield from _calls_of_a_job(served, "ProcessingJob", job["ProcessingJobName"], told, image)


def _calls_of_a_job(served: Account, kind: str, name: str, told: Mapping[str, Any], image: str) -> Iterator[Call]:
    for place in _places(told):
        bucket, _, prefix = place.removeprefix("s3://").partition("/")
        yield from calls("s3", "ListObjectsV2", {"Bucket": bucket, "Prefix": prefix})
        listed = served.client("s3").list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
        assert listed, place
        is_output = place in set(_places({"o": told.get("OutputDataConfig"), "p": told.get("ProcessingOutputConfig")}))
        for entry in listed:
            yield from calls("s3", "PutObject" if is_output else "GetObject", {"Bucket": bucket, "Key": entry["Key"]})
    group = arn("logs", f"log-group:/aws/sagemaker/{kind}s")
    yield Call("logs:CreateLogGroup", group)
    yield Call("logs:DescribeLogStreams", f"{group}:*")
    for action in ("CreateLogStream", "PutLogEvents"):
        yield Call(f"logs:{action}", f"{group}:log-stream:{name}/algo-1-1")
    yield Call("cloudwatch:PutMetricData", "*", (("cloudwatch:namespace", f"/aws/sagemaker/{kind}s"),))
    registry, _, repository = image.partition("/")
    account, _, _, region, *_ = registry.split(".")
    yield Call("ecr:GetAuthorizationToken", "*")
    for action in ("BatchCheckLayerAvailability", "BatchGetImage", "GetDownloadUrlForLayer"):
        yield Call(f"ecr:{action}", f"arn:aws:ecr:{region}:{account}:repository/{repository.partition(':')[0]}")


def _places(told: Any) -> Iterator[str]:
    """Every place in S3 that a job's description names."""
    if isinstance(told, dict):
        for member in told.values():
            yield from _places(member)
    elif isinstance(told, list):
        for element in told:
            yield from _places(element)
    elif isinstance(told, str) and (written := told.strip('"')).startswith("s3://"):  # hyperparameters are JSON
        yield written
