"""Flows whose requests have no room in the execution input: each job gets the request that it would have got."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlci.compile import (
    DEFINITION_MAX_BYTES,
    INPUT_MAX_BYTES,
    WHOLE_INPUT_MAX_BYTES,
    Compiled,
    compile_plan,
    sent_input,
    step_inputs,
)
from mlci.compile.history_events import least_events
from mlci.compile.request_files import FILE_MAX_BYTES, request_bytes, request_files
from mlci.errors import InputError
from mlci.flow.models import Json
from mlci_asl import TaskCall, load
from support.compiled_flows import planned
from support.executions import Run, ScriptedHandlers, run

FLOW = """
flow: folds
defaults: {image: "mine.example/image:7"}
steps:
  split: {uses: processing, run: a.py, outputs: [data]}
  train-model:
    uses: training
    run: a.py
    matrix: {fold: [1, 2, 3]}
    inputs: {data: "${{ steps.split.outputs.data }}"}
    hyperparameters: {fold: "${{ matrix.fold }}"}
    metrics: model/metrics.json
  best-of:
    uses: processing
    run: a.py
    inputs:
      model: {from: "${{ steps.train-model.outputs.model }}", select: {metric: train-model.r2, best: max}}
      again: {from: "${{ steps.train-model.outputs.model }}", select: {metric: train-model.r2, best: min}}
    outputs: [out]
  copy: {uses: transform, input: "${{ steps.best-of.outputs.out }}", model: "${{ steps.last.outputs.model }}"}
  last: {uses: training, run: a.py, inputs: {data: "${{ steps.best-of.outputs.out }}"}}
"""


@dataclass
class Handlers(ScriptedHandlers):
    """Jobs that succeed, and a store with the files of requests and, for any other key, metrics by its cell."""

    objects: Mapping[str, str] = field(default_factory=dict)

    def supports(self, resource: str) -> bool:
        return True

    def __call__(self, task: TaskCall) -> Json:
        self.calls.append(task)
        parameters: Any = task.parameters
        if "Key" in parameters and "CopySource" not in parameters:
            metrics = json.dumps({"r2": len(str(parameters["Key"]).partition("fold=")[2])})
            return {"Body": self.objects.get(f"s3://{parameters['Bucket']}/{parameters['Key']}", metrics)}
        return {**parameters, "StateMachineVersionArn": "arn:aws:states:::1", "ModelArn": "arn:aws:sagemaker:::1"}

    @property
    def requests(self) -> list[str]:
        sent = [(call.state, call.parameters) for call in self.calls if not call.state.startswith("read the requests")]
        return sorted(json.dumps(each, sort_keys=True) for each in sent)


def fresh(key: Json, make: Callable[[], str]) -> str:
    return make()


def executed(text: str, most: int, changed: Callable[[str], str] = str) -> tuple[Run, Handlers]:
    compiled = compile_plan(planned(text), fresh, whole_input_max_bytes=most)
    sent = sent_input(compiled.execution_input)
    handlers = Handlers(objects={uri: changed(content) for uri, content in sent.objects.items()})
    return run(compiled.definition, json.loads(sent.text), handlers=handlers), handlers


def test_each_job_gets_the_request_that_it_would_have_got() -> None:
    _, whole = executed(FLOW, WHOLE_INPUT_MAX_BYTES)
    result, large = executed(FLOW, 0)
    assert result.outcome.status == "SUCCEEDED", result.outcome
    assert large.requests == whole.requests
    assert len(whole.objects) == 0
    assert len(large.objects) == 1


def test_what_is_sent_lacks_the_requests_and_the_whole_input_has_them() -> None:
    small, large = (
        compile_plan(planned(FLOW), fresh, whole_input_max_bytes=most) for most in (WHOLE_INPUT_MAX_BYTES, 0)
    )
    assert sent_input(small.execution_input).text == small.execution_input
    whole, sent = json.loads(large.execution_input), sent_input(large.execution_input)
    assert step_inputs(whole) == step_inputs(json.loads(small.execution_input))
    assert "ProcessingInputs" not in sent.text
    (uri,) = sent.objects
    assert uri.startswith("s3://bucket/mlci/folds/code/")
    assert uri.endswith("/requests.json")


def test_what_is_sent_tells_runs_apart_that_differ_in_a_request_alone() -> None:
    texts = (FLOW, FLOW.replace("run: a.py, inputs", "run: a.py, env: {A: b}, inputs"))
    one, other = (sent_input(compile_plan(planned(text), fresh, None, 0).execution_input).text for text in texts)
    assert json.loads(one)["requests"] != json.loads(other)["requests"]


def test_a_file_that_another_wrote_is_not_used() -> None:
    result, handlers = executed(FLOW, 0, lambda content: content.replace("image:7", "image:8"))
    assert result.outcome.status == "FAILED"
    assert "the requests of the steps could not be read" in str(result.outcome.cause)
    assert "the file is not what the build wrote" in str(result.outcome.cause)
    assert not any("split" in request for request in handlers.requests)


def _values(sizes: list[int]) -> dict[str, Json]:
    return {"steps": {f"s{number}": {"request": {"x": "y" * size}} for number, size in enumerate(sizes)}}


@given(st.lists(st.integers(0, 60_000), min_size=1, max_size=40))
def test_each_request_lies_in_one_file_and_each_file_fits(sizes: list[int]) -> None:
    values = _values(sizes)
    files = request_files(request_bytes(values))
    assert [step for file in files for step in file] == list(values["steps"])  # type: ignore[arg-type]
    text = json.dumps({**values, "requests": {"uri": "s3://b/{digest}", "steps": files}})
    assert all(len(json.dumps(content)) <= FILE_MAX_BYTES for content in sent_input(text).objects.values())


def test_a_request_that_grows_a_little_moves_no_other_to_another_file() -> None:
    sizes = [1_000] * 500
    few, more = (request_bytes(_values(each)) for each in (sizes, [3_000, *sizes[1:]]))
    assert request_files(few) == request_files(more)


def steps(count: int, more: str = "", uses: str = "processing") -> str:
    lines = [f"  s{number}: {{uses: {uses}, run: a.py{more}}}" for number in range(count)]
    return "\n".join(["flow: many", 'defaults: {image: "mine:7"}', "steps:", *lines])


def test_a_step_whose_request_is_too_large_is_refused_at_its_place_and_a_smaller_one_is_not() -> None:
    def flow(chars: int) -> str:
        return steps(1, f", request: {{Environment: {{A: {'x' * chars}}}}}")

    with pytest.raises(InputError, match=r'flow.yaml:4:\d+: the request of step "s0" has .* 240,000 is the most'):
        compile_plan(planned(flow(240_000)), fresh)
    assert sent_input(compile_plan(planned(flow(230_000)), fresh).execution_input).objects


def compiled_or_refused(text: str) -> Compiled | str:
    try:
        return compile_plan(planned(text), fresh)
    except InputError as error:
        return str(error)


_DEPENDENCIES = st.lists(st.lists(st.integers(0, 10_000), max_size=3), min_size=1, max_size=320)


@pytest.mark.slow
@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(_DEPENDENCIES, st.sampled_from(["processing", "training"]), st.integers(0, 2_000))
def test_a_flow_of_many_steps_is_within_the_limits_or_refused(
    dependencies: list[list[int]], uses: str, chars: int
) -> None:
    lines = []
    for number, each in enumerate(dependencies * 4):
        after = sorted({f"s{other % number}" for other in each}) if number else []
        env = ", ".join(f"E{part}: {'x' * 250}" for part in range(chars // 250))
        lines.append(f"  s{number}: {{uses: {uses}, run: a.py, after: [{', '.join(after)}], env: {{{env}}}}}")
    text = "\n".join(["flow: many", 'defaults: {image: "mine:7"}', "steps:", *lines])
    compiled = compiled_or_refused(text)
    if isinstance(compiled, str):
        assert "is the most" in compiled
        return
    load(compiled.definition)
    sent = sent_input(compiled.execution_input)
    assert len(compiled.definition) <= DEFINITION_MAX_BYTES
    assert len(sent.text) <= INPUT_MAX_BYTES


def test_more_events_than_an_execution_may_have_are_refused_and_fewer_are_not() -> None:
    def flow(matrices: int) -> str:
        return steps(matrices, f", matrix: {{cell: {list(range(250))}}}")

    with pytest.raises(InputError, match=r"its 3,000 steps and cells makes 30,000 events at least, and 25,000 is the"):
        compile_plan(planned(flow(12)), fresh)
    assert least_events(planned(flow(6))) == 15_000
