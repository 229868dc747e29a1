"""The steps of a part of a flow."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlci.errors import InputError
from mlci.flow import load
from mlci.flow.dependencies import dependencies
from mlci.flow.models import Flow
from mlci.flow.part import ChosenSteps, Part, choose_steps
from support.examples import examples

TEXT = """
flow: small
defaults: {image: "mine.example/image:7"}
steps:
  prepare: {uses: processing, run: a.py, outputs: [out]}
  clean: {uses: processing, run: a.py, outputs: [out]}
  train: {uses: training, run: a.py, inputs: {data: "${{ steps.prepare.outputs.out }}"}}
  evaluate:
    uses: processing
    run: a.py
    inputs: {model: "${{ steps.train.outputs.model }}", test: "${{ steps.clean.outputs.out }}"}
    outputs: [out]
    metrics: out/m.json
  report: {uses: processing, run: a.py, after: [evaluate]}
  publish: {uses: processing, run: a.py, after: gate}
  announce: {uses: processing, run: a.py, after: [publish]}
gate:
  - {metric: evaluate.auc, min: 0.9}
"""
FLOW = load(TEXT.encode(), "flow.yaml", {}, {})


@pytest.mark.parametrize(
    ("part", "steps", "behind_gate"),
    [
        (Part(only=("train",)), "train", ""),
        (Part(only=("evaluate", "clean")), "clean evaluate", ""),
        (Part(first="train"), "train evaluate report", "publish announce"),
        (Part(last="train"), "prepare train", ""),
        (Part(last="evaluate"), "prepare clean train evaluate", ""),
        (Part(first="prepare", last="evaluate"), "prepare train evaluate", ""),
        (Part(first="train", last="train"), "train", ""),
        (Part(first="report"), "report", ""),
    ],
)
def test_options_choose_steps(part: Part, steps: str, behind_gate: str) -> None:
    assert choose_steps(FLOW, part) == ChosenSteps(tuple(steps.split()), tuple(behind_gate.split()))


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (Part(only=("trian",)), '--only: the flow has no step "trian". Did you mean "train"?'),
        (Part(first="x", last="trian"), '--from: the flow has no step "x". The flow has "prepare", "clean", '),
        (Part(first="x", last="trian"), '--until: the flow has no step "trian". Did you mean "train"?'),
        (Part(only=("train",), first="train"), "--only: it excludes --from and --until. Pass either."),
        (Part(first="train", last="clean"), 'no step is between "train" and "clean", which does not depend on it'),
        (
            Part(only=("publish",)),
            '--only: step "publish" is behind the gate, and a part of a flow has no verdict.',
        ),
        (Part(last="announce"), '--until: step "announce" is behind the gate'),
        (Part(first="publish"), '--from: step "publish" is behind the gate'),
    ],
)
def test_a_part_that_the_flow_has_not_is_refused(part: Part, message: str) -> None:
    with pytest.raises(InputError) as refused:
        choose_steps(FLOW, part)
    assert message in str(refused.value)


def _is_before(flow: Flow, one: str, other: str) -> bool:
    return one in dependencies(flow)[other] or any(_is_before(flow, one, step) for step in dependencies(flow)[other])


@settings(max_examples=examples(60))
@given(st.sampled_from(list(FLOW.steps)[:5]), st.sampled_from(list(FLOW.steps)[:5]))
def test_a_part_from_one_step_until_another_is_what_lies_between(first: str, last: str) -> None:
    between = {
        name
        for name in FLOW.steps
        if (name == first or _is_before(FLOW, first, name)) and (name == last or _is_before(FLOW, name, last))
    }
    part = Part(first=first, last=last)
    if between:
        assert set(choose_steps(FLOW, part).steps) == between
    else:
        with pytest.raises(InputError):
            choose_steps(FLOW, part)
