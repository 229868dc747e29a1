"""Failures of tasks: those that pass by themselves are tried again, and all others fail at once."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from mlci.compile import compile_plan, sent_input
from mlci.compile.request_files import SentInput
from mlci.flow import load
from mlci.plan import Plan, Target, plan
from mlci.stage.models import CodeUnit, Staged, StagedFile
from mlci.step_types.script_start import ScriptStart
from mlci_asl import Json, TaskCall, TaskError
from support.executions import Run, ScriptedHandlers, run

FLOW = """
flow: gated
defaults: {image: "mine.example/image:7"}
steps:
  train: {uses: training, run: a.py}
  measure:
    uses: processing
    run: a.py
    inputs: {model: "${{ steps.train.outputs.model }}"}
    outputs: [out]
    metrics: out/metrics.json
gate: [{metric: measure.auc, min: 0.9}]
"""
TRAIN, COPY, READ = "train", "train: keep the model", "gate: read metrics of measure"
GENERIC, LIMIT = "SageMaker.AmazonSageMakerException", "SageMaker.ResourceLimitExceededException"
QUOTA = "The account-level service limit 'ml.m5.xlarge for training job usage' is {}, with current utilization of {}"
QUOTA += " and a request delta of 1 Instances. Please contact AWS support to request an increase for this limit."


def planned(text: str) -> Plan:
    flow = load(text.encode(), "flow.yaml", {}, {})
    files = (StagedFile("a.py", "0" * 64, 0, Path("a.py"), b""),)
    code = dict.fromkeys(flow.steps, CodeUnit(ScriptStart({"script": "a.py"}), files, files))
    target = Target("bucket", "arn:aws:iam::000000000000:role/r", "20261123-101530-3f9c2a")
    return plan(flow, Staged(code, {}, dict.fromkeys(flow.steps, "mine:7")), target)


def fresh(key: Json, make: Callable[[], str]) -> str:
    return make()


def v1(message: str, code: str, status: int = 400) -> str:
    ending = f"Status Code: {status}; Error Code: {code}; Request ID: 0a1b2c3d; Proxy: null"
    return f"{message} (Service: AmazonSageMaker; {ending})"


def v2(message: str, status: int) -> str:
    return f"{message} (Service: S3, Status Code: {status}, Request ID: 0A1B2C3D, Extended Request ID: 0a1b2c3d)"


@dataclass
class Handlers(ScriptedHandlers):
    """Jobs that succeed, a store that has the metrics, and `answers` in front of these."""

    names: list[str] = field(default_factory=list)
    requests: dict[str, str] = field(default_factory=dict)

    def supports(self, resource: str) -> bool:
        return True

    def __call__(self, task: TaskCall) -> Json:
        assert isinstance(task.parameters, dict)
        self.names += [str(task.parameters[key]) for key in ("TrainingJobName",) if key in task.parameters]
        self.calls.append(task)
        answers = self.answers.get(task.state, ())
        number = sum(call.state == task.state for call in self.calls) - 1
        if number < len(answers):
            answer: Any = answers[number]
            raise TaskError(answer["error"], answer["cause"])
        body = self.requests.get(f"s3://{task.parameters.get('Bucket')}/{task.parameters.get('Key')}")
        return {"Body": body or json.dumps({"auc": 0.95}), **task.parameters}


#: The flow as it is, and as a large one, whose requests lie in S3.
FORMS = {"whole": 262_144, "large": 0}


@pytest.fixture(scope="module", params=FORMS)
def form(request: pytest.FixtureRequest) -> tuple[str, SentInput]:
    compiled = compile_plan(planned(FLOW), fresh, whole_input_max_bytes=FORMS[request.param])
    return compiled.definition, sent_input(compiled.execution_input)


def executed(form: tuple[str, SentInput], state: str, failures: Sequence[tuple[str, str]]) -> tuple[Run, Handlers, int]:
    """An execution in which a state fails like this before it succeeds, and the number of its calls."""
    answers: list[Json] = [{"error": error, "cause": cause} for error, cause in failures]
    definition, sent = form
    handlers = Handlers({state: answers}, requests=dict(sent.objects))
    result = run(definition, json.loads(sent.text), handlers=handlers)
    return result, handlers, sum(call.state == state for call in handlers.calls)


PASSING = [
    (TRAIN, GENERIC, v1("Rate exceeded", "ThrottlingException"), 30),
    (TRAIN, GENERIC, v1("An internal error occurred.", "InternalFailure", 500), 30),
    (TRAIN, GENERIC, v1("Try later.", "ServiceUnavailable", 503), 30),
    (TRAIN, "ThrottlingException", "Rate exceeded", 5),
    (TRAIN, LIMIT, v1(QUOTA.format("4 Instances", "4 Instances"), "ResourceLimitExceeded"), 120),
    (TRAIN, "States.TaskFailed", '{"FailureReason": "CapacityError: Unable to provision requested"}', 120),
    (COPY, "S3.S3Exception", v2("Please reduce your request rate.", 503), 30),
    (COPY, "S3.S3Exception", v2("You have exceeded the rate at which you may call KMS.", 400), 30),
    (COPY, "S3.SdkClientException", "Unable to execute HTTP request", 5),
    (READ, "S3.S3Exception", v2("We encountered an internal error. Please try again.", 500), 30),
]
LASTING = [
    (
        TRAIN,
        GENERIC,
        v1("No S3 objects found under S3 URL s3://b/k/", "ValidationException"),
    ),
    (TRAIN, GENERIC, v1("Value 'ml.m5.huge' at 'resourceConfig.instanceType' failed", "ValidationException")),
    (TRAIN, GENERIC, v1("User is not authorized to perform: sagemaker:CreateTrainingJob", "AccessDeniedException")),
    (TRAIN, LIMIT, v1(QUOTA.format("0 Instances", "0 Instances"), "ResourceLimitExceeded")),
    (TRAIN, LIMIT, v1(QUOTA.format("1 Instances", "0 Instances"), "ResourceLimitExceeded")),
    (TRAIN, "States.TaskFailed", '{"FailureReason": "AlgorithmError: S3 said Status Code: 503, Rate exceeded"}'),
    (COPY, "S3.S3Exception", v2("Access Denied", 403)),
    (COPY, "S3.NoSuchKeyException", v2("The specified key does not exist.", 404)),
    (READ, "S3.S3Exception", v2("Access Denied", 403)),
    (READ, "S3.NoSuchKeyException", v2("The specified key does not exist.", 404)),
]


@pytest.mark.parametrize(("state", "error", "cause", "wait_s"), PASSING)
def test_what_passes_by_itself_is_waited_for(
    form: tuple[str, SentInput], state: str, error: str, cause: str, wait_s: int
) -> None:
    result, handlers, calls = executed(form, state, [(error, cause)] * 2)
    assert result.outcome.status == "SUCCEEDED", result.outcome
    assert calls == 3
    if len(form[1].objects) and error == "ThrottlingException":
        wait_s = 30  # a large flow has one rule for all that passes by itself
    assert [round(pause) for pause in result.pauses if pause >= 1] in ([wait_s, wait_s], [wait_s, 2 * wait_s])
    assert len(set(handlers.names)) == len(handlers.names)


@pytest.mark.parametrize(("state", "error", "cause"), LASTING)
def test_what_never_passes_fails_at_once(form: tuple[str, SentInput], state: str, error: str, cause: str) -> None:
    result, _, calls = executed(form, state, [(error, cause)] * 2)
    assert result.outcome.status == "FAILED"
    assert calls == 1
    assert result.pauses == []
    if error.endswith("NoSuchKeyException") and state == READ:
        assert result.outcome.error == "mlci.GateMissed"  # a metric that is missing misses its rule
    else:
        assert result.outcome.error == error
        assert json.loads(str(result.outcome.cause).partition(": ")[2])["Cause"] == cause


@pytest.mark.parametrize(
    ("error", "cause", "calls"),
    [(PASSING[0][1], PASSING[0][2], 11), (PASSING[4][1], PASSING[4][2], 16), (PASSING[5][1], PASSING[5][2], 4)],
    ids=["service", "quota", "capacity"],
)
def test_each_kind_of_failure_has_a_bound_of_its_own(
    form: tuple[str, SentInput], error: str, cause: str, calls: int
) -> None:
    result, _, called = executed(form, TRAIN, [(error, cause)] * 40)
    assert result.outcome.status == "FAILED"
    assert called == calls


def test_a_quota_in_use_is_waited_for_half_an_hour_and_does_not_use_up_other_waits(
    form: tuple[str, SentInput],
) -> None:
    quota, capacity = PASSING[4][1:3], PASSING[5][1:3]
    result, handlers, _ = executed(form, TRAIN, [quota] * 15 + [capacity] * 3)
    assert result.outcome.status == "SUCCEEDED"
    assert sum(result.pauses[:15]) == pytest.approx(1_800, abs=5)
    assert max(len(name) for name in handlers.names) <= 63


def test_an_execution_has_a_time_limit_that_values_hardly_change() -> None:
    def limit_s(text: str, timeout_s: float | None = None) -> int:
        limit: int = json.loads(compile_plan(planned(text), fresh, timeout_s).definition)["TimeoutSeconds"]
        return limit

    short = FLOW.replace("defaults: {", "defaults: {timeout: 10m, ")
    long = FLOW.replace("defaults: {", "defaults: {timeout: 1d, ")
    assert limit_s(short) < limit_s(long)
    assert limit_s(long) >= 2 * 86_400
    assert limit_s(short) == limit_s(short.replace("10m", "11m"))
    assert limit_s(long, timeout_s=1_800) == 3_840  # 30 minutes and a grace, rounded up
    assert limit_s(short, timeout_s=10 * 86_400) == limit_s(short)


@pytest.mark.parametrize(
    ("condition", "seconds"),
    [
        ("{MaxRuntimeInSeconds: 7200}", 7_200),
        ("{MaxRuntimeInSeconds: 60}", 60),
        ("{MaxWaitTimeInSeconds: 90000}", 90_000),
        ("{MaxRuntimeInSeconds: 60, MaxPendingTimeInSeconds: 7200}", 7_260),
    ],
)
def test_the_tasks_limit_follows_the_jobs_in_request(condition: str, seconds: int) -> None:
    text = FLOW.replace("run: a.py}", f"run: a.py, request: {{StoppingCondition: {condition}}}}}")
    step = planned(text).steps["train"]
    assert step.execution_input["timeout_s"] == seconds + 1_800
    assert step.summary.endswith(f"at most {seconds} s")


def test_the_model_is_copied_from_where_the_request_puts_it() -> None:
    text = FLOW.replace("run: a.py}", "run: a.py, request: {OutputDataConfig: {S3OutputPath: s3://mine/models/}}}")
    model: Any = planned(text).steps["train"].execution_input["model"]
    assert (model["from_bucket"], model["from_prefix"]) == ("mine", "models/")
