"""The operations of moto that claim work which nothing performs: they are rejected, each with a sentence.

moto answers that a build has started, a job has run, a query has returned no rows, an e-mail was sent or a schedule is
active, and nothing of it happens. Records of infrastructure are different: networks, clusters, databases and
distributions are stored, their addresses lead nowhere, and a client that uses one of them fails visibly.

The work that moto does in this process is not in the table: messages of SNS and EventBridge to queues, logs and HTTP
addresses, DynamoDB's exports and imports, Firehose to S3, KMS's cryptography, workflows of SWF.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

#: Returns a member of a request by its name in the API, or None.
Members = Callable[[str], Any]
#: Returns the sentence for a request, or None if the operation does what it claims.
Check = Callable[[Members], "str | None"]

_BUILDS = "mlci serve runs no builds. Run the commands of the buildspec yourself, for example `mlci run`."
_JOBS = "mlci serve runs no jobs of this service. A SageMaker processing job runs a script here."
_PIPELINES = "mlci serve runs no pipelines. A Step Functions state machine runs here."
_SCHEDULES = "mlci serve has no schedules. Start the target yourself when it is due, for example by cron."
_INSTANCES = "mlci serve runs no instances. A SageMaker job or a Lambda function runs code here."
_CONTAINERS = "mlci serve runs no containers. A SageMaker job or a Lambda function runs code here."
_QUERIES = "mlci serve runs no queries of this service. Run them against a database of your own."
_MODELS = (
    "mlci serve has none of AWS's models and would make its result up. Replace the client by a fake in your tests."
)
_MAIL = "mlci serve sends no e-mail. Replace the client by a fake in your tests."
_MAPPINGS = (
    "mlci serve polls no queues and streams for functions. Receive the records yourself, and invoke the function with "
    "them."
)
_TRANSFERS = "mlci serve transfers no data for this service. Copy it yourself, for example by `aws s3 cp`."
_ALARMS = "mlci serve evaluates no alarms: the alarm would never change its state. Compare the metric yourself."
_RECORDINGS = "mlci serve records no calls and no configuration. `mlci serve --verbose` prints each request."
_DEPLOYMENTS = "mlci serve deploys nothing. Update the function or the state machine itself."
_STREAMS = "mlci serve runs no streams and channels of this service."

_ROTATION = "mlci serve rotates no secrets. Write the new value with PutSecretValue."
_COMMANDS = "mlci serve runs no commands on instances. Run the command yourself."

#: The targets of rules to which moto delivers events.
_DELIVERED_TARGETS = ("logs", "sqs", "events")
#: The protocols of subscriptions by which moto delivers messages.
_DELIVERED_PROTOCOLS = ("sqs", "http", "https")


def _rule(get: Members) -> str | None:
    return _SCHEDULES if get("ScheduleExpression") else None


def _targets(get: Members) -> str | None:
    for target in get("Targets") or []:
        arn = str(target.get("Arn", ""))
        service, resource = [*arn.split(":"), "", "", "", "", "", ""][2:6:3]
        if service not in _DELIVERED_TARGETS or resource.startswith("api-destination"):
            return (
                f"mlci serve delivers no events to {arn}: it delivers to queues, log groups and event buses only. Send "
                "them to a queue, and start the target from there."
            )
    return None


def _subscription(get: Members) -> str | None:
    protocol = get("Protocol")
    if protocol in (None, *_DELIVERED_PROTOCOLS):
        return None
    return (
        f"mlci serve delivers no messages by {protocol}: it delivers to queues and HTTP addresses only. Subscribe a "
        "queue, and handle its messages."
    )


def _publish(get: Members) -> str | None:
    return "mlci serve sends no text messages. Publish to a topic with a queue." if get("PhoneNumber") else None


def _log_subscription(get: Members) -> str | None:
    service = [*str(get("destinationArn")).split(":"), "", ""][2]
    if service in ("kinesis", "firehose"):
        return None
    return "mlci serve delivers no log events to functions. Read them with `aws logs filter-log-events`."


def _delivery_stream(get: Members) -> str | None:
    destination = next((name for name in _DESTINATIONS if get(name)), None)
    if destination is None:
        return None
    return f"mlci serve delivers no records to a {destination.removesuffix('Configuration')}. Deliver them to S3."


_DESTINATIONS = (
    "RedshiftDestinationConfiguration",
    "ElasticsearchDestinationConfiguration",
    "AmazonopensearchserviceDestinationConfiguration",
    "AmazonOpenSearchServerlessDestinationConfiguration",
    "SplunkDestinationConfiguration",
    "SnowflakeDestinationConfiguration",
    "IcebergDestinationConfiguration",
)


def _trigger(get: Members) -> str | None:
    return _SCHEDULES if get("Type") == "SCHEDULED" or get("StartOnCreation") else None


def _crawler(get: Members) -> str | None:
    return _SCHEDULES if get("Schedule") else None


def _pipe(get: Members) -> str | None:
    if get("DesiredState") == "STOPPED":
        return None
    return f"{_MAPPINGS} A pipe with DesiredState STOPPED is stored."


class RefusedOperations(NamedTuple):
    """Operations of one service, by botocore's name of it, and the sentence or what decides about it."""

    service: str
    operations: Sequence[str]
    reason: str | Check


#: All of them. A test compares the table with moto's operations.
REFUSED: Sequence[RefusedOperations] = (
    RefusedOperations("application-autoscaling", ("PutScheduledAction",), _SCHEDULES),
    RefusedOperations("athena", ("StartQueryExecution",), _QUERIES),
    RefusedOperations(
        "autoscaling", ("PutScheduledUpdateGroupAction", "BatchPutScheduledUpdateGroupAction"), _SCHEDULES
    ),
    RefusedOperations("autoscaling", ("CreateAutoScalingGroup", "SetDesiredCapacity", "ExecutePolicy"), _INSTANCES),
    RefusedOperations("backup", ("CreateBackupPlan", "CreateReportPlan"), _SCHEDULES),
    RefusedOperations("batch", ("SubmitJob",), _JOBS),
    RefusedOperations("bedrock", ("CreateModelCustomizationJob",), _MODELS),
    RefusedOperations("bedrock-runtime", ("InvokeModel",), _MODELS),
    RefusedOperations("bedrock-agentcore-control", ("CreateAgentRuntime", "UpdateAgentRuntime"), _CONTAINERS),
    RefusedOperations("cloudtrail", ("StartLogging",), _RECORDINGS),
    RefusedOperations("cloudwatch", ("PutMetricAlarm", "PutInsightRule"), _ALARMS),
    RefusedOperations("codebuild", ("StartBuild",), _BUILDS),
    RefusedOperations("codedeploy", ("CreateDeployment",), _DEPLOYMENTS),
    RefusedOperations("codepipeline", ("StartPipelineExecution",), _PIPELINES),
    RefusedOperations(
        "comprehend",
        (
            "DetectKeyPhrases",
            "DetectPiiEntities",
            "DetectSentiment",
            "CreateDocumentClassifier",
            "CreateEntityRecognizer",
            "StartDocumentClassificationJob",
            "StartDominantLanguageDetectionJob",
            "StartEntitiesDetectionJob",
            "StartEventsDetectionJob",
            "StartFlywheelIteration",
            "StartKeyPhrasesDetectionJob",
            "StartPiiEntitiesDetectionJob",
            "StartSentimentDetectionJob",
            "StartTargetedSentimentDetectionJob",
            "StartTopicsDetectionJob",
        ),
        _MODELS,
    ),
    RefusedOperations("config", ("StartConfigurationRecorder",), _RECORDINGS),
    RefusedOperations("connectcampaigns", ("StartCampaign", "ResumeCampaign", "StartInstanceOnboardingJob"), _JOBS),
    RefusedOperations("datapipeline", ("ActivatePipeline",), _PIPELINES),
    RefusedOperations("datasync", ("StartTaskExecution",), _TRANSFERS),
    RefusedOperations("dms", ("StartReplicationTask", "TestConnection"), _TRANSFERS),
    RefusedOperations(
        "ec2",
        (
            "RunInstances",
            "StartInstances",
            "RebootInstances",
            "CreateFleet",
            "RequestSpotFleet",
            "RequestSpotInstances",
        ),
        _INSTANCES,
    ),
    RefusedOperations("ec2", ("CreateFlowLogs",), _RECORDINGS),
    RefusedOperations("ecr", ("StartImageScan",), "mlci serve scans no images: it would report one without findings."),
    RefusedOperations("ecs", ("RunTask", "StartTask", "CreateService", "CreateTaskSet"), _CONTAINERS),
    RefusedOperations("emr", ("RunJobFlow", "AddJobFlowSteps"), _JOBS),
    RefusedOperations("emr-containers", ("StartJobRun",), _JOBS),
    RefusedOperations("emr-serverless", ("StartApplication", "StartJobRun"), _JOBS),
    RefusedOperations("events", ("PutRule",), _rule),
    RefusedOperations("events", ("PutTargets",), _targets),
    RefusedOperations("firehose", ("CreateDeliveryStream",), _delivery_stream),
    RefusedOperations("fis", ("StartExperiment",), "mlci serve injects no faults: the experiment would pass untried."),
    RefusedOperations("glacier", ("InitiateJob",), _JOBS),
    RefusedOperations("glue", ("StartCrawler", "StartTrigger", "StartWorkflowRun", "CreateSession"), _JOBS),
    RefusedOperations("glue", ("CreateTrigger",), _trigger),
    RefusedOperations("glue", ("CreateCrawler",), _crawler),
    RefusedOperations("greengrass", ("CreateDeployment",), _DEPLOYMENTS),
    RefusedOperations(
        "iot", ("CreateTopicRule", "ReplaceTopicRule", "EnableTopicRule"), "mlci serve routes no messages of devices."
    ),
    RefusedOperations("iot", ("CreateJob",), "mlci serve has no devices that would run the job."),
    RefusedOperations("iot-data", ("Publish",), "mlci serve has no broker for messages of devices."),
    RefusedOperations("lambda", ("CreateEventSourceMapping", "UpdateEventSourceMapping"), _MAPPINGS),
    RefusedOperations("lambda", ("InvokeAsync",), "Use Invoke, which mlci serve has, with InvocationType Event."),
    RefusedOperations("logs", ("PutSubscriptionFilter",), _log_subscription),
    RefusedOperations("logs", ("PutMetricFilter",), "mlci serve makes no metrics of log events."),
    RefusedOperations("mediaconnect", ("StartFlow",), _STREAMS),
    RefusedOperations("medialive", ("StartChannel",), _STREAMS),
    RefusedOperations("meteringmarketplace", ("BatchMeterUsage",), "mlci serve reports no usage to anybody."),
    RefusedOperations("osis", ("CreatePipeline", "StartPipeline"), _PIPELINES),
    RefusedOperations("pipes", ("CreatePipe", "UpdatePipe"), _pipe),
    RefusedOperations("pipes", ("StartPipe",), _MAPPINGS),
    RefusedOperations("polly", ("SynthesizeSpeech",), _MODELS),
    RefusedOperations("quicksight", ("CreateIngestion",), _TRANSFERS),
    RefusedOperations("rds", ("StartExportTask",), _TRANSFERS),
    RefusedOperations("rds-data", ("ExecuteStatement",), _QUERIES),
    RefusedOperations("redshift-data", ("ExecuteStatement",), _QUERIES),
    RefusedOperations(
        "rekognition",
        ("CompareFaces", "DetectCustomLabels", "DetectLabels", "DetectText", "StartFaceSearch", "StartTextDetection"),
        _MODELS,
    ),
    RefusedOperations("resource-groups", ("StartTagSyncTask",), _JOBS),
    RefusedOperations("scheduler", ("CreateSchedule", "UpdateSchedule"), _SCHEDULES),
    RefusedOperations("secretsmanager", ("RotateSecret",), _ROTATION),
    RefusedOperations("ses", ("SendEmail", "SendRawEmail", "SendTemplatedEmail", "SendBulkTemplatedEmail"), _MAIL),
    RefusedOperations("sesv2", ("SendEmail",), _MAIL),
    RefusedOperations("sns", ("Subscribe",), _subscription),
    RefusedOperations("sns", ("Publish",), _publish),
    RefusedOperations("ssm", ("SendCommand",), _COMMANDS),
    RefusedOperations("ssm", ("RegisterTaskWithMaintenanceWindow",), _SCHEDULES),
    RefusedOperations("sso-admin", ("ProvisionPermissionSet",), _DEPLOYMENTS),
    RefusedOperations("synthetics", ("CreateCanary",), _SCHEDULES),
    RefusedOperations(
        "textract", ("DetectDocumentText", "StartDocumentAnalysis", "StartDocumentTextDetection"), _MODELS
    ),
    RefusedOperations("transcribe", ("StartMedicalTranscriptionJob", "StartTranscriptionJob"), _MODELS),
)


def _by_operation() -> Iterator[tuple[tuple[str, str], str | Check]]:
    for entry in REFUSED:
        for operation in entry.operations:
            yield (entry.service, operation), entry.reason


_TABLE: Mapping[tuple[str, str], str | Check] = MappingProxyType(dict(_by_operation()))


def refusal(service: str, operation: str, get: Members) -> str | None:
    """Return the reason to reject a request to moto, or None.

    >>> refusal("codebuild", "StartBuild", {}.get)
    'mlci serve runs no builds. Run the commands of the buildspec yourself, for example `mlci run`.'
    >>> refusal("sns", "Subscribe", {"Protocol": "sqs"}.get)
    """
    reason = _TABLE.get((service, operation))
    return reason(get) if callable(reason) else reason
