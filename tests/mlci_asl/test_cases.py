"""The table of cases: definition, input, what AWS documents or was seen to do, and where that is from.

A case's `state` stands for a machine of that one state, "S" (and `more` states). `doubt` tells what its source leaves
open. `answers` are those of `ScriptedHandlers`; "$parameters" is the task's own parameters.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mlci_asl import TaskCall
from support.executions import run

_FILES = sorted(Path(__file__).with_name("cases").glob("*.json"))
CASES = [(path.stem, case) for path in _FILES for case in json.loads(path.read_text("utf-8"))]


def _parameters(task: TaskCall) -> Any:
    return task.parameters


def _definition(case: dict[str, Any]) -> str:
    if "definition" in case:
        return json.dumps(case["definition"])
    state = case["state"]
    end = {} if state["Type"] in ("Choice", "Succeed", "Fail") else {"End": True}
    return json.dumps({"StartAt": "S", "States": {"S": {**state, **end}, **case.get("more", {})}})


@pytest.mark.parametrize("case", [pytest.param(case, id=f"{stem}: {case['name']}") for stem, case in CASES])
def test_case(case: dict[str, Any]) -> None:
    answers = {
        state: [_parameters if answer == "$parameters" else answer for answer in answers]
        for state, answers in case.get("answers", {}).items()
    }
    found = run(_definition(case), case["input"], answers)
    outcome, expected = found.outcome, case["expect"]
    assert outcome.status == expected["status"], outcome
    if "output" in expected:
        assert outcome.output is not None
        # As text, so that 1, 1.0 and true differ; members are sorted, as their order is not promised.
        assert json.dumps(json.loads(outcome.output), sort_keys=True) == json.dumps(expected["output"], sort_keys=True)
    assert {"error": outcome.error, "cause": outcome.cause}.items() >= {
        (name, expected[name]) for name in ("error", "cause") if name in expected
    }
    assert found.pauses == case.get("pauses", found.pauses)


def test_every_case_has_a_source_and_a_name_of_its_own() -> None:
    assert all(case["source"] for _, case in CASES)
    names = [(stem, case["name"]) for stem, case in CASES]
    assert len(names) == len(set(names))
