"""Fixtures of jobs that run on this machine; a conftest.py imports those that its tests use."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mlci_emulator.jobs.runner import LocalJobs
from support.local_jobs import Place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture
def jobs(place: Place) -> Iterator[LocalJobs]:
    with place.jobs() as jobs:
        yield jobs
