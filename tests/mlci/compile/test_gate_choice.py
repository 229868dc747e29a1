"""The state machine's verdict on metrics is that of `judge`, whatever the metrics are."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlci.compile import compile_plan
from mlci.flow import load
from mlci.flow.metric_paths import MetricPath
from mlci.flow.models import Json, Op, Rule
from mlci.gate import judge, parse_metrics
from mlci.plan import Plan, Target, plan
from mlci.plan.thresholds import bounds
from mlci.stage.models import CodeUnit, Staged, StagedFile
from mlci.step_types.script_start import ScriptStart
from mlci_asl import TaskCall
from support.examples import examples
from support.executions import ScriptedHandlers, run

FLOW = """
flow: gated
defaults: {image: "mine.example/image:7"}
steps:
  measure: {uses: processing, run: a.py, outputs: [out], metrics: out/metrics.json}
gate: [{metric: measure.auc, min: 0}]
"""


def planned(rule: Rule) -> Plan:
    flow = replace(load(FLOW.encode(), "flow.yaml", {}, {}), gate=(rule,))
    files = (StagedFile("a.py", "0" * 64, 0, Path("a.py"), b""),)
    staged = Staged({"measure": CodeUnit(ScriptStart({"script": "a.py"}), files, files)}, {}, {"measure": "mine:7"})
    return plan(flow, staged, Target("bucket", "arn:aws:iam::000000000000:role/r", "20261123-101530-3f9c2a"))


@dataclass
class Handlers(ScriptedHandlers):
    """A job that succeeds, and a store whose metrics file holds `body`."""

    body: str = ""

    def supports(self, resource: str) -> bool:
        return True

    def __call__(self, task: TaskCall) -> Json:
        return {"Body": self.body}


def held_by_state_machine(rule: Rule, metrics: str) -> bool:
    compiled = compile_plan(planned(rule), lambda key, make: make())
    handlers = Handlers({}, body=metrics)
    outcome = run(compiled.definition, json.loads(compiled.execution_input), handlers=handlers)
    return outcome.types[-1] == "ExecutionSucceeded"


@pytest.mark.parametrize(
    ("path", "metrics"),
    [
        (("auc",), {"auc": True}),
        (("auc",), {"auc": False}),
        (("auc",), {"auc": "1"}),
        (("auc",), {"auc": None}),
        (("auc", 1), {"auc": [0, 1]}),
        (("auc", 1), {"auc": [1]}),
        (("auc", 0), {"auc": {"0": 1}}),
        (("a.b", 0, "f-1"), {"a.b": [{"f-1": 0.5}]}),
        (("it's",), {"it's": 1}),
        ((r"a\b",), {r"a\b": 1}),
        (("a[0]",), {"a[0]": 1}),
        (('"q"',), {'"q"': 1}),
        (("$",), {"$": 1}),
        ((0, "auc"), [{"auc": 1}]),
        (("auc",), "a text"),
        (("auc",), 1),
    ],
)
@pytest.mark.parametrize(("op", "limit"), [("min", 1), ("max", 0)])
def test_both_come_to_the_same_verdict(path: MetricPath, metrics: Json, op: Op, limit: float) -> None:
    rule, text = Rule("measure", path, op, limit), json.dumps(metrics)
    verdict = judge(bounds([rule], {}), {"measure": parse_metrics(text.encode())})
    assert held_by_state_machine(rule, text) is verdict.held


keys = st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]), min_size=1, max_size=4) | st.integers(0, 2)
leaves = st.booleans() | st.floats(-2, 2) | st.integers(-2, 2) | st.none() | st.text(max_size=2)


@given(st.lists(keys, min_size=1, max_size=3), leaves, st.sampled_from(["min", "max"]), st.integers(-1, 1))
@settings(max_examples=examples(40), deadline=None)
def test_each_path_leads_the_state_machine_to_the_same_value(
    path: list[str | int], leaf: Json, op: Op, limit: float
) -> None:
    document: Json = leaf
    for key in reversed(path):
        document = {key: document} if isinstance(key, str) else [None] * key + [document]
    rule, text = Rule("measure", tuple(path), op, limit), json.dumps(document)
    verdict = judge(bounds([rule], {}), {"measure": parse_metrics(text.encode())})
    assert held_by_state_machine(rule, text) is verdict.held
