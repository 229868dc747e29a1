"""The cases of a run and of its baseline: what is read, and what is remembered of the verdict."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import pytest

from mlci.backends.progress import Progress, initial_progress
from mlci.backends.protocol import Cloud
from mlci.flow import load
from mlci.gate import RuleVerdict
from mlci.outcome.cases import RunJudgement, judge_run
from mlci.plan import Baseline, Plan, Target, plan
from mlci.stage import Cache
from mlci.stage.models import CodeUnit, Staged, StagedFile
from mlci.step_types.script_start import ScriptStart

FLOW = """
flow: case
defaults: {image: "mine.example/image:7"}
steps:
  evaluate: {uses: processing, run: a.py, outputs: [out], metrics: out/metrics.json, cases: out/cases.csv}
  other: {uses: processing, run: a.py, outputs: [out], cases: out/cases.csv}
gate:
  - {metric: evaluate.recall, max_drop: 0.02}
"""
RUN = "s3://models/mlci/case/runs/20261123-101530-3f9c2a"
CASES, METRICS = f"{RUN}/evaluate/out/cases.csv", f"{RUN}/evaluate/out/metrics.json"
BASE, IDS = "s3://b/cases.csv", "s3://b/ids.csv"


def table(wrong: int, more: str = "") -> bytes:
    head = "id,label,predicted" + (",baseline_predicted" if more else "")
    return "\n".join([head, *(f"c{place},1,{int(place >= wrong)}{more}" for place in range(50))]).encode()


@dataclass
class CountingStore:
    objects: dict[str, bytes]
    reads: list[str] = field(default_factory=list)

    def read(self, uri: str, max_bytes: int | None = None) -> bytes | None:
        self.reads.append(uri)
        found = self.objects.get(uri)
        return None if found is None else found[:max_bytes]

    def list(self, prefix: str, most: int | None = None) -> Sequence[str]:
        return [uri for uri in sorted(self.objects) if uri.startswith(prefix)][:most]


def planned(baseline: Baseline) -> Plan:
    flow = load(FLOW.encode(), "flow.yaml", {}, {})
    files = (StagedFile("a.py", "0" * 64, 0, Path("a.py"), b""),)
    unit = CodeUnit(ScriptStart({"script": "a.py"}), files, files)
    staged = Staged(dict.fromkeys(flow.steps, unit), {}, dict.fromkeys(flow.steps, "mine.example/image:7"))
    target = Target("models", "arn:aws:iam::123456789012:role/job", "20261123-101530-3f9c2a")
    return plan(flow, staged, target, baseline)


def ended(plan: Plan, status: str) -> Progress:
    progress = initial_progress(plan.steps)
    steps = {name: replace(step, status=status) for name, step in progress.steps.items()}  # type: ignore[arg-type]
    return replace(progress, steps=steps)


WITH_CASES = Baseline({"evaluate": {"recall": 0.98}}, "20261101-101010-aaaaaa", cases={"evaluate": BASE})


def judged(
    objects: dict[str, bytes], baseline: Baseline = WITH_CASES, cache: Path | None = None, status: str = "succeeded"
) -> tuple[RuleVerdict, RunJudgement, list[str]]:
    flow, store = planned(baseline), CountingStore(objects)
    found = judge_run(flow, ended(flow, status), cast(Cloud, store), Cache(cache))
    [rule] = found.verdict.rules
    return rule, found, store.reads


def test_only_what_rules_need_is_read() -> None:
    rule, _, reads = judged({CASES: table(5), BASE: table(1), METRICS: b"{}"})
    assert rule.comparison is not None
    assert reads == [METRICS, CASES, BASE]
    rule, _, reads = judged({}, status="failed")
    assert rule.text == 'evaluate.recall is missing: step "evaluate" wrote no cases'
    assert reads == []


def test_the_verdict_is_remembered_by_the_content_of_the_tables(tmp_path: Path) -> None:
    objects = {CASES: table(5), BASE: table(1), METRICS: b"{}"}
    first = judged(objects, cache=tmp_path)[0]
    assert judged(objects, cache=tmp_path)[0] == first
    [entry] = tmp_path.iterdir()
    kept = json.loads(json.loads(entry.read_text()))
    kept["verdicts"]["0"][0]["statement"] = "remembered"
    entry.write_text(json.dumps(json.dumps(kept)))
    assert judged(objects, cache=tmp_path)[0].text == "remembered"
    for changed in ({CASES: table(6)}, {BASE: table(2)}):
        assert judged({**objects, **changed}, cache=tmp_path)[0].text != "remembered"


def test_the_metrics_of_cases_are_reported_and_a_difference_is_told() -> None:
    _, found, _ = judged({CASES: table(5), BASE: table(1), METRICS: b'{"recall": 0.95, "loss": 1}'})
    assert found.metrics["evaluate"].document == {"recall": 0.95, "loss": 1}
    assert found.reported["evaluate"].document == {"recall": 0.9, "loss": 1}
    assert found.notes == ("evaluate.recall is 0.9 by its cases, and 0.95 in its metrics file: the cases count",)


@pytest.mark.parametrize(
    ("objects", "text"),
    [
        ({BASE: table(1)}, "the table is missing: there is no file out/cases.csv; did you mean out/case.csv?"),
        ({CASES: table(1)}, f"the baseline's cases are not there any more: {BASE}. Run the base branch again"),
        ({CASES: b"ids\n1\n"}, 'in the cases of "evaluate", out/cases.csv: it has no column "id"'),
        ({CASES: b"id,label\n1,2\n"}, 'in the cases of "evaluate", out/cases.csv: it has no column "predicted"'),
        ({CASES: table(1), BASE: b"ids\n1\n"}, 'the baseline\'s cases.csv: it has no column "id"; did you mean "ids"?'),
    ],
)
def test_a_table_that_can_not_be_read_breaks_the_rule(objects: dict[str, bytes], text: str) -> None:
    rule = judged({METRICS: b"{}", f"{RUN}/evaluate/out/case.csv": b"", **objects})[0]
    assert (rule.verdict, rule.held) == ("broken", False)
    assert text in rule.text


def test_training_ids_are_read_where_the_baselines_model_was_scored_again() -> None:
    trained = replace(WITH_CASES, trained_on={"train": IDS})
    objects = {CASES: table(5, ",1"), BASE: table(1), METRICS: b"{}", IDS: b"id\nc7\n"}
    assert 'was trained on 1 of 50 cases, which it can\'t be tested on: "c7"' in judged(objects, trained)[0].text
    assert IDS not in judged({**objects, CASES: table(5)}, trained)[2]
    assert (
        "the ids that the baseline was trained on, in ids.csv: it is empty"
        in judged({**objects, IDS: b""}, trained)[0].text
    )
    del objects[IDS]
    assert f"the baseline's training ids are not there any more: {IDS}" in judged(objects, trained)[0].text
