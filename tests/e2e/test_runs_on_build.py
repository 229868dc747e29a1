"""`runs-on: build` on both clouds: stopped, killed, continued, timed out, twice at once, and with its rights alone.

Each start of the script leaves a line, and a process of its own that would never end.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from werkzeug.serving import make_server

from mlci.flow import load
from mlci.provision.access_requirements import access_requirements
from mlci.provision.iam_policies import policies
from mlci.provision.policy_statements import AccountScope
from mlci.provision.stack_names import ROLES
from support.aws_account import Account, account
from support.iam_decisions import decided
from support.iam_derived import calls_of_the_workflow
from support.iam_enforced import Enforced, Quiet
from support.project import Project
from support.waiting import wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

BUCKET = "models"
FLOW = """
flow: inbuild
defaults: {timeout: TIMEOUT}
steps:
  make: {uses: processing, runs-on: build, run: make.py, outputs: [data], inputs: {raw: raw.csv}}
  measure:
    uses: processing
    runs-on: build
    run: measure.py
    args: [ROOT, MARK]
    inputs: {data: "${{ steps.make.outputs.data }}"}
    outputs: [out]
    metrics: out/metrics.json
gate: [{metric: measure.auc, min: 0.9}]
"""
MAKE = """
import shutil
shutil.copy('/opt/ml/processing/input/raw/raw.csv', '/opt/ml/processing/output/data/')
"""
MEASURE = """
import json, os, pathlib, subprocess, sys, time
root = pathlib.Path(sys.argv[1])
with (root / "starts").open("a") as file:
    print("started", file=file)
child = subprocess.Popen(["sleep", sys.argv[2]])
own = ("AWS_", "MLCI_", "CODEBUILD_")
print("waits, with", sorted(name for name in os.environ if name.startswith(own)), flush=True)
while not (root / "go").exists():
    time.sleep(0.05)
data = pathlib.Path("/opt/ml/processing/input/data/raw.csv").read_text()
json.dump({"auc": float(data)}, open("/opt/ml/processing/output/out/metrics.json", "w"))
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    with account(tmp_path_factory.mktemp("served"), BUCKET) as made:
        yield made


class InBuild(Project):
    """A repository whose step waits for a file `go`."""

    @property
    def mark(self) -> str:
        """The argument of the process that each start leaves: no other process of this machine has it."""
        return f"98765.{abs(hash(str(self.root))) % 10**9:09d}"

    def prepare(self, timeout: str = "10m", goes: bool = False) -> None:
        flow = FLOW.replace("ROOT", str(self.root)).replace("MARK", f'"{self.mark}"').replace("TIMEOUT", timeout)
        self.write("flow.yaml", flow)
        self.write("raw.csv", "0.95")
        self.write("make.py", MAKE)
        self.write("measure.py", MEASURE)
        if goes:
            self.go()

    def go(self) -> None:
        (self.root / "go").touch()

    @property
    def starts(self) -> int:
        file = self.root / "starts"
        return len(file.read_text().splitlines()) if file.exists() else 0

    def left(self) -> str:
        """The processes of jobs that are still there."""
        return subprocess.run(["pgrep", "-f", f"sleep {self.mark}"], capture_output=True, text=True, check=False).stdout


@pytest.fixture
def build(tmp_path: Path) -> Iterator[InBuild]:
    made = InBuild(tmp_path)
    yield made
    wait_for(lambda: not made.left())


@pytest.fixture(params=["local", "aws"])
def environment(request: pytest.FixtureRequest) -> Mapping[str, str]:
    if request.param == "local":
        return {"MLCI_CLOUD": "local"}
    served: Account = request.getfixturevalue("served")
    return served.environment


def test_its_files_come_and_go_as_those_of_any_job(build: InBuild, environment: Mapping[str, str]) -> None:
    build.prepare(goes=True)
    done = build.mlci("run", AWS_SESSION_TOKEN="secret", CODEBUILD_BUILD_ARN="x", **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    steps = build.result()["steps"]
    assert {name: step["status"] for name, step in steps.items()} == {"make": "succeeded", "measure": "succeeded"}
    assert steps["measure"]["job"].endswith("-0-0")
    log = build.latest("logs/measure.log")
    assert log.startswith(
        "waits, with ['AWS_CONFIG_FILE', 'AWS_EC2_METADATA_DISABLED', 'AWS_SHARED_CREDENTIALS_FILE']\n"
    )
    assert build.starts == 1
    assert "in the build" in build.latest("report.md")
    assert steps["measure"]["runs_on"] == "build"
    if environment["MLCI_CLOUD"] == "aws":
        run = build.runs[0]
        shutil.rmtree(build.root / ".mlci")
        assert build.mlci("logs", run, "measure", **environment).stdout == log
        assert "measure | waits" in build.mlci("logs", run, **environment).stdout
        assert build.mlci("logs", run, "nothing", **environment).returncode == 2


def test_a_killed_build_leaves_no_process(build: InBuild) -> None:
    build.prepare()
    running = build.start("run")
    wait_for(lambda: build.left())
    running.kill()
    running.communicate()
    wait_for(lambda: not build.left(), 10)


def test_a_stopped_build_leaves_no_process(build: InBuild, environment: Mapping[str, str]) -> None:
    build.prepare()
    running = build.start("run", **environment)
    wait_for(lambda: build.left())
    running.send_signal(signal.SIGTERM)
    out, err = running.communicate(timeout=60)
    assert running.returncode == 4, out + err
    assert build.left() == ""
    assert build.result()["steps"]["measure"]["status"] == "stopped"


def test_a_job_that_takes_too_long_is_killed_and_named(build: InBuild, environment: Mapping[str, str]) -> None:
    build.prepare(timeout="3s")
    done = build.mlci("run", **environment)
    assert done.returncode == 3, done.stdout + done.stderr
    reason = build.result()["steps"]["measure"]["reason"]
    assert reason == "Job runtime exceeded MaxRuntimeInSeconds provided (3)"
    assert build.left() == ""


def test_a_stop_by_another_command_kills_the_job(build: InBuild, served: Account) -> None:
    build.prepare()
    running = build.start("run", **served.environment)
    wait_for(lambda: build.left())
    assert build.mlci("stop", build.runs[0], **served.environment).returncode == 0
    out, err = running.communicate(timeout=60)
    assert running.returncode == 4, out + err
    assert build.left() == ""


def test_a_build_that_starts_again_takes_the_waiting_step_over(build: InBuild, served: Account) -> None:
    build.prepare()
    same = {**served.environment, "CODEBUILD_BUILD_ID": "models:1"}
    first = build.start("run", **same)
    wait_for(lambda: build.left())
    first.kill()
    first.communicate()
    wait_for(lambda: not build.left())
    build.go()
    done = build.mlci("run", **same)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "attached to run" in done.stdout
    assert (build.starts, len(build.runs)) == (2, 1)
    assert asked(served, build.result()["execution"]).count("measure") == 1


def test_a_build_that_is_gone_fails_its_step_in_words(build: InBuild, served: Account) -> None:
    build.prepare()
    gone = build.start("run", **served.environment)
    wait_for(lambda: build.left())
    gone.kill()
    gone.communicate()
    wait_for(lambda: not build.left(), 10)
    states, run = served.client("stepfunctions"), build.runs[0]
    arn = f"arn:aws:states:{served.region}:000000000000:execution:mlci-inbuild:{run}"
    wait_for(lambda: states.describe_execution(executionArn=arn)["status"] != "RUNNING")
    described = states.describe_execution(executionArn=arn)
    assert described["status"] == "FAILED"
    assert described["cause"] == "measure: the build is gone: the build that ran it gave no sign of life any more"


def test_two_builds_at_once_do_their_own_steps(tmp_path: Path, served: Account) -> None:
    builds = []
    for number in range(2):
        (tmp_path / str(number)).mkdir()
        builds.append(InBuild(tmp_path / str(number)))
        builds[-1].prepare(goes=True)
    codes: dict[int, int] = {}

    def run(number: int) -> None:
        environment = {**served.environment, "CODEBUILD_BUILD_ID": f"models:{number}"}
        codes[number] = builds[number].mlci("run", **environment).returncode

    threads = [threading.Thread(target=run, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == {0: 0, 1: 0}
    assert [build.starts for build in builds] == [1, 1]
    assert [build.left() for build in builds] == ["", ""]


def test_a_build_does_all_this_with_its_rights_and_none_more(build: InBuild, served: Account) -> None:
    build.prepare(goes=True)
    roles = dict.fromkeys(ROLES, served.environment["MLCI_WORKFLOW_ROLE"])
    scope = AccountScope("aws", served.region, "0" * 12, BUCKET, "c", roles)
    documents = policies(access_requirements(load((build.root / "flow.yaml").read_bytes(), "flow.yaml"), {}), scope)
    with acting("pull_request_build", documents["pull_request_build"], served) as (environment, made):
        done = build.mlci("run", **environment)
        assert done.returncode == 0, done.stdout + done.stderr
        assert made.denied == set()
    workflow = calls_of_the_workflow(served, build.result()["execution"])
    assert [call for call in workflow if not decided(documents["workflow"], call)] == []


@contextmanager
def acting(name: str, document: dict[str, Any], served: Account) -> Iterator[tuple[dict[str, str], Enforced]]:
    """The variables of a build that acts with one policy, and what it was denied."""
    made = Enforced(name, [document], served.server.exports["AWS_ENDPOINT_URL"])
    listening = make_server("127.0.0.1", 0, made, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=listening.serve_forever)
    thread.start()
    try:
        yield {**served.environment, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{listening.port}"}, made
    finally:
        listening.shutdown()
        thread.join()
        listening.server_close()


def asked(served: Account, execution: str) -> list[str]:
    """The steps that an execution asked its build for, each as often as it did."""
    events = served.client("stepfunctions").get_execution_history(executionArn=execution, maxResults=1000)["events"]
    assert not {"TaskTimedOut", "TaskFailed"} & {event["type"] for event in events}
    scheduled = [event["taskScheduledEventDetails"] for event in events if event["type"] == "TaskScheduled"]
    return [
        json.loads(task["parameters"])["Body"]["step"]
        for task in scheduled
        if task["resource"] == "putObject.waitForTaskToken"
    ]
