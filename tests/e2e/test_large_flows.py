"""A flow whose requests have no room in the execution input, run by the real command on both clouds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.aws_account import account
from support.project import Project

SCRIPT = """
import os, sys
values = [os.environ[f"E{number}"] for number in range(95)]
assert all(value == sys.argv[1] * 250 for value in values), values
open("/opt/ml/processing/output/out/x", "w").write(sys.argv[1])
"""
LETTERS = "abcdefgh"


def project_of(folder: Path) -> Project:
    """Eight steps, each with 24,000 characters of variables; the last two run beside each other."""
    lines = ["flow: large", 'defaults: {image: "mine.example/image:7"}', "steps:"]
    for number, letter in enumerate(LETTERS):
        before = f"x: '${{{{ steps.s{LETTERS[min(number, 6) - 1]}.outputs.out }}}}'" if number else ""
        env = ", ".join(f"E{each}: {letter * 250}" for each in range(95))
        inputs = f"inputs: {{{before}}}"
        lines.append(
            f"  s{letter}: {{uses: processing, run: a.py, args: [{letter}], outputs: [out], {inputs}, env: {{{env}}}}}"
        )
    project = Project(folder)
    project.write("flow.yaml", "\n".join(lines))
    project.write("a.py", SCRIPT)
    return project


@pytest.mark.slow
def test_a_large_flow_runs_here_and_keeps_its_requests(tmp_path: Path) -> None:
    project = project_of(tmp_path)
    done = project.mlci("run")
    assert done.returncode == 0, done.stdout + done.stderr
    assert {step["status"] for step in project.result()["steps"].values()} == {"succeeded"}
    kept = json.loads(project.latest("input.json"))
    assert kept["steps"]["sc"]["request"]["Environment"]["E7"] == "c" * 250
    states = json.loads(project.latest("definition.json"))["States"]
    assert "read the requests (1)" in states
    assert len(project.latest("definition.json")) < 100_000


@pytest.mark.slow
def test_each_job_of_a_large_flow_gets_its_request_on_aws(tmp_path: Path) -> None:
    project = project_of(tmp_path / "project")
    with account(tmp_path / "data", "models") as served:
        done = project.mlci("run", **served.environment)
        assert done.returncode == 0, done.stdout + done.stderr
        sagemaker = served.client("sagemaker")
        requests = json.loads(project.latest("input.json"))["steps"]
        for name, step in project.result()["steps"].items():
            job = sagemaker.describe_processing_job(ProcessingJobName=step["job"])
            for field in ("AppSpecification", "Environment", "ProcessingOutputConfig", "RoleArn", "StoppingCondition"):
                assert job[field] == requests[name]["request"][field], (name, field)
