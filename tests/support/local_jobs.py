"""A fake stop signal, requests, and jobs that run in real subprocesses, for the tests of the emulator."""

from __future__ import annotations

import io
import json
import os
import sys
import tarfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlci_emulator.jobs.isolation import Isolation
from mlci_emulator.jobs.job import JobSettings
from mlci_emulator.jobs.runner import LocalJobs
from mlci_emulator.services.sagemaker import SageMaker
from mlci_emulator.store.directory import DirectoryStore

if TYPE_CHECKING:
    from mlci_asl import Json


class FakeStopSignal:
    """A stop signal for jobs."""

    def __init__(self) -> None:
        self._is_set = threading.Event()
        self._callbacks: list[Callable[[], None]] = []

    def set(self) -> None:
        self._is_set.set()
        for callback in list(self._callbacks):
            callback()

    def is_set(self) -> bool:
        return self._is_set.is_set()

    def wait(self, timeout_s: float, /) -> bool:
        return self._is_set.wait(timeout_s)

    def subscribe(self, callback: Callable[[], None], /) -> Callable[[], None]:
        self._callbacks.append(callback)
        if self.is_set():
            callback()
        return lambda: self._callbacks.remove(callback)


def processing_request(name: str = "job", **changes: Json) -> dict[str, Json]:
    """Return a CreateProcessingJob request for `s3://b/code/script.py`, as a plan has it."""
    folder = "/opt/ml/processing"
    source: dict[str, Json] = {
        "S3Uri": "s3://b/code/",
        "LocalPath": f"{folder}/input/code",
        "S3DataType": "S3Prefix",
        "S3InputMode": "File",
        "S3DataDistributionType": "FullyReplicated",
    }
    target: dict[str, Json] = {"S3Uri": "s3://b/out", "LocalPath": f"{folder}/output/out", "S3UploadMode": "EndOfJob"}
    return {
        "ProcessingJobName": name,
        "RoleArn": "arn:aws:iam::000000000000:role/job",
        "AppSpecification": {"ImageUri": "image", "ContainerEntrypoint": ["python3", f"{folder}/input/code/script.py"]},
        "ProcessingInputs": [{"InputName": "code", "S3Input": source}],
        "ProcessingOutputConfig": {"Outputs": [{"OutputName": "out", "S3Output": target}]},
        "ProcessingResources": {
            "ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1}
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        **changes,
    }


def training_request(name: str = "job", **changes: Json) -> dict[str, Json]:
    """Return a CreateTrainingJob request for the script `train.py` in `s3://b/sourcedir.tar.gz`."""
    hyperparameters: dict[str, Json] = {
        "sagemaker_program": '"train.py"',
        "sagemaker_submit_directory": '"s3://b/sourcedir.tar.gz"',
    }
    return {
        "TrainingJobName": name,
        "RoleArn": "arn:aws:iam::000000000000:role/job",
        "AlgorithmSpecification": {"TrainingImage": "image", "TrainingInputMode": "File"},
        "HyperParameters": hyperparameters,
        "OutputDataConfig": {"S3OutputPath": "s3://b/models"},
        "ResourceConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1},
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        **changes,
    }


def sourcedir(files: Mapping[str, str]) -> bytes:
    """Return the bytes of a sourcedir.tar.gz with these files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
    return buffer.getvalue()


@dataclass
class JobHarness:
    """Runs jobs on a store, with a work folder, logs and reports below `root`."""

    root: Path
    reports: list[str] = field(default_factory=list)
    variables: Callable[[str], Mapping[str, str]] = lambda name: {}

    def __post_init__(self) -> None:
        self.store = DirectoryStore(self.root / "store")
        self.environment = {**os.environ, "AWS_SECRET_ACCESS_KEY": "secret", "MLCI_CLOUD": "local"}

    @property
    def work(self) -> Path:
        return self.root / "work"

    def log(self, name: str) -> Path:
        return self.root / "logs" / f"{name}.log"

    def jobs(self, isolation: Isolation = "auto") -> LocalJobs:
        settings = JobSettings(
            self.work, self.log, sys.executable, self.environment, isolation, variables=self.variables
        )
        return LocalJobs(self.store, settings, self.reports.append)

    def process(
        self, script: str, jobs: LocalJobs, stop: FakeStopSignal | None = None, name: str = "job", **changes: Json
    ) -> dict[str, Any]:
        self.store.put_bytes(script.encode(), "s3://b/code/script.py")
        return self.run("CreateProcessingJob", processing_request(name, **changes), jobs, stop)

    def train(
        self, script: str, jobs: LocalJobs, stop: FakeStopSignal | None = None, name: str = "job", **changes: Json
    ) -> dict[str, Any]:
        self.store.put_bytes(sourcedir({"train.py": script}), "s3://b/sourcedir.tar.gz")
        return self.run("CreateTrainingJob", training_request(name, **changes), jobs, stop)

    def run(
        self, operation: str, request: dict[str, Json], jobs: LocalJobs, stop: FakeStopSignal | None = None
    ) -> dict[str, Any]:
        """Run a job in a new service, and return its description when it has ended."""
        service = SageMaker(self.store, jobs, None)
        return service.run_to_end(operation, request, "us-east-1", stop or FakeStopSignal(), lambda answer: None)

    def output(self, name: str) -> Any:
        """Return the JSON value that a script wrote as an output."""
        return json.loads(self.store.read_bytes(f"s3://b/out/{name}"))


def processes_with(marker: str) -> list[int]:
    """Return the processes with this text in their environment or command line."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            text = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
            if marker.encode() in text and int(folder.name) != os.getpid():
                found.append(int(folder.name))
        except OSError:
            continue
    return found
