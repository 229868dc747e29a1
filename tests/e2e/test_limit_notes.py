"""`mlci validate` and `mlci plan` tell of limits that are finer than the cases of the last run."""

from __future__ import annotations

import json

from support.project import Project

FLOW = """
flow: fine
defaults: {image: 'mine.example/image:1', timeout: 1m}
steps:
  evaluate: {uses: processing, run: evaluate.py, outputs: [out], cases: out/cases.csv}
gate:
  - {metric: evaluate.recall, min: 0.5, max_drop: 0.02}
"""
EVALUATE = """
lines = ["id,label,predicted"] + [f"{number},{number % 2},{number % 2}" for number in range(40)]
open("/opt/ml/processing/output/out/cases.csv", "w").write("\\n".join(lines) + "\\n")
"""
NOTE = (
    "note, for the gate: evaluate.recall: one of 20 cases is 0.05, more than max_drop 0.02: "
    "so few can't tell a smaller change"
)


def test_a_limit_finer_than_one_case_is_told_once_a_run_has_cases(project: Project) -> None:
    project.write("flow.yaml", FLOW)
    project.write("evaluate.py", EVALUATE)
    first = project.mlci("validate")
    assert first.returncode == 0, first.stderr
    assert "note, for the gate" not in first.stdout
    ran = project.mlci("run")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert NOTE in project.mlci("validate").stdout
    assert NOTE in project.mlci("plan").stdout
    note = {"code": "weak-limit", "where": "", "text": NOTE.removeprefix("note, for the gate: ")}
    for command in ("validate", "plan"):
        assert json.loads(project.mlci(command, "--json").stdout)["notes"] == [note]
    project.write("flow.yaml", FLOW.replace("max_drop: 0.02", "max_drop: 0.4"))
    assert "note, for the gate" not in project.mlci("validate").stdout
