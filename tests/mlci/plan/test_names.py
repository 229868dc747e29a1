"""Names that AWS takes, and that no two runs share."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

from hypothesis import assume, example, given
from hypothesis import strategies as st

from mlci.flow.models import Cell, Step
from mlci.plan.names import JOB_NAME_MAX_CHARS, Names, baseline_key, run_id

RUN = "20261123-101530-3f9c2a"
#: Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateTrainingJob.html
JOB_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")


def _step(name: str) -> Step:
    return Step(name, "training")


flows = st.from_regex(r"[a-zA-Z][a-zA-Z0-9-]{0,59}", fullmatch=True)
steps = st.from_regex(r"[a-zA-Z][a-zA-Z0-9_-]{0,62}", fullmatch=True)


@given(flows, steps, st.booleans())
def test_a_job_name_is_one_that_sagemaker_takes_even_after_retries(flow: str, step: str, is_protected: bool) -> None:
    name = f"{Names(flow, is_protected).job(_step(step), RUN)}-9-99"
    assert JOB_NAME.fullmatch(name)
    assert len(name) <= JOB_NAME_MAX_CHARS


@given(flows, st.sets(steps, min_size=2, max_size=6))
def test_steps_of_one_run_never_share_a_job_name(flow: str, names: set[str]) -> None:
    assert len({Names(flow).job(_step(step), RUN) for step in names}) == len(names)


@given(flows, st.sets(steps, min_size=2, max_size=3), st.integers(1, 256), st.booleans())
@example("A" * 18, {"A" * 28, "AY"}, 101, False)
@example("A" * 40, {"A" * 28, "B" * 28}, 101, True)
def test_cells_share_no_job_name_with_each_other_or_with_another_step(
    flow: str, names: set[str], count: int, is_protected: bool
) -> None:
    cells = [
        Step(f"{name}(k={index})", "training", cell=Cell(name, index, "", {}, (), (), f"k={index}"))
        for name in names
        for index in range(count)
    ]
    jobs = [Names(flow, is_protected).job(step, RUN) for step in (*cells, *map(_step, names))]
    assert len(set(jobs)) == len(jobs)
    assert all(JOB_NAME.fullmatch(f"{job}-9-99") and len(f"{job}-9-99") <= JOB_NAME_MAX_CHARS for job in jobs)


@given(flows, flows, steps, st.booleans(), st.booleans())
@example("fraud", "fraud-v2", "train", False, False)
@example("fraud", "fraud--v2", "train", False, False)
@example("x", "x-", "train", False, False)
@example("x", "x-protected", "train", True, False)
@example("x", "x", "train", True, False)
def test_no_name_of_a_flow_begins_as_those_of_another_do(
    flow: str, other: str, step: str, is_protected: bool, is_other_protected: bool
) -> None:
    ours, theirs = Names(flow, is_protected), Names(other, is_other_protected)
    assume(ours != theirs)
    assert ours.machine != theirs.machine
    assert not theirs.job(_step(step), RUN).startswith(ours.jobs)
    for mine in (ours.code(""), ours.data(""), ours.run("")):
        assert not any(key.startswith(mine) for key in (theirs.code("0"), theirs.data("0"), theirs.run(RUN)))
        assert not baseline_key(other, "main").startswith(mine)


@given(st.sets(st.text(min_size=1), min_size=2, max_size=5))
def test_branches_never_share_a_baseline_and_its_key_is_one_file(branches: set[str]) -> None:
    keys = {baseline_key("flow", branch) for branch in branches}
    assert len(keys) == len(branches)
    assert all(key.count("/") == 3 for key in keys)


@given(st.integers(0, 10**15), st.integers(4_000, 2_000_000), st.data())
def test_ids_of_runs_sort_by_time_within_a_second_too(start: int, wait: int, data: st.DataObject) -> None:
    moment = datetime(2026, 1, 1, tzinfo=timezone.utc) + timedelta(microseconds=start)
    digits = st.from_regex(r"[0-9a-f]{4}", fullmatch=True)
    assert run_id(moment, data.draw(digits)) < run_id(moment + timedelta(microseconds=wait), data.draw(digits))
