"""Properties of any flow: it loads or is refused, in bounded time, and the order of its parts means nothing."""

from __future__ import annotations

import subprocess
import sys
import time
from random import Random
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from mlci.errors import InputError
from mlci.flow import Flow, Rule, dependencies, format_duration, load, parse_duration, schema
from mlci.flow.references import split
from mlci.flow.yaml_document import read
from support.examples import examples
from support.flow_texts import EXAMPLE, loaded

_LINES = EXAMPLE.splitlines(keepends=True)
_SIGNS = "\t\n\r :-[]{}\"'#&*!|>%@`,?$<\\\0\x1b\x85\u2028éx0.~"
_SCHEMA: Any = schema()
_VALIDATOR = Draft202012Validator(_SCHEMA)


def _mutated(random: Random, count: int) -> str:
    """The example with lines deleted, doubled, swapped or moved, and characters replaced."""
    text = EXAMPLE
    for _ in range(count):
        lines = text.splitlines(keepends=True) or ["\n"]
        at, other = random.randrange(len(lines)), random.randrange(len(lines))
        match random.randrange(7):
            case 0:
                del lines[at]
            case 1:
                lines.insert(other, lines[at])
            case 2:
                lines[at], lines[other] = lines[other], lines[at]
            case 3:
                lines[at] = " " * random.randrange(8) + lines[at].lstrip()
            case 4 | 5:
                signs = list(lines[at])
                signs[random.randrange(len(signs))] = random.choice(_SIGNS)
                lines[at] = "".join(signs)
            case _:
                words = lines[at].split(" ")
                others = lines[other].split(" ")
                words[random.randrange(len(words))] = random.choice(others)
                lines[at] = " ".join(words)
        text = "".join(lines)
    return text


def _check_places(error: InputError, text: str) -> None:
    lines = text.count("\n") + text.count("\r") + text.count("\x85") + text.count("\u2028") + 1
    assert error.problems
    for problem in error.problems:
        assert 1 <= problem.line <= lines
        assert problem.column >= 1
        assert str(problem).isprintable()


def _flow_or_none(text: str) -> Flow | None:
    """The flow, or None where it is refused as it should be: with problems, each at a place of the file."""
    started = time.process_time()
    try:
        return load(text.encode(), "flow.yaml")
    except InputError as error:
        _check_places(error, text)
        return None
    finally:
        assert time.process_time() - started < 1


@settings(max_examples=examples(250), deadline=None)
@given(st.randoms(use_true_random=False), st.integers(1, 6))
def test_any_change_of_the_example_loads_or_is_refused(random: Random, count: int) -> None:
    text = _mutated(random, count)
    flow = _flow_or_none(text)
    if flow is not None:
        assert set(dependencies(flow)) == set(flow.steps)
        assert list(_VALIDATOR.iter_errors(read(text.encode(), "flow.yaml").value)) == []


@settings(max_examples=examples(150), deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_refused(content: bytes) -> None:
    with pytest.raises(InputError):  # chance does not write "flow" and "steps"
        load(content, "flow.yaml")


_KEYS = [
    "a",
    "b",
    "c",
    "nothing",
    *(key for spelling in _SCHEMA["$defs"].values() for key in spelling.get("properties", [])),
]
_VALUES = [
    *("processing", "training", "x.py", "a:b", "gate", "a", "b", "30m", "2%", "s3://abc/x", "a.b", "a/b", "", "on"),
    *("${{ steps.a.outputs.b }}", "${{ params.a }}", "${{ inputs.a }}", "${{ x", "-1", "\0", "ml.m5.large"),
    *(0, 1, -1, 0.5, True, False, None, 2**63, float("inf")),
]
_TREES = st.recursive(
    st.sampled_from(_VALUES),
    lambda inner: st.one_of(st.dictionaries(st.sampled_from(_KEYS), inner, max_size=6), st.lists(inner, max_size=3)),
    max_leaves=30,
)


_FLOWS = st.fixed_dictionaries(
    {"flow": st.just("x"), "steps": st.dictionaries(st.sampled_from("abc"), _TREES)},
    optional=dict.fromkeys(["params", "defaults", "gate", "local", "aws", "other"], _TREES),
)


@settings(max_examples=examples(120), deadline=None)
@given(_FLOWS)
def test_any_tree_of_known_words_loads_or_is_refused(tree: dict[str, Any]) -> None:
    flow = _flow_or_none(yaml.safe_dump(tree))
    if flow is not None:
        assert list(_VALIDATOR.iter_errors(tree)) == []


def _shuffled(value: Any, random: Random) -> Any:
    if not isinstance(value, dict):
        return value
    keys = random.sample(list(value), len(value))
    return {key: _shuffled(value[key], random) for key in keys}


@settings(max_examples=examples(25), deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_order_of_keys_and_of_rules_means_nothing(random: Random) -> None:
    tree = _shuffled(yaml.safe_load(EXAMPLE), random)
    random.shuffle(tree["gate"])
    flow, expected = loaded(yaml.safe_dump(tree, sort_keys=False)), loaded(EXAMPLE)
    assert (flow.name, flow.params, flow.steps) == (expected.name, expected.params, expected.steps)
    assert set(flow.gate) == set(expected.gate)
    assert all(isinstance(rule, Rule) for rule in flow.gate)
    assert dependencies(flow) == dependencies(expected)


@given(st.integers(0, 10**9))
def test_every_duration_is_read_as_it_is_spelt(seconds: int) -> None:
    assert parse_duration(format_duration(seconds)) == seconds


@given(st.text(alphabet="${} .ab-", max_size=40))
def test_every_text_splits(text: str) -> None:
    plain = [part for part in split(text) if isinstance(part, str)]
    assert len("".join(plain)) <= len(text)
    assert "${{" in text or split(text) == ([text] if text else [])


def test_the_package_imports_neither_pydantic_nor_anything_else_that_is_slow() -> None:
    code = "import sys, mlci.flow; print(*{name.partition('.')[0] for name in sys.modules})"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"pydantic", "boto3", "rich", "numpy"}.isdisjoint(run.stdout.split())
