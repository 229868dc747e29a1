"""The main job: verdicts, exit codes, reports, and what is left behind."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from support.project import Project

MakeFlow = Callable[..., Project]

METRICS = """
import json, os
os.makedirs("/opt/ml/processing/output/out", exist_ok=True)
open("/opt/ml/processing/output/out/metrics.json", "w").write('METRICS')
"""
MEASURED = "outputs: [out]\nmetrics: out/metrics.json"


def processes(marker: str) -> list[str]:
    """The command lines of all processes that have the marker in their environment or command line."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                text = (entry / "environ").read_bytes() + (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if marker.encode() in text:
                found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode())
    return found


def test_the_example_passes_and_every_report_agrees(example: Project) -> None:
    done = example.mlci("run")
    assert done.returncode == 0, done.stdout + done.stderr
    result = example.result()
    assert (result["schema"], result["status"], result["exit_code"]) == (2, "passed", 0)
    assert [step["status"] for step in result["steps"].values()] == ["succeeded"] * 3
    assert result["metrics"]["evaluate"]["auc"] > 0.97
    assert "breast-cancer: passed" in done.stdout
    assert "evaluate.auc" in example.latest("report.md")
    assert "```mermaid" in example.latest("report.md")
    for name in ("definition.json", "input.json"):
        json.loads(example.latest(name))
    assert ElementTree.fromstring(example.latest("junit.xml")).get("failures") == "0"
    assert "<!doctype html>" in example.latest("report.html")
    assert "rows" in example.mlci("logs", "preprocess").stdout


@pytest.mark.parametrize("isolation", ["namespace", "link", "paths"])
def test_the_example_runs_in_each_isolation(example: Project, isolation: str) -> None:
    done = example.mlci("run", "--isolation", isolation)
    if done.returncode == 2 and "does not work here" in done.stderr:
        assert isolation != "paths"
        assert example.runs == []
        pytest.skip(done.stderr)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"isolation: {isolation}" in done.stdout


def test_a_missed_gate_is_told_the_same_everywhere(example: Project) -> None:
    done = example.mlci("run", "--param", "min_auc=0.9999")
    assert done.returncode == 1, done.stdout + done.stderr
    rules = {(rule["metric"], rule["op"]): rule for rule in example.result()["rules"]}
    missed = rules["evaluate.auc", "min"]
    assert not missed["held"]
    assert missed["margin"] == pytest.approx(missed["value"] - 0.9999)
    assert rules["evaluate.recall", "min"]["held"]
    failures = list(ElementTree.fromstring(example.latest("junit.xml")).iter("failure"))
    assert [failure.get("message") for failure in failures] == [missed["text"]]
    assert missed["text"] in done.stdout
    assert missed["text"] in example.latest("report.md")


def test_nothing_behind_a_missed_gate_is_run(script_flow: MakeFlow) -> None:
    project = script_flow(
        {"measure": METRICS.replace("METRICS", '{"auc": 0.5}'), "register": "print(1)", "aside": "print(2)"},
        {"measure": MEASURED, "register": "after: gate", "aside": "after: measure"},
        "gate: [{metric: measure.auc, min: 0.9}]",
    )
    done = project.mlci("run")
    assert done.returncode == 1, done.stdout + done.stderr
    steps = project.result()["steps"]
    assert {name: step["status"] for name, step in steps.items()} == {
        "measure": "succeeded",
        "register": "skipped",
        "aside": "succeeded",
    }


def test_what_is_behind_the_gate_runs_where_it_holds(script_flow: MakeFlow) -> None:
    project = script_flow(
        {"measure": METRICS.replace("METRICS", '{"auc": 0.95}'), "register": "print(1)", "never": "print(2)"},
        {"measure": MEASURED, "register": "after: gate", "never": "if: [{metric: measure.auc, max: 0.5}]"},
        "gate: [{metric: measure.auc, min: 0.9}]",
    )
    done = project.mlci("run")
    assert done.returncode == 0, done.stdout + done.stderr
    assert project.result()["steps"]["register"]["status"] == "succeeded"
    assert project.result()["steps"]["never"]["status"] == "skipped"


@pytest.mark.parametrize(
    ("metrics", "words"),
    [
        ("{}", "missing"),
        ('{"auc": NaN}', "NaN"),
        ('{"auc": "high"}', "not a number"),
        ("no json", "not JSON"),
        ('["a"]', "missing"),
    ],
)
def test_a_metric_that_is_no_number_misses_its_rule(script_flow: MakeFlow, metrics: str, words: str) -> None:
    project = script_flow(
        {"measure": METRICS.replace("METRICS", metrics)},
        {"measure": MEASURED},
        "gate: [{metric: measure.auc, min: 0.0}]",
    )
    done = project.mlci("run")
    assert done.returncode == 1, done.stdout + done.stderr
    assert words in done.stdout


def test_a_metrics_file_that_was_never_written_misses(script_flow: MakeFlow) -> None:
    project = script_flow({"measure": "pass"}, {"measure": MEASURED}, "gate: [{metric: measure.auc, min: 0.0}]")
    assert project.mlci("run").returncode == 1


def test_a_script_that_raises_fails_its_step_and_shows_its_last_lines(script_flow: MakeFlow) -> None:
    project = script_flow(
        {"one": "print('first')\nraise ValueError('no such column: age')", "two": "pass"}, {"two": "after: one"}
    )
    done = project.mlci("run")
    assert done.returncode == 3, done.stdout + done.stderr
    assert "ValueError: no such column: age" in done.stdout
    result = project.result()
    assert result["steps"]["one"]["status"] == "failed"
    assert result["steps"]["two"]["status"] == "skipped"
    assert 'step "one" failed' in result["reason"]
    assert "no such column" in project.latest("report.md")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("flow", "words"),
    [
        ("flow: x\nstepz: {}\n", 'flow.yaml:2:1: unknown key "stepz"'),
        ("", "flow.yaml"),
        ("flow: [\n", "flow.yaml"),
    ],
)
def test_a_wrong_flow_is_refused_and_leaves_nothing(project: Project, flow: str, words: str) -> None:
    project.write("flow.yaml", flow)
    done = project.mlci("run")
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not (project.root / ".mlci").exists()


def test_a_request_that_sagemaker_would_refuse_is_refused_before_anything_starts(script_flow: MakeFlow) -> None:
    project = script_flow({"one": "pass"}, {"one": "request: {NetwrkConfig: {}}"})
    done = project.mlci("run")
    assert done.returncode == 2
    assert 'flow.yaml:7:14: step "one"' in done.stderr
    assert "NetwrkConfig" in done.stderr
    assert project.runs == []


def test_a_request_that_it_takes_is_accepted(script_flow: MakeFlow) -> None:
    assert script_flow({"one": "pass"}, {"one": "request: {NetworkConfig: {}}"}).mlci("validate").returncode == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "--param", "nonsense"],
        ["run", "--param", "depth=x"],
        ["run", "--timeout", "soon"],
        ["run", "--flow", "no.yaml"],
        ["nonsense"],
        ["run", "--cloud", "mars"],
    ],
)
def test_wrong_options_are_exit_code_2_and_leave_nothing(script_flow: MakeFlow, arguments: list[str]) -> None:
    project = script_flow({"one": "pass"})
    done = project.mlci(*arguments)
    assert done.returncode == 2, done.stderr
    assert done.stderr.strip()
    assert "Traceback" not in done.stderr
    assert project.runs == []


def test_independent_steps_run_at_the_same_time(script_flow: MakeFlow) -> None:
    sleeper = "import time; time.sleep(3)"
    project = script_flow({"a": sleeper, "b": sleeper, "c": "pass"}, {"c": "after: [a, b]"})
    assert project.mlci("validate").returncode == 0  # compiles, which takes seconds the first time
    assert project.mlci("run").returncode == 0
    result = project.result()
    assert result["seconds"] < result["steps"]["a"]["seconds"] + result["steps"]["b"]["seconds"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_run_at_once_and_nothing_is_left(
    script_flow: MakeFlow, number: signal.Signals, tmp_path: Path
) -> None:
    marker = f"marker-{tmp_path.name}-{number}"
    sleeper = (
        "import subprocess, sys, time\n"
        "subprocess.Popen(['setsid', 'sleep', '300'])\n"
        "print('asleep', flush=True)\n"
        "time.sleep(300)"
    )
    project = script_flow({"a": sleeper, "b": "pass"}, {"a": f"env: {{MARK: {marker}}}", "b": "after: a"})
    running = project.start("run")
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and not any(marker in line or "sleep" in line for line in processes(marker)):
        time.sleep(0.05)
    assert len(processes(marker)) >= 2
    sent = time.monotonic()
    running.send_signal(number)
    out, err = running.communicate(timeout=60)
    assert time.monotonic() - sent < 60  # the script sleeps for 300
    assert running.returncode == 4, out + err
    assert processes(marker) == []
    result = project.result()
    assert result["status"] == "stopped"
    assert {name: step["status"] for name, step in result["steps"].items()} == {"a": "stopped", "b": "skipped"}


def test_a_timeout_stops_the_run(script_flow: MakeFlow) -> None:
    project = script_flow({"a": "import time; time.sleep(300)"})
    done = project.mlci("run", "--timeout", "1s")
    assert done.returncode == 4
    assert "timed out" in project.result()["reason"]


def test_a_step_that_takes_longer_than_its_timeout_fails(script_flow: MakeFlow) -> None:
    project = script_flow({"a": "import time; time.sleep(300)"}, {"a": "timeout: 1s"})
    done = project.mlci("run")
    assert done.returncode == 3, done.stdout + done.stderr
    assert project.result()["steps"]["a"]["status"] == "failed"


def test_a_failing_branch_stops_its_sibling(script_flow: MakeFlow) -> None:
    project = script_flow(
        {"a": "import time; time.sleep(300)", "b": "import time; time.sleep(0.5); raise SystemExit(7)"}
    )
    started = time.monotonic()
    assert project.mlci("run").returncode == 3
    assert time.monotonic() - started < 100  # the sibling sleeps for 300
    steps = project.result()["steps"]
    assert (steps["a"]["status"], steps["b"]["status"]) == ("stopped", "failed")


def test_the_same_code_and_data_are_staged_once(script_flow: MakeFlow) -> None:
    project = script_flow({"one": "pass"}, {"one": "inputs: {raw: one.py}"})
    assert project.mlci("run").returncode == 0
    before = {path: path.stat().st_mtime_ns for path in (project.root / ".mlci/store").rglob("*") if path.is_file()}
    assert project.mlci("run").returncode == 0
    after = {path: path.stat().st_mtime_ns for path in (project.root / ".mlci/store").rglob("*") if path.is_file()}
    assert before == after


@pytest.mark.slow
def test_runs_are_listed_and_shown(script_flow: MakeFlow) -> None:
    project = script_flow({"one": "print('hello')"})
    assert "no runs yet" in project.mlci("list").stdout
    assert project.mlci("show").returncode == 2
    project.mlci("run")
    project.mlci("run")
    first, second = project.runs
    listed = project.mlci("list").stdout
    assert listed.index(second) < listed.index(first)
    assert first in project.mlci("show", first[-6:]).stdout
    assert second in project.mlci("show").stdout
    assert project.mlci("logs", "one").stdout == "hello\n"
    refused = project.mlci("logs", "oen")
    assert refused.returncode == 2
    assert "one" in refused.stderr


def test_a_crash_inside_of_mlci_is_no_missed_gate(script_flow: MakeFlow) -> None:
    """Python's own exit code for an uncaught exception is 1, which here means "gate missed"."""
    project = script_flow({"one": "pass"})
    project.write(".mlci", "a file where a folder must be")
    done = project.mlci("run")
    assert done.returncode in (2, 3), done.stderr
    assert "Traceback" not in done.stderr


def test_a_baseline_is_kept_on_the_base_branch_and_compared_with_elsewhere(script_flow: MakeFlow) -> None:
    import subprocess

    project = script_flow(
        {"measure": METRICS.replace("METRICS", '{"auc": 0.95}')},
        {"measure": MEASURED},
        "gate: [{metric: measure.auc, max_drop: 0.02}]",
    )

    def git(*arguments: str) -> None:
        subprocess.run(
            ["git", "-c", "user.name=t", "-c", "user.email=t@example.com", *arguments],
            cwd=project.root,
            check=True,
            capture_output=True,
        )

    git("init", "-b", "main")
    project.write(".gitignore", ".mlci/\n")
    git("add", ".")
    git("commit", "-m", "first")
    assert project.mlci("run").returncode == 0
    git("checkout", "-b", "worse")
    project.write("measure.py", METRICS.replace("METRICS", '{"auc": 0.90}'))
    done = project.mlci("run")
    assert done.returncode == 1
    assert "baseline 0.95" in done.stdout
    assert project.result()["rules"][0]["baseline"] == 0.95


#: What a run on the local cloud does without: each takes from five milliseconds to some seconds to import.
NOT_IMPORTED = (
    *("asyncio", "difflib", "email", "http", "importlib.metadata", "ssl", "unittest", "urllib.request"),
    *("boto3", "botocore", "jinja2", "jsonata", "moto", "numpy", "pandas", "requests", "rich", "waitress"),
    *("sagemaker", "stepfunctions"),
)


def test_a_local_run_imports_no_more_than_it_needs(script_flow: MakeFlow) -> None:
    tail = "gate: [{metric: one.auc, min: 0.5}]"
    project = script_flow({"one": METRICS.replace("METRICS", '{"auc": 0.95}')}, {"one": MEASURED}, tail)
    assert project.mlci("run").returncode == 0  # compiles, with an SDK that imports boto3
    code = "import sys; from mlci.cli import main; assert main(['run']) == 0; print(*sys.modules)"
    done = project.python(code)
    imported = done.stdout.splitlines()[-1].split()
    assert [name for name in NOT_IMPORTED if name in imported] == [], done.stdout + done.stderr
    assert len(imported) < 620  # each step type is one of them
