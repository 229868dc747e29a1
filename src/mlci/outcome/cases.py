"""The cases of a run's steps and of its baseline, read from the store, and the verdict by them.

The verdict is remembered by the content of all that it is made of: where nothing has changed, no table is read twice,
and neither numpy nor scipy is imported.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from mlci import gate as judging
from mlci.backends.progress import Progress
from mlci.backends.protocol import Cloud
from mlci.gate import CaseJudgement, Measurements, Metrics, Verdict, judge, missing_file
from mlci.gate.budgets import NO_MEASUREMENTS
from mlci.gate.case_judgement import (
    different_numbers,
    judge_cases,
    needs_cases,
    parse_judgement,
    render_judgement,
    with_case_numbers,
)
from mlci.outcome.metrics import read_metrics
from mlci.plan import Plan
from mlci.stage.cache import Cache, code_stamp
from mlci_dataclasses import dataclass

if TYPE_CHECKING:
    from mlci.gate.case_samples import StepCases
    from mlci.gate.cases_file import Cases

T = TypeVar("T")

#: The folders with the code that a verdict depends on.
_JUDGING_FOLDERS = tuple(path for folder in map(Path, judging.__path__) for path in (folder, folder / "statistics"))

#: An output may hold any number of files; these many are looked at for the name of one that is missing.
_MAX_LISTED = 1_000
#: The columns of a model of the baseline that was scored again begin like this, in either format.
_SCORED_AGAIN = b"baseline_"


@dataclass(frozen=True)
class RunJudgement:
    """The verdict on a run, and the metrics that its steps wrote.

    `reported` are these with the metrics of cases among them, and `notes` are lines about them.
    """

    metrics: Mapping[str, Metrics]
    verdict: Verdict
    reported: Mapping[str, Metrics]
    notes: tuple[str, ...] = ()


def provide_packages(planned: Plan, cache: Path | None, log: Callable[[str], None]) -> None:
    """Makes importable what judging cases needs, where a slim install lacks it. `cache` is the user's cache folder.

    Raises: InputError, if it can't be installed.
    """
    if not any(map(needs_cases, planned.gate)):
        return
    from mlci.stage.package_install import provide_parquet, provide_statistics

    provide_statistics(cache, log)
    steps = planned.flow.steps.values()
    if any(file.endswith(".parquet") for step in steps for file in (step.cases, step.trained_on) if file):
        provide_parquet(cache, log)


def judge_run(
    planned: Plan, progress: Progress, cloud: Cloud, cache: Cache, measurements: Measurements = NO_MEASUREMENTS
) -> RunJudgement:
    """Reads the metrics and the cases of the steps that have succeeded so far, and judges the gate by them.

    `measurements` are what rules on the run itself are judged by.

    Raises: CloudError, OSError.
    """
    metrics = read_metrics(planned, progress, cloud)
    if not any(map(needs_cases, planned.gate)):
        return RunJudgement(metrics, judge(planned.gate, metrics, measurements), metrics)
    judgement = _judgement(planned, metrics, dict(_read_files(planned, progress, cloud)), cache)
    verdict = judge(planned.gate, metrics, measurements, judgement.verdicts)
    notes = different_numbers(metrics, judgement)
    return RunJudgement(metrics, verdict, with_case_numbers(metrics, judgement), tuple(notes))


@dataclass(frozen=True)
class _File:
    """A file that was read, or the problem with it."""

    name: str
    data: bytes = b""
    problem: str = ""

    @property
    def key(self) -> list[str]:
        return [self.name, hashlib.sha256(self.data).hexdigest(), self.problem]

    def parsed(self, parse: Callable[[bytes, str], T], label: str = "") -> T | str:
        """Returns what the file holds; a text that says why it can't be read, with the file's name."""
        from mlci.gate.cases_file import InvalidCases

        if self.problem:
            return self.problem
        try:
            return parse(self.data, self.name)
        except InvalidCases as invalid:
            return f"{label}{self.name}: {invalid}"


@dataclass(frozen=True)
class _StepFiles:
    """The tables of one step. `trained_on` is None where the baseline has none, or where they are not needed."""

    new: _File
    base: _File | None
    trained_on: tuple[_File, ...] | None

    @property
    def key(self) -> list[object]:
        return [each and each.key for each in (self.new, self.base)] + [[each.key for each in self.trained_on or ()]]

    def tables(self) -> StepCases:
        from mlci.gate.case_samples import StepCases
        from mlci.gate.cases_file import parse_cases

        base: Cases | str | None = self.base.parsed(parse_cases, "the baseline's ") if self.base else None
        return StepCases(self.new.parsed(parse_cases), base, self._trained_on())

    def _trained_on(self) -> frozenset[str] | str | None:
        from mlci.gate.cases_file import parse_ids

        if self.trained_on is None:
            return None
        found: set[str] = set()
        for file in self.trained_on:
            ids = file.parsed(parse_ids, "the ids that the baseline was trained on, in ")
            if isinstance(ids, str):
                return ids
            found |= ids
        return frozenset(found)


def _judgement(
    planned: Plan, metrics: Mapping[str, Metrics], files: Mapping[str, _StepFiles], cache: Cache
) -> CaseJudgement:
    gate, baseline = planned.gate, planned.baseline
    compared = {step for bound in gate if bound.rule.confidence is not None for step in bound.rule.steps}
    documents = {step: repr(metrics[step]) for step in sorted(compared & metrics.keys())}
    key = [
        "judgement",
        code_stamp(_JUDGING_FOLDERS),
        repr(gate),
        {step: each.key for step, each in files.items()},
        documents,
        json.dumps(dict(baseline.metrics), sort_keys=True),
    ]

    def compute() -> str:
        tables = {step: each.tables() for step, each in files.items()}
        return json.dumps(render_judgement(judge_cases(gate, metrics, tables, baseline)))

    return parse_judgement(json.loads(cache.get(key, compute)), gate)


def _read_files(planned: Plan, progress: Progress, cloud: Cloud) -> Iterator[tuple[str, _StepFiles]]:
    """Yields the files of each step whose cases a rule reads, and that has succeeded."""
    read = {step for bound in planned.gate if bound.rule.reads_cases for step in bound.rule.steps}
    for name, step in planned.flow.steps.items():
        if name not in read or step.cases is None or progress.steps[name].status not in ("succeeded", "reused"):
            continue
        new = _own_file(planned, name, step.cases, cloud)
        uri = planned.baseline.cases.get(name)
        base = _baseline_file(uri, "cases", cloud) if uri else None
        yield name, _StepFiles(new, base, _trained_on(planned, new, cloud))


def _trained_on(planned: Plan, new: _File, cloud: Cloud) -> tuple[_File, ...] | None:
    uris: Sequence[str] = sorted(set(planned.baseline.trained_on.values()))
    if _SCORED_AGAIN not in new.data or not uris:
        return None
    return tuple(_baseline_file(uri, "training ids", cloud) for uri in uris)


def _own_file(planned: Plan, name: str, path: str, cloud: Cloud) -> _File:
    from mlci.gate.cases_file import CASES_MAX_BYTES

    output, _, rest = path.partition("/")
    folder = planned.steps[name].outputs[output]
    data = cloud.read(f"{folder}{rest}", CASES_MAX_BYTES + 1)
    if data is not None:
        return _File(path, data)
    files = [f"{output}/{found.removeprefix(folder)}" for found in cloud.list(folder, _MAX_LISTED)]
    return _File(path, problem=f"the table is {missing_file(path, files)}")


def _baseline_file(uri: str, noun: str, cloud: Cloud) -> _File:
    from mlci.gate.cases_file import CASES_MAX_BYTES

    data = cloud.read(uri, CASES_MAX_BYTES + 1)
    if data is not None:
        return _File(uri.rpartition("/")[2], data)
    cure = "Run the base branch again, or take another baseline: mlci baseline set, or mlci baseline reset"
    return _File(uri, problem=f"the baseline's {noun} are not there any more: {uri}. {cure}")
