"""A SageMaker service over real jobs, for the tests of the service."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlci_emulator.jobs.runner import LocalJobs
from mlci_emulator.services.sagemaker import SageMaker
from support.local_jobs import JobHarness, processing_request, sourcedir, training_request

REGION = "eu-west-1"


@dataclass
class SageMakerHarness:
    """Calls a service, and waits for its jobs."""

    harness: JobHarness
    jobs: LocalJobs
    service: SageMaker

    def call(self, operation: str, **request: Any) -> dict[str, Any]:
        return self.service.call(operation, request, REGION)

    def create_processing(self, script: str, name: str = "job", **changes: Any) -> dict[str, Any]:
        """Call CreateProcessingJob for a script."""
        self.harness.store.put_bytes(script.encode(), f"s3://b/code-{name}/script.py")
        request = processing_request(name, **changes)
        request["ProcessingInputs"][0]["S3Input"]["S3Uri"] = f"s3://b/code-{name}/"  # type: ignore[index, call-overload]
        return self.call("CreateProcessingJob", **request)

    def create_training(self, script: str, name: str = "job", **changes: Any) -> dict[str, Any]:
        self.harness.store.put_bytes(sourcedir({"train.py": script}), "s3://b/sourcedir.tar.gz")
        return self.call("CreateTrainingJob", **training_request(name, **changes))

    def describe(self, noun: str, name: str = "job") -> dict[str, Any]:
        return self.call(f"Describe{noun}", **{f"{noun}Name": name})

    def wait_for_end(self, noun: str, name: str = "job") -> dict[str, Any]:
        """Wait for the end of a job, and return its description."""
        return self.wait_until(
            noun, name, lambda described: described[f"{noun}Status"] not in ("InProgress", "Stopping")
        )

    def wait_until(
        self, noun: str, name: str, is_due: Callable[[dict[str, Any]], object], timeout_s: float = 20
    ) -> dict[str, Any]:
        until = time.monotonic() + timeout_s
        while True:
            described = self.describe(noun, name)
            if is_due(described):
                return described
            assert time.monotonic() < until, f"it never came: {described}"
            time.sleep(0.01)

    def log_text(self, name: str) -> str:
        """Return the log of a job."""
        (log,) = [log for log in self.service.log_files() if log.stream.startswith(f"{name}/")]
        return log.path.read_text()


def sagemaker_harness(harness: JobHarness, jobs: LocalJobs, home: Path | None) -> SageMakerHarness:
    return SageMakerHarness(harness, jobs, SageMaker(harness.store, jobs, home))


def tuning_request(strategy: str, seed: int | None = None, **changes: Any) -> dict[str, Any]:
    """Return a CreateHyperParameterTuningJob request for the script `train.py` in `s3://b/sourcedir.tar.gz`."""
    training: dict[str, Any] = training_request()
    static = training.pop("HyperParameters")
    training.pop("TrainingJobName")
    definitions = [{"Name": "score", "Regex": r"score=(\S+)"}]
    training["AlgorithmSpecification"] = {**training["AlgorithmSpecification"], "MetricDefinitions": definitions}
    categories = {"Name": "booster", "Values": ['"a"', '"b"']}
    ranges: dict[str, Any] = {
        "IntegerParameterRanges": [{"Name": "depth", "MinValue": "2", "MaxValue": "8"}],
        "CategoricalParameterRanges": [categories],
    }
    config = {
        "Strategy": strategy,
        "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "score"},
        "ResourceLimits": {"MaxNumberOfTrainingJobs": 4, "MaxParallelTrainingJobs": 2},
        "ParameterRanges": ranges,
        **({} if seed is None else {"RandomSeed": seed}),
    }
    return {
        "HyperParameterTuningJobName": "tune",
        "HyperParameterTuningJobConfig": config,
        "TrainingJobDefinition": {**training, "StaticHyperParameters": static},
        **changes,
    }
