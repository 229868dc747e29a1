"""Every step type is whole, and no other module knows one by its name."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import pytest

import mlci
from mlci.provision.iam_policies import statements
from mlci.provision.policy_statements import Statement
from mlci.provision.stack_names import ROLES
from mlci.step_types import STEP_TYPES, all_keys
from mlci.step_types.base import JobType, ResolvedStep, StepType
from mlci.step_types.keys import Json
from mlci.step_types.states import (
    ApprovalState,
    FailState,
    PassState,
    PollState,
    SmokeState,
    StepPaths,
    TaskState,
    WaitState,
    attempt_counters,
)
from support.project import ROOT

PACKAGE = Path(mlci.__file__).parent
TYPES = pytest.mark.parametrize("step_type", STEP_TYPES.values(), ids=list(STEP_TYPES))
#: Parts that a type may lack, and says so by None.
OPTIONAL = {"outputs", "metrics_file", "image_scope", "container", "request", "job", "cost"}
STEP = ResolvedStep(
    name="step",
    job="mlci-flow--step-20261123-101530-3f9c2a",
    role="arn:aws:iam::123456789012:role/job",
    tags={},
    inputs={name: f"s3://bucket/run/other/{name}/" for name in ("model", "input")},
    outputs={
        name: f"s3://bucket/run/step/{name}/"
        for name in ("model", "result", "resource", "output", "package", "best", "decision", "smoke")
    },
    values={key.name: key.examples[0] if key.examples else key.minimum or 1 for key in all_keys().values()},
    image="mine:7",
    instance="ml.m5.xlarge",
    timeout_s=60,
    token_uri="s3://bucket/tokens/run/step.json",
)
PATHS = StepPaths("$.steps.step", "$.trained.step")


def test_a_type_leaves_no_part_to_a_default() -> None:
    for part in fields(StepType):
        assert part.default is MISSING, part.name
        assert part.default_factory is MISSING, part.name


@TYPES
def test_a_type_has_every_part(step_type: StepType) -> None:
    assert STEP_TYPES[step_type.name] is step_type
    for part in fields(step_type):
        value = getattr(step_type, part.name)
        assert value is not None or part.name in OPTIONAL, part.name
        assert value != "", part.name
        if is_dataclass(value):
            assert all(getattr(value, inner.name) != "" for inner in fields(value)), part.name


@TYPES
def test_a_type_has_a_page(step_type: StepType) -> None:
    page = ROOT / "docs" / "steps" / f"{step_type.name}.md"
    text = page.read_text(encoding="utf-8")
    assert f"uses: {step_type.name}" in text
    for key in step_type.keys:
        assert f"`{key.name}`" in text, key.name


@TYPES
def test_keys_are_described_once_and_in_one_form(step_type: StepType) -> None:
    names = [key.name for key in step_type.keys]
    assert len(names) == len(set(names))
    for key in step_type.keys:
        assert key.description.endswith("."), key.name
        assert key.kind == all_keys()[key.name].kind, key.name
        assert key.missing_hint or not key.is_required, key.name
        assert not (key.is_required and key.in_defaults), key.name


@TYPES
def test_hints_are_for_keys_of_other_types(step_type: StepType) -> None:
    assert set(step_type.hints) <= set(all_keys()) - {key.name for key in step_type.keys}


@TYPES
def test_a_script_has_a_container_and_an_image(step_type: StepType) -> None:
    assert (step_type.key("run") is None) == (step_type.container is None)
    container = step_type.container
    assert container is None or container.passes_uris or step_type.key("image") is not None
    assert (step_type.key("image") is None) == (step_type.image_scope is None)
    assert (step_type.key("request") is None) == (step_type.request is None)
    has_own_metrics = step_type.container is not None and step_type.metrics_file is None
    assert (step_type.key("metrics") is not None) == has_own_metrics


@TYPES
def test_states_read_only_what_the_execution_input_has(step_type: StepType) -> None:
    request = step_type.request.build(STEP) if step_type.request else {}
    values: dict[str, Any] = {**step_type.execution_input(STEP, request), "request": request}
    paths_of_step = replace(PATHS, request_fields=tuple(sorted(request)), input_fields=tuple(sorted(values)))
    states = step_type.states(paths_of_step)
    assert states[0].title == ""
    assert len({state.title for state in states}) == len(states)
    assert all(state.title for state in states[1:])
    paths = [path for state in states for path in _paths(state) if path.startswith(PATHS.input)]
    assert paths
    for path in paths:
        value: Any = values
        for key in path.removeprefix(f"{PATHS.input}.").split("."):
            value = value[key]


def _paths(state: object) -> Iterator[str]:
    match state:
        case TaskState():
            counters = [f"{state.attempt_path}.{name}" for name in attempt_counters(state.retries)]
            paths = [state.timeout_path or "", state.message_path, state.time_out.cause_path if state.time_out else ""]
            texts: list[str] = [*_texts(state.parameters), *filter(None, paths), *counters]
        case WaitState():
            texts = [state.seconds_path]
        case FailState():
            texts = [state.message_path]
        case PassState():
            texts = []  # it reads the step's result alone
        case ApprovalState():
            texts = [state.decision_path]
        case PollState():
            yield from _paths(state.task)
            texts = [state.seconds_path, f"{state.counter_path}.left", state.limit_path, state.same[1]]
        case SmokeState():
            texts = [state.endpoint_path, state.items_path]
        case _:
            raise AssertionError(f"no check knows {state}")
    for text in texts:
        yield from re.findall(r"(?<![$\w])\$\.[\w.]+", text)


def _texts(value: Json | Mapping[str, Json]) -> Iterator[str]:
    match value:
        case str():
            yield value
        case Mapping():
            for member in value.values():
                yield from _texts(member)
        case _:
            raise AssertionError(f"no check knows {value}")


@TYPES
def test_a_task_has_a_time_limit_and_a_failure(step_type: StepType) -> None:
    for state in step_type.states(PATHS):
        if isinstance(state, TaskState):
            assert (state.timeout_s is None) != (state.timeout_path is None)
            assert state.failure_title
            assert state.transient_errors
            assert state.retries


@TYPES
def test_a_job_is_run_followed_and_stopped_with_the_rights_of_its_type(step_type: StepType) -> None:
    job = step_type.job
    actions = {
        role: {action for grant in getattr(step_type.grants, role) for action in grant.actions} for role in ROLES_OF
    }
    if job is None:
        assert not any(actions.values()) or step_type.request or step_type.outputs
        return
    assert step_type.request is not None
    assert step_type.request.name_field == job.name_field
    assert f"sagemaker:{step_type.request.action}" in actions["workflow"]
    assert {f"sagemaker:{verb}{job.noun}" for verb in ("Describe", "Stop")} <= actions["build"] & actions["workflow"]
    assert "logs:GetLogEvents" in actions["build"]
    assert step_type.grants.passes_role_to is not None


ROLES_OF = ("build", "workflow", "job")


@TYPES
def test_the_api_knows_the_job_by_its_names(step_type: StepType) -> None:
    if step_type.job is None:
        return
    import botocore.session

    job: JobType = step_type.job
    client = botocore.session.get_session().create_client(
        "sagemaker", "eu-west-1", aws_access_key_id="a", aws_secret_access_key="b"
    )
    methods = {f"{verb}_{job.operation_noun}" for verb in ("describe", "stop")} | {f"list_{job.operation_noun}s"}
    assert methods <= set(client.meta.method_to_api_mapping)
    described = client.meta.service_model.operation_model(f"Describe{job.noun}").output_shape.members
    assert {job.name_field, job.status_field, "FailureReason"} <= set(described)
    listed = client.meta.service_model.operation_model(f"List{job.noun}s").output_shape.members
    assert job.summaries_field in listed


@TYPES
def test_a_line_of_the_plan_begins_with_the_type(step_type: StepType) -> None:
    assert step_type.summary(STEP, {}).startswith(step_type.name)


@TYPES
def test_every_role_has_a_policy_for_a_flow_of_this_type_alone(step_type: StepType) -> None:
    from mlci.provision.access_requirements import AccessRequirements
    from mlci.provision.policy_statements import AccountScope

    place = AccountScope("aws", "eu-west-1", "123456789012", "bucket", "connection", dict.fromkeys(ROLES, "arn:role"))
    for role in ROLES:
        granted: list[Statement] = statements(role, AccessRequirements("flow", frozenset([step_type.name])), place)
        assert len({statement.sid for statement in granted}) == len(granted)
        for statement in granted:
            assert statement.actions, statement.sid
            assert statement.resources, statement.sid
            assert not any("{" in resource for resource in statement.resources), statement.sid


def sources() -> list[Path]:
    """Every module of the runner outside of the step types."""
    return [file for file in sorted(PACKAGE.rglob("*.py")) if file.relative_to(PACKAGE).parts[0] != "step_types"]


_MODULES = {f"mlci.step_types.{name}" for name in STEP_TYPES}


#: Types whose names are other things' names as well, such as a field's in JSON or a value's: they may be keys.
_WORDS = {"model", "endpoint", "register", "fail"}


def named_types(tree: ast.AST) -> Iterator[int]:
    """The lines that compare with a type's name, use it as a key or in a closed set, or import its module."""
    for node in ast.walk(tree):
        match node:
            case ast.Compare():
                compared: list[ast.AST | None] = [node.left, *node.comparators]
            case ast.Dict():
                compared = list(node.keys)
            case ast.Subscript():
                compared = [node.slice]
            case ast.MatchValue():
                compared = [node.value]
            case ast.ImportFrom(module=str(module)) if module in _MODULES:
                yield node.lineno
                continue
            case ast.Call(func=ast.Attribute(attr="get" | "pop" | "setdefault")):
                compared = list(node.args[:1])
            case _:
                continue
        known = set(STEP_TYPES) if isinstance(node, (ast.Compare, ast.MatchValue)) else set(STEP_TYPES) - _WORDS
        for part in compared:
            elements = part.elts if isinstance(part, (ast.Tuple, ast.List, ast.Set)) else [part]
            yield from (
                element.lineno
                for element in elements
                if isinstance(element, ast.Constant) and isinstance(element.value, str) and element.value in known
            )


def test_no_other_module_asks_for_a_type_by_its_name() -> None:
    found = [
        f"{file.relative_to(PACKAGE)}:{line}"
        for file in sources()
        for line in named_types(ast.parse(file.read_text(encoding="utf-8")))
    ]
    assert found == []


@pytest.mark.parametrize(
    "code",
    [
        'step.uses == "training"',
        'x in ("processing", "other")',
        '{"training": 1}',
        'TABLE["processing"]',
        'TABLE.get("training")',
        'Literal["processing", "training"]',
        "from mlci.step_types.training import MODEL_OUTPUT",
        'match uses:\n    case "training":\n        pass',
    ],
)
def test_a_name_that_is_compared_is_seen(code: str) -> None:
    assert list(named_types(ast.parse(code)))
