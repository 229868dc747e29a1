"""Fixtures of the tests of SageMaker's service."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mlci_emulator.jobs.runner import LocalJobs
from support.local_jobs import Place
from support.sagemaker import Served, served


@pytest.fixture
def sagemaker(place: Place, jobs: LocalJobs) -> Iterator[Served]:
    """A service that keeps its records in a folder."""
    made = served(place, jobs, place.root / "home")
    yield made
    made.service.close()
