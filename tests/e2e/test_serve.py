"""`mlci serve` from outside: what it prints, what it keeps, how it ends, and what clients see."""

from __future__ import annotations

import io
import json
import re
import signal
import tarfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.project import Project
from support.serving import Serving, serving
from support.waiting import wait_for

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with serving(tmp_path_factory.mktemp("served")) as found:
        yield found


def test_it_prints_what_clients_need(served: Serving) -> None:
    exports = dict(served.exports)
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", exports.pop("AWS_ENDPOINT_URL"))
    assert re.fullmatch(r"AKIA[A-Z2-7]{16}", exports.pop("AWS_ACCESS_KEY_ID"))
    folder = Path(exports.pop("AWS_DATA_PATH"))
    assert exports.pop("SAGEMAKER_USER_CONFIG_OVERRIDE") == str(folder / "sagemaker.yaml")
    assert (folder / "sagemaker.yaml").is_file()
    assert exports == {
        "AWS_SECRET_ACCESS_KEY": "mlci",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_DISABLE_HOST_PREFIX_INJECTION": "true",
    }


def test_another_key_is_refused_in_the_client_s_words(served: Serving) -> None:
    for service, operation, code in (
        ("sts", "get_caller_identity", "InvalidClientTokenId"),
        ("ssm", "describe_parameters", "UnrecognizedClientException"),
        ("codebuild", "list_projects", "UnrecognizedClientException"),
        ("s3", "list_buckets", "InvalidAccessKeyId"),
    ):
        client = served.client(service, aws_access_key_id="another")
        with pytest.raises(client.exceptions.ClientError, match=rf"\({code}\).*mlci serve printed"):
            getattr(client, operation)()


def test_other_services_are_moto_s_with_our_account(served: Serving) -> None:
    assert served.client("sts").get_caller_identity()["Account"] == "000000000000"
    cloudwatch = served.client("cloudwatch")  # a client that speaks CBOR
    cloudwatch.put_metric_data(Namespace="n", MetricData=[{"MetricName": "m", "Value": 1}])
    assert [metric["MetricName"] for metric in cloudwatch.list_metrics(Namespace="n")["Metrics"]] == ["m"]


@pytest.mark.slow
def test_what_other_services_hold_survives_a_kill_with_its_ids(tmp_path: Path) -> None:
    with serving(tmp_path) as first:
        key = first.client("kms").create_key()["KeyMetadata"]["KeyId"]
        first.client("ssm", region_name="eu-west-1").put_parameter(Name="/a", Value="b", Type="String")
        first.client("sqs").create_queue(QueueName="q")
        first.kill()
    with serving(tmp_path) as second:
        assert [found["KeyId"] for found in second.client("kms").list_keys()["Keys"]] == [key]
        assert second.client("ssm", region_name="eu-west-1").get_parameter(Name="/a")["Parameter"]["Value"] == "b"
        assert len(second.client("sqs").list_queues()["QueueUrls"]) == 1
        second.client("ssm", region_name="eu-west-1").delete_parameter(Name="/a")
        assert second.stop() == 0
    with serving(tmp_path) as third:
        assert third.client("ssm", region_name="eu-west-1").describe_parameters()["Parameters"] == []


def test_a_data_folder_has_one_server(project: Project) -> None:
    data = project.root / "data"
    with serving(data):
        refused = project.mlci("serve", "--port", "0", "--data", str(data))
    assert (refused.returncode, "another mlci serve uses the data folder" in refused.stderr) == (2, True)


def test_a_taken_port_is_refused(project: Project, served: Serving) -> None:
    refused = project.mlci("serve", MLCI_SERVE_PORT=str(served.port), MLCI_SERVE_DATA=str(project.root / "data"))
    assert (refused.returncode, f"port {served.port}" in refused.stderr) == (2, True)


def test_a_key_that_no_request_could_carry_is_refused(project: Project) -> None:
    refused = project.mlci("serve", "--port", "0", "--data", str(project.root / "data"), "--access-key", "a b")
    assert (refused.returncode, '"a b" is no valid access key id' in refused.stderr) == (2, True)


@pytest.mark.slow
def test_the_key_can_be_given(tmp_path: Path) -> None:
    with serving(tmp_path, "--access-key", "mine", "--region", "eu-west-1") as found:
        assert (found.exports["AWS_ACCESS_KEY_ID"], found.exports["AWS_DEFAULT_REGION"]) == ("mine", "eu-west-1")
        found.client("sts").get_caller_identity()
        assert found.stop() == 0


def test_moto_s_own_pages_are_not_served(served: Serving) -> None:
    import urllib.request
    from urllib.error import HTTPError

    for path in ("/moto-api/", "/moto-api/reset", "/", "/favicon.ico"):
        with pytest.raises(HTTPError, match="403"):
            urllib.request.urlopen(f"http://127.0.0.1:{served.port}{path}", timeout=10)


def test_a_function_runs_here_and_its_log_is_in_cloudwatch(served: Serving) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr(
            "app.py", "def main(event, context):\n    print('seen', event['n'])\n    return event['n'] + 1\n"
        )
    trust = {
        "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]
    }
    role = served.client("iam").create_role(RoleName="r", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    functions = served.client("lambda")
    code = {"ZipFile": archive.getvalue()}
    functions.create_function(FunctionName="f", Runtime="python3.12", Role=role, Handler="app.main", Code=code)
    answer = functions.invoke(FunctionName="f", Payload=b'{"n": 1}')
    assert (answer["StatusCode"], answer["Payload"].read()) == (200, b"2")
    events = served.client("logs").filter_log_events(logGroupName="/aws/lambda/f")["events"]
    assert "seen 1" in [event["message"] for event in events]


def test_keys_that_sts_gave_may_ask_too(served: Serving) -> None:
    given = served.client("sts").assume_role(RoleArn="arn:aws:iam::000000000000:role/any", RoleSessionName="session")
    key = given["Credentials"]["AccessKeyId"]
    assert key != served.exports["AWS_ACCESS_KEY_ID"]
    assert "assumed-role/any/session" in served.client("sts", aws_access_key_id=key).get_caller_identity()["Arn"]


SLEEPER = "import pathlib, sys, time; pathlib.Path(sys.argv[1]).write_text('here'); time.sleep(600)"


def processing(served: Serving, name: str, *arguments: str) -> None:
    """A processing job that runs its first argument as a Python program."""
    served.client("sagemaker").create_processing_job(
        ProcessingJobName=name,
        RoleArn="arn:aws:iam::000000000000:role/any-role",
        AppSpecification={
            "ImageUri": "any/image:1",
            "ContainerEntrypoint": ["python3", "-c"],
            "ContainerArguments": list(arguments),
        },
        ProcessingResources={"ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1}},
    )


def processes_with(text: str) -> list[int]:
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                if text in (folder / "cmdline").read_bytes().decode(errors="replace"):
                    found.append(int(folder.name))
            except OSError:
                continue
    return found


@pytest.mark.parametrize("how", ["stopped", "killed"])
def test_no_job_outlives_the_server_and_the_next_one_says_so(tmp_path: Path, how: str) -> None:
    mark = tmp_path / "mark"
    with serving(tmp_path / "data") as first:
        processing(first, "job", SLEEPER, str(mark))
        wait_for(mark.exists)
        assert processes_with(str(mark))
        began = time.monotonic()
        if how == "killed":
            first.kill()
        else:
            assert first.stop() == 0
            assert time.monotonic() - began < 50
        wait_for(lambda: not processes_with(str(mark)))
    with serving(tmp_path / "data") as second:
        described = second.client("sagemaker").describe_processing_job(ProcessingJobName="job")
        assert described["ProcessingJobStatus"] in ("Failed", "Stopped")


def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    with serving(tmp_path) as found:
        found.process.send_signal(signal.SIGINT)
        found.process.send_signal(signal.SIGTERM)
        assert found.process.wait(10) in (0, 4)


def test_sagemaker_s_refusals_are_aws_s(served: Serving) -> None:
    sagemaker = served.client("sagemaker")
    with pytest.raises(sagemaker.exceptions.ClientError, match=r"Could not find|does not exist|not found"):
        sagemaker.describe_training_job(TrainingJobName="none")
    with pytest.raises(sagemaker.exceptions.ClientError, match=r"UnknownOperationException.*CreatePipeline"):
        sagemaker.create_pipeline(PipelineName="p", PipelineDefinition="{}", RoleArn="arn:aws:iam::000000000000:role/r")
    runtime = served.client("sagemaker-runtime")
    with pytest.raises(runtime.exceptions.ClientError, match="Endpoint"):
        runtime.invoke_endpoint(EndpointName="e", Body=b"")


def test_what_is_no_more_than_a_record_in_sagemaker_is_moto_s(served: Serving) -> None:
    sagemaker = served.client("sagemaker")
    sagemaker.create_experiment(ExperimentName="e")
    assert [found["ExperimentName"] for found in sagemaker.list_experiments()["ExperimentSummaries"]] == ["e"]


def test_an_object_is_a_file_in_the_data_folder(tmp_path: Path) -> None:
    with serving(tmp_path) as found:
        s3 = found.client("s3")
        s3.create_bucket(Bucket="data")
        s3.put_object(Bucket="data", Key="a/b.txt", Body=b"hello", Metadata={"my_key": "value"})
        assert (tmp_path / "store" / "data" / "a" / "b.txt").read_bytes() == b"hello"
        found.kill()
    with serving(tmp_path) as again:
        answer = again.client("s3").get_object(Bucket="data", Key="a/b.txt")
        assert (answer["Body"].read(), answer["Metadata"]) == (b"hello", {"my_key": "value"})


def test_other_services_use_our_buckets(served: Serving) -> None:
    s3, cloudformation = served.client("s3"), served.client("cloudformation")
    s3.create_bucket(Bucket="templates")
    template = {"Resources": {"B": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "made-by-a-stack"}}}}
    s3.put_object(Bucket="templates", Key="t.json", Body=json.dumps(template).encode())
    url = f"{served.exports['AWS_ENDPOINT_URL']}/templates/t.json"
    cloudformation.create_stack(StackName="stack", TemplateURL=url)
    s3.put_object(Bucket="made-by-a-stack", Key="k", Body=b"")
    s3.delete_object(Bucket="made-by-a-stack", Key="k")
    cloudformation.delete_stack(StackName="stack")
    assert "made-by-a-stack" not in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]


SCRIPT = """\
import os, boto3
print("channel:", sorted(os.listdir(os.environ["SM_CHANNEL_TRAIN"])))
print("account:", boto3.client("sts").get_caller_identity()["Account"])
print("auc=0.91;")
with open(os.path.join(os.environ["SM_MODEL_DIR"], "model.txt"), "w") as file:
    file.write("a model")
"""


def test_a_training_job_from_upload_to_log(served: Serving) -> None:
    s3, sagemaker, logs = served.client("s3"), served.client("sagemaker"), served.client("logs")
    s3.create_bucket(Bucket="learning")
    s3.put_object(Bucket="learning", Key="raw/train.csv", Body=b"1,2\n")
    source = io.BytesIO()
    with tarfile.open(fileobj=source, mode="w:gz") as archive:
        entry = tarfile.TarInfo("train.py")
        entry.size = len(SCRIPT)
        archive.addfile(entry, io.BytesIO(SCRIPT.encode()))
    s3.put_object(Bucket="learning", Key="code/source.tar.gz", Body=source.getvalue())
    channel = {"S3DataType": "S3Prefix", "S3Uri": "s3://learning/raw/"}
    sagemaker.create_training_job(
        TrainingJobName="train",
        AlgorithmSpecification={
            "TrainingImage": "any/image:1",
            "TrainingInputMode": "File",
            "MetricDefinitions": [{"Name": "auc", "Regex": "auc=([0-9.]+);"}],
        },
        RoleArn="arn:aws:iam::000000000000:role/any-role",
        HyperParameters={
            "sagemaker_program": "train.py",
            "sagemaker_submit_directory": "s3://learning/code/source.tar.gz",
        },
        InputDataConfig=[{"ChannelName": "train", "DataSource": {"S3DataSource": channel}}],
        OutputDataConfig={"S3OutputPath": "s3://learning/out"},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        StoppingCondition={"MaxRuntimeInSeconds": 60},
    )
    waiter = sagemaker.get_waiter("training_job_completed_or_stopped")
    waiter.wait(TrainingJobName="train", WaiterConfig={"Delay": 0.2, "MaxAttempts": 100})
    job = sagemaker.describe_training_job(TrainingJobName="train")
    assert (job["TrainingJobStatus"], job.get("FailureReason")) == ("Completed", None)
    assert [(metric["MetricName"], round(metric["Value"], 2)) for metric in job["FinalMetricDataList"]] == [
        ("auc", 0.91)
    ]
    model = job["ModelArtifacts"]["S3ModelArtifacts"].removeprefix("s3://learning/")
    with tarfile.open(fileobj=io.BytesIO(s3.get_object(Bucket="learning", Key=model)["Body"].read())) as archive:
        assert archive.getnames() == ["model.txt"]
    group = "/aws/sagemaker/TrainingJobs"
    (stream,) = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix="train/")["logStreams"]
    events = logs.get_log_events(logGroupName=group, logStreamName=stream["logStreamName"], startFromHead=True)[
        "events"
    ]
    lines = [event["message"] for event in events]
    assert [
        line for line in ("channel: ['train.csv']", "account: 000000000000", "auc=0.91;") if line not in lines
    ] == []


def test_a_stack_s_state_machine_is_ours(served: Serving) -> None:
    cloudformation, states = served.client("cloudformation"), served.client("stepfunctions")
    definition = {"StartAt": "P", "States": {"P": {"Type": "Pass", "Result": "${word}", "End": True}}}
    properties = {
        "StateMachineName": "of-a-stack",
        "StateMachineType": "EXPRESS",
        "RoleArn": "arn:aws:iam::000000000000:role/r",
        "DefinitionString": json.dumps(definition),
        "DefinitionSubstitutions": {"word": "hello"},
    }
    template = {"Resources": {"M": {"Type": "AWS::StepFunctions::StateMachine", "Properties": properties}}}
    cloudformation.create_stack(StackName="machines", TemplateBody=json.dumps(template))
    arn = "arn:aws:states:us-east-1:000000000000:stateMachine:of-a-stack"
    ended = states.start_sync_execution(stateMachineArn=arn)
    assert (ended["status"], ended["output"]) == ("SUCCEEDED", '"hello"')
    cloudformation.delete_stack(StackName="machines")
    assert arn not in [found["stateMachineArn"] for found in states.list_state_machines()["stateMachines"]]
