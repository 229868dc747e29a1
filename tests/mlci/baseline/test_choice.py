"""The baseline that a run compares with, in histories that branch, merge, are rewritten and are not known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlci.backends.protocol import Cloud
from mlci.baseline import (
    NO_BASELINE,
    NO_HISTORY,
    Baseline,
    CommitHistory,
    by_hand,
    find_baseline,
    record_baseline,
    replace_baseline,
    reset,
)
from mlci.errors import CloudError, InputError
from mlci.flow import load
from mlci.flow.models import Rule
from mlci.plan import Target
from support.examples import examples
from support.in_memory_objects import InMemoryObjects

FLOW = load(
    b"""
flow: iris
defaults: {image: "mine.example/image:7"}
steps: {evaluate: {uses: processing, entrypoint: [a], outputs: [m], metrics: m/m.json}}
gate: [{metric: evaluate.auc, max_drop: 0.02}]
""",
    "flow.yaml",
)
TARGET = Target("b", "role", "run", "c", "main")
CURRENT = "s3://b/mlci/iris/baselines/main.json"


@dataclass
class Graph:
    """A history: the parents of each commit, the first of which is the main line's. Names sort as commits were made."""

    parents: Mapping[str, tuple[str, ...]]
    is_cut: bool = False
    asked: int = 0

    def ancestors(self, commit: str) -> dict[str, int]:
        self.asked += 1
        found, waiting = set[str](), [commit] if commit in self.parents else []
        while waiting:
            one = waiting.pop()
            found.add(one)
            waiting += [each for each in self.parents[one] if each not in found]
        return {each: number for number, each in enumerate(sorted(found, reverse=True))}

    def is_ancestor(self, older: str, newer: str) -> bool:
        return older in self.ancestors(newer)

    def committed(self, commit: str) -> datetime | None:
        return None

    def is_shallow(self) -> bool:
        return self.is_cut


@dataclass
class Branch:
    """The baselines of a branch, and what was told about them."""

    history: CommitHistory
    objects: InMemoryObjects = field(default_factory=InMemoryObjects)
    said: list[str] = field(default_factory=list)
    runs: int = 0

    @property
    def cloud(self) -> Cloud:
        return cast(Cloud, self.objects)  # it has all that baselines use

    def passed(self, *commits: str) -> None:
        """Record passing runs of the base branch, one after the other."""
        for commit in commits:
            self.runs += 1
            record_baseline("iris", TARGET, run_of(commit, self.runs), self.cloud, self.history)

    def chosen(self, commit: str | None) -> str:
        """The run that a run of a commit compares with."""
        self.said.clear()
        target = replace(TARGET, commit=commit)
        return find_baseline(FLOW, target, self.cloud, self.history, self.said.append).run_id


def run_of(commit: str, number: int) -> Baseline:
    return Baseline({"evaluate": {"auc": number / 1000}}, f"{number:04}-{commit}", commit)


#: main: c1 - c2 - c4 - c6 (a merge of c5); a pull request: c3 on c2, c5 on c3; c7 takes c6 back; o1 is of no line.
PARENTS: dict[str, tuple[str, ...]] = {
    "c1": (),
    "c2": ("c1",),
    "c3": ("c2",),
    "c4": ("c2",),
    "c5": ("c3",),
    "c6": ("c4", "c5"),
    "c7": ("c6",),
    "o1": (),
}


@pytest.mark.parametrize(
    ("commit", "run"),
    [
        ("c3", "0002-c2"),  # a pull request is compared with what it came from
        ("c5", "0002-c2"),
        ("c6", "0004-c6"),  # the same commit again, such as a rerun
        ("c7", "0004-c6"),  # a revert: with what it takes back
        ("c4", "0003-c4"),  # an older commit of the branch again
        ("c1", "0001-c1"),
    ],
)
def test_a_run_is_compared_with_the_newest_run_that_its_commit_builds_on(commit: str, run: str) -> None:
    branch = Branch(Graph(PARENTS))
    branch.passed("c1", "c2", "c4", "c6")
    assert branch.chosen(commit) == run
    assert branch.said == []


def test_a_merge_is_compared_with_the_newest_of_both_its_sides() -> None:
    branch = Branch(Graph(PARENTS))
    branch.passed("c1", "c2", "c4")
    assert branch.chosen("c6") == "0003-c4"


def test_a_rerun_of_an_older_commit_takes_no_ones_place() -> None:
    branch = Branch(Graph(PARENTS))
    branch.passed("c1", "c2", "c4", "c1")
    assert branch.chosen("c5") == "0002-c2"
    branch.passed("c2")
    assert branch.chosen("c5") == "0005-c2"


def test_what_a_person_decided_wins_while_it_stands() -> None:
    branch = Branch(Graph(PARENTS))
    branch.passed("c1", "c2", "c4")
    replace_baseline("iris", TARGET, by_hand(run_of("c1", 1)), branch.cloud)
    assert branch.chosen("c5") == "0001-c1"
    replace_baseline("iris", TARGET, reset(), branch.cloud)
    assert branch.chosen("c5") == ""
    branch.passed("c6")
    assert (branch.chosen("c7"), branch.chosen("c5")) == ("0004-c6", "0002-c2")


@pytest.mark.parametrize(
    ("history", "commit", "line"),
    [
        (Graph(PARENTS), "o1", "o1 builds on the commit of no baseline"),
        (Graph({"c5": ()}, is_cut=True), "c5", "the checkout is shallow, so it is not known which baseline c5"),
        (Graph({}, is_cut=True), "c5", "Fetch the history: git fetch --unshallow"),
        (NO_HISTORY, "c5", "c5 builds on the commit of no baseline"),
    ],
)
def test_where_none_is_known_it_is_the_newest_and_a_line_says_so(
    history: CommitHistory, commit: str, line: str
) -> None:
    """A branch that is of no history, or of one that is not there, is no way around the baseline."""
    branch = Branch(Graph(PARENTS))
    branch.passed("c1", "c2", "c4")
    branch.history = history
    assert branch.chosen(commit) == "0003-c4"
    assert "compared with the newest baseline, run 0003-c4 of commit c4: " in branch.said[0]
    assert line in branch.said[0]


def test_a_shallow_checkout_knows_those_that_it_has() -> None:
    branch = Branch(Graph(PARENTS))
    branch.passed("c1", "c2", "c4")
    branch.history = Graph({"c5": ("c3",), "c3": ("c2",), "c2": ()}, is_cut=True)
    assert (branch.chosen("c5"), branch.said) == ("0002-c2", [])


def test_outside_of_git_it_is_the_newest() -> None:
    branch = Branch(Graph(PARENTS))
    branch.passed("c1", "c2")
    branch.history = NO_HISTORY
    assert (branch.chosen(None), branch.said) == ("0002-c2", [])


def test_a_baseline_of_an_unknown_commit_is_taken_as_it_is() -> None:
    branch = Branch(Graph(PARENTS))
    record_baseline("iris", TARGET, Baseline({}, "0001"), branch.cloud, branch.history)
    assert (branch.chosen("c5"), branch.said) == ("0001", [])


def test_nothing_is_asked_where_the_answer_is_known() -> None:
    history = Graph(PARENTS)
    branch = Branch(history)
    assert find_baseline(FLOW, TARGET, branch.cloud, history, branch.said.append) == NO_BASELINE
    branch.passed("c1", "c2")
    history.asked = 0
    branch.objects.reads.clear()
    branch.chosen("c2")
    assert (history.asked, len(branch.objects.reads)) == (0, 1)
    branch.chosen("c3")
    assert (history.asked, len(branch.objects.reads)) == (1, 2)


def test_of_hundreds_only_the_newest_are_read_and_no_more_than_needed() -> None:
    parents = {f"{number:04}": (f"{number - 1:04}",) if number else () for number in range(500)}
    history = Graph(parents | {"x": ("0480",), "o": ()})
    branch = Branch(history)
    branch.passed(*(name for name in parents if name != "0481"))
    history.asked = 0
    branch.objects.reads.clear()
    assert branch.chosen("x") == "0481-0480"
    assert (len(branch.objects.reads) <= 1 + 24, history.asked) == (True, 1)
    branch.objects.reads.clear()
    assert branch.chosen("o") == "0499-0499"
    assert len(branch.objects.reads) == 1 + 200


@pytest.mark.parametrize("damage", [b"{", b'{"schema": 2, "metrics": {}}'])
def test_a_damaged_one_of_the_history_is_passed_over_and_the_newest_is_an_error(damage: bytes) -> None:
    branch = Branch(Graph(PARENTS))
    branch.passed("c1", "c2", "c4")
    branch.objects.objects["s3://b/mlci/iris/baselines/main/0002-c2.json"] = damage
    assert branch.chosen("c5") == "0001-c1"
    assert branch.said[0].startswith("passed over: the baseline s3://b/mlci/iris/baselines/main/0002-c2.json")
    branch.objects.objects[CURRENT] = damage
    with pytest.raises(CloudError, match="mlci baseline reset"):
        branch.chosen("c5")


def test_a_rule_needs_the_base_branch() -> None:
    unknown = replace(TARGET, base_branch=None)
    cloud = cast(Cloud, InMemoryObjects())
    with pytest.raises(InputError, match="a rule or an input of the flow needs its baseline"):
        find_baseline(FLOW, unknown, cloud, NO_HISTORY, print)
    assert find_baseline(replace(FLOW, gate=()), unknown, cloud, NO_HISTORY, print) == NO_BASELINE


def test_what_is_not_merged_is_judged_by_the_gate_of_the_current_one() -> None:
    """A branch does not choose its gate by the commit that it starts from; its metrics are of that, all the same."""
    branch = Branch(Graph(PARENTS))
    for number, (commit, limit) in enumerate((("c2", 0.5), ("c4", 0.9)), 1):
        gate = (Rule("evaluate", ("auc",), "min", limit),)
        passed = replace(run_of(commit, number), gate=gate, params={"min": limit})
        record_baseline("iris", TARGET, passed, branch.cloud, branch.history)
    branch.objects.reads.clear()

    def found(commit: str, is_trusted: bool) -> Baseline:
        target = replace(TARGET, commit=commit, is_trusted=is_trusted)
        return find_baseline(FLOW, target, branch.cloud, branch.history, branch.said.append)

    of_branch = found("c5", is_trusted=False)
    assert (of_branch.run_id, of_branch.metrics) == ("0001-c2", {"evaluate": {"auc": 0.001}})
    assert ([rule.limit for rule in of_branch.gate], of_branch.params) == ([0.9], {"min": 0.9})
    assert len(branch.objects.reads) == 3  # the current one, and those of the history
    assert [rule.limit for rule in found("c5", is_trusted=True).gate] == [0.5]


@settings(max_examples=examples(200))
@given(st.data())
def test_in_any_history_it_is_an_ancestor_and_none_of_those_is_newer(data: st.DataObject) -> None:
    """Commits are numbered as they are made; each builds on one or two earlier ones."""
    size = data.draw(st.integers(1, 12))
    parents: dict[str, tuple[str, ...]] = {}
    for number in range(size):
        names = st.sampled_from(sorted(parents)) if parents else st.nothing()
        parents[f"{number:02}"] = tuple(data.draw(st.lists(names, max_size=2, unique=True))) if parents else ()
    history = Graph(parents)
    branch = Branch(history)
    base = data.draw(st.lists(st.sampled_from(sorted(parents)), unique=True, max_size=7).map(sorted))
    branch.passed(*base)
    commit = data.draw(st.sampled_from(sorted(parents)))
    chosen = branch.chosen(commit)
    before = [each for each in base if each in history.ancestors(commit)]
    assert chosen.rpartition("-")[2] == (max(before) if before else base[-1] if base else "")
    assert bool(branch.said) == bool(base and not before)
