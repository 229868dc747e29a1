"""Fixtures of the local cloud's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from local_jobs import Place
from mlci.cloud.local.jobs import LocalJobs


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture
def jobs(place: Place) -> Iterator[LocalJobs]:
    with place.jobs() as jobs:
        yield jobs
