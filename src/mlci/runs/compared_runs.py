"""The runs of `mlci diff`: what their results, keys, cases and plots say."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mlci.backends.protocol import Cloud
from mlci.baseline import Baseline
from mlci.baseline.kept_keys import read_keys
from mlci.errors import InputError
from mlci.flow.models import Flow, Json
from mlci.gate.cases_file import CASES_MAX_BYTES, InvalidCases, parse_cases
from mlci.report.case_changes import CaseResult, are_values
from mlci.report.plots.pictures import Picture
from mlci.report.run_diff import RunSide
from mlci.reuse.key_document import RunKeys
from mlci.runs.run_folder import RunFolder, Runs
from mlci.s3_uris import Outputs, output_file_uri
from mlci_dataclasses import dataclass

#: A column with more labels that are no numbers holds no classes.
_MAX_CLASSES = 1_000


@dataclass(frozen=True)
class SideReader:
    """Reads what is known of a run. `draw` returns the pictures of outputs; none where plots are not shown.

    Files are read from the flow's bucket alone: the result of a pull request's build could name any other.
    """

    flow: Flow
    bucket: str
    cloud: Cloud
    runs: Runs
    draw: Callable[[Outputs], tuple[Picture, ...]]
    log: Callable[[str], None]

    def read_run(self, folder: RunFolder) -> RunSide:
        """Return a run that was started on this machine.

        Raises: InputError, if it has not reported, or is of another flow.
        """
        result = folder.result()
        if result is None:
            raise InputError(f"run {folder.run_id} has no result to compare", "It goes on, or it was killed: mlci list")
        if result["flow"] != self.flow.name:
            raise InputError(
                f'run {folder.run_id} is of the flow "{result["flow"]}", and not of "{self.flow.name}"',
                "Name the flow's file with --flow.",
            )
        return self.read_result(folder.run_id, result, folder.keys())

    def read_result(self, run_id: str, result: Mapping[str, Json], keys: RunKeys | None) -> RunSide:
        """Return a run by its result.json."""
        commit, status = result.get("commit"), str(result["status"])
        params = _object(result.get("params"))
        outputs = self._outputs_of(result)
        if result["cloud"] != self.cloud.name:
            self.log(f"run {run_id} ran on the {result['cloud']} cloud: --cloud {result['cloud']} shows its cases, too")
            outputs = {}
        return RunSide(
            label=f"run {run_id}",
            run_id=run_id,
            commit=commit if isinstance(commit, str) else None,
            metrics=_object(result.get("metrics")),
            params={name: value for name, value in params.items() if isinstance(value, bool | int | float | str)},
            keys=keys,
            cases=self._cases(f"run {run_id}", outputs),
            plots=self._plots(outputs),
            status=status,
            is_dirty=result.get("dirty") is True,
            is_partial=result.get("partial") is True,
        )

    def read_baseline(self, baseline: Baseline, label: str) -> RunSide:
        """Return the run of a baseline."""
        return RunSide(
            label=label,
            run_id=baseline.run_id,
            commit=baseline.commit,
            metrics=baseline.metrics,
            params=baseline.params,
            keys=self.runs.folder(baseline.run_id).keys() or read_keys(baseline, self.cloud, self.log),
            cases=self._cases(label, baseline.outputs),
            plots=self._plots(baseline.outputs),
        )

    def _outputs_of(self, result: Mapping[str, Json]) -> dict[str, dict[str, str]]:
        """Return the URIs of the outputs of a run's steps."""
        found = {}
        for step, state in _object(result.get("steps")).items():
            outputs = _object(_object(state).get("outputs"))
            found[step] = {
                name: str(uri) for name, uri in outputs.items() if f"{uri}".startswith(f"s3://{self.bucket}/")
            }
        return found

    def _plots(self, outputs: Outputs) -> dict[str, str]:
        return {picture.title: picture.address for picture in self.draw(outputs)}

    def _cases(self, label: str, outputs: Outputs) -> dict[str, dict[str, CaseResult]]:
        """Return the cases of each step that has some. Texts of which each is another are no classes to compare."""
        found = {}
        for name, step in self.flow.steps.items():
            uri = output_file_uri(outputs.get(name, {}), step.cases) if step.cases else None
            if uri is None:
                continue
            data = self.cloud.read(uri, CASES_MAX_BYTES + 1)
            if data is None:
                self.log(f'the cases of "{name}" in {label} are not there any more')
                continue
            try:
                cases = parse_cases(data, step.cases or "")
                labels, predicted = cases.classes("label"), cases.classes("predicted")
            except InvalidCases as error:
                self.log(f'the cases of "{name}" in {label} are left out: {error}')
                continue
            results = list(map(CaseResult, labels, predicted))
            if len(set(labels)) <= _MAX_CLASSES or are_values(results):
                found[name] = dict(zip(cases.ids, results, strict=True))
        return found


def _object(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, dict) else {}
