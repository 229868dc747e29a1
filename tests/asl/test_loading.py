"""`load`: each refusal with its place and words, beside a twin that is accepted; and what it says about all at once."""

from __future__ import annotations

import json
from typing import Any

import pytest

from asl_running import JOB, ScriptedHandlers, machine, task
from mlci.asl import DefinitionError, Problem, load, unsupported_resources

PASS: dict[str, Any] = {"Type": "Pass", "End": True}
TEST: dict[str, Any] = {"Variable": "$.a", "NumericEquals": 1}


def problems_of(definition: str) -> tuple[Problem, ...]:
    with pytest.raises(DefinitionError) as raised:
        load(definition)
    return raised.value.problems


def choice(rule: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """States of a machine with one rule."""
    return {"S": {"Type": "Choice", "Choices": [{**rule, "Next": "P"}], "Default": "P", **fields}, "P": PASS}


def caught(*names: Any, **fields: Any) -> dict[str, Any]:
    return {"S": task(Catch=[{"ErrorEquals": list(names), "Next": "P", **fields}]), "P": PASS}


def retried(**fields: Any) -> dict[str, Any]:
    return {"S": task(Retry=[{"ErrorEquals": ["E"], **fields}])}


def select(expression: Any) -> dict[str, Any]:
    return {"S": {**PASS, "Parameters": {"v.$": expression}}}


def branches(*found: Any) -> dict[str, Any]:
    return {"S": {"Type": "Parallel", "End": True, "Branches": list(found)}}


def branch(name: str, state: Any = PASS) -> dict[str, Any]:
    return {"StartAt": name, "States": {name: state}}


LONG = "x" * 81
MISSING = "these fields are required"

#: What it is about, states that are refused, the place, words of the refusal, and states that are accepted.
REFUSALS: list[tuple[str, dict[str, Any], str, str, dict[str, Any]]] = [
    ("unknown field", {"S": {**PASS, "Resul": 1}}, "/S/Resul", 'Did you mean "Result"?', {"S": {**PASS, "Result": 1}}),
    ("field of another type", {"S": {**PASS, "Retry": []}}, "/S/Retry", "does not support", {"S": task(Retry=[])}),
    ("no type", {"S": {"End": True}}, "/S", MISSING, {"S": PASS}),
    ("unknown type", {"S": {"Type": "pass", "End": True}}, "/S/Type", "no state type", {"S": PASS}),
    ("no object", {"S": 5}, "/S", "must be an object", {"S": PASS}),
    ("Next without target", {"S": {"Type": "Pass", "Next": "X"}}, "/S/Next", 'no state "X"', {"S": PASS}),
    ("Next and End", {"S": {**PASS, "Next": "S"}}, "/S", "only one of Next and End", {"S": PASS}),
    ("neither Next nor End", {"S": {"Type": "Pass"}}, "/S", "one of Next and End", {"S": PASS}),
    ("End is no boolean", {"S": {"Type": "Pass", "End": "true"}}, "/S/End", "true or false", {"S": PASS}),
    (
        "unreachable",
        {"S": PASS, "U": PASS},
        "/U",
        'the state "U" is not reachable',
        {"S": {"Type": "Pass", "Next": "U"}, "U": PASS},
    ),
    (
        "no end",
        {"S": {"Type": "Pass", "Next": "T"}, "T": {"Type": "Pass", "Next": "S"}},
        "",
        "no terminal state",
        {"S": {"Type": "Pass", "Next": "T"}, "T": {"Type": "Succeed"}},
    ),
    ("long name", {"S": {"Type": "Pass", "Next": LONG}, LONG: PASS}, f"/{LONG}", "1 to 80", {"S": PASS}),
    (
        "bad InputPath",
        {"S": {**PASS, "InputPath": "a"}},
        "/S/InputPath",
        "starts with $",
        {"S": {**PASS, "InputPath": "$.a"}},
    ),
    (
        "bad OutputPath",
        {"S": {**PASS, "OutputPath": "$.a["}},
        "/S/OutputPath",
        "not closed",
        {"S": {**PASS, "OutputPath": None}},
    ),
    (
        "path of no text",
        {"S": {**PASS, "InputPath": 1}},
        "/S/InputPath",
        "must be a string",
        {"S": {**PASS, "InputPath": "$"}},
    ),
    (
        "path function",
        {"S": {**PASS, "InputPath": "$.a.length()"}},
        "/S/InputPath",
        "functions",
        {"S": {**PASS, "InputPath": "$..a"}},
    ),
    (
        "ResultPath of many",
        {"S": {**PASS, "ResultPath": "$.a[*]"}},
        "/S/ResultPath",
        "one place",
        {"S": {**PASS, "ResultPath": "$.a[0]"}},
    ),
    (
        "ResultPath of context",
        {"S": {**PASS, "ResultPath": "$$.a"}},
        "/S/ResultPath",
        "only the state's input",
        {"S": {**PASS, "ResultPath": None}},
    ),
    ("template path", select("$.a.."), "/S/Parameters/v.$", "name is missing", select("$..a")),
    ("template text", select("a"), "/S/Parameters/v.$", "starts with $", select("$")),
    ("template number", select(1), "/S/Parameters/v.$", "must be a string", select("$.x")),
    (
        "template in a list",
        {"S": {**PASS, "Parameters": {"l": [{"v.$": "x"}]}}},
        "/S/Parameters/l[0]/v.$",
        "starts with $",
        {"S": {**PASS, "Parameters": {"l": [{"v.$": "$.x"}]}}},
    ),
    (
        "same field twice",
        {"S": {**PASS, "Parameters": {"a": 1, "a.$": "$.a"}}},
        "/S/Parameters",
        "same field",
        {"S": {**PASS, "Parameters": {"a": 1, "b.$": "$.a"}}},
    ),
    (
        "unknown function",
        select("States.Formt('a')"),
        "/S/Parameters/v.$",
        'mean "States.Format"',
        select("States.Format('a')"),
    ),
    ("function not closed", select("States.Array(1"), "/S/Parameters/v.$", "not closed", select("States.Array(1)")),
    (
        "text not closed",
        select("States.Array('a)"),
        "/S/Parameters/v.$",
        "quote is not closed",
        select("States.Array('a')"),
    ),
    ("illegal escape", select("States.Array('\\\"')"), "/S/Parameters/v.$", "backslash", select("States.Array('\\'')")),
    ("bad path in function", select("States.Array($.a[)"), "/S/Parameters/v.$", "path", select("States.Array($.a[0])")),
    (
        "words after function",
        select("States.UUID() x"),
        "/S/Parameters/v.$",
        "after the function",
        select("States.UUID() "),
    ),
    (
        "functions too deep",
        select("States.Array(" * 11 + ")" * 11),
        "/S/Parameters/v.$",
        "10 deep",
        select("States.Array(" * 10 + ")" * 10),
    ),
    ("no resource", {"S": {"Type": "Task", "End": True}}, "/S", f"{MISSING}: Resource", {"S": task()}),
    ("bad ARN", {"S": task(Resource="lambda")}, "/S/Resource", "valid ARN", {"S": task(Resource=JOB)}),
    ("timeout of 0", {"S": task(TimeoutSeconds=0)}, "/S/TimeoutSeconds", "from 1", {"S": task(TimeoutSeconds=1)}),
    (
        "timeout of a text",
        {"S": task(TimeoutSeconds="1")},
        "/S/TimeoutSeconds",
        "integer",
        {"S": task(TimeoutSecondsPath="$.t")},
    ),
    (
        "two timeouts",
        {"S": task(TimeoutSeconds=1, TimeoutSecondsPath="$.t")},
        "/S",
        "only one of",
        {"S": task(TimeoutSeconds=1)},
    ),
    (
        "long heartbeat",
        {"S": task(Resource="arn:aws:states:eu-west-1:123456789012:activity:a", TimeoutSeconds=5, HeartbeatSeconds=5)},
        "/S/HeartbeatSeconds",
        "smaller",
        {"S": task(Resource="arn:aws:states:eu-west-1:123456789012:activity:a", TimeoutSeconds=5, HeartbeatSeconds=4)},
    ),
    (
        "ResultSelector",
        {"S": task(ResultSelector="$.a")},
        "/S/ResultSelector",
        "object",
        {"S": task(ResultSelector={"a.$": "$.a"})},
    ),
    (
        "Catch target",
        {"S": task(Catch=[{"ErrorEquals": ["E"], "Next": "X"}])},
        "/S/Catch[0]/Next",
        'no state "X"',
        caught("E"),
    ),
    ("Catch without Next", {"S": task(Catch=[{"ErrorEquals": ["E"]}])}, "/S/Catch[0]", f"{MISSING}: Next", caught("E")),
    ("Catch of nothing", caught(), "/S/Catch[0]/ErrorEquals", "one or more", caught("E")),
    ("Catch of a number", caught(1), "/S/Catch[0]/ErrorEquals", "error names", caught("1")),
    ("States.ALL with others", caught("States.ALL", "E"), "/S/Catch[0]/ErrorEquals", "alone", caught("States.ALL")),
    (
        "Catch's ResultPath",
        caught("E", ResultPath="$..a"),
        "/S/Catch[0]/ResultPath",
        "one place",
        caught("E", ResultPath=None),
    ),
    (
        "States.ALL before others",
        {"S": task(Retry=[{"ErrorEquals": ["States.ALL"]}, {"ErrorEquals": ["E"]}])},
        "/S/Retry[0]/ErrorEquals",
        "last entry",
        {"S": task(Retry=[{"ErrorEquals": ["E"]}, {"ErrorEquals": ["States.ALL"]}])},
    ),
    ("Retry without names", {"S": task(Retry=[{}])}, "/S/Retry[0]", f"{MISSING}: ErrorEquals", retried()),
    (
        "Retry's unknown field",
        retried(MaxAttempt=1),
        "/S/Retry[0]/MaxAttempt",
        'mean "MaxAttempts"',
        retried(MaxAttempts=1),
    ),
    ("interval of 0", retried(IntervalSeconds=0), "/S/Retry[0]/IntervalSeconds", "from 1", retried(IntervalSeconds=1)),
    ("attempts below 0", retried(MaxAttempts=-1), "/S/Retry[0]/MaxAttempts", "from 0", retried(MaxAttempts=0)),
    ("backoff below 1", retried(BackoffRate=0.5), "/S/Retry[0]/BackoffRate", "at least 1", retried(BackoffRate=1.0)),
    (
        "low ceiling",
        retried(IntervalSeconds=5, MaxDelaySeconds=5),
        "/S/Retry[0]/MaxDelaySeconds",
        "greater",
        retried(MaxDelaySeconds=5),
    ),
    (
        "jitter",
        retried(JitterStrategy="full"),
        "/S/Retry[0]/JitterStrategy",
        "FULL or NONE",
        retried(JitterStrategy="FULL"),
    ),
    (
        "no rules",
        {"S": {"Type": "Choice", "Choices": [], "Default": "P"}, "P": PASS},
        "/S/Choices",
        "not be empty",
        choice(TEST),
    ),
    ("no Choices", {"S": {"Type": "Choice", "Default": "P"}, "P": PASS}, "/S", f"{MISSING}: Choices", choice(TEST)),
    ("Default", choice(TEST, Default="X"), "/S/Default", 'no state "X"', choice(TEST, Default="P")),
    ("End of a Choice", choice(TEST, End=True), "/S/End", "does not support", choice(TEST)),
    (
        "rule without Next",
        {"S": {"Type": "Choice", "Choices": [TEST], "Default": "P"}, "P": PASS},
        "/S/Choices[0]",
        f"{MISSING}: Next",
        choice(TEST),
    ),
    ("rule without operator", choice({"Variable": "$.a"}), "/S/Choices[0]", "exactly one", choice(TEST)),
    ("rule of two", choice({**TEST, "IsNull": True}), "/S/Choices[0]", "NumericEquals and IsNull", choice(TEST)),
    ("rule without variable", choice({"IsNull": True}), "/S/Choices[0]", f"{MISSING}: Variable", choice(TEST)),
    (
        "unknown operator",
        choice({"Variable": "$.a", "NumericEqual": 1}),
        "/S/Choices[0]/NumericEqual",
        'mean "NumericEquals"',
        choice(TEST),
    ),
    (
        "operator's type",
        choice({"Variable": "$.a", "NumericEquals": "1"}),
        "/S/Choices[0]/NumericEquals",
        "must be a number",
        choice({"Variable": "$.a", "StringEquals": "1"}),
    ),
    (
        "operator's timestamp",
        choice({"Variable": "$.a", "TimestampEquals": "today"}),
        "/S/Choices[0]/TimestampEquals",
        "timestamp",
        choice({"Variable": "$.a", "TimestampEquals": "2024-01-01T00:00:00Z"}),
    ),
    (
        "operator's path",
        choice({"Variable": "$.a", "NumericEqualsPath": 1}),
        "/S/Choices[0]/NumericEqualsPath",
        "must be a string",
        choice({"Variable": "$.a", "NumericEqualsPath": "$.b"}),
    ),
    ("empty And", choice({"And": []}), "/S/Choices[0]/And", "not be empty", choice({"And": [TEST]})),
    (
        "Next inside",
        choice({"Not": {**TEST, "Next": "P"}}),
        "/S/Choices[0]/Not/Next",
        "at the top",
        choice({"Not": TEST}),
    ),
    (
        "And with a variable",
        choice({"And": [TEST], "Variable": "$.a"}),
        "/S/Choices[0]/Variable",
        "does not support",
        choice({"Or": [TEST]}),
    ),
    (
        "Wait for nothing",
        {"S": {"Type": "Wait", "End": True}},
        "/S",
        "exactly one",
        {"S": {"Type": "Wait", "Seconds": 0, "End": True}},
    ),
    (
        "Wait for two",
        {"S": {"Type": "Wait", "Seconds": 1, "TimestampPath": "$.a", "End": True}},
        "/S",
        "exactly one",
        {"S": {"Type": "Wait", "SecondsPath": "$.a", "End": True}},
    ),
    (
        "Wait's timestamp",
        {"S": {"Type": "Wait", "Timestamp": "2016-12-05 21:29:29Z", "End": True}},
        "/S/Timestamp",
        "RFC3339",
        {"S": {"Type": "Wait", "Timestamp": "2016-12-05T21:29:29Z", "End": True}},
    ),
    (
        "Wait below 0",
        {"S": {"Type": "Wait", "Seconds": -1, "End": True}},
        "/S/Seconds",
        "from 0",
        {"S": {"Type": "Wait", "Seconds": 1, "End": True}},
    ),
    ("End of Fail", {"S": {"Type": "Fail", "End": True}}, "/S/End", "does not support", {"S": {"Type": "Fail"}}),
    (
        "two errors",
        {"S": {"Type": "Fail", "Error": "E", "ErrorPath": "$.e"}},
        "/S",
        "only one of",
        {"S": {"Type": "Fail", "ErrorPath": "$.e"}},
    ),
    (
        "function without text",
        {"S": {"Type": "Fail", "CausePath": "States.Array(1)"}},
        "/S/CausePath",
        "does not give a string",
        {"S": {"Type": "Fail", "CausePath": "States.Format('{}', $.a)"}},
    ),
    ("no branches", branches(), "/S/Branches", "not be empty", branches(branch("A"))),
    ("branch without start", branches({"States": {"A": PASS}}), "/S/Branches[0]", MISSING, branches(branch("A"))),
    (
        "branch's field",
        branches({**branch("A"), "TimeoutSeconds": 1}),
        "/S/Branches[0]/TimeoutSeconds",
        "a branch",
        branches(branch("A")),
    ),
    (
        "same name in two branches",
        branches(branch("A"), branch("A")),
        "/S/Branches[1]/States/A",
        "must differ",
        branches(branch("A"), branch("B")),
    ),
    (
        "Next out of a branch",
        branches(branch("A", {"Type": "Pass", "Next": "T"})),
        "/S/Branches[0]/States/A/Next",
        'no state "T"',
        branches(branch("A")),
    ),
    # What AWS has and we refuse, in a sentence that says so.
    ("Output", {"S": {**PASS, "Output": 1}}, "/S/Output", "JSONata", {"S": PASS}),
    ("Arguments", {"S": task(Arguments={})}, "/S/Arguments", "JSONata", {"S": task(Parameters={})}),
]


@pytest.mark.parametrize(("states", "place", "words", "twin"), [pytest.param(*row[1:], id=row[0]) for row in REFUSALS])
def test_refusal_and_its_twin(states: dict[str, Any], place: str, words: str, twin: dict[str, Any]) -> None:
    found = problems_of(machine(**states))
    assert [problem for problem in found if problem.place == f"/States{place}" and words in problem.what], found
    assert len(found) == 1, "one fault is told once"
    assert load(machine(**twin)).definition == machine(**twin)


@pytest.mark.parametrize(
    ("top", "place", "words"),
    [
        ({"StartAt": "S"}, "", f"{MISSING}: States"),
        ({"States": {"S": PASS}}, "", f"{MISSING}: StartAt"),
        ({"StartAt": "X", "States": {"S": PASS}}, "/StartAt", 'no state "X"'),
        ({"StartAt": "S", "States": {}}, "/States", "at least one state"),
        ({"StartAt": "S", "States": []}, "/States", "must be an object"),
        ({"StartAt": "S", "States": {"S": PASS}, "TimeoutSeconds": 0}, "/TimeoutSeconds", "from 1"),
        ({"StartAt": "S", "States": {"S": PASS}, "Version": "2.0"}, "/Version", "1.0"),
        ({"StartAt": "S", "States": {"S": PASS}, "QueryLanguage": "SQL"}, "/QueryLanguage", "JSONPath or JSONata"),
        ({"StartAt": "S", "States": {"S": PASS}, "StartsAt": "S"}, "/StartsAt", 'mean "StartAt"'),
    ],
)
def test_refused_at_the_top(top: dict[str, Any], place: str, words: str) -> None:
    found = problems_of(json.dumps(top))
    assert [problem for problem in found if problem.place == place and words in problem.what], found


def test_a_whole_machine_is_accepted() -> None:
    top = {"Comment": "c", "StartAt": "S", "States": {"S": PASS}, "TimeoutSeconds": 5, "Version": "1.0"}
    assert load(json.dumps({**top, "QueryLanguage": "JSONPath"})).timeout_s == 5


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ('{"StartAt": "S",\n "States": }', "line 2, column 12", "not JSON"),
        ("", "line 1, column 1", "not JSON"),
        ("[]", "", "must be a JSON object"),
        ('{"StartAt": "S", "States": NaN}', "", "NaN is not JSON"),
        ("[" * 100_000, "", "nested too deeply"),
        (json.dumps({"Comment": "x" * 1_048_577}), "", "larger than 1 MB"),
        ('{"StartAt": "S", "StartAt": "S", "States": {"S": {"Type": "Succeed"}}}', "", "given twice"),
    ],
)
def test_what_is_no_definition(text: str, place: str, words: str) -> None:
    (problem,) = problems_of(text)
    assert problem.place == place
    assert words in problem.what


@pytest.mark.parametrize(("depth", "is_fine"), [(100, True), (400, False)])
def test_deep_nesting_is_a_problem_and_no_crash(depth: int, is_fine: bool) -> None:
    value: Any = "$"
    for _ in range(depth):
        value = [value]
    deep = machine(S={**PASS, "Parameters": {"a": value}})
    if is_fine:
        load(deep)
    else:
        assert "nested too deeply" in problems_of(deep)[0].what


def test_all_problems_are_told_at_once() -> None:
    found = problems_of(machine(S={"Type": "Pass", "Next": "X", "Resul": 1}, U={"Type": "Mop"}, V=task(Resource="x")))
    assert [problem.place for problem in found] == [
        "/States/S/Resul",
        "/States/U/Type",
        "/States/V/Resource",
        "/States/S/Next",
    ]
    assert str(DefinitionError(found)).count("\n") == 3


def test_resources_that_handlers_lack() -> None:
    inner = task(Resource="arn:aws:states:::sns:publish")
    found = load(machine(S={"Type": "Parallel", "End": True, "Branches": [branch("A", inner), branch("B", task())]}))
    (problem,) = unsupported_resources(found, ScriptedHandlers())
    assert problem.place == "/States/S/Branches[0]/States/A/Resource"
    assert "sns:publish" in problem.what
    assert unsupported_resources(load(machine(S=task())), ScriptedHandlers()) == ()


def test_500_states_load_quickly() -> None:
    states: Any = {f"S{at}": task(Next=f"S{at + 1}", Parameters={"a.$": "$.b"}) for at in range(500)}
    assert len(load(machine(start="S0", **states, S500=PASS)).root.states) == 501
