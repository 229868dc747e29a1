"""The buildspecs, as YAML reads them: a command that holds a colon is still a command."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("path", ["buildspec.yaml", "src/mlci/scaffold/files/buildspec.yaml"])
def test_each_command_is_a_text(path: str) -> None:
    phases = yaml.safe_load((ROOT / path).read_text())["phases"].values()
    commands = [command for phase in phases for part in ("commands", "finally") for command in phase.get(part, ())]
    assert len(commands) > 3
    assert [command for command in commands if not isinstance(command, str)] == []
