"""The plots of a run's report: the files that its steps left for it, and the cases that they tested, drawn.

Whatever is wrong with a plot is a line in the log, and no failure: the verdict stands without it.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from mlci.backends.progress import Progress
from mlci.backends.protocol import Cloud
from mlci.errors import CloudError, InputError
from mlci.flow.models import Flow
from mlci.gate.cases_file import InvalidCases, parse_cases
from mlci.plan import Plan
from mlci.report import plots
from mlci.report.plots.case_curves import TestedCases, case_charts
from mlci.report.plots.chart_files import NotAChart, parse_chart
from mlci.report.plots.charts import Chart
from mlci.report.plots.drawing import draw
from mlci.report.plots.pictures import Picture, picture_address
from mlci.s3_uris import Outputs, output_file_uri
from mlci.stage.cache import Cache, code_stamp
from mlci.stage.package_install import provide_plots
from mlci_dataclasses import dataclass

#: A page holds its pictures, so that they can't be of any size or number.
_MAX_BYTES, _MAX_PLOTS = 2_000_000, 30
_CASES_MAX_BYTES = 20_000_000


def run_plots(
    planned: Plan, progress: Progress, cloud: Cloud, cache: Cache, log: Callable[[str], None]
) -> tuple[Picture, ...]:
    """Return the pictures of a run, with what the baseline has of the same names."""
    done = (name for name, step in progress.steps.items() if step.status in ("succeeded", "reused"))
    outputs = {name: planned.steps[name].outputs for name in done}
    return _pictures(_Reader(planned.flow, outputs, planned.baseline.outputs, cloud, log), cache, log)


def kept_plots(
    flow: Flow, outputs: Outputs, cloud: Cloud, cache: Cache, log: Callable[[str], None]
) -> tuple[Picture, ...]:
    """Return the pictures of an earlier run alone, by the outputs of its steps, as far as these are still there."""
    return _pictures(_Reader(flow, outputs, {}, cloud, log), cache, log)


def _pictures(reader: _Reader, cache: Cache, log: Callable[[str], None]) -> tuple[Picture, ...]:
    """Return the pictures of what is read, drawn where they are not yet: the cache knows those of the same files."""
    found: list[Picture] = []
    stamp = code_stamp(map(Path, plots.__path__))
    try:
        for plot in (*reader.files(), *reader.cases()):
            if len(found) >= _MAX_PLOTS:
                log(f"the report shows the first {_MAX_PLOTS} plots")
                break
            found += [plot] if isinstance(plot, Picture) else _drawn(plot, cache, stamp, log)
    except (InputError, ImportError) as error:  # an environment's numpy may be older than matplotlib needs
        log(f"no plots are drawn: {error}")
    return tuple(found[:_MAX_PLOTS])


@dataclass(frozen=True)
class _Charts:
    """Charts that are not drawn yet, and the JSON-able key that tells them from all others."""

    key: Sequence[object]
    make: Callable[[], Iterable[Chart]]


def _drawn(charts: _Charts, cache: Cache, stamp: Sequence[object], log: Callable[[str], None]) -> list[Picture]:
    """Return the pictures of charts. Where they are known, nothing is parsed, and matplotlib is not imported.

    Raises: InputError, where matplotlib is not installed and can't be.
    """

    def drawn() -> str:
        provide_plots(cache.folder, log)
        return json.dumps([[chart.title, draw(chart)] for chart in charts.make()])

    known = cache.get(["plots", stamp, charts.key], drawn)
    return [Picture(title, picture_address(svg.encode()) or "") for title, svg in json.loads(known)]


class _Reader:
    """Reads what a run's steps left for its plots, and what the baseline has of the same names."""

    def __init__(
        self, flow: Flow, outputs: Outputs, baseline: Outputs, cloud: Cloud, log: Callable[[str], None]
    ) -> None:
        self._flow, self._outputs, self._baseline, self._cloud, self._log = flow, outputs, baseline, cloud, log
        self._steps = [name for name in flow.steps if name in outputs]

    def files(self) -> Iterator[Picture | _Charts]:
        """Yield the files that steps name as their plots."""
        for step in self._steps:
            for file in self._flow.steps[step].plots:
                plot = self._file(step, file)
                if isinstance(plot, str):
                    self._log(f'the plot {file} of "{step}" is not shown: {plot}')
                elif isinstance(plot, Picture):
                    yield plot
                else:
                    yield _Charts([repr(plot)], functools.partial(iter, (plot,)))

    def _file(self, step: str, file: str) -> Picture | Chart | str:
        """Return a plot, or why there is none."""
        data = self._read(self._outputs[step], file, _MAX_BYTES)
        if data is None:
            return "there is no such file"
        if len(data) > _MAX_BYTES:
            return f"it has more than {_MAX_BYTES / 1e6:g} MB"
        before = self._read(self._baseline.get(step, {}), file, _MAX_BYTES)
        title = f"{step}: {file.partition('/')[2]}"
        if file.endswith((".csv", ".json")):
            try:
                return parse_chart(data, title, before)
            except NotAChart as error:
                return str(error)
        address = picture_address(data)
        own = f"data of {len(data)} bytes that is neither PNG nor SVG"
        return own if address is None else Picture(title, address, None if before is None else picture_address(before))

    def cases(self) -> Iterator[_Charts]:
        """Yield the charts of the cases that steps tested, by the content of the tables: these may be large."""
        for step in self._steps:
            file = self._flow.steps[step].cases
            if file is None:
                continue
            own = self._outputs[step]
            data, before = (self._table(outputs, file) for outputs in (own, self._baseline.get(step, {})))
            if data is not None:
                positives = {rule.positive for rule in self._flow.gate if rule.step == step and rule.positive}
                positive = str(positives.pop()) if len(positives) == 1 else "1"
                key = [step, file, positive, *(each and hashlib.sha256(each).hexdigest() for each in (data, before))]
                yield _Charts(key, functools.partial(_case_charts, step, file, data, before, positive))

    def _table(self, outputs: Mapping[str, str], file: str) -> bytes | None:
        data = self._read(outputs, file, _CASES_MAX_BYTES)
        return None if data is None or len(data) > _CASES_MAX_BYTES else data

    def _read(self, outputs: Mapping[str, str], file: str, most: int) -> bytes | None:
        """Return `<output>/<file>`, a byte more than `most` of one that is larger; None where there is none."""
        uri = output_file_uri(outputs, file)
        try:
            return None if uri is None else self._cloud.read(uri, most + 1)
        except (CloudError, OSError):
            return None


def _case_charts(step: str, file: str, data: bytes, before: bytes | None, positive: str) -> Iterator[Chart]:
    cases = _tested(data, file)
    if cases is not None:
        yield from case_charts(step, cases, None if before is None else _tested(before, file), positive)


def _tested(data: bytes, file: str) -> TestedCases | None:
    """Return the columns of a table that are drawn; None for one that can't be read, of which the gate says what is
    wrong."""
    try:
        cases = parse_cases(data, file)
        scores = cases.numbers("score") if cases.has_values("score") else None
        return TestedCases(cases.classes("label"), cases.classes("predicted"), scores)
    except InvalidCases:
        return None
