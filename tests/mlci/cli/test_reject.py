"""`mlci reject`: a rejection tells why."""

from __future__ import annotations

import pytest

from mlci.cli.main import main


def test_an_empty_reason_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reject", "20260101-000000-abcdef", "approve", "--reason", " "]) == 2
    assert "--reason is empty" in capsys.readouterr().err
    assert main(["reject", "20260101-000000-abcdef", "approve", "--reason", "biased"]) == 2
    assert 'there is no run "20260101-000000-abcdef"' in capsys.readouterr().err
