"""A gate that only mlci can judge: on both clouds, by builds that are killed, continued, stopped, or not there."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from mlci.flow import load
from mlci.provision.access_requirements import access_requirements
from mlci.provision.iam_policies import policies
from mlci.provision.policy_statements import AccountScope
from mlci.provision.stack_names import ROLES
from support.aws_account import Account, account
from support.iam_decisions import decided
from support.iam_derived import calls_of_the_workflow
from support.iam_enforced import enforced_documents
from support.project import Project
from support.waiting import wait_for

pytestmark = pytest.mark.e2e

BUCKET = "models"
FLOW = """
flow: judged
defaults: {timeout: 10m, image: "mine.example/image:7"}
steps:
  measure:
    uses: processing
    run: measure.py
    args: [ROOT]
    inputs: {data: data.csv}
    outputs: [out]
    metrics: out/metrics.json
    cases: out/cases.csv
  deploy: {uses: processing, run: deploy.py, args: [ROOT], after: gate}
gate:
  - {metric: measure.accuracy, min: 0.9}
"""
MEASURE = """
import json, pathlib, sys, time
root = pathlib.Path(sys.argv[1])
while not (root / "go").exists():
    time.sleep(0.05)
right = int(pathlib.Path("/opt/ml/processing/input/data/data.csv").read_text())
rows = [f"{number},1,{int(number < right)}" for number in range(100)]
out = pathlib.Path("/opt/ml/processing/output/out")
(out / "cases.csv").write_text("\\n".join(["id,label,predicted", *rows]) + "\\n")
(out / "metrics.json").write_text(json.dumps({"accuracy": right / 100}))
"""
DEPLOY = "import pathlib, sys; (pathlib.Path(sys.argv[1]) / 'deployed').touch()"
ASKS = "gate: judged by mlci"


class Judged(Project):
    """A repository whose model is deployed only behind the gate. The step that measures it waits for a file `go`."""

    def prepare(self, right: int = 95, goes: bool = True) -> None:
        self.write("flow.yaml", FLOW.replace("ROOT", str(self.root)))
        self.write("data.csv", str(right))
        self.write("measure.py", MEASURE)
        self.write("deploy.py", DEPLOY)
        if goes:
            self.go()

    def go(self) -> None:
        (self.root / "go").touch()

    @property
    def is_deployed(self) -> bool:
        return (self.root / "deployed").exists()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    with account(tmp_path_factory.mktemp("served"), BUCKET) as made:
        yield made


@pytest.fixture
def build(tmp_path: Path) -> Judged:
    return Judged(tmp_path)


@pytest.fixture(params=["local", "aws"])
def environment(request: pytest.FixtureRequest) -> Mapping[str, str]:
    if request.param == "local":
        return {"MLCI_CLOUD": "local"}
    served: Account = request.getfixturevalue("served")
    return served.environment


@pytest.mark.slow
def test_what_is_behind_a_gate_that_held_runs(build: Judged, environment: Mapping[str, str]) -> None:
    build.prepare()
    done = build.mlci("run", **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert build.is_deployed
    assert "the gate holds: what is behind it may run" in done.stdout
    assert {step["status"] for step in build.result()["steps"].values()} == {"succeeded"}


@pytest.mark.slow
def test_nothing_behind_a_gate_that_was_missed_runs(build: Judged, environment: Mapping[str, str]) -> None:
    build.prepare(right=80)
    done = build.mlci("run", **environment)
    assert done.returncode == 1, done.stdout + done.stderr
    assert not build.is_deployed
    assert "the gate is missed, so nothing behind it runs:\n" in done.stdout
    result = build.result()
    assert result["status"] == "gate_missed"
    assert {name: step["status"] for name, step in result["steps"].items()} == {
        "measure": "succeeded",
        "deploy": "skipped",
    }
    [rule] = result["rules"]
    assert (rule["metric"], rule["held"]) == ("measure.accuracy", False)


@pytest.mark.slow
def test_what_is_reused_is_judged_anew(build: Judged, environment: Mapping[str, str]) -> None:
    build.prepare()
    assert build.mlci("run", **environment).returncode == 0
    again = build.mlci("run", **environment)
    assert again.returncode == 0, again.stdout + again.stderr
    assert {step["status"] for step in build.result()["steps"].values()} == {"reused"}
    assert "the gate holds: what is behind it may run" in again.stdout
    flow = (build.root / "flow.yaml").read_text()
    build.write("flow.yaml", flow.replace("min: 0.9", "min: 0.99"))
    stricter = build.mlci("run", **environment)
    assert stricter.returncode == 1, stricter.stdout + stricter.stderr
    steps = build.result()["steps"]
    assert {name: step["status"] for name, step in steps.items()} == {"measure": "reused", "deploy": "skipped"}
    assert "measure.accuracy" in steps["deploy"]["reason"]


def test_a_part_of_a_flow_asks_nothing(build: Judged) -> None:
    build.prepare(right=80)
    done = build.mlci("run", "--only", "measure")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "judgement" not in json.loads(build.latest("input.json"))


@pytest.mark.slow
def test_the_execution_itself_says_that_the_gate_was_missed(build: Judged, served: Account) -> None:
    build.prepare(right=80)
    assert build.mlci("run", **served.environment).returncode == 1
    described = served.client("stepfunctions").describe_execution(executionArn=build.result()["execution"])
    assert (described["status"], described["error"]) == ("FAILED", "mlci.GateMissed")
    assert "measure.accuracy" in described["cause"]


def test_a_build_that_starts_again_answers_the_waiting_gate(build: Judged, served: Account) -> None:
    build.prepare(goes=False)
    same = {**served.environment, "CODEBUILD_BUILD_ID": "models:1"}
    run = killed_while_measuring(build, same)
    build.go()
    wait_for(lambda: is_asked(served, run))
    assert not build.is_deployed
    done = build.mlci("run", **same)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "attached to run" in done.stdout
    assert (build.is_deployed, build.runs) == (True, [run])


def test_a_run_that_waits_for_its_verdict_can_be_stopped(build: Judged, served: Account) -> None:
    build.prepare(goes=False)
    run = killed_while_measuring(build, served.environment)
    build.go()
    wait_for(lambda: is_asked(served, run))
    assert build.mlci("stop", run, **served.environment).returncode == 0
    arn = execution_of(served, run)
    wait_for(lambda: served.client("stepfunctions").describe_execution(executionArn=arn)["status"] == "ABORTED")
    assert not build.is_deployed


@pytest.mark.slow
def test_a_gate_that_nobody_judges_fails_and_nothing_behind_it_runs(build: Judged, served: Account) -> None:
    """An execution that no build follows, with a shorter time limit."""
    build.prepare(right=80)
    assert build.mlci("run", **served.environment).returncode == 1
    values = json.loads(build.latest("input.json"))
    assert values["judgement"]["timeout_s"] == 600
    values["judgement"]["timeout_s"] = 2
    values["steps"]["measure"]["reused"] = True
    states = served.client("stepfunctions")
    version = states.describe_execution(executionArn=build.result()["execution"])["stateMachineVersionArn"]
    arn = states.start_execution(stateMachineArn=version, name="alone", input=json.dumps(values))["executionArn"]
    wait_for(lambda: states.describe_execution(executionArn=arn)["status"] != "RUNNING")
    described = states.describe_execution(executionArn=arn)
    assert (described["status"], described["error"]) == ("FAILED", "mlci.NotJudged")
    assert described["cause"] == values["judgement"]["timed_out"]
    assert not build.is_deployed


@pytest.mark.slow
def test_two_builds_at_once_judge_their_own_gates(tmp_path: Path, served: Account) -> None:
    builds = []
    for number, right in enumerate((95, 80)):
        (tmp_path / str(number)).mkdir()
        builds.append(Judged(tmp_path / str(number)))
        builds[-1].prepare(right)
    codes: dict[int, int] = {}

    def run(number: int) -> None:
        environment = {**served.environment, "CODEBUILD_BUILD_ID": f"models:{number + 7}"}
        codes[number] = builds[number].mlci("run", **environment).returncode

    threads = [threading.Thread(target=run, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == {0: 0, 1: 1}
    assert [each.is_deployed for each in builds] == [True, False]


@pytest.mark.slow
def test_a_build_judges_with_its_rights_and_none_more(build: Judged, served: Account) -> None:
    build.prepare()
    settings = served.environment
    roles = {role: settings["MLCI_JOB_ROLE" if "job" in role else "MLCI_WORKFLOW_ROLE"] for role in ROLES}
    scope = AccountScope("aws", served.region, "0" * 12, BUCKET, "c", roles)
    documents = policies(access_requirements(load((build.root / "flow.yaml").read_bytes(), "flow.yaml"), {}), scope)
    with enforced_documents(served, "pull_request_build", [documents["pull_request_build"]]) as made:
        done = build.mlci("run", **{**served.environment, "AWS_ENDPOINT_URL": made.endpoint})
        assert done.returncode == 0, done.stdout + done.stderr
        assert made.denied == set()
    workflow = calls_of_the_workflow(served, build.result()["execution"])
    assert [call for call in workflow if not decided(documents["workflow"], call)] == []


def test_a_definition_that_asks_is_refused_where_nobody_answers(build: Judged) -> None:
    build.prepare()
    definition = build.mlci("definition")
    build.write("definition.json", definition.stdout)
    done = build.mlci("execute", "definition.json", "--store", "store")
    assert done.returncode == 2
    assert "putObject.waitForTaskToken needs Step Functions itself" in done.stderr


def killed_while_measuring(build: Judged, environment: Mapping[str, str]) -> str:
    """The run of a build that is killed while its first step runs, which goes on."""
    running = build.start("run", **environment)
    wait_for(lambda: build.runs and (build.root / ".mlci/runs" / build.runs[0] / "input.json").exists())
    assert running.stdout is not None
    for line in running.stdout:
        if "execution: " in line:
            break
    running.kill()
    running.communicate()
    return build.runs[0]


def execution_of(served: Account, run: str) -> str:
    return f"arn:aws:states:{served.region}:000000000000:execution:mlci-judged:{run}"


def is_asked(served: Account, run: str) -> bool:
    """True if the run's state machine waits for a verdict."""
    events: list[dict[str, Any]] = served.client("stepfunctions").get_execution_history(
        executionArn=execution_of(served, run), reverseOrder=True, maxResults=20
    )["events"]
    names = [event["stateEnteredEventDetails"]["name"] for event in events if "stateEnteredEventDetails" in event]
    return ASKS in names and events[0]["type"] == "TaskSubmitted"
