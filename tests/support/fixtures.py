"""Fixtures of jobs that run on this machine; a conftest.py imports those that its tests use."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mlci_emulator.jobs.runner import LocalJobs
from support.local_jobs import JobHarness


@pytest.fixture
def harness(tmp_path: Path) -> JobHarness:
    return JobHarness(tmp_path)


@pytest.fixture
def jobs(harness: JobHarness) -> Iterator[LocalJobs]:
    with harness.jobs() as jobs:
        yield jobs
