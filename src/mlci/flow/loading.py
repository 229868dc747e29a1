"""The text of `flow.yaml` becomes a Flow, or an InputError with all of its problems.

A reader finds the stages in `loaded`: the document, its params, its references, the parts as they are written, the
parts as they are meant, and the circles that only the whole can have.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from mlci.aws_settings import AWS_SETTINGS, AwsSettingName
from mlci.flow import names
from mlci.flow.cell_references import resolve_cells
from mlci.flow.counted_steps import with_counted_steps
from mlci.flow.dependencies import GATE, cycles
from mlci.flow.invalid_value import InvalidValue
from mlci.flow.matrix_expansion import ExpandedDocument, expand_matrices
from mlci.flow.models import Cell, Flow, Json, Matrix, Rule
from mlci.flow.params import Params, read_params
from mlci.flow.paths import bucket_name
from mlci.flow.problems import Problems, nearest
from mlci.flow.reference_check import StepInterface, check_references
from mlci.flow.references import fill_in
from mlci.flow.rules import build_rules
from mlci.flow.schema_models import FlowModel, step_model
from mlci.flow.secrets import build_secrets
from mlci.flow.steps import build_step
from mlci.flow.validation_messages import validated
from mlci.flow.written_step import StepContext, WrittenStep, interface_of
from mlci.flow.yaml_document import Path, read
from mlci.flow.yaml_scalars import describe
from mlci.step_types import STEP_TYPES, all_keys
from mlci.step_types.base import StepType

_FLOW_STAND_INS: Mapping[str, Json] = {"flow": "unknown", "steps": {}}


def loaded(
    text: bytes,
    file: str,
    overrides: Mapping[str, str],
    override_origins: Mapping[str, str],
    environment: Mapping[str, str],
) -> Flow:
    """Return the flow that a text describes, as `load` says."""
    document = read(text, file)
    problems = Problems(document)
    given = document.value
    params = read_params(given.get("params"), "params" in given, overrides, override_origins, problems)
    expanded = expand_matrices(document, fill_in(document, params, environment, problems), problems)
    flow = with_counted_steps(resolve_cells(_built(expanded, params, problems), expanded.cells, problems))
    _check_cycles(flow, problems)
    problems.raise_if_any()
    return flow


def _built(expanded: ExpandedDocument, params: Params, problems: Problems) -> Flow:
    document, value = expanded.document, expanded.value
    head = _head(value, problems)
    written = _written_steps(value.get("steps", {}), expanded.cell_of, problems)
    steps = {
        names.written_name(name): interface_of(step, problems) if step else StepInterface(None, None, None)
        for name, step in written.items()
    }
    check_references(expanded.uses, steps, _secret_names(value), problems)
    has_gate = "gate" in value
    context = StepContext(document, head.defaults, expanded.texts, steps, has_gate, problems)
    gate: tuple[Rule, ...] = ()
    if has_gate:
        gate = build_rules(value["gate"], ("gate",), "the gate", steps, problems)
    return Flow(
        name=head.flow,
        file=document.file,
        params=params.values,
        overridden=params.overridden,
        steps={name: build_step(step, context) for name, step in written.items() if step},
        gate=gate,
        secrets=build_secrets(value.get("secrets", {}), problems),
        env=expanded.variables,
        python=head.local.python,
        aws=_aws(head, problems),
        matrices={name: _matrix(cells, written) for name, cells in expanded.cells.items() if cells},
        positions={path: place.value for path, place in document.spans.items()},
    )


def _head(value: Mapping[str, Json], problems: Problems) -> FlowModel:
    """All but params, secrets, steps and gate, whose parts are validated one by one, so that none hides another."""
    apart: dict[str, Json] = {"params": {}, "secrets": {}, "gate": [], "steps": {}}
    whole = {key: apart.get(key, part) for key, part in value.items()}
    if value.get("steps") == {}:
        problems.at(("steps",), "the flow has no steps", "Add at least one")
    head = validated(FlowModel, whole, (), _FLOW_STAND_INS, problems)
    if "flow" in value and not problems.is_suspect(("flow",)):
        try:
            names.check_name(names.FLOW, head.flow)
        except InvalidValue as invalid:
            problems.at(("flow",), invalid.what, invalid.hint)
    return head


def _secret_names(value: Mapping[str, Json]) -> tuple[str, ...] | None:
    """Return the names of the secrets; None where they are wrong as a whole, which is reported."""
    written = value.get("secrets", {})
    return tuple(written) if isinstance(written, dict) else None


def _matrix(cells: tuple[Cell, ...], written: Mapping[str, WrittenStep | None]) -> Matrix:
    first = written[cells[0].name]
    return Matrix(tuple(cell.name for cell in cells), first.written("max_parallel") if first else None)


def _written_steps(written: Json, cells: Mapping[str, Cell], problems: Problems) -> dict[str, WrittenStep | None]:
    """The steps as they are written; None for one that is no mapping, which was reported."""
    path: Path = ("steps",)
    if not isinstance(written, dict):
        hint = 'Write each step by its name: "train:", and its keys indented below it'
        problems.at(path, f'"steps" must be a mapping of steps, but is {describe(written)}', hint)
        return {}
    twins: dict[str, str] = {}
    for name in dict.fromkeys(cells[name].step if name in cells else name for name in written):
        _check_step_name(name, twins.setdefault(name.lower().replace("_", "-"), name), problems)
    return {name: _written_step(name, part, cells.get(name), problems) for name, part in written.items()}


def _check_step_name(name: str, twin: str, problems: Problems) -> None:
    try:
        names.check_name(names.STEP, name)
    except InvalidValue as invalid:
        problems.at_key(("steps", name), invalid.what, invalid.hint)
    if twin != name:
        what = f'the steps "{twin}" and "{name}" differ only by case or by - and _, and job names cannot'
        problems.at_key(("steps", name), what, "Rename one")


def _written_step(name: str, written: Json, cell: Cell | None, problems: Problems) -> WrittenStep | None:
    path: Path = ("steps", name)
    if not isinstance(written, dict):
        what = (
            f'step "{name}" is empty'
            if written is None
            else f'step "{name}" must be a mapping, but is {describe(written)}'
        )
        problems.at_key(path, what, 'It needs at least "uses" and "run"')
        return None
    apart: dict[str, Json] = {"if": [], "matrix": {}}
    uses = written.get("uses")
    known = uses if isinstance(uses, str) and uses in STEP_TYPES else None
    step_type = STEP_TYPES[known or _nearest_type(uses)]
    foreign = all_keys().keys() - {key.name for key in step_type.keys} if known else ()
    whole = {key: apart.get(key, part) for key, part in written.items() if key not in foreign}
    model = step_model(step_type.name, is_closed=known is not None)
    values = validated(model, whole, path, _step_stand_ins(step_type), problems)
    return WrittenStep(cell.step if cell else name, written, values, step_type, known is not None, cell)


def _nearest_type(uses: Json) -> str:
    """The type whose keys a step is held to where its `uses` is wrong or missing."""
    return (nearest(uses, STEP_TYPES) if isinstance(uses, str) else None) or next(iter(STEP_TYPES))


def _step_stand_ins(step_type: StepType) -> dict[str, Json]:
    """Values that stand for the required keys of a step where they are wrong or missing."""
    values: Mapping[str, Json] = {
        "integer": 1,
        "duration": "1h",
        "text": "unknown",
        "image": "unknown:0",
        "source": "s3://unknown/unknown.tar.gz",
        "objective": {"metric": "unknown", "goal": "maximize"},
    }
    required = {key.name: key.minimum or values.get(key.kind, {}) for key in step_type.keys if key.is_required}
    return {"uses": step_type.name, **required}


def _aws(head: FlowModel, problems: Problems) -> dict[AwsSettingName, str]:
    values = {name: getattr(head.aws, name) for name in AWS_SETTINGS}
    aws = {name: value for name, value in values.items() if value is not None}
    try:
        if "bucket" in aws and not problems.is_suspect(("aws", "bucket")):
            bucket_name(aws["bucket"])
    except InvalidValue as invalid:
        problems.at(("aws", "bucket"), invalid.what, invalid.hint)
    return aws


def _check_cycles(flow: Flow, problems: Problems) -> None:
    for circle in cycles(flow):
        first = min(
            (flow.position("steps", name) for name in circle if name != GATE), key=lambda at: (at.line, at.column)
        )
        start = next(
            index for index, name in enumerate(circle) if name != GATE and flow.position("steps", name) == first
        )
        turned = (*circle[start:], *circle[:start])
        waits = [_wait(one, other) for one, other in pairwise((*turned, turned[0]))]
        what = f"{', '.join(waits[:-1])} and {waits[-1]}"
        problems.at_key(("steps", turned[0]), what, "Steps cannot wait for each other in a circle")


def _wait(one: str, other: str) -> str:
    """Returns the words of a message that say that `one` waits for `other`."""
    if one == GATE:
        return f'the gate reads metrics of "{other}"'
    return f'"{one}" runs after the gate' if other == GATE else f'"{one}" needs "{other}"'
