"""The two runs of `mlci diff`: what their results, keys and cases say."""

from __future__ import annotations

from collections.abc import Mapping

from mlci.backends.protocol import Cloud
from mlci.baseline import Baseline
from mlci.errors import InputError
from mlci.flow.models import Flow, Json
from mlci.gate.cases_file import CASES_MAX_BYTES, InvalidCases, parse_cases
from mlci.report.run_diff import RunSide
from mlci.runs.run_folder import RunFolder, Runs
from mlci.s3_uris import output_file_uri

#: A column with more labels holds values, of which none is right.
_MAX_CLASSES = 1_000


def run_side(folder: RunFolder, flow: Flow, cloud: Cloud) -> RunSide:
    """Return a run that was started on this machine.

    Raises: InputError, if it has not reported, or is of another flow.
    """
    result = folder.result()
    if result is None:
        raise InputError(f"run {folder.run_id} has no result to compare", "It goes on, or it was killed: mlci list")
    if result["flow"] != flow.name:
        raise InputError(
            f'run {folder.run_id} is of the flow "{result["flow"]}", and not of "{flow.name}"',
            "Name the flow's file with --flow.",
        )
    metrics, params = _object(result.get("metrics")), _object(result.get("params"))
    commit = result.get("commit")
    return RunSide(
        label=f"run {folder.run_id}",
        run_id=folder.run_id,
        commit=commit if isinstance(commit, str) else None,
        metrics=metrics,
        params={name: value for name, value in params.items() if isinstance(value, bool | int | float | str)},
        keys=folder.keys(),
        correct=_correct(flow, _outputs_of(result), cloud),
    )


def baseline_side(baseline: Baseline, branch: str, runs: Runs, flow: Flow, cloud: Cloud) -> RunSide:
    """Return the run of a baseline. Its keys are known where it ran on this machine."""
    return RunSide(
        label=f"the baseline of {branch}",
        run_id=baseline.run_id,
        commit=baseline.commit,
        metrics=baseline.metrics,
        params=baseline.params,
        keys=runs.folder(baseline.run_id).keys(),
        correct=_correct(flow, baseline.outputs, cloud),
    )


def _outputs_of(result: Mapping[str, Json]) -> dict[str, dict[str, str]]:
    """Return the URIs of the outputs of a run's steps."""
    outputs = {step: _object(_object(state).get("outputs")) for step, state in _object(result.get("steps")).items()}
    return {step: {name: str(uri) for name, uri in found.items()} for step, found in outputs.items()}


def _correct(flow: Flow, outputs: Mapping[str, Mapping[str, str]], cloud: Cloud) -> dict[str, dict[str, bool]]:
    """Return for each step with cases whether the model got each of them right; nothing for values, and for tables that
    are not there any more."""
    found = {}
    for name, step in flow.steps.items():
        uri = output_file_uri(outputs.get(name, {}), step.cases) if step.cases else None
        data = cloud.read(uri, CASES_MAX_BYTES + 1) if uri else None
        if data is None:
            continue
        try:
            cases = parse_cases(data, step.cases or "")
            labels, predicted = cases.classes("label"), cases.classes("predicted")
        except InvalidCases:
            continue
        if len(set(labels)) <= _MAX_CLASSES:
            found[name] = {
                case: label == guess for case, label, guess in zip(cases.ids, labels, predicted, strict=True)
            }
    return found


def _object(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, dict) else {}
