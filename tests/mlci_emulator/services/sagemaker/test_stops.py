"""Jobs that are stopped at random moments: each ends in the status that it should, and leaves no process."""

from __future__ import annotations

import random
import sys
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from mlci_emulator.jobs.runner import LocalJobs
from mlci_emulator.protocol.operations import ApiError
from support.local_jobs import (
    FakeStopSignal,
    JobHarness,
    processes_with,
    processing_request,
    sourcedir,
    training_request,
)
from support.sagemaker import REGION, SageMakerHarness

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="living processes are looked for in /proc")

#: Forks what leaves its group, goes on for a while, and leaves files to be kept.
SCRIPT = """
import os, time
for folder in ("/opt/ml/model", "/opt/ml/processing/output/out"):
    if os.path.isdir(folder):
        for number in range(100):
            open(f"{folder}/{number}", "w").close()
if os.fork() == 0:
    os.setsid()
    time.sleep(60)
time.sleep(float(os.environ["FOR"]))
os._exit(0)
"""


def stopped_by_api(sagemaker: SageMakerHarness, number: int, marker: str, chance: random.Random) -> str:
    """Create a job, stop it at some moment, and say how it ended, and how that should have been."""
    name, length, delay = f"api-{number}", chance.choice(["0", "0.1", "60"]), chance.uniform(0, 0.4)
    sagemaker.call("CreateProcessingJob", **processing_request(name, Environment={"MARKER": marker, "FOR": length}))
    time.sleep(delay)
    try:
        sagemaker.call("StopProcessingJob", ProcessingJobName=name)
        due = "Stopped"
    except ApiError as error:
        due = error.message.rpartition(" in status ")[2].rstrip(".")
        if due != "Completed":
            return f"{name}: {error}"
    started = time.monotonic()
    status = sagemaker.wait_for_end("ProcessingJob", name)["ProcessingJobStatus"]
    late = time.monotonic() - started
    return "" if status == due and late < 2 else f"{name}: {status} and not {due} after {late:.1f} s"


def stopped_by_signal(sagemaker: SageMakerHarness, number: int, marker: str, chance: random.Random) -> str:
    """The same of `run_to_end`, whose signal is set before, while or after it creates the job."""
    name, length, delay = f"signal-{number}", chance.choice(["0", "0.1", "60"]), chance.uniform(0, 0.4)
    stop, moments = FakeStopSignal(), list[float]()

    def set_it() -> None:
        time.sleep(delay)
        moments.append(time.monotonic())
        stop.set()

    setting = threading.Thread(target=set_it)
    setting.start()
    request = training_request(name, Environment={"MARKER": marker, "FOR": length})
    described = sagemaker.service.run_to_end("CreateTrainingJob", request, REGION, stop, lambda answer: None)
    ended = time.monotonic()
    setting.join()
    if described["TrainingJobStatus"] == "Completed" and ended <= moments[0] + 0.5:
        return ""
    late = ended - moments[0]
    if described["TrainingJobStatus"] == "Stopping":  # a busy machine: it returned in time, and the job ends by itself
        described = sagemaker.wait_for_end("TrainingJob", name)
    return "" if described["TrainingJobStatus"] == "Stopped" and late < 1.5 else f"{name}: {described}, {late:.1f} s"


def stop_many(sagemaker: SageMakerHarness, count: int, seed: int) -> list[str]:
    """Stop so many jobs with slow transfers, and return the problems."""
    for number in range(100):
        sagemaker.harness.store.put_bytes(b"x", f"s3://b/code/{number}")
    sagemaker.harness.store.put_bytes(SCRIPT.encode(), "s3://b/code/script.py")
    sagemaker.harness.store.put_bytes(sourcedir({"train.py": SCRIPT}), "s3://b/sourcedir.tar.gz")
    marker = f"marker-{uuid.uuid4()}"

    def one(number: int) -> str:
        chance = random.Random(f"{seed}-{number}")
        return chance.choice([stopped_by_api, stopped_by_signal])(sagemaker, number, marker, chance)

    with ThreadPoolExecutor(4) as pool:
        problems = [problem for problem in pool.map(one, range(count)) if problem]
    left = processes_with(marker)
    return [*problems, *(f"process {pid} is left" for pid in left)]


def test_stops_at_random_moments(sagemaker: SageMakerHarness) -> None:
    threads = threading.active_count()
    assert stop_many(sagemaker, 24, seed=random.randrange(1 << 30)) == []
    assert threading.active_count() <= threads  # that which looks for the isolation may have ended
    assert list(sagemaker.harness.work.iterdir()) == []


@pytest.mark.slow
def test_three_hundred_stops_at_random_moments(sagemaker: SageMakerHarness) -> None:
    assert stop_many(sagemaker, 300, seed=1) == []
    assert list(sagemaker.harness.work.iterdir()) == []


@pytest.mark.parametrize("seed", range(3))
def test_a_service_that_closes_amid_its_jobs_leaves_nothing(harness: JobHarness, jobs: LocalJobs, seed: int) -> None:
    from support.sagemaker import sagemaker_harness

    chance, marker = random.Random(seed), f"marker-{uuid.uuid4()}"
    sagemaker = sagemaker_harness(harness, jobs, harness.root / "home")
    harness.store.put_bytes(SCRIPT.encode(), "s3://b/code/script.py")
    for number in range(6):
        request = processing_request(f"job-{number}", Environment={"MARKER": marker, "FOR": "60"})
        sagemaker.call("CreateProcessingJob", **request)
        time.sleep(chance.uniform(0, 0.06))
    sagemaker.service.close()
    assert processes_with(marker) == []
    statuses = [sagemaker.describe("ProcessingJob", f"job-{number}")["ProcessingJobStatus"] for number in range(6)]
    assert statuses == ["Stopped"] * 6
