"""The section of reports on what has changed since the baseline."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timezone
from html import unescape
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlci.flow.models import Flow, Rule, Step
from mlci.plan import Baseline
from mlci.report.baseline_changes import BaselineChanges, baseline_changes, change_notes, change_rows
from mlci.report.html import page
from mlci.report.markdown import MAX_CHARS, markdown
from mlci.report.result import Result, Status, to_json
from mlci.report.value_changes import ValueChange
from mlci.reuse.differences import Explanation
from mlci.reuse.key_document import RunKeys, StepKey

START = datetime(2026, 11, 23, 10, 15, 30, tzinfo=timezone.utc)
AUC = Rule("evaluate", ("auc",), "min", 0.95)
BASELINE = Baseline(run_id="r1", commit="c" * 40, gate=(AUC,), params={"depth": 4, "gone": True})


STEP = Step("x", "processing")


def keys(depth: int = 4, prepare: str = "1", **more: Mapping[str, Any]) -> RunKeys:
    """Keys of a step that prepares data, and of two that follow it."""
    steps: dict[str, Mapping[str, Any]] = {
        "prepare": {"code": {"prepare.py": prepare}},
        "train": {"hyperparameters": {"max_depth": depth}, "inputs": {"data": {"output": "data", "key": prepare}}},
        "evaluate": {"inputs": {"model": {"output": "model", "key": f"{depth}{prepare}"}}},
        **more,
    }
    numbers = {"prepare": prepare, "train": f"{depth}{prepare}", "evaluate": f"e{depth}{prepare}"}
    return RunKeys("x", {name: StepKey(numbers.get(name, name), parts) for name, parts in steps.items()})


def flow(keys: RunKeys, gate: tuple[Rule, ...] = (AUC,), **params: Any) -> Flow:
    return Flow("x", "flow.yaml", params or BASELINE.params, dict.fromkeys(keys.steps, STEP), gate)


def rows(changes: BaselineChanges) -> list[tuple[str, str, str]]:
    return [(row.kind, row.name, "; ".join(row.changes)) for row in change_rows(changes)]


def since(before: RunKeys | None, after: RunKeys, baseline: Baseline = BASELINE, **options: Any) -> BaselineChanges:
    return baseline_changes(baseline, flow(after, **options), before, after)


def test_params_and_rules_that_differ_are_named() -> None:
    gate = (replace(AUC, limit=0.9, level="warn"), Rule("evaluate", ("f1",), "max_drop", 0.02, is_relative=True))
    assert rows(since(keys(), keys(), gate=gate, depth=5, new="a")) == [
        ("param", "depth", "4 → 5"),
        ("param", "new", "new, a"),
        ("param", "gone", "true → none"),
        ("rule", "evaluate.auc min", "0.95 → 0.9; level: block → warn"),
        ("rule", "evaluate.f1 max_drop", "new, 2%"),
    ]
    assert rows(since(keys(), keys(), gate=())) == [("rule", "evaluate.auc min", "0.95 → none")]


def test_each_change_of_a_step_is_told_once() -> None:
    changed = since(keys(), keys(5, "2"))
    assert changed.steps == {
        "prepare": ("code: prepare.py changed",),
        "train": ("hyperparameter max_depth: 4 → 5",),
        "evaluate": (),
    }
    assert rows(changed)[-1] == ("step", "evaluate", "what it reads has changed")
    assert rows(since(keys(), keys(register={}))) == [("step", "register", "is new")]
    assert rows(since(keys(register={}), keys())) == [("step", "register", "is gone")]


def test_an_input_from_another_step_is_a_change_of_its_own() -> None:
    other = keys(more={"inputs": {"data": {"output": "data", "key": "1"}}})
    moved = keys(more={"inputs": {"data": {"output": "model", "key": "41"}}})
    moved = replace(moved, steps={**moved.steps, "more": replace(moved.steps["more"], key="new")})
    assert rows(since(other, moved)) == [
        ("step", "more", 'input data: "data" made by step prepare → "model" made by step train')
    ]


def test_cells_with_the_same_changes_share_a_row() -> None:
    before, after = (
        RunKeys("x", {f"fit(k={k})": StepKey(f"{k}{code}", {"code": {"fit.py": code}}) for k in range(9)})
        for code in "12"
    )
    assert rows(since(before, after)) == [
        ("step", "fit(k=0), fit(k=1), fit(k=2), fit(k=3) and 5 more", "code: fit.py changed")
    ]


def test_a_step_without_a_key_is_called_neither_gone_nor_new() -> None:
    whole, listed = keys(reads={}), replace(keys(), without_key=("reads",))
    assert since(whole, listed).steps == {}
    assert since(listed, whole).steps == {}


def test_the_changes_are_those_since_the_baselines_own_gate() -> None:
    newer = replace(BASELINE, gate=(replace(AUC, limit=0.99),), params={"depth": 9}, own=BASELINE)
    assert rows(since(keys(), keys(), newer)) == []


def test_what_is_not_known_is_said_and_nothing_is_invented() -> None:
    assert list(change_notes(since(keys(), keys()))) == [
        "Nothing that mlci knows of has changed since the baseline of commit cccccccccccc"
    ]
    old = since(None, keys(), Baseline(run_id="r1", is_gate_known=False))
    assert (old.params, old.rules, old.steps) == (None, None, None)
    assert list(change_notes(old)) == [
        "Changes of params and gate are not known: an older version of mlci wrote the baseline",
        "Changes of code and data are not known: the baseline has no keys of its steps",
    ]


def result(since: BaselineChanges | None) -> Result:
    return Result("x", "r2", "local", "d" * 40, Status.PASSED, START, 1.0, {}, (), {}, "", since_baseline=since)


def test_reports_have_the_changes_once() -> None:
    changes = {
        "train": Explanation("train", "r1", ("told since the baseline",)),
        "evaluate": Explanation("evaluate", "r0", ("told since another run",)),
    }
    made = replace(result(since(keys(), keys(5))), changes=changes)
    for text in (unescape(page(made)), unescape(markdown(made)).replace("\\_", "_")):
        assert "Changed since the baseline" in text
        assert "hyperparameter max_depth: 4 → 5" in text
        assert "told since another run (since run r0)" in text
        assert "told since the baseline" not in text
    for text in (page(result(None)), markdown(result(None))):
        assert "since the baseline" not in text
    document: Any = to_json(made)["since_baseline"]
    assert (document["run_id"], document["commit"], document["params"]) == ("r1", "c" * 40, [])
    assert document["steps"] == {"train": ["hyperparameter max_depth: 4 → 5"], "evaluate": []}
    assert to_json(result(None))["since_baseline"] is None


@given(st.text(), st.text())
def test_no_name_or_change_breaks_the_table(name: str, change: str) -> None:
    hostile = BaselineChanges("r1", "c", (ValueChange(name, change, change),), (), {name: (change, "</td><script>")})
    lines = [line for line in markdown(result(hostile)).split("\n") if line.startswith("| ")]
    assert len(lines) >= 4
    assert all(line.endswith(" |") for line in lines)
    assert page(result(hostile)).count("<script") == 1
    json.dumps(to_json(result(hostile)))


@pytest.mark.parametrize("count", [10, 2_000])
def test_the_report_fits_in_a_comment_whatever_has_changed(count: int) -> None:
    long = BaselineChanges("r1", "c", (), (), {f"step-{n}": (f"{n}" + "y" * 500,) * 30 for n in range(count)})
    text = markdown(result(long))
    assert len(text) <= MAX_CHARS
    assert "Changed since the baseline" in text
