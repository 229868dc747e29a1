"""Parts of a flow, run by the real command: what they take from earlier runs, and what they refuse."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from support.project import Project

SCRIPTS = {
    "prepare": 'open("/opt/ml/processing/output/out/rows", "w").write("1 2 3")',
    "measure": """
import json
rows = open("data/rows").read().split()
json.dump({"rows": len(rows)}, open("/opt/ml/processing/output/out/m.json", "w"))
print("measured", len(rows))
""",
    "publish": "print('published')",
}
FLOW = """
flow: parts
defaults: {image: 'mine.example/image:1', timeout: 1m}
steps:
  prepare: {uses: processing, run: prepare.py, outputs: [out]}
  measure:
    uses: processing
    run: measure.py
    inputs: {rows: {from: "${{ steps.prepare.outputs.out }}", path: data/rows}}
    outputs: [out]
    metrics: out/m.json
  publish: {uses: processing, run: publish.py, after: gate}
gate: [{metric: measure.rows, min: 3}]
"""


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A repository whose flow ran once as a whole."""
    project = Project(tmp_path_factory.mktemp("parts"))
    for name, script in SCRIPTS.items():
        project.write(f"{name}.py", script)
    project.write("flow.yaml", FLOW)
    refused = project.mlci("run", "--only", "measure")
    assert refused.returncode == 2
    assert 'no earlier run has "out" of step "prepare", which is needed. Run that first: mlci run' in refused.stderr
    assert project.runs == []
    done = project.mlci("run")
    assert done.returncode == 0, done.stdout + done.stderr
    return project


def test_a_single_step_takes_what_it_reads_from_the_last_run_that_has_it(parts: Project) -> None:
    whole = parts.result()["run_id"]
    done = parts.mlci("run", "--only", "measure")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"prepare: taken from run {whole}, " in done.stdout
    assert "old; what it ran has not changed\n" in done.stdout
    assert "parts: part of the flow succeeded (no verdict) in " in done.stdout
    result = parts.result()
    assert (result["partial"], result["taken"], list(result["steps"])) == (True, {"prepare": whole}, ["measure"])
    assert (result["status"], result["rules"], result["metrics"]) == ("passed", [], {"measure": {"rows": 3}})
    listed = json.loads(parts.mlci("list", "--json").stdout)["runs"][0]
    assert (listed["partial"], listed["rules"]) == (True, 0)
    compared = parts.mlci("diff", str(whole)).stdout.splitlines()
    assert compared[1].startswith(f"run {result['run_id']} (partial run)")
    assert not [line for line in compared if "publish" in line or "prepare" in line]
    until = str(datetime.now(timezone.utc).date() + timedelta(days=1))
    asked = parts.mlci("accept", "latest", "measure.rows", "--because", "x", "--until", until)
    assert f"run {result['run_id']} is of a part of the flow, and has no verdict. Run the whole flow" in asked.stderr


def test_a_part_behind_the_gate_or_of_another_flow_or_in_a_build_is_refused(parts: Project) -> None:
    before = parts.runs
    for arguments, environment, message in (
        (("--from", "publish"), {}, 'step "publish" is behind the gate'),
        (("--until", "mesure"), {}, '--until: the flow has no step "mesure". Did you mean "measure"?'),
        (("--only", "measure"), {"CI": "true"}, "a build runs the whole flow: a part has no verdict"),
    ):
        refused = parts.mlci("run", *arguments, **environment)
        assert refused.returncode == 2
        assert message in refused.stderr
    assert parts.runs == before


def test_the_end_of_a_flow_leaves_out_what_is_behind_the_gate_and_fails_as_any_run(parts: Project) -> None:
    parts.write("prepare.py", "# another comment\n" + SCRIPTS["prepare"])
    parts.write("measure.py", "raise SystemExit('broken')")
    try:
        failed = parts.mlci("run", "--from", "measure")
    finally:
        parts.write("measure.py", SCRIPTS["measure"])
    assert failed.returncode == 3, failed.stderr
    assert "old; its code, data or settings have changed\n" in failed.stdout
    assert "publish: not run: it is behind the gate, and a part has no verdict\n" in failed.stdout
    assert "parts: part of the flow failed (no verdict) in " in failed.stdout
    assert list(parts.result()["steps"]) == ["measure"]
    assert "part of the flow failed (no verdict)" in Path(parts.root / ".mlci/latest/report.md").read_text()


def test_a_run_keeps_the_keys_of_its_steps_and_plan_names_what_has_changed_since(parts: Project) -> None:
    whole = next(run for run in parts.runs if "publish" in keys_of(parts, run))
    done = parts.mlci("run", "--only", "measure")
    assert done.returncode == 0, done.stdout + done.stderr
    assert keys_of(parts, "../latest")["measure"] == keys_of(parts, whole)["measure"]
    changes = parts.result()["changes"]
    assert list(changes) == ["measure"]
    assert changes["measure"]["changes"] == []
    assert "nothing that counts has changed" in parts.latest("report.md")
    same = parts.mlci("plan", "--why", "publish")
    assert same.stdout == f"publish: nothing that counts has changed since run {whole}\n"
    parts.write("prepare.py", SCRIPTS["prepare"] + "  # once more")
    try:
        other = parts.mlci("plan", "--why", "measure")
    finally:
        parts.write("prepare.py", SCRIPTS["prepare"])
    assert '  input rows: "out" made by step prepare (code: prepare.py changed)\n' in other.stdout
    assert "changed since run 2" in other.stdout
    unknown = parts.mlci("plan", "--why", "mesure")
    assert unknown.returncode == 2
    assert 'the flow has no step "mesure". Did you mean "measure"?' in unknown.stderr


def test_a_plan_names_no_changes_where_no_earlier_run_is_known(tmp_path: Path) -> None:
    project = Project(tmp_path)
    for name, script in SCRIPTS.items():
        project.write(f"{name}.py", script)
    project.write("flow.yaml", FLOW)
    project.write(".mlci/runs/20261123-101530-aaaaaa/keys.json", "{")
    done = project.mlci("plan", "--why", "measure", "--json")
    assert json.loads(done.stdout)["steps"] == {"measure": {"run_id": None, "changes": []}}


def keys_of(project: Project, run: str) -> dict[str, str]:
    document = json.loads((project.root / ".mlci/runs" / run / "keys.json").read_text())
    return {name: step["key"] for name, step in document["steps"].items()}
