"""The file of the repository that a failed job was not sent, as a run reports it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mlci.backends.progress import initial_progress
from mlci.flow import load
from mlci.outcome.unsent_files import explain_unsent
from mlci.plan import Plan, Target, plan
from mlci.stage import Cache, Repository, stage

FLOW = """
flow: case
defaults: {image: "mine.example/image:7"}
steps:
  whole: {uses: processing, run: code/a.py}
  inside: {uses: processing, run: code/a.py, working_dir: code}
  apart: {uses: processing, run: a.py, source: code}
  fit: {uses: training, run: code/a.py}
  pause: {uses: wait, seconds: 1}
"""
PYTHON = "FileNotFoundError: [Errno 2] No such file or directory: '{}'"


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    for name in ("code/a.py", "code/b.txt", "data/x.csv", "sub/flow.yaml", ".env"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("1")
    return Repository(tmp_path, tmp_path)


def planned(repository: Repository) -> Plan:
    flow = load(FLOW.encode(), "flow.yaml", {}, {})
    staged = stage(flow, repository, "us-east-1", Cache(None))
    return plan(flow, staged, Target("models", "arn:aws:iam::123456789012:role/job", "20261123-101530-3f9c2a"))


def reason(repository: Repository, step: str, text: str) -> str:
    """Return the reason of a step that just failed with this one."""
    before = initial_progress(planned(repository).steps)
    failed = replace(before.steps[step], status="failed", reason=text)
    after = explain_unsent(
        before, replace(before, steps={**before.steps, step: failed}, changed=(step,)), planned(repository), repository
    )
    return after.steps[step].reason or ""


@pytest.mark.parametrize(
    ("step", "text", "path"),
    [
        ("whole", PYTHON.format("data/x.csv"), "data/x.csv"),
        ("whole", PYTHON.format("data"), "data"),
        ("whole", PYTHON.format("/opt/ml/processing/input/code/data/x.csv"), "data/x.csv"),
        ("whole", "cat: data/x.csv: No such file or directory", "data/x.csv"),
        ("inside", PYTHON.format("b.txt"), "code/b.txt"),
        ("inside", PYTHON.format("../data/x.csv"), "data/x.csv"),
        ("apart", PYTHON.format("b.txt"), "code/b.txt"),
        ("fit", PYTHON.format("data/x.csv"), "data/x.csv"),
    ],
)
def test_a_file_that_was_not_sent_is_named(repository: Repository, step: str, text: str, path: str) -> None:
    assert reason(repository, step, text) == (
        f'"{path}" is in the repository, and was not sent to the job: name it under "include", or under "inputs" with '
        f'"from" and "path". {text}'
    )


@pytest.mark.parametrize(
    ("step", "text"),
    [
        ("whole", PYTHON.format("nowhere.csv")),
        ("whole", PYTHON.format("/etc/passwd")),
        ("whole", PYTHON.format("../../outside")),
        ("whole", PYTHON.format(".env")),
        ("whole", "ValueError: data/x.csv is empty"),
        ("pause", PYTHON.format("data/x.csv")),
    ],
)
def test_any_other_reason_stays(repository: Repository, step: str, text: str) -> None:
    assert reason(repository, step, text) == text


def test_the_path_is_as_a_flow_in_a_folder_writes_it(repository: Repository) -> None:
    below = Repository(repository.root, repository.root / "sub")
    (below.base / "code").mkdir()
    (below.base / "code" / "a.py").write_text("")
    assert '"../data/x.csv" is in the repository' in reason(below, "whole", PYTHON.format("data/x.csv"))
