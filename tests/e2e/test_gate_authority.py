"""Who may loosen the gate, as a user meets it: a branch is judged by its own gate and by the base's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import datetime, timedelta, timezone

import pytest

from support.git_repositories import commit, git, repository
from support.measured_flow import SCRIPT
from support.project import Project, clean_environment

FLOW = """\
flow: iris
params: {auc: 0.95, min_auc: 0.9}
defaults: {image: "mine.example/image:1", timeout: 1m}
steps:
  measure:
    uses: processing
    run: measure.py
    args: ["${{ params.auc }}"]
    outputs: [out]
    metrics: out/metrics.json
  publish:
    uses: wait
    seconds: 1
    after: gate
gate: [{metric: measure.auc, min: "${{ params.min_auc }}"}]
"""
LOWERED = "min_auc lowered from 0.9 to 0.5 in flow.yaml"


@pytest.fixture
def merged(project: Project) -> Project:
    """A repository whose base branch has passed its gate, with a branch checked out."""
    project.write("flow.yaml", FLOW)
    project.write("measure.py", SCRIPT)
    repository(project.root, **{".gitignore": ".mlci/\n"})
    ran(project, "run")
    git(project.root, "checkout", "-q", "-b", "feature")
    return project


def ran(project: Project, *arguments: str, expected: int = 0, **environment: str) -> str:
    done = project.mlci(*arguments, **environment)
    assert done.returncode == expected, done.stdout + done.stderr
    return done.stdout + done.stderr


def changed(project: Project, *changes: tuple[str, str]) -> str:
    text = FLOW
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    project.write("flow.yaml", text)
    return commit(project.root)


def test_a_branch_that_lowers_a_limit_is_judged_by_the_bases(merged: Project) -> None:
    changed(merged, ("auc: 0.95", "auc: 0.8"), ("min_auc: 0.9", "min_auc: 0.5"))
    assert f"measure.auc ≥ 0.9 (base branch's min): {LOWERED}" in ran(merged, "plan")
    note = {"code": "base-rule", "where": "", "text": f"measure.auc min 0.9 of main is in force: {LOWERED}"}
    for command in ("plan", "validate"):
        assert note in json.loads(merged.mlci(command, "--json").stdout)["notes"]
    assert f"note, for the gate: measure.auc min 0.9 of main is in force: {LOWERED}" in ran(merged, "validate")
    said = ran(merged, "run", expected=1)
    assert f"measure.auc 0.8 ≥ 0.9 is missed by 0.1; the base branch's rule is in force: {LOWERED}" in said
    result = merged.result()
    assert result["steps"]["publish"]["status"] == "skipped"
    assert [rule["held"] for rule in result["rules"]] == [True, False]
    assert LOWERED in (merged.root / ".mlci" / "latest" / "junit.xml").read_text(encoding="utf-8")
    git(merged.root, "checkout", "-q", "main")
    git(merged.root, "merge", "-q", "feature")
    ran(merged, "run")  # what is merged is agreed upon


def test_a_param_that_is_lowered_by_hand_leaves_the_bases_limit(merged: Project) -> None:
    by_hand = "min_auc lowered from 0.9 to 0.5 by --param or MLCI_PARAM_MIN_AUC"
    changed(merged, ("auc: 0.95", "auc: 0.8"))
    assert by_hand in ran(merged, "run", "--param", "min_auc=0.5", expected=1)
    assert by_hand in ran(merged, "run", expected=1, MLCI_PARAM_MIN_AUC="0.5")


GATE = 'gate: [{metric: measure.auc, min: "${{ params.min_auc }}"}]\n'
COST = "gate: [{metric: run.cost_usd, max: 100}]\n"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ([(GATE, "gate: [{metric: measure.auc, max: 1}]\n")], "removed from the gate"),
        ([("  measure:", "  score:"), (GATE, "gate: [{metric: score.auc, min: 0.5}]\n")], 'step "measure" is gone'),
        ([("    outputs", "    after: gate\n    outputs"), (GATE, COST)], 'step "measure" runs behind the gate now'),
    ],
)
def test_what_a_branch_removes_stays_in_force(merged: Project, changes: list[tuple[str, str]], reason: str) -> None:
    changed(merged, ("auc: 0.95", "auc: 0.8"), *changes)
    assert reason in ran(merged, "run", expected=1)
    assert merged.result()["steps"]["publish"]["status"] == "skipped"


def test_a_renamed_metric_is_missing(merged: Project) -> None:
    merged.write("measure.py", SCRIPT.replace('"auc"', '"area"'))
    changed(merged, ("metric: measure.auc", "metric: measure.area"))
    said = ran(merged, "run", expected=1)
    assert "measure.auc is missing from the metrics" in said
    assert "the base branch's rule is in force: removed from the gate" in said


def test_what_a_branch_tightens_counts(merged: Project) -> None:
    changed(merged, ("min_auc: 0.9", "min_auc: 0.99"))
    said = ran(merged, "run", expected=1)
    assert "measure.auc 0.95 ≥ 0.99 is missed by 0.04" in said
    assert "base branch's" not in said
    assert len(merged.result()["rules"]) == 1


@pytest.mark.slow
def test_a_cell_is_no_way_around_the_baseline(merged: Project) -> None:
    git(merged.root, "checkout", "-q", "main")
    drop = (GATE, "gate: [{metric: measure.auc, max_drop: 0.02}]\n")
    changed(merged, drop)
    ran(merged, "run")
    git(merged.root, "checkout", "-q", "-b", "cells")
    matrix = ("    uses: processing", "    matrix: {k: [a]}\n    uses: processing")
    changed(merged, drop, matrix, ("auc: 0.95", "auc: 0.5"))
    said = ran(merged, "run", expected=1)
    assert 'measure.auc can\'t be judged: step "measure" has a matrix now' in said
    assert "measure(k=a).auc 0.5: the baseline has no such metric" in said
    assert merged.result()["steps"]["publish"]["status"] == "skipped"
    accept(merged, "latest", "measure.auc")
    assert "accepted by " in ran(merged, "run")


def test_a_branch_from_before_is_judged_by_what_the_base_branch_has_tightened(merged: Project) -> None:
    changed(merged, ("auc: 0.95", "auc: 0.92"))
    git(merged.root, "checkout", "-q", "main")
    since = GATE.replace("]", ", {metric: measure.auc, max: 0.99}]")
    changed(merged, ("auc: 0.95", "auc: 0.98"), ("min_auc: 0.9", "min_auc: 0.97"), (GATE, since))
    ran(merged, "run")
    git(merged.root, "checkout", "-q", "feature")
    said = ran(merged, "run", expected=1)
    assert "measure.auc 0.92 ≥ 0.97 is missed by 0.05; the base branch's rule is in force: min_auc lowered" in said
    assert [rule["held"] for rule in merged.result()["rules"]] == [True, False]


def tomorrow() -> str:
    return str(datetime.now(timezone.utc).date() + timedelta(days=1))


def accept(project: Project, *arguments: str, expected: int = 0, **environment: str) -> str:
    reason = ("--because", "a fairer split", "--until", tomorrow())
    return ran(project, "accept", *arguments, *reason, "--yes", expected=expected, **environment)


@pytest.mark.slow
def test_an_accepted_miss_passes_and_makes_a_baseline_when_merged(merged: Project) -> None:
    changed(merged, ("auc: 0.95", "auc: 0.8"))
    ran(merged, "run", expected=1)
    run_id = merged.result()["run_id"]
    said = accept(merged, "latest", "measure.auc")
    assert f"run {run_id}: accepted by " in said
    assert (
        "metric: measure.auc\n    value: 0.8\n    baseline: 0.95\n    limit: min 0.9\n    written by: measure\n" in said
    )
    said = ran(merged, "run")
    who = merged.result()["rules"][0]["acceptance"]
    assert who["run_id"] == run_id
    assert f"accepted by {who['by']} until {tomorrow()}: a fairer split" in said
    assert merged.result()["steps"]["publish"]["status"] == "succeeded"
    changed(merged, ("auc: 0.95", "auc: 0.79"))
    said = ran(merged, "run", expected=1)
    assert "does not count: 0.79 is worse than the 0.8 that was accepted" in said
    assert merged.result()["steps"]["publish"]["status"] == "skipped"
    changed(merged, ("auc: 0.95", "auc: 0.81"))
    ran(merged, "run")
    git(merged.root, "checkout", "-q", "main")
    git(merged.root, "merge", "-q", "--squash", "feature")
    commit(merged.root)
    said = ran(merged, "run", expected=1)  # another commit, and the step has changed since what was accepted
    assert "does not count" not in said
    changed(merged, ("auc: 0.95", "auc: 0.8"))  # the very step that was accepted
    ran(merged, "run")
    kept = json.loads(ran(merged, "baseline", "show", "--json"))
    assert kept["metrics"] == {"measure": {"auc": 0.8}}
    document = json.loads(next((merged.root / ".mlci" / "store").glob("*/mlci/iris/baselines/main.json")).read_text())
    assert document["acceptances"] == [who["id"]]


@pytest.mark.slow
def test_a_removed_rule_is_accepted_and_revoked(merged: Project) -> None:
    changed(merged, ("  measure:", "  score:"), (GATE, "gate: [{metric: score.auc, min: 0.5}]\n"))
    ran(merged, "run", expected=1)
    accept(merged, "latest", "measure.auc")
    assert "accepted by " in ran(merged, "run")
    listed = json.loads(ran(merged, "accept", "--list", "--json"))
    assert [(each["metric"], each["state"]) for each in listed] == [("measure.auc", "in force")]
    assert listed[0]["id"] in ran(merged, "accept", "--list")
    again = accept(merged, listed[0]["run_id"], "measure.auc", expected=2)
    assert 'the miss of "measure.auc" is accepted already, by ' in again
    assert f"revoke it first: mlci accept --revoke {listed[0]['id']}" in again
    assert accept(merged, "latest", "measure.auc", expected=2) == again  # the run that it made pass
    assert "counts no more" in ran(merged, "accept", "--revoke", listed[0]["id"][-6:])
    said = accept(merged, "latest", "measure.auc", expected=2)
    assert f"was accepted then, as {listed[0]['id']}, and it was revoked by " in said
    assert "Run it again first, and accept what that run misses." in said
    assert "does not count: it was revoked by " in ran(merged, "run", expected=1)
    assert ran(merged, "accept", "--list").strip() == "1 that expired or were revoked: add --all"
    assert json.loads(ran(merged, "accept", "--list", "--json")) == []
    [revoked] = json.loads(ran(merged, "accept", "--list", "--all", "--json"))
    assert revoked["state"].startswith("it was revoked by ")
    accept(merged, listed[0]["run_id"], "measure.auc")
    assert len(json.loads(ran(merged, "accept", "--list", "--all", "--json"))) == 2
    assert "no acceptance is called" in ran(merged, "accept", "--revoke", "nope", expected=2)


@pytest.mark.slow
def test_changes_that_no_commit_holds_are_accepted_for_no_branch(merged: Project) -> None:
    merged.write("flow.yaml", FLOW.replace("auc: 0.95", "auc: 0.8"))  # on a branch that is at the base's newest commit
    ran(merged, "run", expected=1)
    said = accept(merged, "latest", "measure.auc", expected=2)
    assert "is of changes that its commit" in said
    assert "Commit what it is about, and run it again." in said
    report = (merged.root / ".mlci" / "latest" / "report.md").read_text(encoding="utf-8")
    assert "git commit -a && mlci run" in report
    assert "mlci accept" not in report
    commit(merged.root)
    ran(merged, "run", expected=1)
    accept(merged, "latest", "measure.auc")


@pytest.mark.slow
def test_a_run_with_another_miss_says_that_this_one_was_accepted(merged: Project) -> None:
    changed(merged, ("auc: 0.95", "auc: 0.8"))
    ran(merged, "run", expected=1)
    accept(merged, "latest", "measure.auc")
    changed(merged, ("auc: 0.95", "auc: 0.8"), (GATE, GATE.replace("]", ", {metric: measure.f1, min: 1}]")))
    ran(merged, "run", expected=1)
    assert "is accepted already, by " in accept(merged, "latest", "measure.auc", expected=2)


@pytest.mark.slow
def test_what_can_not_be_accepted_is_refused_with_the_reason(merged: Project) -> None:
    passed = merged.result()["run_id"]
    changed(merged, ("auc: 0.95", "auc: 0.8"), (GATE, GATE.replace("]", ", {metric: measure.auc, max: 1}]")))
    ran(merged, "run", expected=1)
    missed = merged.result()["run_id"]
    for arguments, why in (
        ((passed, "measure.auc"), f"run {passed} has not missed its gate (passed)"),
        ((missed, "measure.acu"), 'has no rule on "measure.acu". Did you mean "measure.auc"?'),
        (("nope", "measure.auc"), 'no run "nope" of iris on the local cloud has missed its gate'),
        ((missed,), "an acceptance needs the metric that it is about. Such as: mlci accept latest"),
        ((), "an acceptance needs a run and a metric. Such as: mlci accept latest"),
        (("--all",), "--all is of use with --list alone"),
    ):
        assert why in accept(merged, *arguments, expected=2)
    for options, why in (
        (("--until", "2030-01-01"), "an acceptance needs a reason"),
        (("--because", " ", "--until", tomorrow()), "an acceptance needs a reason"),
        (("--because", "x"), "an acceptance needs an end"),
        (("--because", "x", "--until", "2020-01-01"), "2020-01-01 is over"),
        (("--because", "x", "--until", "9999-01-01"), "more than a year away"),
        (("--because", "x", "--until", "soon"), '"soon" is no date'),
    ):
        assert why in ran(merged, "accept", missed, "measure.auc", *options, expected=2)
    pull_request = {"GITHUB_ACTIONS": "true", "GITHUB_BASE_REF": "main", "GITHUB_REF": "refs/pull/7/merge"}
    said = accept(merged, missed, "measure.auc", expected=2, **pull_request)
    assert "nothing can be accepted in this pull request 7" in said
    merged.write("other.yaml", FLOW.replace("flow: iris", "flow: other"))
    said = accept(merged, missed, "measure.auc", "--flow", "other.yaml", expected=2)
    assert f'run {missed} is of the flow "iris", and not of "other"' in said
    assert ran(merged, "accept", "--list").strip() == "nothing was accepted for main"


def forged(project: Project, **changes: object) -> str:
    """Changes what the newest run says that it missed, as any build of a pull request may, and returns its id."""
    run_id = str(project.result()["run_id"])
    [file] = (project.root / ".mlci" / "store").glob(f"*/mlci/iris/**/{run_id}/_gate.json")
    document = json.loads(file.read_text(encoding="utf-8"))
    of_document = {name: value for name, value in changes.items() if name in document}
    of_miss = {name: value for name, value in changes.items() if name not in document}
    document |= of_document
    document["misses"] = [{**miss, **of_miss} for miss in document["misses"]]
    file.write_text(json.dumps(document), encoding="utf-8")
    return run_id


def accepted_files(project: Project) -> list[str]:
    found = (project.root / ".mlci" / "store").glob("*/mlci/iris/baselines/acceptances/**/*.json")
    return [each.name for each in found]


@pytest.mark.slow
def test_what_is_accepted_is_shown_before_anything_is_written(merged: Project) -> None:
    changed(merged, ("auc: 0.95", "auc: 0.8"))
    ran(merged, "run", expected=1)
    run_id = forged(merged, value=-1, text="measure.auc 0.89\n  ✔ fine", keys={"measure": "k", "x\nvalue: 0.89": "k"})
    options = ("--because", "x", "--until", tomorrow())
    said = ran(merged, "accept", run_id, "measure.auc", *options, expected=2)
    lines = [line.strip() for line in said.splitlines()]
    assert f"to accept of run {run_id}, of commit {merged.result()['commit']}, until {tomorrow()}:" in lines
    fields = ["value: -1", "baseline: 0.95", "limit: min 0.9", "written by: measure, x value: 0.89"]
    assert lines[1:6] == ["metric: measure.auc", *fields]
    assert "there is no terminal to confirm the changes on, so nothing was accepted" in said
    assert accepted_files(merged) == []
    accept(merged, run_id, "measure.auc")
    assert len(accepted_files(merged)) == 1


@pytest.mark.slow
def test_a_forged_miss_is_refused(merged: Project) -> None:
    root = git(merged.root, "rev-parse", "HEAD").strip()
    git(merged.root, "commit", "-q", "--allow-empty", "-m", "newer")
    git(merged.root, "branch", "-q", "-f", "main")
    head = changed(merged, ("auc: 0.95", "auc: 0.8"))
    ran(merged, "run", expected=1)
    run_id = merged.result()["run_id"]
    for changes, why in (
        ({"written": "measure.area"}, 'it has a miss of "measure.auc" under the name "measure.area"'),
        ({"metric": "measure.area"}, 'it has a miss of "measure.area" under the name "measure.auc"'),
        ({"flow": "wine"}, 'of "wine"'),
        ({"run_id": "other"}, 'it says that it is of run "other"'),
        ({"commit": "HEAD"}, '"HEAD" is no commit'),
        ({"value": float("nan")}, "nan is not finite"),
        ({"commit": None}, "is of no commit"),
        ({"commit": root}, f"says that it is of commit {root}, which the base branch contains already"),
        ({"commit": 40 * "1"}, f"commit {40 * '1'}, of which run"),
    ):
        own = {"flow": "iris", "run_id": run_id, "commit": head, "value": 0.8}
        own |= {"metric": "measure.auc", "written": "measure.auc"}
        forged(merged, **{**own, **changes})
        said = accept(merged, run_id, "measure.auc", expected=2)
        assert why in said, said
    assert "says that it is of commit" in accept(merged, run_id, "measure.auc", "--commit", head, expected=2)
    assert accepted_files(merged) == []
    accept(merged, run_id, "measure.auc", "--commit", 40 * "1")
    assert len(accepted_files(merged)) == 1


@pytest.mark.slow
def test_a_person_is_asked_and_may_say_no(merged: Project) -> None:
    changed(merged, ("auc: 0.95", "auc: 0.8"))
    ran(merged, "run", expected=1)
    command = ["accept", "latest", "measure.auc", "--because", "x", "--until", tomorrow()]
    for answer, code, count in (("n", 4, 0), ("", 4, 0), ("y", 0, 1)):
        ours, theirs = os.openpty()
        try:
            os.write(ours, f"{answer}\n".encode())
            done = subprocess.run(
                [sys.executable, "-m", "mlci", *command],
                cwd=merged.root,
                env=clean_environment({}),
                stdin=theirs,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
        finally:
            os.close(ours)
            os.close(theirs)
        assert done.returncode == code, done.stderr
        assert "may it pass? [y/N]" in done.stdout
        assert len(accepted_files(merged)) == count
