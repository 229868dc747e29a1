"""The records that outlive a server, even a killed one."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mlci_emulator.jobs.runner import LocalJobs
from mlci_emulator.protocol.operations import ApiError
from mlci_emulator.services.sagemaker.jobs import ABANDONED
from support.local_jobs import JobHarness, processes_with, sourcedir
from support.sagemaker import sagemaker_harness

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="living processes are looked for in /proc")

#: A server of its own that starts jobs of all kinds, and then sleeps.
SERVER = """
import sys, time
sys.path[:0] = [{source!r}, {tests!r}]
from pathlib import Path
from support.local_jobs import JobHarness
from support.sagemaker import sagemaker_harness
harness = JobHarness(Path({root!r}))
jobs = harness.jobs()
sagemaker = sagemaker_harness(harness, jobs, harness.root / "home")
sagemaker.create_processing("print('done')", "first", Tags=[dict(Key="k", Value="v")])
assert sagemaker.wait_for_end("ProcessingJob", "first")["ProcessingJobStatus"] == "Completed"
wait = "import time; print('x', flush=True); time.sleep(60)"
sagemaker.create_processing(wait, "second", Environment=dict(MARKER={root!r}))
sagemaker.create_training(wait, "third", Environment=dict(MARKER={root!r}))
sagemaker.call("CreateModelPackageGroup", ModelPackageGroupName="group")
time.sleep(60)
"""


def test_a_killed_server_leaves_records_and_no_jobs(harness: JobHarness, jobs: LocalJobs) -> None:
    tests = Path(__file__).parents[3]
    program = harness.root / "server.py"
    source = str(tests.parent / "src")
    program.write_text(SERVER.format(source=source, tests=str(tests), root=str(harness.root)))
    with subprocess.Popen([sys.executable, str(program)]) as process:
        logs = harness.root / "home" / "logs"
        until = time.monotonic() + 20
        while time.monotonic() < until and [path.read_text() for path in logs.rglob("*.log")].count("x\n") < 2:
            time.sleep(0.02)
        assert len(processes_with(str(harness.root))) >= 2
        process.send_signal(signal.SIGKILL)
    until = time.monotonic() + 2
    while processes_with(str(harness.root)) and time.monotonic() < until:
        time.sleep(0.01)
    assert processes_with(str(harness.root)) == []

    sagemaker = sagemaker_harness(harness, jobs, harness.root / "home")
    assert sagemaker.describe("ProcessingJob", "first")["ProcessingJobStatus"] == "Completed"
    second, third = sagemaker.describe("ProcessingJob", "second"), sagemaker.describe("TrainingJob", "third")
    assert (second["ProcessingJobStatus"], second["FailureReason"]) == ("Failed", ABANDONED)
    assert (third["TrainingJobStatus"], third["SecondaryStatus"]) == ("Failed", "Failed")
    assert third["FailureReason"] == ABANDONED
    assert third["TrainingEndTime"] >= third["TrainingStartTime"]
    assert sagemaker.log_text("second") == "x\n"
    assert sagemaker.call("ListTags", ResourceArn=sagemaker.describe("ProcessingJob", "first")["ProcessingJobArn"])[
        "Tags"
    ]
    assert sagemaker.call("ListModelPackageGroups")["ModelPackageGroupSummaryList"]
    with pytest.raises(ApiError, match="already exists"):
        sagemaker.create_processing("", "second")
    sagemaker.create_processing("", "fourth")
    assert sagemaker.wait_for_end("ProcessingJob", "fourth")["ProcessingJobStatus"] == "Completed"
    sagemaker.service.close()


def test_a_closed_service_is_found_again_as_it_was(harness: JobHarness, jobs: LocalJobs) -> None:
    first = sagemaker_harness(harness, jobs, harness.root / "home")
    first.create_training("import time; time.sleep(60)", "a")
    first.service.close()
    described = first.describe("TrainingJob", "a")
    assert described["TrainingJobStatus"] == "Stopped"
    second = sagemaker_harness(harness, jobs, harness.root / "home")
    assert second.describe("TrainingJob", "a") == described


def test_without_a_folder_nothing_is_stored(harness: JobHarness, jobs: LocalJobs) -> None:
    sagemaker = sagemaker_harness(harness, jobs, None)
    sagemaker.create_processing("print(1)", "a")
    assert sagemaker.wait_for_end("ProcessingJob", "a")["ProcessingJobStatus"] == "Completed"
    assert harness.log("a").read_text() == "1\n"
    assert sagemaker_harness(harness, jobs, None).call("ListProcessingJobs") == {"ProcessingJobSummaries": []}


def test_an_endpoint_of_an_earlier_server_is_served_again(harness: JobHarness, jobs: LocalJobs) -> None:
    script = "def model_fn(model_dir): return None\ndef transform_fn(*request): return 'here', 'text/plain'\n"
    harness.store.put_bytes(sourcedir({"code/inference.py": script}), "s3://b/model.tar.gz")
    first = sagemaker_harness(harness, jobs, harness.root / "home")
    container = {"Image": "image", "ModelDataUrl": "s3://b/model.tar.gz"}
    first.call("CreateModel", ModelName="m", PrimaryContainer=container)
    variant = {"VariantName": "all", "ModelName": "m", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    first.call("CreateEndpointConfig", EndpointConfigName="c", ProductionVariants=[variant])
    first.call("CreateEndpoint", EndpointName="e", EndpointConfigName="c")
    first.wait_until("Endpoint", "e", lambda described: described["EndpointStatus"] == "InService")
    first.service.close()
    second = sagemaker_harness(harness, jobs, harness.root / "home")
    assert second.describe("Endpoint", "e")["EndpointStatus"] == "InService"
    assert second.call("InvokeEndpoint", EndpointName="e", Body=b"")["Body"] == b"here"
    assert list(second.service.endpoint_urls()) == ["e"]
    second.service.close()
