"""Fixtures of the tests of SageMaker's service."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mlci_emulator.jobs.runner import LocalJobs
from support.local_jobs import JobHarness
from support.sagemaker import SageMakerHarness, sagemaker_harness


@pytest.fixture
def sagemaker(harness: JobHarness, jobs: LocalJobs) -> Iterator[SageMakerHarness]:
    """A service that keeps its records in a folder."""
    made = sagemaker_harness(harness, jobs, harness.root / "home")
    yield made
    made.service.close()
