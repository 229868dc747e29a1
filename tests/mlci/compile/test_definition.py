"""Plans → definitions: what stands in them, and what never does."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import mlci_asl as asl
from mlci.compile import compile_plan
from mlci.flow import load
from mlci.flow.models import Json
from mlci.plan import Baseline, Plan, Target, plan
from mlci.stage.models import CodeUnit, Staged, StagedFile
from mlci.step_types.script_start import ScriptStart
from support.examples import examples

#: A fresh process imports this module, and what test modules share.
_TEST_FOLDERS = [str(Path(__file__).parent), str(Path(__file__).parents[2])]
GATED = """
flow: gated
params: {least: 0.9}
defaults: {image: "mine.example/image:7"}
steps:
  prepare: {uses: processing, run: a.py, outputs: [table]}
  train-a: {uses: training, run: a.py, inputs: {train: "${{ steps.prepare.outputs.table }}"}}
  train_b: {uses: training, run: a.py, inputs: {train: "${{ steps.prepare.outputs.table }}"}}
  measure:
    uses: processing
    run: a.py
    inputs: {a: "${{ steps.train-a.outputs.model }}", b: "${{ steps.train_b.outputs.model }}"}
    outputs: [out]
    metrics: out/metrics.json
  register: {uses: processing, run: a.py, after: gate}
  tell: {uses: processing, run: a.py, after: register, if: [{metric: measure.auc, max: 0.99}]}
gate:
  - {metric: measure.auc, min: "${{ params.least }}"}
  - {metric: measure.f1-score, max_drop: "2%"}
"""


def planned(
    text: str, run: str = "20261123-101530-3f9c2a", baseline: dict[str, Json] | None = None, /, **params: str
) -> Plan:
    flow = load(text.encode(), "flow.yaml", params, {})
    content = StagedFile("a.py", "0" * 64, 0, Path("a.py"), b"")
    staged = Staged(
        {name: CodeUnit(ScriptStart({"script": "a.py"}), (content,), (content,)) for name in flow.steps},
        {},
        dict.fromkeys(flow.steps, "mine:7"),
    )
    return plan(flow, staged, Target("bucket", "arn:aws:iam::000000000000:role/r", run), Baseline(baseline or {}))


def fresh(key: Json, make: Callable[[], str]) -> str:
    return make()


def states(machine: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, state in machine["States"].items():
        yield name, state
        for branch in (*state.get("Branches", ()), *([state["ItemProcessor"]] if "ItemProcessor" in state else [])):
            yield from states(branch)


def definition(text: str, **params: str) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(compile_plan(planned(text, **params), fresh).definition)
    return made


@pytest.mark.parametrize("partition", ["aws", "aws-cn", "aws-us-gov"])
def test_service_integrations_are_those_of_the_runs_partition(partition: str) -> None:
    flow = planned(GATED)
    keys: list[Json] = []

    def noted(key: Json, make: Callable[[], str]) -> str:
        keys.append(key)
        return make()

    plain = compile_plan(flow, noted).definition
    there = compile_plan(replace(flow, target=replace(flow.target, partition=partition)), noted).definition
    assert there == plain.replace('"arn:aws:states:::', f'"arn:{partition}:states:::')
    assert (keys[0] == keys[1]) is (partition == "aws")
    resources = {state["Resource"] for _, state in states(json.loads(there)) if state["Type"] == "Task"}
    assert len(resources) == 9
    assert {resource.split(":")[1] for resource in resources} == {partition}


def test_values_go_into_the_input_and_the_definition_stays() -> None:
    one = compile_plan(planned(GATED), fresh)
    other = compile_plan(
        planned(
            GATED.replace("image:7", "other:8"), "20270101-000000-ffffff", {"measure": {"f1-score": 0.9}}, least="0.5"
        ),
        fresh,
    )
    assert one.definition == other.definition
    assert one.execution_input != other.execution_input


def test_another_structure_is_another_definition() -> None:
    assert definition(GATED) != definition(GATED.replace("after: gate", "after: measure"))


def test_every_task_has_a_timeout_a_fresh_name_for_each_attempt_retries_and_a_catch() -> None:
    made = dict(states(definition(GATED)))
    for name in planned(GATED).steps:
        task = made[name]
        assert task["TimeoutSecondsPath"]
        given_name = task["Parameters"].get("TrainingJobName.$") or task["Parameters"]["ProcessingJobName.$"]
        assert "attempt.number" in given_name
        assert "$$.State.RetryCount" in given_name
        assert "ThrottlingException" in task["Retry"][0]["ErrorEquals"]
        assert task["Catch"][-1]["ErrorEquals"] == ["States.ALL"]
        fail = made[f"{name}: failed"]
        assert fail["Type"] == "Fail"
        assert name in fail["CausePath"]


@pytest.mark.slow
def test_the_sdk_leaves_the_root_logger_alone() -> None:
    code = (
        "import logging, sys; sys.path[:0] = sys.argv[1:]; logging.getLogger().setLevel(17)\n"
        "from test_definition import definition, GATED; definition(GATED)\n"
        "assert logging.getLogger().level == 17; print('as before')"
    )
    done = subprocess.run([sys.executable, "-c", code, *_TEST_FOLDERS], capture_output=True, text=True, check=False)
    assert done.stdout == "as before\n", done.stderr
    assert done.stderr == ""


@pytest.mark.slow
def test_another_process_region_locale_and_hash_seed_give_the_same_bytes() -> None:
    code = (
        "import sys; sys.path[:0] = sys.argv[1:]\n"
        "from test_definition import GATED, fresh, planned; from mlci.compile import compile_plan\n"
        "made = compile_plan(planned(GATED), fresh); print(made.definition, made.execution_input)"
    )
    outputs = set()
    for seed, region, locale in (("1", "eu-west-1", "C"), ("2", "us-west-2", "C.UTF-8")):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "AWS_DEFAULT_REGION": region, "LC_ALL": locale}
        command = [sys.executable, "-c", code, *_TEST_FOLDERS]
        outputs.add(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)
    assert len(outputs) == 1


def test_what_is_too_large_for_step_functions_is_refused() -> None:
    from mlci.errors import InputError

    large = planned(GATED)
    step = large.steps["prepare"]
    blown = replace(step, execution_input={**step.execution_input, "x": "x" * 300_000})
    with pytest.raises(InputError, match="too large for Step Functions: its execution input has 30"):
        compile_plan(replace(large, steps={**large.steps, "prepare": blown}), fresh)


def test_a_deep_tree_of_steps_fits_into_a_definition() -> None:
    lines = ["flow: tree", "defaults: {image: 'mine.example/image:7'}", "steps:"]
    for number in range(127):
        inputs = f"{{x: '${{{{ steps.s{(number - 1) // 2}.outputs.o }}}}'}}" if number else "{}"
        lines.append(f"  s{number}: {{uses: processing, run: a.py, outputs: [o], inputs: {inputs}}}")
    compiled = compile_plan(planned("\n".join(lines)), fresh)
    names = {name for name, _ in states(json.loads(compiled.definition))}
    assert {f"s{number}" for number in range(127)} <= names


@st.composite
def flows(draw: st.DrawFn) -> str:
    """Any small flow: a graph of steps, some of them guarded, some behind the gate."""
    count = draw(st.integers(1, 7))
    lines = ["flow: any", "defaults: {image: 'mine.example/image:7'}", "steps:"]
    for number in range(count):
        before = draw(st.sets(st.integers(0, number - 1))) if number else set()
        guarded = draw(st.booleans()) and bool(before)
        lines += [
            f"  s{number}:",
            f"    uses: {draw(st.sampled_from(['processing', 'training']) if number else st.just('processing'))}",
        ]
        after = [f"s{other}" for other in sorted(before)]
        if number and draw(st.integers(0, 4)) == 0:
            after.append("gate")
        lines += ["    run: a.py", f"    after: [{', '.join(after)}]"]
        if number == 0:
            lines += ["    outputs: [out]", "    metrics: out/m.json"]
        if guarded:
            lines += ["    if: [{metric: s0.x, min: 1}]"]
    by_mlci = ", {metric: run.steps.s0.seconds, max: 9}" if draw(st.booleans()) else ""
    return "\n".join([*lines, f"gate: [{{metric: s0.y, max: 2}}{by_mlci}]"])


@given(flows())
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=examples(60))
def test_any_flow_compiles_to_a_machine_without_loose_ends(text: str) -> None:
    """`asl.load` refuses targets that do not exist, states that nothing reaches, and names that stand twice."""
    made = compile_plan(planned(text), fresh).definition
    asl.load(made)
    names = [name for name, _ in states(json.loads(made))]
    assert len(names) == len(set(names))
    assert all(len(name) <= 80 for name in names)
    assert set(planned(text).steps) <= set(names)
    tokens = re.findall(r"Format\('\{\}(\d+)\.json'", made)
    assert len(tokens) == len(set(tokens))
    assert bool(tokens) == planned(text).asks_mlci == ("gate]" in text and "run.steps" in text)
