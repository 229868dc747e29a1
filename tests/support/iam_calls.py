"""What a request needs rights for: an operation of an API → the actions of IAM, each with its resource and what IAM
knows of the request. An operation that is not here is asked for on `*`.

Source: https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
(states, s3, sagemaker, logs, ssm, lambda, codebuild), and for what a role is passed on to
https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

ACCOUNT, REGION = "000000000000", "us-east-1"
_STATES, _SAGEMAKER = "states.amazonaws.com", "sagemaker.amazonaws.com"


@dataclass(frozen=True, order=True)
class Call:
    """One action on one resource; `context` are the condition keys of the request, with their values. Several values of
    one key are divided by commas."""

    action: str
    resource: str
    context: tuple[tuple[str, str], ...] = ()


def read(entry: tuple[str, str, Mapping[str, str]]) -> Call:
    """A call as tests/mlci/provision/calls.json has it."""
    action, resource, context = entry
    return Call(action, resource, tuple(context.items()))


def arn(service: str, resource: str) -> str:
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}"


def calls(service: str, operation: str, request: Mapping[str, Any]) -> list[Call]:
    """The calls of a request, by its service's signing name; empty where IAM asks for none."""
    try:
        return list(_calls(service, operation, request))
    except KeyError:
        return [Call(f"{service}:{operation}", "*")]


def _calls(service: str, operation: str, request: Mapping[str, Any]) -> Iterable[Call]:
    match service:
        case "sts" if operation == "GetCallerIdentity":
            return ()  # allowed to everybody
        case "ssm":
            names = request["Names"] if "Names" in request else [request["Name"]]
            return [Call(f"ssm:{operation}", arn("ssm", f"parameter/{name.lstrip('/')}")) for name in names]
        case "secretsmanager":
            secret = request["SecretId"]
            # Secrets Manager adds six characters to a name.
            named = secret if secret.startswith("arn:") else arn("secretsmanager", f"secret:{secret}-aBcD12")
            return [Call(f"secretsmanager:{operation}", named)]
        case "states" | "sagemaker" | "glue" | "s3":
            return {"states": _states, "sagemaker": _sagemaker, "glue": _glue, "s3": _s3}[service](operation, request)
        case "logs":
            return [Call(f"logs:{operation}", _log(operation, request))]
        case "ecr" if "repositoryName" in request:
            return [Call(f"ecr:{operation}", arn("ecr", f"repository/{request['repositoryName']}"))]
        case "codebuild" if operation == "BatchGetBuilds":
            projects = {each.partition(":")[0] for each in request["ids"]}
            return [Call(f"codebuild:{operation}", arn("codebuild", f"project/{name}")) for name in sorted(projects)]
        case "lambda":
            function = request["FunctionName"]
            named = function if function.startswith("arn:") else arn("lambda", f"function:{function}")
            return [Call("lambda:InvokeFunction", named)]
    raise KeyError(service)


def _glue(operation: str, request: Mapping[str, Any]) -> Iterator[Call]:
    job = arn("glue", f"job/{request['Name'] if operation == 'CreateJob' else request['JobName']}")
    yield Call(f"glue:{operation}", job)
    if operation == "CreateJob":
        yield _passed(request["Role"], "glue.amazonaws.com")
        if request.get("Tags"):
            yield Call("glue:TagResource", job)


#: Where the request of an operation of Step Functions names the state machine, its version or the execution.
_NAMED = {
    "UpdateStateMachine": "stateMachineArn",
    "DescribeStateMachine": "stateMachineArn",
    "PublishStateMachineVersion": "stateMachineArn",
    "ListStateMachineVersions": "stateMachineArn",
    "DeleteStateMachineVersion": "stateMachineVersionArn",
    "ListExecutions": "stateMachineArn",
    "StartExecution": "stateMachineArn",
    "DescribeExecution": "executionArn",
    "GetExecutionHistory": "executionArn",
    "StopExecution": "executionArn",
    "ListTagsForResource": "resourceArn",
    "TagResource": "resourceArn",
}


def _states(operation: str, request: Mapping[str, Any]) -> Iterator[Call]:
    if operation == "CreateStateMachine":
        named = arn("states", f"stateMachine:{request['name']}")
    else:
        named = request[_NAMED[operation]]
    yield Call(f"states:{operation}", named)
    if operation in ("CreateStateMachine", "UpdateStateMachine"):
        if "roleArn" in request:
            yield _passed(request["roleArn"], _STATES)
        if request.get("tags"):
            yield Call("states:TagResource", named)
        if request.get("publish"):
            yield Call("states:PublishStateMachineVersion", named)


def _passed(role: str, service: str) -> Call:
    return Call("iam:PassRole", role, (("iam:PassedToService", service),))


_JOBS = {
    "ProcessingJob": "processing-job",
    "TrainingJob": "training-job",
    "TransformJob": "transform-job",
    "HyperParameterTuningJob": "hyper-parameter-tuning-job",
}


def _sagemaker(operation: str, request: Mapping[str, Any]) -> Iterator[Call]:
    if operation == "ListTrainingJobsForHyperParameterTuningJob":
        name = request["HyperParameterTuningJobName"].lower()
        yield Call(f"sagemaker:{operation}", arn("sagemaker", f"hyper-parameter-tuning-job/{name}"))
        return
    for kind, resource in _JOBS.items():
        if operation in (f"Create{kind}", f"Describe{kind}", f"Stop{kind}"):
            job = arn("sagemaker", f"{resource}/{request[f'{kind}Name'].lower()}")
            yield Call(f"sagemaker:{operation}", job, _named_model(request.get("ModelName")))
            role = request.get("RoleArn") or request.get("TrainingJobDefinition", {}).get("RoleArn")
            if role:
                yield _passed(role, _SAGEMAKER)
            if request.get("Tags"):
                yield Call("sagemaker:AddTags", job)
            return
    if re.sub("^(Create|Describe|Delete|Update|Invoke)", "", operation) in _HOSTING:
        yield from _hosting(operation, request)
        return
    yield from _registry(operation, request)


def _named_model(name: str | None) -> tuple[tuple[str, str], ...]:
    """The condition key of a request that names a model."""
    return (("sagemaker:ModelArn", arn("sagemaker", f"model/{name.lower()}")),) if name else ()


_HOSTING = {"Model": "model", "EndpointConfig": "endpoint-config", "Endpoint": "endpoint"}


def _hosting(operation: str, request: Mapping[str, Any]) -> Iterator[Call]:
    """CreateEndpoint needs the endpoint and its configuration."""
    noun = re.sub("^(Create|Describe|Delete|Update|Invoke)", "", operation)
    made = arn("sagemaker", f"{_HOSTING[noun]}/{request[f'{noun}Name'].lower()}")
    variants = request.get("ProductionVariants", [{}])
    yield Call(f"sagemaker:{operation}", made, _named_model(variants[0].get("ModelName")))
    if operation in ("CreateEndpoint", "UpdateEndpoint"):
        config = arn("sagemaker", f"endpoint-config/{request['EndpointConfigName'].lower()}")
        yield Call(f"sagemaker:{operation}", config)
    if "ExecutionRoleArn" in request:
        yield _passed(request["ExecutionRoleArn"], _SAGEMAKER)
    if request.get("Tags"):
        yield Call("sagemaker:AddTags", made)


def _registry(operation: str, request: Mapping[str, Any]) -> Iterator[Call]:
    """A version is created in a group, and is a resource of its own."""
    if operation == "DescribeModelPackage":
        yield Call("sagemaker:DescribeModelPackage", request["ModelPackageName"])
        return
    group = request["ModelPackageGroupName"]
    named = arn("sagemaker", f"model-package-group/{group}")
    match operation:
        case "CreateModelPackageGroup":
            yield Call("sagemaker:CreateModelPackageGroup", named)
            if request.get("Tags"):
                yield Call("sagemaker:AddTags", named)
        case "CreateModelPackage":
            status = (("sagemaker:ModelApprovalStatus", request["ModelApprovalStatus"]),)
            yield Call("sagemaker:CreateModelPackage", named, status)
            yield Call("sagemaker:CreateModelPackage", arn("sagemaker", f"model-package/{group}/1"), status)
        case _:
            raise KeyError(operation)


def _log(operation: str, request: Mapping[str, Any]) -> str:
    group = arn("logs", f"log-group:{request['logGroupName']}")
    return {
        "DescribeLogStreams": f"{group}:*",
        "GetLogEvents": f"{group}:log-stream:{request.get('logStreamName')}",
    }[operation]


#: The operations of S3 that are called like no action.
_S3 = {
    "HeadBucket": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "HeadObject": "GetObject",
    "CopyObject": "PutObject",
    "CreateMultipartUpload": "PutObject",
    "UploadPart": "PutObject",
    "UploadPartCopy": "PutObject",
    "CompleteMultipartUpload": "PutObject",
}


#: Each bucket of the tests belongs to the account.
_OWN = ("aws:ResourceAccount", ACCOUNT)


def _s3(operation: str, request: Mapping[str, Any]) -> Iterator[Call]:
    """`request` has Bucket, Key, Prefix, CopySource and IfNoneMatch, where there are any."""
    action = _S3.get(operation, operation)
    bucket = f"arn:aws:s3:::{request['Bucket']}"
    match action:
        case "ListBucket":
            prefix = request.get("Prefix")
            yield Call("s3:ListBucket", bucket, (_OWN, ("s3:prefix", prefix)) if prefix else (_OWN,))
        case "GetObject" | "PutObject" | "DeleteObject" | "AbortMultipartUpload":
            once = request.get("IfNoneMatch") if action == "PutObject" else None
            condition = (("s3:if-none-match", once),) if once else ()
            yield Call(f"s3:{action}", f"{bucket}/{request['Key']}", (_OWN, *condition))
        case _:
            raise KeyError(operation)
    if operation in ("CopyObject", "UploadPartCopy"):
        yield Call("s3:GetObject", f"arn:aws:s3:::{request['CopySource'].lstrip('/')}", (_OWN,))


def awaited_job(kind: str) -> list[Call]:
    """What Step Functions asks for besides the job where it waits for the job's end.

    Source: https://docs.aws.amazon.com/step-functions/latest/dg/connect-sagemaker.html ("IAM policies")
    """
    rule = arn("events", f"rule/StepFunctionsGetEventsForSageMaker{kind.removeprefix('HyperParameter')}sRule")
    return [Call(f"events:{action}", rule) for action in ("DescribeRule", "PutRule", "PutTargets")]
