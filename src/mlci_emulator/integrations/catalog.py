"""The integrations of Step Functions with their patterns, and those that the emulator supports.

Sources: https://docs.aws.amazon.com/step-functions/latest/dg/integrate-optimized.html (the table) and the page of each
service below it; https://docs.aws.amazon.com/step-functions/latest/dg/supported-services-awssdk.html.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from mlci_emulator.integrations.resource_arns import Integration, Pattern

_REQUEST = frozenset({Pattern.REQUEST_RESPONSE})
_SYNC = frozenset({Pattern.REQUEST_RESPONSE, Pattern.SYNC})
_TOKEN = frozenset({Pattern.REQUEST_RESPONSE, Pattern.TOKEN})
_SYNC_AND_TOKEN = _SYNC | _TOKEN


def _each(patterns: frozenset[Pattern], *actions: str) -> Iterator[tuple[str, frozenset[Pattern]]]:
    for action in actions:
        yield action, patterns


#: The optimised integrations: service → action → patterns.
OPTIMISED: Mapping[str, Mapping[str, frozenset[Pattern]]] = MappingProxyType(
    {
        "apigateway": dict(_each(_TOKEN, "invoke")),
        "athena": dict(
            (
                *_each(_SYNC, "startQueryExecution"),
                *_each(_REQUEST, "stopQueryExecution", "getQueryExecution", "getQueryResults"),
            )
        ),
        "batch": dict(_each(_SYNC, "submitJob")),
        "bedrock": dict((*_each(_TOKEN, "invokeModel"), *_each(_SYNC, "createModelCustomizationJob"))),
        "bedrockagentcore": dict(_each(_REQUEST, "invokeHarness")),
        "codebuild": dict(
            (
                *_each(_SYNC, "startBuild", "startBuildBatch", "retryBuildBatch"),
                *_each(_REQUEST, "stopBuild", "stopBuildBatch", "deleteBuildBatch"),
                *_each(_REQUEST, "batchDeleteBuilds", "batchGetReports"),
            )
        ),
        "databrew": dict(_each(_SYNC, "startJobRun")),
        "dynamodb": dict(_each(_REQUEST, "getItem", "putItem", "deleteItem", "updateItem")),
        "ecs": dict(_each(_SYNC_AND_TOKEN, "runTask")),
        "eks": dict(
            (
                *_each(_SYNC, "createCluster", "deleteCluster", "createNodegroup", "deleteNodegroup"),
                *_each(_SYNC, "createFargateProfile", "deleteFargateProfile"),
                *_each(_SYNC_AND_TOKEN, "runJob"),
                *_each(_TOKEN, "call"),
            )
        ),
        "elasticmapreduce": dict(
            (
                *_each(_SYNC, "createCluster", "terminateCluster", "addStep"),
                *_each(_REQUEST, "setClusterTerminationProtection", "cancelStep"),
                *_each(_REQUEST, "modifyInstanceFleetByName", "modifyInstanceGroupByName"),
            )
        ),
        "emr-containers": dict(
            (*_each(_SYNC, "deleteVirtualCluster", "startJobRun"), *_each(_REQUEST, "createVirtualCluster"))
        ),
        "emr-serverless": dict(
            (
                *_each(_SYNC, "createApplication", "startApplication", "stopApplication", "deleteApplication"),
                *_each(_SYNC, "startJobRun", "cancelJobRun"),
            )
        ),
        "events": dict(_each(_TOKEN, "putEvents")),
        "glue": dict(_each(_SYNC, "startJobRun")),
        "http": dict(_each(_REQUEST, "invoke")),
        "lambda": dict(_each(_TOKEN, "invoke")),
        "mediaconvert": dict(_each(_SYNC, "createJob")),
        "sagemaker": dict(
            (
                *_each(_SYNC, "createTrainingJob", "createProcessingJob", "createTransformJob"),
                *_each(_SYNC, "createHyperParameterTuningJob", "createLabelingJob"),
                *_each(_REQUEST, "createModel", "createEndpointConfig", "createEndpoint", "updateEndpoint"),
            )
        ),
        "sns": dict(_each(_TOKEN, "publish")),
        "sqs": dict(_each(_TOKEN, "sendMessage")),
        "states": dict(_each(_SYNC_AND_TOKEN | {Pattern.SYNC_2}, "startExecution")),
    }
)

#: The integrations that need the local services only. `dynamodb` needs a further service.
SUPPORTED: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "sagemaker": frozenset(
            {
                "createTrainingJob",
                "createProcessingJob",
                "createTransformJob",
                "createHyperParameterTuningJob",
                "createModel",
                "createEndpointConfig",
                "createEndpoint",
                "updateEndpoint",
            }
        ),
        "glue": frozenset({"startJobRun"}),
        "lambda": frozenset({"invoke"}),
        "sns": frozenset({"publish"}),
        "sqs": frozenset({"sendMessage"}),
        "events": frozenset({"putEvents"}),
        "states": frozenset({"startExecution"}),
    }
)

#: Optimised integrations that only call the API, so that any service can implement them, with its name in aws-sdk
#: resources.
FORWARDED: Mapping[str, str] = MappingProxyType({"dynamodb": "dynamodb"})

#: The aws-sdk name of an optimised integration's service, where the two differ.
SDK_NAMES: Mapping[str, str] = MappingProxyType({"events": "eventbridge", "states": "sfn", "elasticmapreduce": "emr"})

#: The advice for an integration that AWS has and the emulator lacks.
_ALTERNATIVES: Mapping[str, str] = MappingProxyType(
    {
        "http": "calls out of a test would not be repeatable: call the endpoint from a Lambda function.",
        "apigateway": "call the endpoint from a Lambda function.",
        "ecs": "make it a SageMaker processing job, or a Lambda function.",
        "batch": "make it a SageMaker processing job, or a Lambda function.",
        "glue": "run the machine in `mlci serve`, which runs Python shell jobs.",
        "databrew": "make it a SageMaker processing job.",
        "dynamodb": "run the machine in `mlci serve`, which has DynamoDB.",
        "lambda": "give its code with `mlci execute --function NAME=FILE.py:HANDLER`, or create it in `mlci serve`.",
    }
)


def exists(integration: Integration) -> bool:
    """Return whether AWS has an optimised integration with this pattern."""
    return integration.pattern in OPTIMISED.get(integration.service, {}).get(integration.action, ())


def is_supported(integration: Integration) -> bool:
    """Return whether the local services suffice for an optimised integration."""
    return integration.action in SUPPORTED.get(integration.service, ())


def sdk_name(integration: Integration) -> str:
    """Return the name of the integration's service in aws-sdk resources."""
    return integration.service if integration.is_sdk else SDK_NAMES.get(integration.service, integration.service)


def not_recognized(resource: str) -> str:
    """Return AWS's message for a resource that it lacks (recorded for `dynamodb:query`)."""
    return (
        f"The resource provided {resource} is not recognized. "
        "The value is not a valid resource ARN, or the resource is not available in this region."
    )


def unsupported(resource: str, service: str) -> str:
    """Return the message for a resource that AWS has and the emulator lacks."""
    advice = _ALTERNATIVES.get(service, "run this state on AWS, or let a Lambda function do its work.")
    return f"AWS has the resource {resource}, and the local cloud does not do it: {advice}"
