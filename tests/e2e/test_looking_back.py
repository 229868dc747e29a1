"""`mlci history`, `mlci open` and `mlci diff`: what earlier runs made, looked at."""

from __future__ import annotations

import json
import re
import shutil
from typing import Any

import pytest

from support.git_repositories import commit, git, repository
from support.measured_flow import FLOW, SCRIPT
from support.project import Project

pytestmark = pytest.mark.e2e


@pytest.fixture
def measured(project: Project) -> Project:
    """A repository on its base branch, whose flow measures what its param says."""
    project.write("flow.yaml", FLOW)
    project.write("measure.py", SCRIPT)
    repository(project.root, **{".gitignore": ".mlci/\n"})
    return project


def ran(project: Project, *arguments: str, expected: int = 0) -> str:
    """The text that a command printed."""
    done = project.mlci(*arguments)
    assert done.returncode == expected, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.slow
def test_a_metric_is_drawn_over_the_runs_of_the_base_branch(measured: Project) -> None:
    assert "No run of main has earned the baseline yet." in ran(measured, "history", "measure.auc")
    assert json.loads(measured.mlci("history", "measure.auc", "--json").stdout)["runs"] == []
    assert "Name it as in a rule: mlci history evaluate.auc" in ran(measured, "history", expected=2)
    ran(measured, "run")
    measured.write("flow.yaml", FLOW.replace("0.95", "0.99"))
    newer = commit(measured.root)
    ran(measured, "run")
    lines = ran(measured, "history", "measure.auc").splitlines()
    assert lines[0] == "measure.auc on main, the newest first: 2 runs, 0.95 … 0.99"
    assert newer[:12] in lines[1]
    assert lines[1].split()[-2:] == ["0.99", "█" * 40]
    assert lines[2].split()[-2:] == ["0.95", "██"]
    assert 'id="history"' not in measured.latest("report.html")  # one run of the base branch before it is no history
    ran(measured, "run", "--param", "auc=0.98", expected=0)
    assert "measure.auc over 2 runs of the base branch: 0.95 to 0.99; this run 0.98" in measured.latest("report.html")
    runs = json.loads(ran(measured, "history", "measure.auc", "--json", "--limit", "1"))["runs"]
    assert [(run["commit"], run["value"]) for run in runs] == [(newer, 0.99)]
    assert "Did you mean measure.auc?" in ran(measured, "history", "measure.acu", expected=2)
    assert '"auc" does not name a metric. Did you mean measure.auc?' in ran(measured, "history", "auc", expected=2)
    assert "no metric is named. The newest run has: measure.auc" in ran(measured, "history", expected=2)


def test_the_report_of_a_run_is_found(measured: Project) -> None:
    assert "there are no runs" in ran(measured, "open", expected=2)
    ran(measured, "run")
    run = str(measured.result()["run_id"])
    assert ran(measured, "open", "--print").strip() == f".mlci/runs/{run}/report.html"
    assert ran(measured, "open", run[-6:]).strip() == f".mlci/runs/{run}/report.html"
    (measured.root / ".mlci/runs" / run / "report.html").unlink()
    assert f"run {run} left no report" in ran(measured, "open", expected=2)


CASES = """\
import json, os, sys
out = "/opt/ml/processing/output/out"
os.makedirs(out, exist_ok=True)
json.dump({"size": float(sys.argv[1])}, open(f"{out}/metrics.json", "w"))
wrong = int(float(sys.argv[1]) * 10)
rows = [f"{number},1,{int(number != wrong)}" for number in range(10)]
open(f"{out}/cases.csv", "w").write("\\n".join(["id,label,predicted", *rows]))
"""


@pytest.mark.slow
def test_two_runs_are_compared(measured: Project) -> None:
    measured.write(
        "flow.yaml", FLOW.replace("auc", "size").replace("metrics: out", "cases: out/cases.csv\n    metrics: out")
    )
    measured.write("measure.py", CASES)
    commit(measured.root)
    assert "main has no baseline to compare with" in ran(measured, "diff", expected=2)
    ran(measured, "run")
    first = str(measured.result()["run_id"])
    ran(measured, "run", "--param", "size=0.5", expected=1)
    text = ran(measured, "diff")
    assert text.startswith(f"the baseline of main: run {first}, commit ")
    lines = text.splitlines()
    assert "  measure.size  0.95 → 0.5  -0.45" in lines
    assert "  size  0.95 → 0.5" in lines
    assert "cases of measure: 10 cases in both" in lines
    assert "  1 turned wrong: 5" in lines
    assert "  1 turned right: 9" in lines
    assert "  measure: argument 1: 0.95 → 0.5" in lines
    assert ran(measured, "diff", first[-6:]).splitlines()[1:] == lines[1:]
    assert ran(measured, "diff", "main", "latest") == text
    document = json.loads(ran(measured, "diff", "--format", "json"))
    assert document["cases"] == [{"step": "measure", "common": 10, "to_wrong": ["5"], "to_right": ["9"], "moved": None}]
    assert document["metrics"] == [{"name": "measure.size", "before": 0.95, "after": 0.5}]
    markdown = ran(measured, "diff", "--format", "markdown")
    assert "| <code>measure.size</code> | 0.95 | 0.5 | -0.45 |" in markdown
    assert 'there is no run and no branch "mian". Did you mean "main"?' in ran(measured, "diff", "mian", expected=2)
    page = measured.root / "diff.html"
    assert ran(measured, "diff", "--format", "html", "--output", "diff.html").splitlines()[-1] == "diff.html"
    shown = page.read_text()
    assert "1 of 1 metric changed; 1 param changed; 1 case turned wrong and 1 right" in shown
    assert re.search('<img src="data:image/svg[^"]+" alt="measure: confusion, the same in both">', shown)
    assert ran(measured, "diff", "--format", "html") == shown
    for name, same in (("a.HTML", shown), ("a.json", ran(measured, "diff", "--format", "json")), ("a.md", markdown)):
        ran(measured, "diff", "--output", name)
        assert (measured.root / name).read_text().rstrip() == same.rstrip()
    ran(measured, "diff", "--output", "a.html", "--format", "text")
    assert (measured.root / "a.html").read_text() == text
    assert "can't be written" in ran(measured, "diff", "--output", "no/such/folder", expected=2)


@pytest.mark.slow
def test_branches_are_compared(measured: Project) -> None:
    ran(measured, "run")
    first = measured.root / ".mlci" / "runs" / str(measured.result()["run_id"])
    git(measured.root, "switch", "-q", "-c", "better")
    measured.write("flow.yaml", FLOW.replace("0.95", "0.99"))
    commit(measured.root)
    assert 'the branch "better" has no baseline' in ran(measured, "diff", "main", "better", expected=2)
    ran(measured, "run")
    git(measured.root, "switch", "-q", "main")
    assert "  measure.auc  0.95 → 0.99  +0.04" in ran(measured, "diff", "main", "better").splitlines()
    shutil.rmtree(first)  # as on another machine: the baseline has its keys
    assert "  measure: argument 1: 0.95 → 0.99" in ran(measured, "diff", "main", "better").splitlines()
    same = measured.mlci("diff", "main", "main", "--format", "json")
    assert (json.loads(same.stdout)["before"], same.returncode) == (json.loads(same.stdout)["after"], 0)
    assert "both are the same run" in same.stderr


@pytest.mark.slow
def test_a_report_says_what_has_changed_since_the_baseline_of_another_machine(measured: Project) -> None:
    ran(measured, "run")
    commit_id = str(measured.result()["commit"])
    assert measured.result()["since_baseline"] is None
    shutil.rmtree(measured.root / ".mlci/runs")  # what the baseline's run left here; the store is shared
    ran(measured, "run")
    report = measured.latest("report.md")
    assert f"Nothing that mlci knows of has changed since the baseline of commit {commit_id[:12]}." in report
    measured.write("measure.py", SCRIPT + "print()\n")
    measured.write("flow.yaml", FLOW.replace("0.95", "0.97").replace("max_drop: 0.02", "max_drop: 0.05"))
    ran(measured, "run")
    since: Any = measured.result()["since_baseline"]
    assert since["commit"] == commit_id
    assert since["params"] == [{"name": "auc", "before": "0.95", "after": "0.97"}]
    assert since["rules"] == [{"rule": "measure.auc max_drop", "change": "0.02 → 0.05"}]
    assert since["steps"] == {"measure": ["code: measure.py changed", "argument 1: 0.95 → 0.97"]}
    page = measured.latest("report.html")
    for text in ("Changed since the baseline", "measure.auc max_drop", "0.02 → 0.05", "code: measure.py changed"):
        assert text in page
