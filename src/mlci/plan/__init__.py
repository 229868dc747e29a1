"""Flow + Staged → Plan: names, requests, uploads and limits. Pure: the clock, git and the store are read before.

names.py        names of runs, jobs and objects
short_names.py  short forms of names, for what has few characters
requests.py     a step with all of its values known, and its API request
thresholds.py   the numbers that metrics are held against
warm_pools.py   the machines that training jobs leave for the next ones
models.py       the plan
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping

from mlci.flow.models import BaselineOutput, Flow, RepositoryPath, Step, StepOutput
from mlci.plan.models import (
    EMPTY_INPUT_FILE,
    NO_BASELINE,
    Baseline,
    Bound,
    Plan,
    PlannedImage,
    PlannedSelection,
    PlannedStep,
    ReusedResult,
    S3Uri,
    Target,
    Upload,
)
from mlci.plan.names import CELL_TAG, CHECKPOINTS_FOLDER, FLOW_TAG, METRICS_FOLDER, RUN_TAG, STEP_TAG, Names, run_id
from mlci.plan.requests import RequestContext, api_request, resolve, selected_uri
from mlci.plan.thresholds import bounds, gate_bounds, number_at
from mlci.stage.models import DataUnit, Staged, StagedFile
from mlci.step_types import STEP_TYPES
from mlci.step_types.base import Cleanup, ResolvedStep

__all__ = [
    "NO_BASELINE",
    "Baseline",
    "Bound",
    "Plan",
    "PlannedStep",
    "ReusedResult",
    "S3Uri",
    "Target",
    "Upload",
    "number_at",
    "output_uris",
    "plan",
    "run_id",
]


_EMPTY = b"The baseline has nothing for this input.\n"
#: The content of an input that the baseline has nothing for.
EMPTY_INPUT = DataUnit(
    "",
    (StagedFile(EMPTY_INPUT_FILE, hashlib.sha256(_EMPTY).hexdigest(), len(_EMPTY), EMPTY_INPUT_FILE, _EMPTY),),
    is_folder=True,
)


def output_uris(flow: Flow, target: Target) -> dict[tuple[str, str], S3Uri]:
    """Return the URI of each output in the target's run, by its step and its name."""
    run = _names(flow, target).run(target.run_id)
    return {
        (step.name, name): _uri(target, f"{run}/{_folder(step, name)}")
        for step in flow.steps.values()
        for name in step.outputs
    }


def plan(
    flow: Flow,
    staged: Staged,
    target: Target,
    baseline: Baseline = NO_BASELINE,
    taken: Mapping[tuple[str, str], S3Uri] | None = None,
    reused: Mapping[str, ReusedResult] | None = None,
) -> Plan:
    """Return the plan of a run. `baseline` is the run to compare with, and `taken` maps outputs of steps that are
    not in the flow to their URIs. `reused` has the results of the steps that are not to run
    again; what only these need is neither uploaded nor built."""
    names, reused = _names(flow, target), reused or {}
    outputs = {**(taken or {}), **output_uris(flow, target)}
    outputs |= {(step, name): uri for step, result in reused.items() for name, uri in result.outputs.items()}
    data_uris = {path: _data_uri(flow, unit, target) for path, unit in staged.data.items()}
    metrics_folders = {
        step.name: _uri(target, f"{names.run(target.run_id)}/{_metrics_folder(step)}") for step in flow.steps.values()
    }
    metrics = {
        step.name: uri
        for step in flow.steps.values()
        if (uri := _metrics_uri(step, metrics_folders[step.name], outputs))
    }
    metrics |= {step: result.metrics for step, result in reused.items() if result.metrics is not None}
    steps, known = {}, {**flow.left_out, **flow.steps}
    without_script = frozenset(name for name, step in known.items() if step.run is None)
    for step in flow.steps.values():
        context = RequestContext(
            job=names.job(step, target.run_id),
            code=staged.code.get(step.name),
            code_uri=_code_uri(flow, step, staged, target),
            image=_image_uri(flow, step, staged, target),
            has_built_image=step.name in staged.image_contexts,
            data=staged.data,
            data_uris=data_uris,
            outputs=outputs,
            metrics_folder=metrics_folders[step.name],
            checkpoints_folder=_uri(target, f"{names.run(target.run_id)}/{_folder(step, CHECKPOINTS_FOLDER)}"),
            target=target,
            token_uri=_uri(target, names.token(step.name, target.run_id)),
            tags={FLOW_TAG: flow.name, RUN_TAG: target.run_id, **_step_tags(step)},
            params=flow.params,
            metrics=metrics,
            kept_name=names.kept(step),
            without_script=without_script,
            baseline_outputs=baseline.outputs,
            empty_input=_data_uri(flow, EMPTY_INPUT, target),
        )
        steps[step.name] = _planned(step, context, baseline, reused.get(step.name))
    empty_inputs = dict(_empty_inputs(flow, baseline))
    uploads = {upload.uri: upload for upload in _uploads(flow, staged, target, reused)}
    if {name.rpartition(".")[0] for name in empty_inputs} - reused.keys():
        uploads |= {upload.uri: upload for upload in _data_uploads(flow, EMPTY_INPUT, target)}
    images = tuple(_images(flow, staged, target, reused))
    return Plan(
        flow=flow,
        target=target,
        steps=steps,
        gate=gate_bounds(flow, baseline.metrics),
        uploads=tuple(uploads.values()),
        data=staged.data,
        images=images,
        baseline=baseline,
        empty_inputs=empty_inputs,
    )


def _image_uri(flow: Flow, step: Step, staged: Staged, target: Target) -> str | None:
    """Return the URI of a step's image. One that is built has the hash of its content as its tag."""
    context = staged.image_contexts.get(step.name)
    if context is None:
        return staged.images.get(step.name)
    return f"{target.registry}/{_names(flow, target).images}:{context.digest}"


def _images(flow: Flow, staged: Staged, target: Target, reused: Collection[str]) -> Iterator[PlannedImage]:
    """Yield the images that are built, each once."""
    steps: dict[str, list[str]] = {}
    for name in (name for name in staged.image_contexts if name not in reused):
        steps.setdefault(_image_uri(flow, flow.steps[name], staged, target) or "", []).append(name)
    for uri, names in steps.items():
        yield PlannedImage(uri, staged.image_contexts[names[0]], tuple(names))


def _planned(step: Step, context: RequestContext, baseline: Baseline, reused: ReusedResult | None) -> PlannedStep:
    step_type, resolved = STEP_TYPES[step.uses], resolve(step, context)
    request = api_request(step, resolved)
    outputs = {name: context.outputs[step.name, name] for name in step.outputs}
    cleanup = step_type.cleanup
    return PlannedStep(
        name=step.name,
        job=context.job if step_type.job else None,
        request=request,
        execution_input=step_type.execution_input(resolved, request),
        outputs=outputs,
        summary=step_type.summary(resolved, request),
        metrics=context.metrics.get(step.name),
        when=bounds(step.when, baseline.metrics),
        code=context.code,
        image=context.image or "",
        selections=dict(_selections(step, context)),
        deletions=() if context.target.is_protected else tuple(_deletions(cleanup, resolved)),
        reused_from=reused.run_id if reused else None,
        reused_seconds=reused.seconds if reused else None,
    )


def _deletions(cleanup: Iterable[Cleanup], resolved: ResolvedStep) -> Iterator[tuple[str, str]]:
    """Yield the kind and the name of each resource to delete after the run."""
    for each in cleanup:
        if name := each.name(resolved):
            yield each.noun, name


def _selections(step: Step, context: RequestContext) -> Iterator[tuple[str, PlannedSelection]]:
    for name in step.selections:
        source = step.inputs[name]
        if isinstance(source, StepOutput):
            outputs = tuple(context.outputs[cell, source.output] for cell in source.cells)
            yield name, PlannedSelection(selected_uri(step, name, source, context.outputs), outputs)


def _step_tags(step: Step) -> dict[str, str]:
    """The tags of a step. A value of a tag has no parentheses, which the name of a cell has.

    Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_Tag.html
    """
    return {STEP_TAG: step.cell.step, CELL_TAG: step.cell.folder} if step.cell else {STEP_TAG: step.name}


def _folder(step: Step, output: str) -> str:
    """The folder of an output below a run's. The cells of a step share one, so that they can be read together."""
    return f"{step.cell.step}/{output}/{step.cell.folder}/" if step.cell else f"{step.name}/{output}/"


def _metrics_folder(step: Step) -> str:
    """The folder of the metrics that a job collects, below a run's."""
    container = STEP_TYPES[step.uses].container
    if not step.keeps_checkpoints or container is None:
        return _folder(step, METRICS_FOLDER)
    return f"{_folder(step, CHECKPOINTS_FOLDER)}{container.metrics.rpartition('/')[2]}/"


def _names(flow: Flow, target: Target) -> Names:
    return Names(flow.name, target.is_protected)


def _uri(target: Target, key: str) -> S3Uri:
    return S3Uri(f"s3://{target.bucket}/{key}")


def _code_uri(flow: Flow, step: Step, staged: Staged, target: Target) -> S3Uri | None:
    """The folder of the step's code; None if it has no script."""
    unit = staged.code.get(step.name)
    return _uri(target, f"{_names(flow, target).code(unit.digest)}/") if unit else None


def _data_folder(flow: Flow, unit: DataUnit, target: Target) -> S3Uri:
    return _uri(target, f"{_names(flow, target).data(unit.digest)}/")


def _data_uri(flow: Flow, unit: DataUnit, target: Target) -> S3Uri:
    folder = _data_folder(flow, unit, target)
    return folder if unit.is_folder else S3Uri(folder + unit.files[0].path)


def _metrics_uri(step: Step, folder: S3Uri, outputs: Mapping[tuple[str, str], S3Uri]) -> S3Uri | None:
    if step.collects_metrics:
        return S3Uri(f"{folder}metrics.json")
    if not step.metrics:
        return None
    output, _, path = step.metrics[0].pattern.partition("/")
    return S3Uri(outputs[step.name, output] + path)


def _uploads(flow: Flow, staged: Staged, target: Target, reused: Collection[str]) -> Iterator[Upload]:
    """A container takes its code as a prefix of files, or as one archive. Both lie under the unit's digest."""
    run = [step for step in flow.steps.values() if step.name not in reused]
    for step in run:
        unit, container = _code_uri(flow, step, staged, target), STEP_TYPES[step.uses].container
        if unit is None or container is None:
            continue
        files = staged.code[step.name].package
        if container.package == "archive":
            yield Upload(S3Uri(f"{unit}sourcedir.tar.gz"), unit, files, is_archive=True)
        else:
            yield from (Upload(S3Uri(unit + file.path), unit, (file,)) for file in files)
    paths = _paths_read(flow.steps[name] for name in reused) - _paths_read(run)
    for data in (data for path, data in staged.data.items() if path not in paths):
        yield from _data_uploads(flow, data, target)


def _data_uploads(flow: Flow, data: DataUnit, target: Target) -> Iterator[Upload]:
    folder = _data_folder(flow, data, target)
    yield from (Upload(S3Uri(folder + file.path), folder, (file,)) for file in data.files)


def _empty_inputs(flow: Flow, baseline: Baseline) -> Iterator[tuple[str, str]]:
    """Yield each input that the baseline has nothing for, as `<step>.<input>`, and why."""
    for step in flow.steps.values():
        for name, source in step.inputs.items():
            if isinstance(source, BaselineOutput) and source.output not in baseline.outputs.get(source.step, {}):
                none_yet = "the baseline was reset" if baseline.origin == "reset" else "there is no baseline yet"
                lacking = (
                    f'the baseline, run {baseline.run_id}, has no output "{source.output}" of step "{source.step}"'
                )
                yield f"{step.name}.{name}", lacking if baseline.run_id else none_yet


def _paths_read(steps: Iterable[Step]) -> set[str]:
    """Return the paths of the repository that steps read."""
    return {source.path for step in steps for source in step.inputs.values() if isinstance(source, RepositoryPath)}
