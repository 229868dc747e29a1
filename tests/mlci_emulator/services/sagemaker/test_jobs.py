"""Processing and training jobs by SageMaker's API, with real scripts."""

from __future__ import annotations

import itertools
import re
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from mlci_emulator.protocol.operations import ApiError
from support.local_jobs import FakeStopSignal, processes_with, processing_request, training_request
from support.sagemaker import REGION, SageMakerHarness

WAIT = "import time; time.sleep(60)"


def refused(sagemaker: SageMakerHarness, operation: str, **request: Any) -> str:
    with pytest.raises(ApiError) as caught:
        sagemaker.call(operation, **request)
    return str(caught.value)


def test_a_processing_job_from_create_to_logs(sagemaker: SageMakerHarness) -> None:
    answer = sagemaker.create_processing("print('hello')", Tags=[{"Key": "team", "Value": "ml"}])
    arn = f"arn:aws:sagemaker:{REGION}:000000000000:processing-job/job"
    assert answer == {"ProcessingJobArn": arn}
    described = sagemaker.wait_for_end("ProcessingJob")
    assert described["ProcessingJobStatus"] == "Completed", described
    assert described["ProcessingJobArn"] == arn
    assert described["AppSpecification"] == processing_request()["AppSpecification"]
    assert "Tags" not in described
    times = [described[f"{name}Time"] for name in ("Creation", "ProcessingStart", "ProcessingEnd", "LastModified")]
    assert times == sorted(times)
    assert times[0].tzinfo is not None
    (log,) = sagemaker.service.log_files()
    assert log.group == "/aws/sagemaker/ProcessingJobs"
    assert re.fullmatch(r"job/algo-1-\d{10}", log.stream)
    assert log.path.read_text() == "hello\n"
    assert sagemaker.call("ListTags", ResourceArn=arn) == {"Tags": [{"Key": "team", "Value": "ml"}]}


def test_each_instance_has_a_log_stream_and_all_are_searched_for_metrics(sagemaker: SageMakerHarness) -> None:
    if sagemaker.jobs.problem(2):
        pytest.skip("no private namespaces here")
    script = "import os; print('loss=0.5' if os.environ['SM_CURRENT_HOST'] == 'algo-2' else 'loss=none')"
    algorithm = training_request()["AlgorithmSpecification"]
    sagemaker.create_training(
        script,
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 1},
        AlgorithmSpecification={**algorithm, "MetricDefinitions": [{"Name": "loss", "Regex": "^loss=([0-9.]+)"}]},  # type: ignore[dict-item]
    )
    described = sagemaker.wait_for_end("TrainingJob")
    assert [each["Value"] for each in described["FinalMetricDataList"]] == [0.5]
    logs = {log.stream.rpartition("-")[0]: log.path.read_text() for log in sagemaker.service.log_files()}
    assert logs == {"job/algo-1": "loss=none\n", "job/algo-2": "loss=0.5\n"}


def test_a_training_job_goes_through_its_statuses(sagemaker: SageMakerHarness) -> None:
    sagemaker.harness.store.put_bytes(b"1", "s3://b/train/x.csv")
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://b/train/"}}
    script = "import os, time; open(os.environ['SM_MODEL_DIR'] + '/m', 'w').write('x'); time.sleep(0.3)"
    sagemaker.create_training(script, InputDataConfig=[{"ChannelName": "train", "DataSource": source}])
    first = sagemaker.describe("TrainingJob")
    assert first["ModelArtifacts"] == {"S3ModelArtifacts": "s3://b/models/job/output/model.tar.gz"}
    assert first["TrainingJobStatus"] == "InProgress"
    sagemaker.wait_until("TrainingJob", "job", lambda described: described["SecondaryStatus"] == "Training")
    described = sagemaker.wait_for_end("TrainingJob")
    assert described["TrainingJobStatus"] == described["SecondaryStatus"] == "Completed", described
    assert described["ModelArtifacts"] == {"S3ModelArtifacts": "s3://b/models/job/output/model.tar.gz"}
    transitions = described["SecondaryStatusTransitions"]
    names = [transition["Status"] for transition in transitions]
    assert names == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    for before, after in itertools.pairwise(transitions):
        assert before["EndTime"] == after["StartTime"]
    assert transitions[2]["StatusMessage"] == "Training image download completed. Training in progress."
    assert described["TrainingTimeInSeconds"] == described["BillableTimeInSeconds"] == 1
    assert described["EnableManagedSpotTraining"] is False


#: 0.1 in single precision, in which SageMaker keeps the values of metrics.
SINGLE_TENTH = 0.10000000149011612


def test_metrics_are_there_during_the_run_and_after_it(sagemaker: SageMakerHarness) -> None:
    script = """
import sys, time
print("epoch=1 loss=0.5; acc=1e-1")
print("epoch=2 loss=0.25; acc=nan", flush=True)
while not sys.argv[1:]: time.sleep(60)
time.sleep(0.5)
sys.stdout.write("loss=0.125")
"""
    definitions = [{"Name": "loss", "Regex": "loss=([0-9.]+)"}, {"Name": "acc", "Regex": r"acc=(\S+)"}]
    algorithm = {"TrainingImage": "image", "TrainingInputMode": "File", "MetricDefinitions": definitions}
    parameters = {**training_request()["HyperParameters"], "end": "1"}  # type: ignore[dict-item]
    sagemaker.create_training(script, AlgorithmSpecification=algorithm, HyperParameters=parameters)
    running = sagemaker.wait_until("TrainingJob", "job", lambda described: "FinalMetricDataList" in described)
    assert running["TrainingJobStatus"] == "InProgress"
    assert [(item["MetricName"], item["Value"]) for item in running["FinalMetricDataList"]] == [
        ("loss", 0.25),
        ("acc", SINGLE_TENTH),
    ]
    described = sagemaker.wait_for_end("TrainingJob")
    assert [item["Value"] for item in described["FinalMetricDataList"]] == [0.125, SINGLE_TENTH]
    assert described["FinalMetricDataList"][0]["Timestamp"] >= described["TrainingStartTime"]


def test_a_metric_that_is_not_a_regular_expression_is_rejected(sagemaker: SageMakerHarness) -> None:
    algorithm = {
        "TrainingImage": "i",
        "TrainingInputMode": "File",
        "MetricDefinitions": [{"Name": "a", "Regex": "("}],
    }
    request = training_request(AlgorithmSpecification=algorithm)  # type: ignore[arg-type]
    assert "The regex of the metric 'a' is invalid" in refused(sagemaker, "CreateTrainingJob", **request)


def test_a_failed_job_says_why(sagemaker: SageMakerHarness) -> None:
    sagemaker.create_processing("import sys; open('/opt/ml/output/message', 'w').write('bad data'); sys.exit(3)")
    described = sagemaker.wait_for_end("ProcessingJob")
    assert described["ProcessingJobStatus"] == "Failed"
    assert described["ExitMessage"] == "bad data"
    assert described["FailureReason"].endswith("exit code: 3\nbad data")
    script = "import os; open(os.environ['SM_MODEL_DIR'] + '/m', 'w').write('x'); raise ValueError('boom')"
    sagemaker.create_training(script)
    described = sagemaker.wait_for_end("TrainingJob")
    assert described["SecondaryStatus"] == "Failed"
    assert "ValueError: boom" in described["FailureReason"]
    assert described["SecondaryStatusTransitions"][-1]["StatusMessage"] == "Training job failed"
    assert sagemaker.harness.store.exists(described["ModelArtifacts"]["S3ModelArtifacts"]), "it keeps what it made"


def test_a_job_without_a_model_has_no_archive(sagemaker: SageMakerHarness) -> None:
    sagemaker.create_training("")
    described = sagemaker.wait_for_end("TrainingJob")
    assert described["TrainingJobStatus"] == "Completed"
    assert not sagemaker.harness.store.exists(described["ModelArtifacts"]["S3ModelArtifacts"])


def test_a_job_that_takes_too_long_keeps_its_model(sagemaker: SageMakerHarness) -> None:
    script = f"import os; open(os.environ['SM_MODEL_DIR'] + '/m', 'w').write('x'); {WAIT}"
    sagemaker.create_training(script, StoppingCondition={"MaxRuntimeInSeconds": 1})
    described = sagemaker.wait_for_end("TrainingJob")
    assert (described["TrainingJobStatus"], described["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")
    assert sagemaker.harness.store.exists(described["ModelArtifacts"]["S3ModelArtifacts"])
    assert sagemaker.call("ListTrainingJobs", StatusEquals="Stopped")["TrainingJobSummaries"][0]["TrainingEndTime"]


def test_a_stopped_training_job_keeps_its_model(sagemaker: SageMakerHarness) -> None:
    sagemaker.create_training(f"import os; open(os.environ['SM_MODEL_DIR'] + '/m', 'w').write('x'); print(1); {WAIT}")
    log = sagemaker.harness.root / "home" / "logs" / "TrainingJobs" / REGION / "job.log"
    sagemaker.wait_until("TrainingJob", "job", lambda described: log.exists() and log.read_text() == "1\n")
    assert sagemaker.call("StopTrainingJob", TrainingJobName="job") == {}
    stopping = sagemaker.describe("TrainingJob")
    assert stopping["TrainingJobStatus"] in ("Stopping", "Stopped")
    described = sagemaker.wait_for_end("TrainingJob")
    assert described["TrainingJobStatus"] == described["SecondaryStatus"] == "Stopped"
    assert "FailureReason" not in described
    assert sagemaker.harness.store.exists(described["ModelArtifacts"]["S3ModelArtifacts"])
    assert refused(sagemaker, "StopTrainingJob", TrainingJobName="job") == (
        "ValidationException: The request was rejected because the training job is in status Stopped."
    )


def test_a_name_is_taken_for_ever_but_only_for_its_kind_and_region(sagemaker: SageMakerHarness) -> None:
    sagemaker.create_processing("raise SystemExit(1)")
    sagemaker.wait_for_end("ProcessingJob")
    text = refused(sagemaker, "CreateProcessingJob", **processing_request())
    arn = f"arn:aws:sagemaker:{REGION}:000000000000:processing-job/job"
    assert text == (
        "ResourceInUse: Job name must be unique within an AWS account and region, "
        f"and a job with this name already exists ({arn})"
    )
    sagemaker.create_training("")
    sagemaker.service.call("CreateProcessingJob", processing_request(), "us-east-1")


@pytest.mark.parametrize(
    ("operation", "name", "text"),
    [
        ("DescribeTrainingJob", "TrainingJobName", "Requested resource not found."),
        ("StopTrainingJob", "TrainingJobName", "Requested resource not found."),
        ("DescribeProcessingJob", "ProcessingJobName", "Could not find requested job with name: no"),
        ("StopProcessingJob", "ProcessingJobName", "Could not find job to update with name: no"),
        ("DescribeTransformJob", "TransformJobName", "Could not find requested job with name: no"),
    ],
)
def test_a_job_that_is_not_there(sagemaker: SageMakerHarness, operation: str, name: str, text: str) -> None:
    assert refused(sagemaker, operation, **{name: "no"}) == f"ValidationException: {text}"


def test_a_job_that_cannot_run_here_is_rejected_at_creation(sagemaker: SageMakerHarness) -> None:
    request = processing_request(AppSpecification={"ImageUri": "image"})
    assert "its image's own entry point" in refused(sagemaker, "CreateProcessingJob", **request)
    assert "no CreateAutoMLJob" in refused(sagemaker, "CreateAutoMLJob")
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://b/none/"}}
    request = training_request(InputDataConfig=[{"ChannelName": "train", "DataSource": source}])  # type: ignore[dict-item]
    assert 'No S3 objects found under S3 URL "s3://b/none/"' in refused(sagemaker, "CreateTrainingJob", **request)
    source["S3DataSource"]["S3Uri"] = "https://b.s3.amazonaws.com/x"
    assert "ValidationException: " in refused(sagemaker, "CreateTrainingJob", **request)
    assert sagemaker.call("ListProcessingJobs") == {"ProcessingJobSummaries": []}


def test_lists_have_filters_orders_and_pages(sagemaker: SageMakerHarness) -> None:
    for name in ("b-1", "a-2", "c-1", "d-1"):
        sagemaker.create_processing("raise SystemExit(1)" if name == "c-1" else "", name)
        sagemaker.wait_for_end("ProcessingJob", name)
        time.sleep(0.002)  # the times have milliseconds: no two are to be the same

    def names(**request: Any) -> list[str]:
        found, token = [], None
        for _ in range(9):
            given = {**request, **({"NextToken": token} if token else {})}
            answer = sagemaker.call("ListProcessingJobs", **given)
            found += [summary["ProcessingJobName"] for summary in answer["ProcessingJobSummaries"]]
            token = answer.get("NextToken")
            if token is None:
                return found
        raise AssertionError("the pages never end")

    assert names() == ["b-1", "a-2", "c-1", "d-1"]
    assert names(SortOrder="Descending", MaxResults=1) == ["d-1", "c-1", "a-2", "b-1"]
    assert names(SortBy="Name", MaxResults=3) == ["a-2", "b-1", "c-1", "d-1"]
    assert names(SortBy="Status", MaxResults=2) == ["a-2", "b-1", "d-1", "c-1"]
    assert names(NameContains="-1", StatusEquals="Completed") == ["b-1", "d-1"]
    middle = sagemaker.describe("ProcessingJob", "a-2")["CreationTime"]
    assert names(CreationTimeAfter=middle) == ["c-1", "d-1"]
    assert names(CreationTimeBefore=middle + timedelta(milliseconds=1)) == ["b-1", "a-2"]
    assert names(LastModifiedTimeBefore=middle) == ["b-1"]
    assert "Invalid NextToken" in refused(sagemaker, "ListProcessingJobs", NextToken="x")
    (summary,) = sagemaker.call("ListProcessingJobs", NameContains="c-")["ProcessingJobSummaries"]
    assert summary["ProcessingJobStatus"] == "Failed"
    assert "AppSpecification" not in summary


def test_run_to_end_tells_of_the_job_and_returns_its_description(sagemaker: SageMakerHarness) -> None:
    reports: list[object] = []
    sagemaker.harness.store.put_bytes(b"", "s3://b/code/script.py")
    described = sagemaker.service.run_to_end(
        "CreateProcessingJob", processing_request(), REGION, FakeStopSignal(), reports.append
    )
    assert described["ProcessingJobStatus"] == "Completed"
    assert reports == [{"ProcessingJobArn": described["ProcessingJobArn"]}]


def test_run_to_end_whose_caller_gives_up_leaves_no_job(sagemaker: SageMakerHarness) -> None:
    def submitted(answer: object) -> None:
        raise KeyboardInterrupt

    sagemaker.harness.store.put_bytes(b"", "s3://b/code/script.py")
    with pytest.raises(KeyboardInterrupt):
        sagemaker.service.run_to_end("CreateProcessingJob", processing_request(), REGION, FakeStopSignal(), submitted)
    assert sagemaker.describe("ProcessingJob")["ProcessingJobStatus"] == "Stopped"


def test_fifty_jobs_at_once(sagemaker: SageMakerHarness) -> None:
    names = [f"job-{number}" for number in range(50)]
    for name in names:
        sagemaker.create_processing("", name)
    assert {sagemaker.wait_for_end("ProcessingJob", name)["ProcessingJobStatus"] for name in names} == {"Completed"}
    assert len(sagemaker.call("ListProcessingJobs", MaxResults=100)["ProcessingJobSummaries"]) == 50
    assert list(sagemaker.harness.work.iterdir()) == []


def test_one_name_for_many_at_once_is_one_jobs(sagemaker: SageMakerHarness) -> None:
    sagemaker.harness.store.put_bytes(b"", "s3://b/code/script.py")

    def create(_: int) -> str:
        try:
            sagemaker.call("CreateProcessingJob", **processing_request())
        except ApiError as error:
            return error.code
        return "created"

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(create, range(8))) == ["ResourceInUse"] * 7 + ["created"]
    sagemaker.wait_for_end("ProcessingJob")


def test_close_stops_all_jobs(sagemaker: SageMakerHarness) -> None:
    for name in ("a", "b"):
        sagemaker.create_processing(WAIT, name, Environment={"MARKER": str(sagemaker.harness.root)})
    until = time.monotonic() + 60
    while len(processes_with(str(sagemaker.harness.root))) < 2 and time.monotonic() < until:
        time.sleep(0.01)
    started = time.monotonic()
    sagemaker.service.close()
    assert time.monotonic() - started < 20
    assert processes_with(str(sagemaker.harness.root)) == []
    assert {sagemaker.describe("ProcessingJob", name)["ProcessingJobStatus"] for name in ("a", "b")} == {"Stopped"}
    sagemaker.create_processing(WAIT, "c")
    assert sagemaker.wait_for_end("ProcessingJob", "c")["ProcessingJobStatus"] == "Stopped"
