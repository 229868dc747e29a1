"""The part of the cache's key that stands for the code which makes a definition."""

from __future__ import annotations

import inspect
import shutil
from pathlib import Path

import pytest

from mlci import compile, step_types
from mlci.compile import STATE_MAKING_FOLDERS, compile_plan, compiler_version
from mlci.flow import load
from mlci.flow.models import Json
from mlci.plan import Target, plan
from mlci.stage.models import Staged

FOLDERS = [Path(inspect.getfile(module)).parent for module in (compile, step_types)]


@pytest.fixture
def copies(tmp_path: Path) -> list[Path]:
    """Copies of the packages that make states."""
    return [Path(shutil.copytree(folder, tmp_path / folder.name)) for folder in FOLDERS]


def test_the_installed_code_and_sdk_count() -> None:
    assert list(STATE_MAKING_FOLDERS) == FOLDERS
    keys: list[Json] = []
    flow = load(b"flow: x\nsteps: {a: {uses: processing, run: a.py, image: 'mine:7'}}\n", "flow.yaml")
    planned = plan(flow, Staged({}, {}, {}), Target("bucket", "role", "20261123-101530-3f9c2a"))

    def remember(key: Json, compute: object) -> str:
        keys.append(key)
        return "{}"

    compile_plan(planned, remember)
    assert isinstance(keys[0], list)
    assert compiler_version() in keys[0]


def test_the_same_code_and_sdk_have_the_same_version(copies: list[Path]) -> None:
    assert compiler_version(copies) == compiler_version(FOLDERS)


@pytest.mark.parametrize("module", ["compile/state_machine.py", "step_types/training.py", "step_types/base.py"])
def test_other_code_has_another_version(module: str, copies: list[Path]) -> None:
    file = copies[0].parent / module
    file.write_text(file.read_text() + "\n")
    assert compiler_version(copies) != compiler_version()


def test_another_sdk_has_another_version() -> None:
    assert compiler_version(sdk_version="2.3.0") != compiler_version(sdk_version="2.4.0")
