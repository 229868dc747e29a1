"""Reuse by the real command: what is run again, what is not, and what is imported where nothing is due."""

from __future__ import annotations

import json
import shutil

import pytest

from support.project import Project

SCRIPTS = {
    "prepare": 'open("/opt/ml/processing/output/out/rows", "w").write("1 2 3")\nprint("prepared")\n',
    "measure": """
import json
rows = open("data/rows").read().split()
json.dump({"rows": len(rows)}, open("/opt/ml/processing/output/out/m.json", "w"))
print("measured", len(rows))
""",
}
FLOW = """
flow: reuse
params: {least: 3}
defaults: {image: 'mine.example/image:1', timeout: 1m}
steps:
  prepare: {uses: processing, run: prepare.py, outputs: [out]}
  measure:
    uses: processing
    run: measure.py
    inputs: {rows: {from: "${{ steps.prepare.outputs.out }}", path: data/rows}}
    outputs: [out]
    metrics: out/m.json
gate: [{metric: measure.rows, min: "${{ params.least }}"}]
"""


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A repository whose flow ran once."""
    project = Project(tmp_path_factory.mktemp("reuse"))
    for name, script in SCRIPTS.items():
        project.write(f"{name}.py", script)
    project.write("flow.yaml", FLOW)
    done = project.mlci("run")
    assert done.returncode == 0, done.stdout + done.stderr
    return project


@pytest.fixture
def ran(first: Project, project: Project) -> tuple[Project, str]:
    """A copy of it under another folder's name, and the id of its run."""
    shutil.copytree(first.root, project.root, dirs_exist_ok=True, symlinks=True)
    return project, project.result()["run_id"]


def statuses(project: Project) -> dict[str, str]:
    return {name: step["status"] for name, step in project.result()["steps"].items()}


def test_a_second_run_starts_nothing_and_names_the_run_that_it_rests_on(ran: tuple[Project, str]) -> None:
    project, maker = ran
    project.write("README.md", "more words")
    planned = project.mlci("plan")
    assert f"  prepare  reused, from run {maker}\n" in planned.stdout
    assert "not used: every step is reused, so nothing is started" in planned.stdout
    shutil.rmtree(project.root / ".mlci/work", ignore_errors=True)
    done = project.mlci("run")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"nothing was run: all results are those of run {maker}\n" in done.stdout
    assert not (project.root / ".mlci/work").exists(), "no job has run"
    result = project.result()
    assert statuses(project) == {"prepare": "reused", "measure": "reused"}
    assert {step["reused_from"] for step in result["steps"].values()} == {maker}
    assert result["metrics"] == {"measure": {"rows": 3}}
    assert [rule["held"] for rule in result["rules"]] == [True]
    assert maker in result["steps"]["measure"]["outputs"]["out"]
    assert result["execution"] == ""
    assert result["changes"] == {}
    assert f"Nothing was run: all results are those of run {maker}." in project.latest("report.md")
    assert f"reused from run {maker}" in project.latest("junit.xml")
    assert json.loads(project.latest("input.json"))["steps"]["measure"]["reused"] is True
    assert json.loads(project.latest("definition.json"))["States"]
    assert f"measure  reused     0.0 s  from run {maker}" in project.mlci("show").stdout
    log = project.mlci("logs", "measure")
    assert (log.returncode, log.stdout) == (0, "measured 3\n")
    assert f'step "measure" was reused: this is its log of run {maker}' in log.stderr
    shutil.rmtree(project.root / ".mlci/runs" / maker)
    lost = project.mlci("logs", "measure")
    assert lost.returncode == 2
    assert f"the log of run {maker}, which made it, is not in this folder" in lost.stderr


def test_the_verdict_on_reused_results_is_todays(ran: tuple[Project, str]) -> None:
    project, _ = ran
    missed = project.mlci("run", "--param", "least=4")
    assert missed.returncode == 1, missed.stdout + missed.stderr
    assert statuses(project) == {"prepare": "reused", "measure": "reused"}


def test_only_what_has_changed_is_run(ran: tuple[Project, str]) -> None:
    project, maker = ran
    project.write("measure.py", SCRIPTS["measure"].replace("measured", "counted"))
    planned = json.loads(project.mlci("plan", "--json").stdout)
    assert planned["reuse"]["prepare"] == {"reused_from": maker, "reason": None}
    assert planned["reuse"]["measure"]["reason"] == f"code: measure.py changed (since run {maker})"
    assert planned["uploads"] != []
    done = project.mlci("run")
    assert done.returncode == 0, done.stdout + done.stderr
    assert statuses(project) == {"prepare": "reused", "measure": "succeeded"}
    assert f"1 of 2 steps reused, from run {maker}\n" in done.stdout
    assert project.mlci("logs", "measure").stdout == "counted 3\n"
    assert set(project.result()["changes"]) == {"measure"}
    project.write("measure.py", SCRIPTS["measure"])
    assert project.mlci("run").returncode == 0
    assert project.result()["steps"]["measure"]["reused_from"] == maker


def test_fresh_steps_are_run_with_what_reads_of_them(ran: tuple[Project, str]) -> None:
    project, _ = ran
    unknown = project.mlci("run", "--fresh", "mesure")
    assert unknown.returncode == 2
    assert 'the flow has no step "mesure". Did you mean "measure"?' in unknown.stderr
    assert project.mlci("run", "--fresh", "measure").returncode == 0
    assert statuses(project) == {"prepare": "reused", "measure": "succeeded"}
    assert project.mlci("run", "--fresh").returncode == 0
    assert statuses(project) == {"prepare": "succeeded", "measure": "succeeded"}
    assert project.mlci("run", MLCI_FRESH="prepare").returncode == 0
    assert statuses(project) == {"prepare": "succeeded", "measure": "succeeded"}
    assert project.mlci("run", MLCI_FRESH="0").returncode == 0
    assert statuses(project) == {"prepare": "reused", "measure": "reused"}


def test_parts_of_a_flow_are_run_where_they_are_asked_for_and_reused_where_they_are_needed(
    ran: tuple[Project, str],
) -> None:
    project, maker = ran
    assert project.mlci("run", "--until", "measure").returncode == 0
    assert statuses(project) == {"prepare": "reused", "measure": "reused"}
    only = project.mlci("run", "--only", "measure")
    assert only.returncode == 0, only.stdout + only.stderr
    assert statuses(project) == {"measure": "succeeded"}
    assert (
        maker
        in json.loads(project.latest("input.json"))["steps"]["measure"]["request"]["ProcessingInputs"][1]["S3Input"][
            "S3Uri"
        ]
    ), "it reads what the reused step has from the run that made it"
    assert project.mlci("run").returncode == 0
    assert project.result()["steps"]["measure"]["reused_from"] == maker, "what read a taken result is not recorded"


def test_what_is_damaged_is_made_again(ran: tuple[Project, str]) -> None:
    project, maker = ran
    (rows,) = (project.root / ".mlci/store").glob(f"*/mlci/reuse/runs/{maker}/prepare/out/rows")
    rows.write_text("1 2 3 4")
    done = project.mlci("run")
    assert done.returncode == 0, done.stdout + done.stderr
    assert statuses(project) == {"prepare": "succeeded", "measure": "succeeded"}
    assert project.result()["metrics"] == {"measure": {"rows": 3}}
    for record in (project.root / ".mlci/store").glob("*/mlci/reuse/records/*/*.json"):
        record.write_bytes(record.read_bytes()[:-20])
    assert project.mlci("run").returncode == 0
    assert statuses(project) == {"prepare": "succeeded", "measure": "succeeded"}


#: Packages that a run imports only where a step is due.
_NEEDED_BY_JOBS = ("mlci_asl", "mlci_emulator.embedded", "mlci_emulator.services", "mlci_emulator.integrations")
_SLOW = (
    *("pydantic", "yaml", "rich", "boto3", "botocore", "stepfunctions", "sagemaker", "sqlite3", "asyncio", "email"),
    *("typing_extensions", "tarfile", "gzip", "secrets", "html"),
)
#: Step types that the flow does not use.
_UNUSED = tuple(
    f"mlci.step_types.{name}" for name in ("tuning", "transform", "endpoint", "register", "glue", "approval")
)


def test_a_run_with_nothing_due_imports_neither_the_emulator_nor_an_sdk(ran: tuple[Project, str]) -> None:
    project, _ = ran
    assert project.mlci("run").returncode == 0  # the flow is known to the cache by now
    code = "import sys; from mlci.cli.main import main; main(['run']); print(*sorted(sys.modules), file=sys.stderr)"
    modules = project.python(code).stderr.split()
    assert [name for name in modules if name.startswith(_NEEDED_BY_JOBS)] == []
    assert [name for name in modules if name.partition(".")[0] in _SLOW] == []
    assert [name for name in modules if name in _UNUSED] == []
    own = [name for name in modules if name.startswith("mlci")]
    assert len(own) < 240, own
