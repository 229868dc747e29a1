"""The locks of src/mlci/locks: one version of each package, with hashes, and no index."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

LOCKS = Path(__file__).parents[1] / "src" / "mlci" / "locks"
NAMES = ("all", "build", "example", "runtime")


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


@pytest.mark.parametrize("name", ["example", "runtime"])
def test_what_is_deployed_is_what_is_tested(name: str) -> None:
    tested = requirements("all")
    assert {line: tested.get(line) for line in requirements(name)} == requirements(name)
