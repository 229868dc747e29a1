"""The steps that are reused, decided from keys and records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from mlci.plan import Plan, S3Uri
from mlci.reuse.decisions import Decisions, has_nothing_due, recorded_reads, reused_steps, wanted_keys
from mlci.reuse.record import Record, RecordedMetrics, RecordedOutput
from mlci.reuse.step_keys import step_keys
from support.compiled_flows import planned

NOW = datetime(2026, 11, 24, 10, 0, tzinfo=timezone.utc)
OLD, NEW = "20261120-101530-3f9c2a", "20261121-101530-3f9c2a"
HEAD = 'flow: small\ndefaults: {image: "mine.example/image:7"}\nsteps:\n'
CHAIN = (
    HEAD
    + """
  prepare: {uses: processing, run: a.py, outputs: [table]}
  train: {uses: training, run: a.py, inputs: {x: "${{ steps.prepare.outputs.table }}"}}
  score:
    uses: processing
    run: a.py
    inputs: {m: "${{ steps.train.outputs.model }}"}
    outputs: [out]
    metrics: out/metrics.json
"""
)
MATRIX = (
    HEAD
    + """
  fold:
    uses: processing
    run: a.py
    args: ["${{ matrix.n }}"]
    matrix: {n: [1, 2]}
    outputs: [out]
    metrics: out/metrics.json
"""
)
TOGETHER = MATRIX + '  all: {uses: processing, run: a.py, inputs: {x: "${{ steps.fold.outputs.out }}"}, outputs: [o]}\n'
BEST = (
    MATRIX
    + """
  best:
    uses: processing
    run: a.py
    inputs: {x: {from: "${{ steps.fold.outputs.out }}", select: {metric: fold.auc, best: max}}}
    outputs: [o]
"""
)


def record(plan: Plan, step: str, run: str = OLD, /, **changes: object) -> Record:
    """Return the record of a step that a run left which made all that it read itself."""
    earlier = replace(plan.target, run_id=run)
    steps, of = plan.steps[step], plan.target.run_id
    uris = {name: S3Uri(uri.replace(of, run)) for name, uri in steps.outputs.items()}
    metrics = RecordedMetrics(S3Uri(steps.metrics.replace(of, run)), 1, "t") if steps.metrics else None
    reads = recorded_reads(replace(plan, target=earlier), [step])[step]
    found = Record(
        key=step_keys(plan).steps[step].key,
        flow="small",
        step=step,
        run_id=run,
        made=NOW - timedelta(days=4 if run == OLD else 3),
        outputs={name: RecordedOutput(uri) for name, uri in uris.items()},
        metrics=metrics,
        reads=reads,
    )
    return replace(found, **changes)  # type: ignore[arg-type]


def decide(
    plan: Plan, *records: Record, asked: Mapping[str, str] | None = None, now: datetime | None = NOW
) -> Decisions:
    by_key: dict[str, Sequence[Record]] = {}
    for each in records:
        by_key[each.key] = [*by_key.get(each.key, ()), each]
    return reused_steps(plan, step_keys(plan), by_key, asked or {}, now)


def runs(found: Decisions) -> dict[str, str]:
    return {step: each.run_id for step, each in found.reused.items()}


def test_a_step_is_reused_with_all_that_it_reads() -> None:
    plan = planned(CHAIN)
    all_of_them = decide(plan, *(record(plan, step) for step in plan.steps))
    assert runs(all_of_them) == {"prepare": OLD, "train": OLD, "score": OLD}
    assert all_of_them.results["score"].metrics == plan.steps["score"].metrics.replace(plan.target.run_id, OLD)  # type: ignore[union-attr]
    without_train = decide(plan, record(plan, "prepare"), record(plan, "score"))
    assert runs(without_train) == {"prepare": OLD}
    assert without_train.reasons == {"train": "", "score": "it reads of train, which runs"}


def test_the_best_record_of_a_key_is_taken_that_read_the_same() -> None:
    plan = planned(CHAIN)
    prepared = [record(plan, "prepare", NEW), record(plan, "prepare", OLD)]
    assert runs(decide(plan, *prepared, record(plan, "train", NEW), record(plan, "train", OLD))) == {
        "prepare": NEW,
        "train": NEW,
    }
    other = decide(plan, *prepared, record(plan, "train", OLD))
    assert runs(other) == {"prepare": NEW}
    assert other.reasons["train"] == "its results were made from other results of what it reads"


def test_a_step_that_had_another_name_is_known_by_its_record() -> None:
    plan = planned(CHAIN)
    before = record(plan, "prepare", step="prep")
    reads = decide(plan, before, record(plan, "train", reads={"prep": OLD}))
    assert runs(reads) == {"prepare": OLD, "train": OLD}
    assert runs(decide(plan, before, record(plan, "train", reads={"other": OLD}))) == {"prepare": OLD}


def test_steps_that_are_asked_for_run_and_what_reads_of_them() -> None:
    plan = planned(CHAIN)
    found = decide(plan, *(record(plan, step) for step in plan.steps), asked={"train": "--fresh train"})
    assert runs(found) == {"prepare": OLD}
    assert found.reasons == {"train": "--fresh train", "score": "it reads of train, which runs"}


@pytest.mark.parametrize(
    ("reuse", "reason"),
    [
        ("true", None),
        ("false", "reuse: false"),
        ("{max_age: 5d}", None),
        ("{max_age: 3d23h}", "its results are older than 3d23h (max_age)"),
    ],
)
def test_a_step_says_how_old_its_results_may_be(reuse: str, reason: str | None) -> None:
    plan = planned(CHAIN.replace("outputs: [table]", f"outputs: [table], reuse: {reuse}"))
    found = decide(plan, *(record(plan, step) for step in plan.steps))
    assert found.reasons.get("prepare") == reason
    assert (len(found.reused) == 3) is (reason is None)
    is_age = "max_age" in reuse
    assert len(decide(plan, *(record(plan, step) for step in plan.steps), now=None).reused) == (
        3 if is_age or reason is None else 0
    )


def test_only_types_whose_results_depend_on_their_keys_are_reused() -> None:
    plan = planned(CHAIN + "  pause: {uses: wait, seconds: 1, after: prepare}\n")
    found = decide(plan, *(record(plan, step) for step in plan.steps))
    assert set(found.reused) == {"prepare", "train", "score"}
    assert "pause" not in found.reasons


def test_data_of_s3_whose_content_is_not_known_is_read_anew() -> None:
    plan = planned(CHAIN.replace("outputs: [table]", "outputs: [table], inputs: {d: 's3://data/raw.csv'}"))
    found = decide(plan, *(record(plan, step) for step in plan.steps))
    assert not found.reused
    assert found.reasons["prepare"] == "the content of its input d is not known"
    keys = step_keys(plan, objects={"s3://data/raw.csv": {"raw.csv": "etag"}})
    known = {keys.steps[name].key: [replace(record(plan, name), key=keys.steps[name].key)] for name in plan.steps}
    assert len(reused_steps(plan, keys, known, {}, NOW).reused) == 3


def test_a_record_that_lacks_what_the_plan_needs_is_none() -> None:
    plan = planned(CHAIN)
    upstream = [record(plan, "prepare"), record(plan, "train")]
    assert "score" in decide(plan, *upstream, record(plan, "score")).reused
    assert "score" not in decide(plan, *upstream, record(plan, "score", metrics=None)).reused
    assert "score" not in decide(plan, *upstream, record(plan, "score", outputs={})).reused


def test_cells_are_reused_one_by_one() -> None:
    plan = planned(BEST)
    first, second = "fold(n=1)", "fold(n=2)"
    assert runs(decide(plan, record(plan, first, OLD))) == {first: OLD}
    mixed = [record(plan, first, OLD), record(plan, second, NEW)]
    best = record(plan, "best", NEW, reads={first: OLD, second: NEW})
    assert runs(decide(plan, *mixed, best)) == {first: OLD, second: NEW, "best": NEW}


def test_cells_that_are_read_together_are_of_one_run() -> None:
    plan = planned(TOGETHER)
    first, second = "fold(n=1)", "fold(n=2)"
    mixed = decide(plan, record(plan, first, OLD), record(plan, second, NEW))
    assert not mixed.reused
    assert mixed.reasons[first] == "its cells are read together, and no run has made all of them"
    lacking = decide(plan, record(plan, first, OLD))
    assert lacking.reasons[first] == "its cells are read together, and fold(n=2) runs"
    assert lacking.reasons[second] == ""
    both = [record(plan, first, NEW), record(plan, first, OLD), record(plan, second, OLD), record(plan, "all", OLD)]
    assert runs(decide(plan, *both)) == {first: OLD, second: OLD, "all": OLD}


def test_cells_that_are_read_together_lie_in_one_folder() -> None:
    plan = planned(TOGETHER)
    first, second = "fold(n=1)", "fold(n=2)"
    elsewhere = {"out": RecordedOutput(S3Uri(record(plan, first).outputs["out"].uri.replace("/runs/", "/kept/")))}
    assert runs(decide(plan, record(plan, first), record(plan, second))) == {first: OLD, second: OLD}
    assert not decide(plan, record(plan, first, outputs=elsewhere), record(plan, second)).reused
    renamed = {"out": RecordedOutput(S3Uri(record(plan, first).outputs["out"].uri.replace("/fold/", "/folds/")))}
    assert not decide(plan, record(plan, first, outputs=renamed), record(plan, second)).reused


def test_records_are_looked_for_only_where_a_step_may_be_reused() -> None:
    plan = planned(CHAIN.replace("outputs: [out]", "outputs: [out]\n    reuse: false"))
    keys = step_keys(plan)
    assert wanted_keys(plan, keys, {}) == {name: keys.steps[name].key for name in ("prepare", "train")}
    assert wanted_keys(plan, keys, {"prepare": "--fresh"}) == {}


@pytest.mark.parametrize(
    ("more", "is_due"),
    [
        ("", False),
        ("    if: [{metric: fold.auc, aggregate: mean, min: 0.5}]\n", True),
        ("    after: gate\ngate: [{metric: fold.auc, min: 0.5}]\n", True),
        ("gate: [{metric: fold.auc, min: 0.5}]\n", False),
    ],
)
def test_nothing_is_due_if_no_metric_decides_about_a_reused_step(more: str, is_due: bool) -> None:
    plan = planned(MATRIX + "  last:\n    uses: processing\n    run: a.py\n" + more)
    reused = replace(plan, steps={name: replace(step, reused_from=OLD) for name, step in plan.steps.items()})
    assert has_nothing_due(reused) is not is_due
    assert not has_nothing_due(plan)


def test_a_record_names_the_runs_that_made_what_it_read() -> None:
    plan = planned(CHAIN)
    steps = {**plan.steps, "prepare": replace(plan.steps["prepare"], reused_from=OLD)}
    reads = recorded_reads(replace(plan, steps=steps), ["train", "score"])
    assert reads == {"train": {"prepare": OLD}, "score": {"train": plan.target.run_id}}
