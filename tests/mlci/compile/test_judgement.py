"""The states that ask mlci whether the gate holds: where they are, and what comes of each answer."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from mlci.backends.protocol import GateAnswer
from mlci.compile import compile_plan, sent_input
from mlci.compile.structure import structure_of
from mlci.flow.models import Level
from mlci.plan import Plan
from mlci_asl import Callback, Json, TaskCall
from support.compiled_flows import kept_definition, planned
from support.executions import Run, ScriptedHandlers, run

FLOW = """
flow: small
defaults: {image: "mine.example/image:7"}
steps:
  measure: {uses: processing, run: a.py, outputs: [out], metrics: out/metrics.json}
  deploy: {uses: wait, seconds: 1, after: gate}
gate: [{metric: measure.auc, min: 0.5}, {metric: measure.recall, min: 0.5}]
"""
#: Two steps behind the gate beside each other, and one beside them that is not behind it.
BESIDE = FLOW.replace(
    "gate: [",
    """  stage: {uses: wait, seconds: 1, after: gate}
  notify: {uses: wait, seconds: 1, after: measure}
gate: [""",
)
ALONE = FLOW.replace(", after: gate", "")
ASKS, HELD = "gate: judged by mlci", "gate: judged by mlci: held?"


def judged(text: str = FLOW, *metrics: str, **changes: Any) -> Plan:
    """The plan of a flow whose rules on these metrics mlci alone can judge. `changes` are those of these rules."""
    plan = planned(text)
    gate = (
        replace(bound, rule=replace(bound.rule, reads_cases=True, **changes))
        if bound.rule.metric in (metrics or ["measure.recall"])
        else bound
        for bound in plan.gate
    )
    return replace(plan, gate=tuple(gate))


def compiled(plan: Plan) -> tuple[dict[str, Any], dict[str, Any]]:
    result = compile_plan(plan, kept_definition)
    return json.loads(result.definition), json.loads(result.execution_input)


@dataclass
class Asked(ScriptedHandlers):
    """Jobs that succeed, metrics that say `auc`, and mlci, which answers a token by `answer`."""

    answer: Callable[[Callback], object] = lambda callback: callback.succeed(GateAnswer(True).output())
    auc: float = 1
    keys: list[str] = field(default_factory=list)

    def supports(self, resource: str) -> bool:
        return True

    def __call__(self, task: TaskCall) -> Json:
        self.calls.append(task)
        parameters: Any = task.parameters
        if task.callback is not None:
            assert parameters["Body"] == {
                "token": task.callback.token,
                "run": "20261123-101530-3f9c2a",
                "judges": "gate",
            }
            self.keys.append(parameters["Key"])
            threading.Thread(target=self.answer, args=(task.callback,)).start()
        elif "Key" in parameters:
            return {"Body": json.dumps({"auc": self.auc})}
        return {}


def executed(handlers: Asked, plan: Plan | None = None, timeout_s: int | None = None) -> Run:
    definition, values = compiled(plan or judged())
    if timeout_s is not None:
        values["judgement"]["timeout_s"] = timeout_s
    return run(json.dumps(definition), values, handlers=handlers, is_threads_checked=False)


def entered(execution: Run) -> list[str]:
    details = (event.details.get("stateEnteredEventDetails") for event in execution.events)
    return [str(each["name"]) for each in details if isinstance(each, dict)]


def test_what_is_behind_the_gate_is_behind_the_answer() -> None:
    definition, values = compiled(judged())
    states = definition["States"]
    task = states[ASKS]
    assert task == {
        "Type": "Task",
        "Resource": "arn:aws:states:::aws-sdk:s3:putObject.waitForTaskToken",
        "Parameters": {
            "Bucket.$": "$.judgement.bucket",
            "Key.$": "States.Format('{}2.json', $.judgement.prefix)",
            "Body": {"token.$": "$$.Task.Token", "run.$": "$.run", "judges": "gate"},
            "ContentType": "application/json",
        },
        "ResultPath": "$.judged",
        "TimeoutSecondsPath": "$.judgement.timeout_s",
        "Retry": task["Retry"],
        "Catch": [
            {"ErrorEquals": ["States.Timeout"], "ResultPath": "$.failure", "Next": f"{ASKS}: not in time"},
            {"ErrorEquals": ["States.ALL"], "ResultPath": "$.failure", "Next": f"{ASKS}: try again?"},
        ],
        "Next": HELD,
    }
    assert states[HELD] == {
        "Type": "Choice",
        "Choices": [
            {
                "And": [
                    {"Variable": "$.judged.held", "IsPresent": True},
                    {"Variable": "$.judged.held", "BooleanEquals": True},
                ],
                "Next": "deploy",
            }
        ],
        "Default": "gate: read metrics of measure",
    }
    assert states[f"{ASKS}: not in time"] == {
        "Type": "Fail",
        "Error": "mlci.NotJudged",
        "CausePath": "$.judgement.timed_out",
    }
    assert values["gate"] == [0.5]
    assert values["judgement"] == {
        "bucket": "bucket",
        "prefix": "mlci/small/tokens/20261123-101530-3f9c2a/_gate/",
        "timeout_s": 600,
        "timed_out": "the gate was not judged within 10 minutes: the build that follows the run is gone",
        "attempt": {"number": 0, "service": 0},
    }


def test_the_machine_judges_its_own_rules_first() -> None:
    held, missed = executed(Asked()), executed(Asked(auc=0.1))
    names = entered(held)
    assert names.index("gate: holds? (2)") < names.index(ASKS)
    assert held.outcome.status == "SUCCEEDED"
    assert [name for name in entered(missed) if ASKS in name] == []
    assert (missed.outcome.error, "deploy" in entered(missed)) == ("mlci.GateMissed", False)


def test_a_gate_whose_rules_are_all_mlcis_reads_no_metrics() -> None:
    handlers = Asked()
    plan = judged(FLOW, "measure.auc", "measure.recall")
    execution = executed(handlers, plan)
    assert execution.outcome.status == "SUCCEEDED"
    assert [call.state for call in handlers.calls if "read metrics" in call.state] == []
    assert compiled(plan)[1]["gate"] == []


def test_a_missed_gate_ends_the_run_as_any_and_says_which_rules_are_broken() -> None:
    missed = GateAnswer(False, "measure.recall 0.91: a drop of 0.03")
    execution = executed(Asked(answer=lambda callback: callback.succeed(missed.output())))
    outcome = execution.outcome
    assert (outcome.status, outcome.error, outcome.cause) == ("FAILED", "mlci.GateMissed", missed.text)
    assert "deploy" not in entered(execution)
    assert entered(execution)[-1] == "gate missed, as judged by mlci"


@pytest.mark.parametrize("output", ["{}", '{"held": "true"}', "[]", '"held"', "null", '{"held": 1}'])
def test_any_other_answer_is_no_verdict_that_holds(output: str) -> None:
    execution = executed(Asked(answer=lambda callback: callback.succeed(output)))
    assert (execution.outcome.status, execution.outcome.error) == ("FAILED", "mlci.GateMissed")
    assert execution.outcome.cause == "mlci found the gate missed"
    assert "deploy" not in entered(execution)


def test_a_gate_that_nobody_judges_fails_in_time() -> None:
    execution = executed(Asked(answer=lambda callback: None), timeout_s=1)
    assert (execution.outcome.status, execution.outcome.error) == ("FAILED", "mlci.NotJudged")
    assert execution.outcome.cause == compiled(judged())[1]["judgement"]["timed_out"]
    assert "deploy" not in entered(execution)


def test_a_gate_that_cannot_be_judged_fails_with_the_reason() -> None:
    execution = executed(Asked(answer=lambda callback: callback.fail("mlci.NotJudged", "S3 does not respond")))
    outcome = execution.outcome
    assert (outcome.error, outcome.cause) == ("mlci.NotJudged", "the gate could not be judged: S3 does not respond")
    denied = executed(Asked(answer=lambda callback: callback.fail("S3.S3Exception", "Access Denied (403)")))
    assert denied.outcome.error == "mlci.NotJudged"
    assert denied.outcome.cause == "the gate could not be judged: S3.S3Exception: Access Denied (403)"
    assert "deploy" not in entered(execution) + entered(denied)


def test_each_place_has_a_token_of_its_own_and_the_end_asks_once_more() -> None:
    handlers = Asked()
    execution = executed(handlers, judged(BESIDE))
    assert execution.outcome.status == "SUCCEEDED"
    folder = "mlci/small/tokens/20261123-101530-3f9c2a/_gate/"
    assert sorted(handlers.keys) == [f"{folder}{number}.json" for number in (1, 2, 3)]
    assert handlers.keys[-1] == f"{folder}1.json"
    assert {"deploy", "stage", "notify"} <= set(entered(execution))


def test_what_is_not_behind_the_gate_runs_although_it_is_missed() -> None:
    execution = executed(
        Asked(answer=lambda callback: callback.succeed('{"held": false, "text": "no"}')), judged(BESIDE)
    )
    assert (execution.outcome.error, execution.outcome.cause) == ("mlci.GateMissed", "no")
    assert {"deploy", "stage"}.isdisjoint(entered(execution))
    assert "notify" in entered(execution)


def test_nothing_is_asked_where_nothing_is_behind_the_gate() -> None:
    plan = judged(ALONE)
    definition, values = compiled(plan)
    assert [name for name in definition["States"] if "judged" in name] == []
    assert "judgement" not in values
    assert not plan.asks_mlci


@pytest.mark.parametrize("level", ["warn", "info"])
def test_rules_that_only_warn_stop_nothing(level: Level) -> None:
    plan = judged(FLOW, level=level)
    assert not plan.asks_mlci
    definition, values = compiled(plan)
    assert values["gate"] == [0.5]
    assert [name for name in definition["States"] if "judged" in name] == []
    warned = tuple(replace(bound, rule=replace(bound.rule, level=level)) for bound in plan.gate)
    execution = executed(Asked(auc=0.1), replace(plan, gate=warned))
    assert (execution.outcome.status, "deploy" in entered(execution)) == ("SUCCEEDED", True)


def test_all_cells_behind_the_gate_wait_for_one_answer() -> None:
    handlers = Asked()
    plan = judged(FLOW.replace("seconds: 1, after: gate", "seconds: 1, after: gate, matrix: {n: [1, 2]}"))
    execution = executed(handlers, plan)
    assert execution.outcome.status == "SUCCEEDED"
    assert (len(handlers.keys), entered(execution).count("deploy")) == (2, 2)
    missed = executed(Asked(answer=lambda callback: callback.succeed('{"held": false, "text": "no"}')), plan)
    assert ("deploy" in entered(missed), missed.outcome.cause) == (False, "no")


def test_a_flow_whose_requests_lie_in_s3_asks_as_well() -> None:
    plan = judged()
    result = compile_plan(plan, kept_definition, whole_input_max_bytes=0)
    sent = json.loads(sent_input(result.execution_input).text)
    assert "request" not in sent["steps"]["measure"]
    assert sent["judgement"] == compiled(plan)[1]["judgement"]
    states = json.loads(result.definition)["States"]
    assert states[ASKS] == compiled(plan)[0]["States"][ASKS]


def test_whether_mlci_is_asked_is_structure_and_what_is_asked_is_not() -> None:
    own, asked = planned(FLOW), judged()
    keys = [json.dumps(structure_of(plan, None).key()) for plan in (own, asked, judged(FLOW, limit=0.7))]
    assert keys[0] != keys[1] == keys[2]


def test_a_long_answer_is_cut_to_what_a_state_has_room_for() -> None:
    output = json.loads(GateAnswer(False, "é" * 3_000).output())
    assert (len(output["text"]), output["text"][-1]) == (2_000, "…")
    assert json.loads(GateAnswer(False, "é" * 2_000).output())["text"] == "é" * 2_000
