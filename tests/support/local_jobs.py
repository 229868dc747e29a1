"""What the tests of the local cloud share: a fake stop signal, requests, and jobs that run in real subprocesses."""

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


class FakeStop:
    """As `mlci_asl.StopSignal`, as far as jobs need it."""

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
    """A CreateProcessingJob request for `s3://b/code/script.py`, as the plan makes it."""
    place = "/opt/ml/processing"
    source: dict[str, Json] = {
        "S3Uri": "s3://b/code/",
        "LocalPath": f"{place}/input/code",
        "S3DataType": "S3Prefix",
        "S3InputMode": "File",
        "S3DataDistributionType": "FullyReplicated",
    }
    target: dict[str, Json] = {"S3Uri": "s3://b/out", "LocalPath": f"{place}/output/out", "S3UploadMode": "EndOfJob"}
    return {
        "ProcessingJobName": name,
        "RoleArn": "arn:aws:iam::000000000000:role/job",
        "AppSpecification": {"ImageUri": "image", "ContainerEntrypoint": ["python3", f"{place}/input/code/script.py"]},
        "ProcessingInputs": [{"InputName": "code", "S3Input": source}],
        "ProcessingOutputConfig": {"Outputs": [{"OutputName": "out", "S3Output": target}]},
        "ProcessingResources": {
            "ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1}
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        **changes,
    }


def training_request(name: str = "job", **changes: Json) -> dict[str, Json]:
    """A CreateTrainingJob request for the script `train.py` in `s3://b/sourcedir.tar.gz`."""
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
    """A sourcedir.tar.gz."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
    return buffer.getvalue()


@dataclass
class Place:
    """A store, a work folder, logs, and what was told."""

    root: Path
    told: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.store = DirectoryStore(self.root / "store")
        self.environment = {**os.environ, "AWS_SECRET_ACCESS_KEY": "secret", "MLCI_CLOUD": "local"}

    @property
    def work(self) -> Path:
        return self.root / "work"

    def log(self, name: str) -> Path:
        return self.root / "logs" / f"{name}.log"

    def jobs(self, isolation: Isolation = "auto") -> LocalJobs:
        settings = JobSettings(self.work, self.log, sys.executable, self.environment, isolation)
        return LocalJobs(self.store, settings, self.told.append)

    def process(
        self, script: str, jobs: LocalJobs, stop: FakeStop | None = None, name: str = "job", **changes: Json
    ) -> dict[str, Any]:
        self.store.put_bytes(script.encode(), "s3://b/code/script.py")
        return self.run("CreateProcessingJob", processing_request(name, **changes), jobs, stop)

    def train(
        self, script: str, jobs: LocalJobs, stop: FakeStop | None = None, name: str = "job", **changes: Json
    ) -> dict[str, Any]:
        self.store.put_bytes(sourcedir({"train.py": script}), "s3://b/sourcedir.tar.gz")
        return self.run("CreateTrainingJob", training_request(name, **changes), jobs, stop)

    def run(
        self, operation: str, request: dict[str, Json], jobs: LocalJobs, stop: FakeStop | None = None
    ) -> dict[str, Any]:
        """What Describe… says of a job when it has ended. Each call is the first of a new service."""
        service = SageMaker(self.store, jobs, None)
        return service.run_to_end(operation, request, "us-east-1", stop or FakeStop(), lambda answer: None)

    def output(self, name: str) -> Any:
        """What a script wrote as JSON, of whatever shape."""
        return json.loads(self.store.read_bytes(f"s3://b/out/{name}"))


def living(marker: str) -> list[int]:
    """The processes with this text in their environment or command line."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            text = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
            if marker.encode() in text and int(folder.name) != os.getpid():
                found.append(int(folder.name))
        except OSError:
            continue
    return found
