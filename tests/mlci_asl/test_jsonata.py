"""JSONata expressions as Step Functions evaluates them: a table of expressions, and what does not fit into it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlci_asl import jsonata
from support.examples import examples

CASES = json.loads(Path(__file__).with_name("cases").joinpath("expressions", "jsonata.json").read_text("utf-8"))


def _evaluated(text: str, /, **variables: Any) -> Any:
    return jsonata.evaluate(jsonata.parse_expression(f"{{% {text} %}}"), variables)


@pytest.mark.parametrize("case", [pytest.param(case, id=case["expression"][:60]) for case in CASES])
def test_expression(case: dict[str, Any]) -> None:
    variables = case.get("variables", {})
    if "refused" in case:
        with pytest.raises(jsonata.JsonataSyntaxError) as refusal:
            _evaluated(case["expression"])
        assert (str(refusal.value), refusal.value.code) == (case["refused"], case["code"])
    elif "error" in case:
        with pytest.raises(jsonata.JsonataError) as failure:
            _evaluated(case["expression"], **variables)
        assert str(failure.value) == case["error"]
    else:
        # As text, so that 1, 1.0 and true differ.
        assert json.dumps(_evaluated(case["expression"], **variables)) == json.dumps(case["value"])


def test_every_case_has_a_source() -> None:
    assert all(case["source"] for case in CASES)


@pytest.mark.parametrize(
    ("text", "is_expression", "is_half_open"),
    [
        ("{% 1 %}", True, False),
        ("{%%}", True, False),
        ("{%}", False, True),
        ("{% 1", False, True),
        ("1 %}", False, True),
        (" {% 1 %}", False, True),
        ("$x", False, False),
        ("", False, False),
    ],
)
def test_is_expression(text: str, is_expression: bool, is_half_open: bool) -> None:
    assert (jsonata.is_expression(text), jsonata.is_half_open(text)) == (is_expression, is_half_open)


@pytest.mark.parametrize(
    ("text", "variables", "states_fields"),
    [
        ("$b + $a + $sum($a)", ("a", "b"), ()),
        ("($x := $y; $x)", ("y",), ()),
        ("$map($items, function($v, $i){ $v * $factor * $i })", ("factor", "items"), ()),
        ("$items#$i.{'at': $i, 'is': $name}", ("items", "name"), ()),
        ("$items@$e.orders[$e.id = id]", ("items",), ()),
        ("$states.input.a & $states.context.Execution.Id", (), ("context", "input")),
        ("$states.errorOutput", (), ("errorOutput",)),
        ("$states", (), None),
        ("$keys($states) & $states.input", (), None),
        ("$lookup($states, $name)", ("name",), None),
        ("$x[$states.result.a = $y]", ("x", "y"), ("result",)),
        ("$sort($x, function($l, $r){ $l > $r })^(>$.size)[0]", ("x",), ()),
    ],
)
def test_variables_of_an_expression(
    text: str, variables: tuple[str, ...], states_fields: tuple[str, ...] | None
) -> None:
    expression = jsonata.parse_expression(f"{{% {text} %}}")
    assert (expression.variables, expression.states_fields) == (variables, states_fields)


def test_causes_quote_the_text() -> None:
    assert jsonata.parse_expression("{%  $x  %}").text == "$x"


def test_variables_are_never_changed_and_never_shared() -> None:
    variables = {"states": {"input": {"empty": [], "list": [{"n": None}], "deep": {"a": [1]}}}}
    before = json.dumps(variables)
    found = _evaluated(
        "{'e': $states.input.empty{'k': 1}, 'l': $states.input.list ~> |$|{'m': 1}|, 'd': $states.input.deep}",
        **variables,
    )
    assert json.dumps(variables) == before
    found["d"]["a"].append(2)
    assert json.dumps(variables) == before


def _is_plain(value: Any) -> bool:
    if type(value) is dict:
        return all(type(name) is str and _is_plain(item) for name, item in value.items())
    if type(value) is list:
        return all(_is_plain(item) for item in value)
    return value is None or type(value) in (bool, int, float, str)


@pytest.mark.parametrize("text", ["$x.a", "[1..3]", "$x.{'a': [a]}", "$split('a b', ' ')", "$append($x, null)", "$x[]"])
def test_values_are_plain_json(text: str) -> None:
    assert _is_plain(_evaluated(text, x=[{"a": 1}, {"a": [None, 2.0]}]))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("($f := function($n){ $f($n + 1) }; $f(1))", "timeout"),
        ("($f := function($n){ 1 + $f($n) }; $f(1))", "Stack overflow"),
        ("($f := function($s){ $f($s & $s) }; $f('xx'))", "memory"),
        ("($f := function($s){ $f($append($s, $s)) }; $f([1, 2]))", "memory"),
        ("$map([1..800000], function($x){ $map([1..800000], function($y){ 1 }) })", "timeout"),
        ("$pad('x', 10000000000)", "memory"),
        (f"$match('{'a' * 60}b', /^(a|aa)+$/)", "timeout"),
        ("($f := function($x, $n){ $n = 0 ? $x : $f({'k': $x}, $n - 1) }; $f(1, 400))", "Stack overflow"),
    ],
)
def test_an_expression_that_runs_away_ends_in_an_error(monkeypatch: pytest.MonkeyPatch, text: str, words: str) -> None:
    from mlci_asl.jsonata import engine

    monkeypatch.setattr(engine, "_MAX_SECONDS", 0.3 if words == "timeout" else 30)
    start = time.monotonic()
    with pytest.raises(jsonata.JsonataError, match=words):
        _evaluated(text)
    assert time.monotonic() - start < 30


@pytest.mark.parametrize("text", ["(" * 5_000, "[" * 5_000, "-" * 5_000 + "1", "1" + "+1" * 5_000, "{'a':" * 5_000])
def test_a_text_that_is_nested_too_deeply_is_refused(text: str) -> None:
    with pytest.raises(jsonata.JsonataSyntaxError):
        _evaluated(text)


# fmt: off
_WORDS = st.sampled_from(
    ["$x", "$states.input", "a", ".", "[", "]", "(", ")", "{", "}", ":", "?", "+", "-", "*", "/", "%", "&",
     "=", "!=", "<", "<=", "and", "or", "in", "~>", ":=", ";", ",", "..", "**", "^", "@", "#", "|", "$",
     "$$", "'s'", "1", "2.5", "1e400", "null", "true", "function", "λ", "/x+/i", "$sum(", "$map(",
     "$filter(", "$reduce(", "$string(", "$sort(", "$split(", "$replace(", "$match(", "$zip(", "$merge(",
     "$range(", "$parse(", "$single(", "$pad(", "`q`", "/*", "*/", "<n:n>"]
)
# fmt: on


@settings(max_examples=examples(300), deadline=None)
@given(st.lists(_WORDS, min_size=1, max_size=12))
def test_any_expression_is_json_or_an_error_of_ours(words: list[str]) -> None:
    try:
        found = _evaluated(" ".join(words), x=[{"a": 1, "b": None}, {"a": "s"}], states={"input": {"a": [1, 2]}})
    except (jsonata.JsonataSyntaxError, jsonata.JsonataError):
        return
    assert _is_plain(found)
    json.dumps(found, allow_nan=False)


def test_functions_check_the_arguments_of_other_functions() -> None:
    with pytest.raises(jsonata.JsonataError, match='T0410: Argument 1 of function "abs"'):
        _evaluated("$map(['a'], $abs)")
    assert _evaluated("$map([[1, 2], 3], $sum)") == [3, 3]


def test_calling_a_value_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(jsonata.JsonataError, match="T1006"):
        _evaluated("(1)(2)")
    assert capfd.readouterr() == ("", "")


def test_one_expression_in_many_threads() -> None:
    expression = jsonata.parse_expression(
        "{% ($f := function($n){ $n <= 1 ? 1 : $n * $f($n - 1) };"
        " {'mine': $map([1..20], function($i){ $i * $me }), 'f': $f(10), 's': $substring(?, 0, 2)('abc')}) %}"
    )

    def is_right(me: int) -> bool:
        found = jsonata.evaluate(expression, {"me": me})
        return found == {"mine": [me * i for i in range(1, 21)], "f": 3628800, "s": "ab"}

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(is_right, range(64)))


def test_now_is_one_moment_within_an_expression() -> None:
    assert _evaluated("($a := $millis(); $map([1..2000], function($x){ $x }); $millis() = $a)")
    before = int(time.time() * 1000)
    assert before <= _evaluated("$millis()") <= time.time() * 1000 + 1  # it rounds


_FRESH = """
import sys
import mlci_asl.jsonata as jsonata
assert "jsonata" not in sys.modules and "regex" not in sys.modules
limit = sys.getrecursionlimit()
jsonata.parse_expression("{% 1 %}")
assert "jsonata" in sys.modules
assert sys.getrecursionlimit() <= max(limit, 3000)
"""


def test_the_library_is_imported_at_the_first_expression_and_leaves_the_recursion_limit_sane() -> None:
    subprocess.run([sys.executable, "-c", _FRESH], check=True)
