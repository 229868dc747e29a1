"""`if` with `any`, `all` and `not` in the state machine, which judges as mlci does."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from mlci.compile import compile_plan
from mlci.flow.models import Json
from mlci.gate import missed_texts, parse_metrics
from mlci.plan import Plan
from mlci_asl import TaskCall
from support.compiled_flows import planned
from support.examples import examples
from support.executions import Run, ScriptedHandlers, run

FLOW = """flow: choose
defaults: {image: "mine.example/image:7"}
steps:
  a: {uses: processing, run: a.py, outputs: [out], metrics: out/m.json}
  b: {uses: processing, run: a.py, outputs: [out], metrics: out/m.json}
  then: {uses: wait, seconds: 1, if: %s}
"""
NUMBERS = [-1, 0, 0.1, 0.3, 0.1 + 0.2, 1, 2, 1e17]
rules = st.builds(
    lambda step, limits: {"metric": f"{step}.x", **limits},
    st.sampled_from(["a", "b"]),
    st.sampled_from([{"min": value} for value in NUMBERS] + [{"max": value} for value in NUMBERS])
    | st.just({"min": 0, "max": 1}),
)
conditions = st.recursive(
    rules,
    lambda parts: st.one_of(
        st.lists(parts, min_size=1, max_size=3).map(lambda items: {"any": items}),
        st.lists(parts, min_size=1, max_size=3).map(lambda items: {"all": items}),
        parts.map(lambda item: {"not": item}),
    ),
    max_leaves=5,
)
values = st.sampled_from([*NUMBERS, True, False, None, "0.5", "missing"])


@dataclass
class Handlers(ScriptedHandlers):
    """Jobs that succeed, and a store with the metrics of each step."""

    bodies: Mapping[str, str] = field(default_factory=dict)

    def supports(self, resource: str) -> bool:
        return True

    def __call__(self, task: TaskCall) -> Json:
        parameters: Any = task.parameters
        if "Key" in parameters:
            return {"Body": next(body for part, body in self.bodies.items() if f"/{part}/" in parameters["Key"])}
        return {"ProcessingJobStatus": "Completed"}


def reaches(plan: Plan, bodies: Mapping[str, str]) -> bool:
    """Return whether the state machine runs the step `then`."""
    compiled = compile_plan(plan, lambda key, compute: compute())
    definition = compiled.definition.replace('"SecondsPath": "$.steps.then.seconds"', '"Seconds": 0')
    outcome: Run = run(definition, json.loads(compiled.execution_input), handlers=Handlers(bodies=bodies))
    assert outcome.types[-1] == "ExecutionSucceeded"
    return "WaitStateEntered" in outcome.types


def _depth(item: Any) -> int:
    if not isinstance(item, dict) or "metric" in item:
        return 0
    [inner] = item.values()
    return 1 + max(map(_depth, inner if isinstance(inner, list) else [inner]))


@settings(max_examples=examples(60), deadline=None)
@given(conditions.filter(lambda item: 0 < _depth(item) <= 5), values, values, st.booleans())
def test_the_state_machine_and_mlci_judge_alike(condition: Json, a: Json, b: Json, is_in_list: bool) -> None:
    written: Json = [{"metric": "a.x", "min": -5}, condition] if is_in_list else condition
    bodies = {step: json.dumps({} if value == "missing" else {"x": value}) for step, value in (("a", a), ("b", b))}
    plan = planned(FLOW % json.dumps(written))
    metrics = {step: parse_metrics(body.encode()) for step, body in bodies.items()}
    missed = list(missed_texts(plan.steps["then"].when, plan.flow.steps["then"].conditions, metrics))
    assert reaches(plan, bodies) is (not missed), missed


def test_a_condition_is_one_choice_behind_the_reads_of_its_metrics() -> None:
    plan = planned(FLOW % "{any: [{metric: a.x, min: 1}, {not: {metric: b.x, max: 2}}]}")
    states = json.loads(compile_plan(plan, lambda key, compute: compute()).definition)["States"]
    choice = states["then: holds?"]
    assert states["then: read metrics of b"]["Next"] == "then: holds?"
    [either] = choice["Choices"][0]["And"]
    first, second = either["Or"]
    assert "NumericGreaterThanEqualsPath" in json.dumps(first)
    assert '"NumericGreaterThanPath": "$.steps.then.when[1]"' in json.dumps(second)
    assert '{"Variable": "$.metrics.b.found.x", "IsPresent": true}' in json.dumps(second)
