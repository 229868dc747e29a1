"""The baseline of a run that has earned it: written, not replaced, or the reason why the run fails."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from mlci.backends.progress import Progress
from mlci.backends.protocol import Cloud
from mlci.baseline import Baseline, WorkTree, read_current, record_baseline
from mlci.errors import CloudError
from mlci.flow.models import Flow, Rule
from mlci.gate import RuleVerdict, Verdict
from mlci.interrupts import InterruptSource
from mlci.outcome.cases import RunJudgement
from mlci.plan import NO_BASELINE, Bound, Plan, Target
from mlci.report.result import BaselineUpdate, Status
from mlci.reuse.key_document import RunKeys, StepKey
from mlci.running.context import RunContext
from mlci.running.earned_baseline import update_baseline
from mlci.runs.run_folder import RunFolder
from mlci.stage import Cache, Repository
from support.in_memory_objects import InMemoryObjects
from support.numbered_commits import NumberedCommits

FLOW = Flow("iris", "flow.yaml", {}, {}, (Rule("evaluate", ("auc",), "min", 0.9),))
KEYS = RunKeys("iris", {"train": StepKey("1", {})})
CURRENT = "s3://b/mlci/iris/baselines/main.json"


class Log:
    """A reporter of which only the lines count."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def log(self, text: str) -> None:
        self.lines.append(text)

    def update(self, progress: Progress) -> None: ...

    def live(self) -> nullcontext[None]:
        return nullcontext()

    def use_run(self, run_id: str, tail: object) -> None: ...


@dataclass
class ReadOnlyBaselines(InMemoryObjects):
    """A bucket where the run may write all but objects whose URI begins like this."""

    denied: str = CURRENT

    def write(self, uri: str, data: bytes) -> None:
        if uri.startswith(self.denied):
            raise CloudError("access denied")
        super().write(uri, data)

    def replace(self, uri: str, data: bytes, tag: str | None) -> bool:
        if uri.startswith(self.denied):
            raise CloudError("access denied")
        return super().replace(uri, data, tag)


def target(commit: str) -> Target:
    return Target("b", "role", f"r{commit}", commit, "main", is_trusted=True)


def updated(
    objects: InMemoryObjects, commit: str, compared: Baseline = NO_BASELINE, tree: WorkTree | None = None
) -> tuple[tuple[Status, str, BaselineUpdate], list[str]]:
    """The end of a passing run of a commit, and the lines that it logs."""
    reporter = Log()
    context = RunContext(
        repository=Repository(Path("/none"), Path("/none")),
        region="eu-central-1",
        cache=Cache(None),
        target=target(commit),
        folder=RunFolder(Path("/none")),
        reporter=reporter,
        interrupts=cast(InterruptSource, None),
        tree=tree,
        history=NumberedCommits(),
    )
    planned = Plan(FLOW, context.target, {}, (), baseline=compared)
    verdict = Verdict((RuleVerdict(Bound(FLOW.gate[0], 0.9), 0.9 + int(commit) / 100, "held", ""),))
    judgement = RunJudgement({}, verdict, {})
    return update_baseline(planned, KEYS, judgement, {}, context, cast(Cloud, objects)), reporter.lines


def current(objects: InMemoryObjects) -> Baseline:
    return read_current("iris", target("1"), cast(Cloud, objects)) or NO_BASELINE


def test_a_run_that_earned_it_is_the_baseline_with_its_keys_and_its_gated_metrics() -> None:
    objects = InMemoryObjects()
    earned = BaselineUpdate(is_earned=True, is_written=True)
    assert updated(objects, "1") == ((Status.PASSED, "", earned), [])
    assert updated(objects, "2", current(objects)) == ((Status.PASSED, "", earned), [])
    found = current(objects)
    assert (found.run_id, found.commit, found.gate) == ("r2", "2", FLOW.gate)
    assert found.keys == "s3://b/mlci/iris/baselines/outputs/r2/keys.json"
    assert [(each.commit, each.values) for each in found.history] == [
        ("1", {"evaluate.auc": 0.91}),
        ("2", {"evaluate.auc": 0.92}),
    ]


def test_the_metrics_of_a_run_that_ended_meanwhile_are_in_the_history() -> None:
    objects = InMemoryObjects()
    for commit in "12":  # neither knows the other when it starts
        updated(objects, commit)
    assert [each.commit for each in current(objects).history] == ["1", "2"]


def test_a_run_fails_whose_baseline_can_not_be_written() -> None:
    objects = ReadOnlyBaselines()
    (status, reason, update), _ = updated(objects, "1")
    assert (status, reason) == (Status.FAILED, "the gate held, and the baseline could not be written: access denied")
    assert update == BaselineUpdate(is_earned=True, reason="access denied")
    assert current(objects) == NO_BASELINE


def test_a_baseline_is_written_without_its_keys_if_these_can_not_be() -> None:
    objects = ReadOnlyBaselines(denied="s3://b/mlci/iris/baselines/outputs/")
    (status, _, update), lines = updated(objects, "1")
    assert (status, update.is_written, current(objects).keys) == (Status.PASSED, True, "")
    assert lines == ["later runs can't tell what they change since this one: access denied"]


def test_the_baseline_of_a_newer_commit_is_not_replaced() -> None:
    objects = InMemoryObjects()
    newer = replace(NO_BASELINE, run_id="r2", commit="2")
    record_baseline("iris", target("2"), newer, cast(Cloud, objects), NumberedCommits())
    result, lines = updated(objects, "1")
    why = "it is that of run r2, of commit 2, which is newer"
    assert result == (Status.PASSED, "", BaselineUpdate(is_earned=True, reason=why))
    assert lines == [f"the baseline of main was not replaced: {why}"]
    assert current(objects) == newer


def test_a_run_of_files_that_its_commit_does_not_hold_earns_none() -> None:
    objects = InMemoryObjects()
    result, lines = updated(objects, "1", tree=WorkTree(changed=("train.py",)))
    why = "train.py is not as in the commit"
    assert result == (Status.PASSED, "", BaselineUpdate(reason=why))
    assert lines == [f"the baseline of main was not written: {why}"]
    assert objects.objects == {}
