from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from moto import mock_aws

from support.aws_fixtures import pretended
from support.bootstrap_account import Answers, Boot
from support.fake_aws import REGION

__all__ = ["pretended"]


@pytest.fixture
def boot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Boot]:
    """An empty account."""
    with mock_aws():
        monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
        yield Boot(tmp_path)


@pytest.fixture
def yes() -> Answers:
    """A script that has agreed beforehand."""
    return Answers(assume_yes=True, is_interactive=False)
