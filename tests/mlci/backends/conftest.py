"""Fixtures of both clouds' tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.aws_builds import Builder
from support.aws_fixtures import pretended
from support.fake_aws import PretendAws
from support.fixtures import harness, jobs

__all__ = ["harness", "jobs", "pretended"]


@pytest.fixture
def builder(tmp_path: Path, pretended: PretendAws) -> Builder:
    made = Builder(tmp_path, pretended)
    made.write()
    return made
