"""`load`: each refusal with its location and message, next to a twin that is accepted, and all problems at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mlci_asl import DefinitionError, Problem, load, unsupported_resources
from support.executions import ScriptedHandlers, machine, task

PASS: dict[str, Any] = {"Type": "Pass", "End": True}


def problems_of(definition: str) -> tuple[Problem, ...]:
    with pytest.raises(DefinitionError) as raised:
        load(definition)
    return raised.value.problems


def branch(name: str, state: Any = PASS) -> dict[str, Any]:
    return {"StartAt": name, "States": {name: state}}


_CASES = Path(__file__).with_name("cases") / "definitions" / "refusals.json"
REFUSALS = json.loads(_CASES.read_text("utf-8"))


@pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in REFUSALS])
def test_refusal_and_its_twin(case: dict[str, Any]) -> None:
    """All problems with location, AWS's code and words (our own where AWS's are not known); the twin is accepted."""
    found = problems_of(json.dumps(case["definition"]))
    assert [{"location": one.location, "code": one.code, "message": one.message} for one in found] == case["problems"]
    twin = json.dumps(case["twin"])
    assert load(twin).definition == twin


def test_every_refusal_has_a_source_and_a_name_of_its_own() -> None:
    assert all(case["source"] for case in REFUSALS)
    assert len({case["name"] for case in REFUSALS}) == len(REFUSALS)


@pytest.mark.parametrize(
    ("top", "location", "words"),
    [
        ({"StartAt": "S"}, "", "These fields are required: [States]"),
        ({"States": {"S": PASS}}, "", "These fields are required: [StartAt]"),
        ({"StartAt": "X", "States": {"S": PASS}}, "/StartAt", "Missing 'Next' target: X"),
        ({"StartAt": "S", "States": {}}, "/States", "Value cannot be empty"),
        ({"StartAt": "S", "States": []}, "/States", "type [OBJECT]"),
        ({"StartAt": "S", "States": {"S": PASS}, "TimeoutSeconds": 0}, "/TimeoutSeconds", "from 1"),
        ({"StartAt": "S", "States": {"S": PASS}, "Version": "2.0"}, "/Version", "1.0"),
        ({"StartAt": "S", "States": {"S": PASS}, "QueryLanguage": "SQL"}, "/QueryLanguage", "[JSONPath, JSONata]"),
        ({"StartAt": "S", "States": {"S": PASS}, "StartsAt": "S"}, "", 'mean "StartAt"'),
    ],
)
def test_refused_at_the_top(top: dict[str, Any], location: str, words: str) -> None:
    found = problems_of(json.dumps(top))
    assert [problem for problem in found if problem.location == location and words in problem.message], found


def test_a_whole_machine_is_accepted() -> None:
    top = {"Comment": "c", "StartAt": "S", "States": {"S": PASS}, "TimeoutSeconds": 5, "Version": "1.0"}
    assert load(json.dumps({**top, "QueryLanguage": "JSONPath"})).timeout_s == 5


@pytest.mark.parametrize(
    ("text", "location", "words"),
    [
        ('{"StartAt": "S",\n "States": }', "line 2, column 12", "not JSON"),
        ("", "line 1, column 1", "not JSON"),
        ("[]", "", "must be a valid JSON object"),
        ('{"StartAt": "S", "States": NaN}', "", "NaN is not JSON"),
        ("[" * 100_000, "", "nested too deeply"),
        (json.dumps({"Comment": "x" * 1_048_577}), "", "larger than 1 MB"),
        ('{"StartAt": "S", "StartAt": "S", "States": {"S": {"Type": "Succeed"}}}', "", "is repeated"),
    ],
)
def test_invalid_definitions(text: str, location: str, words: str) -> None:
    (problem,) = problems_of(text)
    assert problem.location == location
    assert words in problem.message


@pytest.mark.parametrize(("depth", "is_fine"), [(100, True), (400, False)])
def test_deep_nesting_is_a_problem_and_no_crash(depth: int, is_fine: bool) -> None:
    value: Any = "$"
    for _ in range(depth):
        value = [value]
    deep = machine(S={**PASS, "Parameters": {"a": value}})
    if is_fine:
        load(deep)
    else:
        assert "nested too deeply" in problems_of(deep)[0].message


def test_all_problems_are_reported_at_once() -> None:
    found = problems_of(machine(S={"Type": "Pass", "Next": "X", "Resul": 1}, U={"Type": "Mop"}, V=task(Resource="x")))
    assert [problem.location for problem in found] == [
        "/States/S",
        "/States/U/Type",
        "/States/V/Resource",
        "/States/S/Next",
    ]
    assert str(DefinitionError(found)).count("\n") == 3


def test_resources_that_handlers_lack() -> None:
    inner = task(Resource="arn:aws:states:::sns:publish")
    found = load(machine(S={"Type": "Parallel", "End": True, "Branches": [branch("A", inner), branch("B", task())]}))
    (problem,) = unsupported_resources(found, ScriptedHandlers())
    assert problem.location == "/States/S/Branches[0]/States/A/Resource"
    assert "sns:publish" in problem.message
    assert unsupported_resources(load(machine(S=task())), ScriptedHandlers()) == ()


def test_500_states_load_quickly() -> None:
    states: Any = {f"S{at}": task(Next=f"S{at + 1}", Parameters={"a.$": "$.b"}) for at in range(500)}
    assert len(load(machine(start="S0", **states, S500=PASS)).root.states) == 501
