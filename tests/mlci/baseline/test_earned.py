"""Who may write the baseline, and whose commit is older."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from mlci.baseline import NO_HISTORY, Baseline, WorkTree, unearned_reason
from mlci.baseline.earned import is_older
from mlci.flow import load
from mlci.plan import Plan, Target
from mlci.plan.models import S3Uri, Upload
from mlci.stage.models import StagedFile

FLOW = b"flow: iris\nparams: {depth: 4}\nsteps: {wait: {uses: wait, seconds: 1}}\n"
EARLY = datetime(2026, 11, 23, 10, tzinfo=timezone.utc)
LATE = EARLY + timedelta(seconds=1)


def planned(root: Path, **params: str) -> Plan:
    """A plan that stages train.py, and data/ignored.csv."""
    flow = load(FLOW, str(root / "flow.yaml"), params, dict.fromkeys(params, "--param"))
    files = tuple(StagedFile(name, "0", 1, root / name) for name in ("train.py", "data/ignored.csv"))
    upload = Upload(S3Uri("s3://b/k"), S3Uri("s3://b/k"), files)
    return Plan(flow, Target("b", "r", "id"), {}, (), (upload,))


def test_a_clean_commit_with_the_flows_own_params_earns_it(tmp_path: Path) -> None:
    assert unearned_reason(planned(tmp_path), WorkTree()) == ""
    assert unearned_reason(planned(tmp_path, depth="4"), WorkTree()) == ""


def test_another_param_does_not(tmp_path: Path) -> None:
    assert unearned_reason(planned(tmp_path, depth="5"), WorkTree()) == (
        "the run had other params than the flow: depth"
    )


@pytest.mark.parametrize(
    ("changed", "untracked", "reason"),
    [
        (("README.md",), (), "README.md is not as in the commit"),
        (("a", "b", "c", "d", "e"), (), "a, b, c and 2 more are not as in the commit"),
        ((), ("train.py",), "train.py is not as in the commit"),
        ((), ("flow.yaml",), "flow.yaml is not as in the commit"),
        ((), ("notes.txt",), ""),
    ],
)
def test_files_that_the_commit_does_not_hold(
    tmp_path: Path, changed: tuple[str, ...], untracked: tuple[str, ...], reason: str
) -> None:
    tree = WorkTree(changed, frozenset(f"{tmp_path}/{name}" for name in untracked))
    assert unearned_reason(planned(tmp_path), tree) == reason


@dataclass(frozen=True)
class Line:
    """A history of commits, the oldest first."""

    commits: tuple[str, ...] = field(default=())

    def is_ancestor(self, older: str, newer: str) -> bool:
        return {older, newer} <= set(self.commits) and self.commits.index(older) < self.commits.index(newer)

    def committed(self, commit: str) -> datetime | None:
        return None

    def ancestors(self, commit: str) -> dict[str, int]:
        raise AssertionError("to write a baseline takes none")

    def is_shallow(self) -> bool:
        raise AssertionError("to write a baseline takes none")


def of(commit: str | None, committed: datetime | None = None) -> Baseline:
    return Baseline({}, "r", commit, committed)


@pytest.mark.parametrize(
    ("baseline", "current", "expected"),
    [
        (of("a"), of("b"), True),
        (of("b"), of("a"), False),
        (of("a", LATE), of("b", EARLY), True),
        (of("b", EARLY), of("a", LATE), False),
        (of("a", EARLY), of("a", LATE), False),
        (of("x", EARLY), of("b", LATE), True),
        (of("x", LATE), of("b", EARLY), False),
        (of("x", EARLY), of("b", EARLY), False),
        (of("x", EARLY), of("b"), False),
        (of("x"), of("b", EARLY), False),
        (of(None, EARLY), of("b", LATE), False),
        (of("a"), of(None), False),
        (of("a"), Baseline(origin="reset"), False),
    ],
)
def test_the_history_decides_and_else_the_time(baseline: Baseline, current: Baseline, expected: bool) -> None:
    assert is_older(baseline, current, Line(("a", "b"))) is expected


def test_without_a_history_the_time_decides() -> None:
    assert is_older(of("a", EARLY), of("b", LATE), NO_HISTORY)
    assert not is_older(of("a", LATE), of("b", EARLY), NO_HISTORY)
    assert NO_HISTORY.committed("a") is None
