"""The locks of src/mlci/locks: one version of each package, with hashes, and no index."""

from __future__ import annotations

import re
import runpy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
LOCKS = ROOT / "src" / "mlci" / "locks"
NAMES = ("all", "build", "example", "github", "parquet", "plots", "runtime", "sdk", "slim", "stats")


def requirements(name: str) -> Mapping[str, list[str]]:
    """The hashes of each requirement of a lock, by the requirement without them."""
    text = (LOCKS / f"{name}.txt").read_text().replace("\\\n", " ")
    lines = [line.split(" --hash=") for line in text.splitlines() if not line.startswith("#")]
    return {line[0].strip(): [digest.strip() for digest in line[1:]] for line in lines}


@pytest.mark.parametrize("name", NAMES)
def test_each_requirement_is_one_version_with_its_hashes(name: str) -> None:
    for requirement, hashes in requirements(name).items():
        assert re.match(r"[a-z0-9._-]+==\S+", requirement, re.IGNORECASE), requirement
        assert hashes, requirement
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", digest) for digest in hashes), requirement


@pytest.mark.parametrize("name", NAMES)
def test_no_lock_names_an_index(name: str) -> None:
    assert "://" not in (LOCKS / f"{name}.txt").read_text()


@pytest.mark.parametrize("name", ["example", "github", "parquet", "plots", "runtime", "sdk", "slim", "stats"])
def test_what_is_deployed_is_what_is_tested(name: str) -> None:
    tested = requirements("all")
    assert {line: tested.get(line) for line in requirements(name)} == requirements(name)


def test_a_slim_install_and_the_sdks_make_a_whole_one() -> None:
    slim, sdk, runtime = (requirements(name) for name in ("slim", "sdk", "runtime"))
    assert not slim.keys() & sdk.keys()
    assert {**slim, **sdk} == runtime
    assert len(slim) < len(runtime) / 2


def test_a_slim_install_has_all_that_its_packages_need_and_no_more() -> None:
    """By what the installed distributions say, as `make lock` splits the lock."""
    split: dict[str, Any] = runpy.run_path(str(ROOT / ".ci" / "slim_lock.py"))
    own = {name for name, _ in split["needed"]("mlci")} - split["SDKS"]
    assert {"boto3", "pydantic"} < own
    names = {split["name_of"](entry) for entry in split["entries"]((LOCKS / "slim.txt").read_text())}
    everything = {split["name_of"](entry) for entry in split["entries"]((LOCKS / "runtime.txt").read_text())}
    assert names == split["closure"](own) & everything
    assert not names & {"sagemaker", "stepfunctions", "numpy", "pandas"}


def test_the_locks_of_extras_hold_what_the_extras_name() -> None:
    split: dict[str, Any] = runpy.run_path(str(ROOT / ".ci" / "slim_lock.py"))
    project = (ROOT / "pyproject.toml").read_text()
    for name, packages in split["EXTRAS"].items():
        extra = re.search(rf"^{name} = \[(.*?)\]", project, re.MULTILINE | re.DOTALL)
        assert extra is not None
        assert set(re.findall(r'"([a-z]+)', extra[1])) == packages
        locked = {split["name_of"](entry) for entry in split["entries"]((LOCKS / f"{name}.txt").read_text())}
        assert locked == split["closure"](packages)


def test_a_slim_install_and_githubs_client_have_all_that_posting_needs() -> None:
    split: dict[str, Any] = runpy.run_path(str(ROOT / ".ci" / "slim_lock.py"))
    names = {
        name: {split["name_of"](entry) for entry in split["entries"]((LOCKS / f"{name}.txt").read_text())}
        for name in ("all", "github", "slim")
    }
    assert names["github"] == (split["closure"](split["CLIENTS"]) & names["all"]) - names["slim"]
    assert {"pygithub", "requests", "cryptography"} <= names["github"]
