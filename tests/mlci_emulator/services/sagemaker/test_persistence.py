"""What outlives a server, however it ended."""

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
from support.local_jobs import Place, living
from support.sagemaker import served

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="living processes are looked for in /proc")

#: A server of its own that starts jobs of all kinds, and then sleeps.
SERVER = """
import sys, time
sys.path[:0] = [{source!r}, {tests!r}]
from pathlib import Path
from support.local_jobs import Place
from support.sagemaker import served
place = Place(Path({root!r}))
jobs = place.jobs()
sagemaker = served(place, jobs, place.root / "home")
sagemaker.create_processing("print('done')", "first", Tags=[dict(Key="k", Value="v")])
assert sagemaker.ended("ProcessingJob", "first")["ProcessingJobStatus"] == "Completed"
wait = "import time; print('x', flush=True); time.sleep(60)"
sagemaker.create_processing(wait, "second", Environment=dict(MARKER={root!r}))
sagemaker.create_training(wait, "third", Environment=dict(MARKER={root!r}))
sagemaker.call("CreateModelPackageGroup", ModelPackageGroupName="group")
time.sleep(60)
"""


def test_a_killed_server_leaves_records_and_no_jobs(place: Place, jobs: LocalJobs) -> None:
    tests = Path(__file__).parents[3]
    program = place.root / "server.py"
    source = str(tests.parent / "src")
    program.write_text(SERVER.format(source=source, tests=str(tests), root=str(place.root)))
    with subprocess.Popen([sys.executable, str(program)]) as process:
        logs = place.root / "home" / "logs"
        until = time.monotonic() + 20
        while time.monotonic() < until and [path.read_text() for path in logs.rglob("*.log")].count("x\n") < 2:
            time.sleep(0.02)
        assert len(living(str(place.root))) >= 2
        process.send_signal(signal.SIGKILL)
    until = time.monotonic() + 2
    while living(str(place.root)) and time.monotonic() < until:
        time.sleep(0.01)
    assert living(str(place.root)) == []

    sagemaker = served(place, jobs, place.root / "home")
    assert sagemaker.describe("ProcessingJob", "first")["ProcessingJobStatus"] == "Completed"
    second, third = sagemaker.describe("ProcessingJob", "second"), sagemaker.describe("TrainingJob", "third")
    assert (second["ProcessingJobStatus"], second["FailureReason"]) == ("Failed", ABANDONED)
    assert (third["TrainingJobStatus"], third["SecondaryStatus"]) == ("Failed", "Failed")
    assert third["FailureReason"] == ABANDONED
    assert third["TrainingEndTime"] >= third["TrainingStartTime"]
    assert sagemaker.stream("second") == "x\n"
    assert sagemaker.call("ListTags", ResourceArn=sagemaker.describe("ProcessingJob", "first")["ProcessingJobArn"])[
        "Tags"
    ]
    assert sagemaker.call("ListModelPackageGroups")["ModelPackageGroupSummaryList"]
    with pytest.raises(ApiError, match="already exists"):
        sagemaker.create_processing("", "second")
    sagemaker.create_processing("", "fourth")
    assert sagemaker.ended("ProcessingJob", "fourth")["ProcessingJobStatus"] == "Completed"
    sagemaker.service.close()


def test_a_closed_service_is_found_again_as_it_was(place: Place, jobs: LocalJobs) -> None:
    first = served(place, jobs, place.root / "home")
    first.create_training("import time; time.sleep(60)", "a")
    first.service.close()
    described = first.describe("TrainingJob", "a")
    assert described["TrainingJobStatus"] == "Stopped"
    second = served(place, jobs, place.root / "home")
    assert second.describe("TrainingJob", "a") == described


def test_without_a_folder_nothing_is_kept(place: Place, jobs: LocalJobs) -> None:
    sagemaker = served(place, jobs, None)
    sagemaker.create_processing("print(1)", "a")
    assert sagemaker.ended("ProcessingJob", "a")["ProcessingJobStatus"] == "Completed"
    assert place.log("a").read_text() == "1\n"
    assert served(place, jobs, None).call("ListProcessingJobs") == {"ProcessingJobSummaries": []}
