"""The JSON schema: it accepts what `load` accepts, and teaches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from mlci.flow import schema
from mlci.flow.yaml_document import read
from mlci.step_types import STEP_TYPES
from support.flow_texts import AT_TOP, EXAMPLE, IN_DEFAULTS, IN_PREPROCESS, IN_TRAIN, changed, loaded, with_lines

_VALIDATOR = Draft202012Validator(schema())


def _complaints(text: str) -> list[str]:
    return [error.message for error in _VALIDATOR.iter_errors(read(text.encode(), "flow.yaml").value)]


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(schema())


def test_the_schema_does_not_change_from_call_to_call() -> None:
    assert schema() == schema()


@pytest.mark.parametrize(
    "text",
    [
        EXAMPLE,
        with_lines(IN_TRAIN, "    instance_count: ${{ params.max_depth }}", "    timeout: ${{ params.limit }}").replace(
            "params: ", "params:\n  limit: 2h  "
        ),
        with_lines(IN_TRAIN, "    request: {A: [1, {B: null}]}", "    env: {A: 1, B: true, C: 0.5, D: x}"),
        with_lines(IN_TRAIN, "    after: [preprocess]", "    image: python:3.11"),
        with_lines(IN_TRAIN, "    after: preprocess", "    instance: ml.c5.large"),
        with_lines(IN_DEFAULTS, "  volume_gb: 40", "  include: ['*.json']"),
        with_lines(AT_TOP, "aws: {bucket: abc, job_role: x}", "local: {python: python3}"),
        changed("max_drop: 0.02", 'max_drop: "2%"'),
        changed("max_drop: 0.02", "max_drop: ${{ params.min_auc }}"),
        "flow: x\nsteps: {a: {uses: processing, run: x.py, image: 'a:b', args: [1, true, x]}}\n",
    ],
)
def test_what_loads_is_valid(text: str) -> None:
    assert loaded(text).name
    assert _complaints(text) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("uses: training", "uses: trainning"),
        ("    inputs:\n      train:", "    imputs:\n      train:"),
        ("timeout: 30m", "timeout: 30"),
        ("image: xgboost:1.7-1", "image: {build: 1}"),
        ("image: xgboost:1.7-1", "image: {dockerfile: docker}"),
        ("timeout: 30m", "timeout: soon"),
        ("instance: ml.m5.xlarge", "instance: m5.xlarge"),
        ("min: 0.9", "min: high"),
        ("flow: breast-cancer", "flow: breast_cancer"),
        ("  train:\n", "  1st:\n"),
        ("outputs: [train, test]", "outputs: train"),
        ("steps:\n", "stpes:\n"),
        ("gate:\n", "gates:\n"),
    ],
)
def test_what_is_wrong_in_itself_is_not_valid(old: str, new: str) -> None:
    assert _complaints(changed(old, new))


def _properties(node: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(node, dict):
        yield from node.get("properties", {}).items()
        for part in node.values():
            yield from _properties(part)


def test_every_key_is_described() -> None:
    defined = schema()["$defs"]
    assert isinstance(defined, dict)
    for name, described in _properties(schema()):
        if set(described) == {"const"}:
            continue  # a condition on a key that is described elsewhere
        target = described.get("$ref", "").rpartition("/")[2]
        assert described.get("description") or (target and defined[target]), name


def test_the_types_of_steps_are_offered() -> None:
    steps = [described for name, described in _properties(schema()) if name == "uses" and "description" in described]
    assert [step["enum"] for step in steps] == [list(STEP_TYPES)]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (IN_TRAIN, IN_TRAIN + "    seconds: 3\n"),
        ("    uses: training\n", ""),
        (IN_PREPROCESS, IN_PREPROCESS + "    hyperparameters: {a: 1}\n"),
    ],
)
def test_a_step_has_the_keys_that_its_type_requires_and_allows(old: str, new: str) -> None:
    assert _complaints(changed(old, new))
