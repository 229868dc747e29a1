"""Operations of moto that claim work which nothing performs are rejected; those beside them do what they claim."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from mlci_emulator.server.moto_services.refused_operations import REFUSED, refusal
from support.serving import Serving, serving

ACCOUNT = "000000000000"
QUEUE = f"arn:aws:sqs:us-east-1:{ACCOUNT}:queue"
FUNCTION = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:f"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/any-role"

#: The words with which the names of operations begin that start, send or run something.
ACTION = re.compile(
    r"Activate|Apply|Batch(?:Meter|Put)|Bundle|Compare|Complete|Copy|Detect|Execute|Export|Failover|Import|Initiate|"
    r"Invoke|Issue|Promote|Provision|Publish|Purchase|Reboot|Request|Restore|Resume|Rotate|Run|Send|Signal|Start|"
    r"Submit|Switchover|Synthesize|Test|Terminate"
)
#: moto performs these in its own records, in which the client finds the result.
PERFORMED: Mapping[str, str] = {
    "acm": "ExportCertificate ImportCertificate RequestCertificate",
    "acm-pca": "ImportCertificateAuthorityCertificate IssueCertificate",
    "apigateway": "ImportRestApi",
    "appsync": "StartSchemaCreation",
    "autoscaling": "ResumeProcesses TerminateInstanceInAutoScalingGroup",
    "clouddirectory": "ApplySchema PublishSchema",
    "cloudformation": "ExecuteChangeSet",
    "cognito-idp": "InitiateAuth",
    "databrew": "PublishRecipe",
    "dynamodb": "ExecuteStatement ExecuteTransaction ExportTableToPointInTime ImportTable RestoreTableFromBackup "
    "RestoreTableToPointInTime",
    "ebs": "CompleteSnapshot StartSnapshot",
    "ec2": "BundleInstance CopyImage CopySnapshot ImportKeyPair ImportVolume PurchaseReservedInstancesOffering "
    "RestoreSnapshotTier TerminateInstances",
    "ec2-instance-connect": "SendSSHPublicKey",
    "ecr": "CompleteLayerUpload InitiateLayerUpload",
    "elb": "ApplySecurityGroupsToLoadBalancer",
    "emr": "TerminateJobFlows",
    "events": "StartReplay TestEventPattern",
    "firehose": "StartDeliveryStreamEncryption",
    "kinesis": "StartStreamEncryption",
    "kms": "RotateKeyOnDemand",
    "lambda": "PublishLayerVersion PublishVersion Invoke",
    "logs": "StartLiveTail StartQuery",
    "mq": "RebootBroker",
    "payment-cryptography": "StartKeyUsage",
    "rds": "CopyDBClusterParameterGroup CopyDBClusterSnapshot CopyDBParameterGroup CopyDBSnapshot FailoverDBCluster "
    "PromoteReadReplica PromoteReadReplicaDBCluster RebootDBInstance RestoreDBClusterFromSnapshot "
    "RestoreDBClusterToPointInTime RestoreDBInstanceFromDBSnapshot RestoreDBInstanceToPointInTime StartDBCluster "
    "StartDBInstance SwitchoverBlueGreenDeployment",
    "redshift": "RestoreFromClusterSnapshot ResumeCluster",
    "resiliencehub": "ImportResourcesToDraftAppVersion PublishAppVersion",
    "secretsmanager": "RestoreSecret",
    "securityhub": "BatchImportFindings",
    "ses": "TestRenderTemplate",
    "sns": "PublishBatch",
    "sqs": "SendMessage SendMessageBatch",
    "swf": "SignalWorkflowExecution StartWorkflowExecution TerminateWorkflowExecution",
    "transfer": "ImportSshPublicKey",
    "workspaces": "TerminateWorkspaces",
    # The emulator has these services itself, and moto's are never reached.
    "glue": "StartJobRun BatchStopJobRun",
    "s3": "CompleteMultipartUpload CopyObject RestoreObject",
    "sagemaker": "StartNotebookInstance StartPipelineExecution",
    "sagemaker-metrics": "BatchPutMetrics",
    "sagemaker-runtime": "InvokeEndpoint InvokeEndpointAsync",
    "stepfunctions": "SendTaskFailure SendTaskHeartbeat SendTaskSuccess StartExecution",
}

_LIST = """
import importlib
import moto.backends
from moto.core.responses import BaseResponse, method_names_from_class
from moto.core.utils import camelcase_to_underscores, get_service_model

for name in moto.backends.list_of_moto_modules():
    try:
        module = importlib.import_module(f"moto.{name}.responses")
    except ImportError:
        continue
    for response in vars(module).values():
        if not (isinstance(response, type) and issubclass(response, BaseResponse) and response is not BaseResponse):
            continue
        try:
            service = response().boto3_service_name
            model = get_service_model(service)
        except Exception:
            continue  # a base of several, which is no service
        methods = method_names_from_class(response)
        for operation in model.operation_names:
            if camelcase_to_underscores(operation) in methods:
                print(service, operation)
"""


@pytest.mark.slow
def test_each_action_of_moto_is_refused_or_performed() -> None:
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", _LIST], capture_output=True, text=True, check=True)
    actions = {tuple(line.split()) for line in done.stdout.splitlines() if ACTION.match(line.split()[1])}
    assert len(actions) > 150
    refused = {(entry.service, operation) for entry in REFUSED for operation in entry.operations}
    performed = {(service, operation) for service, names in PERFORMED.items() for operation in names.split()}
    assert sorted(actions - refused - performed) == []
    assert sorted(refused & performed) == []


def test_each_sentence_says_what_is_not_done() -> None:
    for entry in REFUSED:
        if isinstance(entry.reason, str):
            assert entry.reason.startswith(("mlci serve ", "Use ")), entry
            assert entry.reason.endswith("."), entry


@pytest.mark.parametrize(
    ("service", "operation", "request_", "is_refused"),
    [
        ("events", "PutRule", {"ScheduleExpression": "rate(1 day)"}, True),
        ("events", "PutRule", {"EventPattern": "{}"}, False),
        ("events", "PutTargets", {"Targets": [{"Arn": QUEUE}, {"Arn": FUNCTION}]}, True),
        ("events", "PutTargets", {"Targets": [{"Arn": "arn:aws:events:us-east-1:1:api-destination/x/1"}]}, True),
        ("events", "PutTargets", {"Targets": [{"Arn": "arn:aws:states:us-east-1:1:stateMachine:x"}]}, True),
        ("events", "PutTargets", {"Targets": [{"Arn": QUEUE}]}, False),
        ("events", "PutTargets", {"Targets": [{"Arn": "arn:aws:logs:us-east-1:1:log-group:x"}]}, False),
        ("sns", "Subscribe", {"Protocol": "lambda", "Endpoint": FUNCTION}, True),
        ("sns", "Subscribe", {"Protocol": "email", "Endpoint": "a@b"}, True),
        ("sns", "Subscribe", {"Protocol": "sqs", "Endpoint": QUEUE}, False),
        ("sns", "Publish", {"PhoneNumber": "+1"}, True),
        ("sns", "Publish", {"TopicArn": "arn"}, False),
        ("logs", "PutSubscriptionFilter", {"destinationArn": FUNCTION}, True),
        ("logs", "PutSubscriptionFilter", {"destinationArn": "arn:aws:kinesis:us-east-1:1:stream/s"}, False),
        ("firehose", "CreateDeliveryStream", {"SplunkDestinationConfiguration": {"a": 1}}, True),
        ("firehose", "CreateDeliveryStream", {"S3DestinationConfiguration": {"a": 1}}, False),
        ("glue", "CreateTrigger", {"Type": "SCHEDULED"}, True),
        ("glue", "CreateTrigger", {"Type": "ON_DEMAND"}, False),
        ("glue", "CreateCrawler", {"Schedule": "cron(0 0 * * ? *)"}, True),
        ("glue", "CreateCrawler", {"Name": "x"}, False),
        ("pipes", "CreatePipe", {"Name": "x"}, True),
        ("pipes", "CreatePipe", {"DesiredState": "STOPPED"}, False),
        ("codebuild", "CreateProject", {"name": "x"}, False),
        ("dynamodb", "PutItem", {}, False),
    ],
)
def test_some_requests_of_an_operation_are_refused(
    service: str, operation: str, request_: dict[str, Any], is_refused: bool
) -> None:
    assert (refusal(service, operation, request_.get) is not None) is is_refused


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with serving(tmp_path_factory.mktemp("served")) as server:
        yield server


def error(client: Any, operation: str, request: dict[str, Any]) -> tuple[int, str, str]:
    """Return the status, code and message of the error."""
    with pytest.raises(client.exceptions.ClientError) as raised:
        client._make_api_call(operation, request)
    response = raised.value.response
    status, details = response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]
    return status, details["Code"], details["Message"]


@pytest.mark.parametrize(
    ("service", "operation", "request_"),
    [  # one of each protocol
        ("codebuild", "StartBuild", {"projectName": "x"}),
        ("glue", "StartCrawler", {"Name": "x"}),
        ("codepipeline", "StartPipelineExecution", {"name": "x"}),
        ("batch", "SubmitJob", {"jobName": "x", "jobQueue": "x", "jobDefinition": "x"}),
        ("lambda", "CreateEventSourceMapping", {"FunctionName": "f"}),
        ("polly", "SynthesizeSpeech", {"OutputFormat": "mp3", "Text": "x", "VoiceId": "Joanna"}),
        ("sns", "Subscribe", {"TopicArn": f"arn:aws:sns:us-east-1:{ACCOUNT}:t", "Protocol": "lambda"}),
        ("ec2", "RunInstances", {"MinCount": 1, "MaxCount": 1}),
        (
            "cloudwatch",
            "PutMetricAlarm",
            {"AlarmName": "a", "ComparisonOperator": "LessThanThreshold", "EvaluationPeriods": 1},
        ),
    ],
)
def test_a_refusal_arrives_in_the_client_s_protocol(
    served: Serving, service: str, operation: str, request_: dict[str, Any]
) -> None:
    status, code, message = error(served.client(service), operation, request_)
    assert (status, code) == (400, "UnsupportedOperationException")
    assert message.startswith("mlci serve ")


@pytest.mark.parametrize(
    ("service", "operation", "request_"),
    [
        ("codebuild", "ListCuratedEnvironmentImages", {}),
        ("glue", "ListMLTransforms", {}),
        ("iam", "GenerateServiceLastAccessedDetails", {"Arn": ROLE}),
        ("lambda", "ListCodeSigningConfigs", {}),
        ("ec2", "DescribeIdFormat", {}),
        ("cloudfront", "ListCachePolicies", {}),
        ("neptune-graph", "ListGraphs", {}),
    ],
)
def test_what_moto_lacks_is_a_client_error(
    served: Serving, service: str, operation: str, request_: dict[str, Any]
) -> None:
    status, code, message = error(served.client(service), operation, request_)
    assert (status, code) == (400, "UnknownOperationException")
    assert "mlci serve" in message


def test_what_is_beside_a_refusal_works(served: Serving) -> None:
    sns, sqs, events = (served.client(name) for name in ("sns", "sqs", "events"))
    url = sqs.create_queue(QueueName="queue")["QueueUrl"]
    topic = sns.create_topic(Name="topic")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=QUEUE, Attributes={"RawMessageDelivery": "true"})
    sns.publish(TopicArn=topic, Message="hello")
    assert [message["Body"] for message in sqs.receive_message(QueueUrl=url)["Messages"]] == ["hello"]
    events.put_rule(Name="rule", EventPattern='{"source": ["mine"]}')
    events.put_targets(Rule="rule", Targets=[{"Id": "1", "Arn": QUEUE}])
    events.put_events(Entries=[{"Source": "mine", "DetailType": "t", "Detail": "{}"}])
    assert '"source": "mine"' in sqs.receive_message(QueueUrl=url)["Messages"][0]["Body"]
    project = {
        "name": "project",
        "source": {"type": "S3", "location": "bucket/source.zip"},
        "artifacts": {"type": "NO_ARTIFACTS"},
        "environment": {"type": "LINUX_CONTAINER", "image": "i", "computeType": "BUILD_GENERAL1_SMALL"},
        "serviceRole": ROLE,
    }
    codebuild = served.client("codebuild")
    codebuild.create_project(**project)
    assert codebuild.list_projects()["projects"] == ["project"]


def test_a_policy_of_aws_is_attached(served: Serving) -> None:
    iam = served.client("iam")
    iam.create_role(RoleName="trainer", AssumeRolePolicyDocument="{}")
    iam.attach_role_policy(RoleName="trainer", PolicyArn="arn:aws:iam::aws:policy/AmazonSageMakerFullAccess")
    attached = iam.list_attached_role_policies(RoleName="trainer")["AttachedPolicies"]
    assert [policy["PolicyName"] for policy in attached] == ["AmazonSageMakerFullAccess"]
