"""Whole builds under the policies that `mlci bootstrap` made, enforced: what they may do suffices, and is no more."""

from __future__ import annotations

import functools
import itertools
import json
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from mlci.provision.stack_names import Role, logical_id, project_name
from support.aws_account import Account, account
from support.git_repositories import commit, git
from support.iam_calls import ACCOUNT, Call, arn, read
from support.iam_decisions import decided
from support.iam_derived import calls_of_the_jobs, calls_of_the_workflow
from support.iam_enforced import Enforced, documents_of, enforced, enforced_documents
from support.project import ROOT, Project

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

FLOW = "breast-cancer"
#: What each role was seen to call, is documented to call, and must not: tests/mlci/provision/test_iam_policies.py, and
#: a simulator in CI, decide about the same.
CALLS = ROOT / "tests" / "mlci" / "provision" / "calls.json"
PULL_REQUEST = {
    "CODEBUILD_WEBHOOK_EVENT": "PULL_REQUEST_CREATED",
    "CODEBUILD_WEBHOOK_TRIGGER": "pr/7",
    "CODEBUILD_SOURCE_VERSION": "pr/7",
    "CODEBUILD_WEBHOOK_HEAD_REF": "refs/heads/better",
    "CODEBUILD_WEBHOOK_BASE_REF": "refs/heads/main",
}
PUSH = {
    "CODEBUILD_WEBHOOK_EVENT": "PUSH",
    "CODEBUILD_WEBHOOK_TRIGGER": "branch/main",
    "CODEBUILD_WEBHOOK_HEAD_REF": "refs/heads/main",
}
ASLEEP = "import time\nprint('asleep', flush=True)\ntime.sleep(300)\n"
#: What differs from run to run, and what stands for it in the file.
PLAIN = (
    (r"\d{8}-\d{6}-[0-9a-f]{6}", "20260101-000000-000000"),
    (r"/(code|data)/[0-9a-f]{32}", rf"/\1/{32 * '0'}"),
    (r"/definitions/[0-9a-f]{64}", f"/definitions/{64 * '0'}"),
    (r"/records/[0-9a-f]{64}", rf"/records/{64 * '0'}"),
    (rf"(mlci-{FLOW}-bucket)-\w+", r"\1-1"),
    (r"(Role)-\w+$", r"\1-1"),
    (r"(algo-1)-\d+$", r"\1-1"),
    (r"(/reports/[^:/]+):\d+/", r"\1:1/"),
    (r"(:stateMachine:[^:]+):\d+$", r"\1:1"),
)
ROLES: dict[bool, tuple[Role, Role, Role]] = {
    False: ("pull_request_build", "workflow", "job"),
    True: ("base_build", "protected_workflow", "protected_job"),
}


@dataclass
class Life:
    """A repository whose account is set up, and the addresses at which builds of the two projects act as their roles.
    `calls` are those of the roles that act for such builds."""

    repository: Project
    served: Account
    roles: dict[Role, str]
    at: dict[bool, Enforced]
    calls: dict[Role, set[Call]] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def environment(self, is_base: bool, webhook: Mapping[str, str]) -> dict[str, str]:
        """What CodeBuild sets in a build: its own variables, those of the webhook, and the project's."""
        name = project_name(FLOW, is_base)
        [told] = self.served.client("codebuild").batch_get_projects(names=[name])["projects"]
        return {
            **self.served.administrator,
            "AWS_ENDPOINT_URL": self.at[is_base].endpoint,
            "CODEBUILD_BUILD_ID": f"{name}:{next(self._numbers)}",
            **webhook,
            **{each["name"]: each["value"] for each in told["environment"]["environmentVariables"]},
        }

    def build(self, is_base: bool, webhook: Mapping[str, str], *options: str, **more: str) -> tuple[int, str]:
        """The exit code, and what was said."""
        done = self.repository.mlci("run", *options, **{**self.environment(is_base, webhook), **more})
        return done.returncode, done.stdout + done.stderr

    @contextmanager
    def training(self, is_base: bool, webhook: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
        """A build whose training goes on and on. The repository is as before once it has begun."""
        script = "src/breast_cancer/train.py"
        text = (self.repository.root / script).read_text()
        self.repository.write(script, ASLEEP)
        begun = self._trainings()
        process = self.repository.start("run", **self.environment(is_base, webhook))
        try:
            end = time.monotonic() + 60
            while self._trainings() == begun:
                assert process.poll() is None, process.communicate()
                assert time.monotonic() < end
                time.sleep(0.1)
            self.repository.write(script, text)
            yield process
        finally:
            process.kill()

    def _trainings(self) -> int:
        return len(self.served.client("sagemaker").list_training_jobs(MaxResults=100)["TrainingJobSummaries"])

    def note(self, is_base: bool) -> None:
        """What Step Functions and SageMaker did in the last run."""
        result = self.repository.result()
        _, workflow, job = ROLES[is_base]
        self.calls.setdefault(workflow, set()).update(calls_of_the_workflow(self.served, result["execution"]))
        self.calls.setdefault(job, set()).update(calls_of_the_jobs(self.served, result["run_id"]))

    def bucket(self) -> str:
        told = self.served.client("ssm").get_parameter(Name=f"/mlci/{FLOW}/bucket")
        return str(told["Parameter"]["Value"])

    def baseline(self) -> bytes:
        key = f"mlci/{FLOW}/baselines/main.json"
        body: bytes = self.served.client("s3").get_object(Bucket=self.bucket(), Key=key)["Body"].read()
        return body

    def client(self, service: str, is_base: bool = False) -> Any:
        """A client that acts as the role of a build."""
        exports = self.served.server.exports
        return boto3.client(
            service,
            endpoint_url=self.at[is_base].endpoint,
            region_name=self.served.region,
            aws_access_key_id=exports["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=exports["AWS_SECRET_ACCESS_KEY"],
        )


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    """An account that `mlci bootstrap` has set up for a repository with the example."""
    repository = Project(tmp_path_factory.mktemp("repository"))
    for name in ("flow.yaml", "buildspec.yaml", "data", "src/breast_cancer"):
        source, target = ROOT / name, repository.root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if source.is_dir() else shutil.copy)(source, target)
    git = ["git", "-C", str(repository.root)]
    (repository.root / ".gitignore").write_text(".mlci/\n")
    subprocess.run([*git, "init", "-q", "-b", "main"], check=True)
    commit(repository.root)
    subprocess.run([*git, "remote", "add", "origin", "git@github.com:octo/model.git"], check=True)
    with account(tmp_path_factory.mktemp("served"), "any") as served, ExitStack() as stack:
        done = repository.mlci("bootstrap", "--yes", **served.administrator)
        assert done.returncode == 0, done.stderr
        pages = served.client("cloudformation").list_stack_resources(StackName=f"mlci-{FLOW}")
        names = {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in pages["StackResourceSummaries"]}
        roles = {role: names[logical_id(role)] for role in itertools.chain(*ROLES.values())}
        at = {is_base: stack.enter_context(enforced(served, roles[build])) for is_base, (build, *_) in ROLES.items()}
        yield Life(repository, served, roles, at, {ROLES[is_base][0]: each.allowed for is_base, each in at.items()})


@dataclass(frozen=True)
class Builds:
    """Builds that have been: their exit codes and what they said; what was called in the name of each role, and what
    of it was denied."""

    ended: dict[str, tuple[int, str]]
    calls: dict[Role, frozenset[Call]]
    denied: frozenset[Call]


@pytest.fixture(scope="module")
def builds(life: Life) -> Builds:
    """All that builds do, once."""
    done = {"first": life.build(False, PULL_REQUEST)}
    life.note(is_base=False)
    done["missed"] = life.build(False, PULL_REQUEST, "--param", "min_auc=0.9999")
    done["base"] = life.build(True, PUSH)
    life.note(is_base=True)
    done["compared"] = life.build(False, PULL_REQUEST)
    for is_base, webhook, name in ((False, PULL_REQUEST, "stopped"), (True, PUSH, "stopped on the base branch")):
        with life.training(is_base, webhook) as trains:
            done[f"beside {name}"] = life.build(is_base, webhook)
            trains.send_signal(signal.SIGTERM)
            out, err = trains.communicate(timeout=60)
            done[name] = trains.returncode, out + err
    done["other definition"] = _with_another_definition(life)
    calls = {role: frozenset(called) for role, called in life.calls.items()}
    return Builds(done, calls, frozenset().union(*(at.denied for at in life.at.values())))


@pytest.fixture
def baseline(life: Life, builds: Builds) -> bytes:
    return life.baseline()


def _with_another_definition(life: Life) -> tuple[int, str]:
    text = (life.repository.root / "flow.yaml").read_text()
    more = "  more: {uses: processing, run: src/breast_cancer/features.py}\n\n# What the metrics must meet"
    life.repository.write("flow.yaml", text.replace("# What the metrics must meet", more))
    try:
        life.build(True, PUSH)
        return life.build(False, PULL_REQUEST, "--fresh")
    finally:
        life.repository.write("flow.yaml", text)


def test_builds_may_do_all_that_they_do(builds: Builds) -> None:
    codes = {name: code for name, (code, _) in builds.ended.items() if code}
    assert codes == {"missed": 1, "stopped": 4, "stopped on the base branch": 4}, builds
    assert "no baseline to compare with yet" in builds.ended["first"][1]
    assert "no baseline" not in builds.ended["compared"][1]
    assert builds.denied == frozenset()


def test_pull_requests_reuse_what_the_base_branch_made_and_the_base_branch_reuses_its_own(builds: Builds) -> None:
    runs = {name: _reused_from(said) for name, (_, said) in builds.ended.items()}
    assert runs["first"] == runs["base"] == set()  # the same steps, made by a pull request's build before
    assert len(runs["missed"]) == len(runs["compared"]) == 1
    assert runs["missed"] != runs["compared"] == runs["beside stopped on the base branch"]


def test_a_build_leaves_its_reports_and_tells_where(life: Life, builds: Builds) -> None:
    _, said = builds.ended["first"]
    [line] = [line for line in said.splitlines() if line.startswith("report in the S3 console: ")]
    address, _, prefix = line.removeprefix("report in the S3 console: ").partition("&prefix=")
    bucket = life.bucket()
    assert address == f"https://us-east-1.console.aws.amazon.com/s3/object/{bucket}?region=us-east-1"
    assert re.fullmatch(rf"mlci/{FLOW}/reports/mlci-{FLOW}-pull-request:\d+/report.html", prefix)
    page = life.served.client("s3").get_object(Bucket=bucket, Key=prefix)
    assert page["ContentType"] == "text/html; charset=utf-8"
    result = life.served.client("s3").get_object(Bucket=bucket, Key=prefix.replace("report.html", "result.json"))
    assert json.loads(result["Body"].read())["flow"] == FLOW


def _reused_from(said: str) -> set[str]:
    """The runs whose results a build took, as it said."""
    return set(re.findall(r"reused, from run (\S+)", said))


@pytest.mark.parametrize("role", [*ROLES[False][1:], *ROLES[True][1:]])
def test_step_functions_and_sagemaker_may_do_all_that_they_do(life: Life, builds: Builds, role: Role) -> None:
    documents = documents_of(life.served, life.roles[role])
    assert builds.calls[role]
    assert [call for call in builds.calls[role] if not any(decided(each, call) for each in documents)] == []


@pytest.mark.parametrize("is_base", [False, True])
def test_the_calls_are_those_of_the_file(life: Life, builds: Builds, tmp_path: Path, is_base: bool) -> None:
    """The policies are held against the file, also where nothing runs. What is new here was meant, or is a right too
    many. Whether a job has to be stopped once more is a matter of moments, so what is not seen as a rule may be."""
    kept = json.loads(CALLS.read_text())
    for role in ROLES[is_base]:
        called = _lines(builds.calls[role])
        (tmp_path / role).write_text("\n".join(sorted(called)))
        seen = _lines(map(read, kept[role]["seen"]))
        unseen = _lines(map(read, itertools.chain(*kept[role]["unseen"].values())))
        assert called - unseen == seen - unseen, f"the calls of {role} are now in {tmp_path / role}"


def test_a_pull_request_that_passes_itself_off_as_a_push_does_not_get_at_the_baseline(
    life: Life, baseline: bytes
) -> None:
    code, said = life.build(False, PUSH)
    assert code == 3, said
    assert "the gate held, and the baseline could not be written" in said
    assert "is not authorized to perform: s3:PutObject" in said
    assert life.repository.result()["status"] == "failed"
    assert life.baseline() == baseline


def test_the_base_branchs_role_decides_about_the_baseline_and_that_of_pull_requests_does_not(
    life: Life, baseline: bytes
) -> None:
    def decided(is_base: bool, *command: str) -> tuple[int, str]:
        done = life.repository.mlci("baseline", *command, **life.environment(is_base, PUSH))
        return done.returncode, done.stdout + done.stderr

    run = json.loads(baseline)["run_id"]
    code, listed = decided(True, "history", "--json")
    assert (code, run in listed) == (0, True), listed
    for command in (("set", run), ("reset",)):
        code, said = decided(False, *command)
        assert code == 3, said
        assert "is not authorized to perform: s3:PutObject" in said
    assert life.baseline() == baseline
    assert decided(False, "show")[0] == 0
    assert decided(True, "reset")[0] == 0
    assert decided(True, "set", run)[0] == 0
    assert json.loads(life.baseline())["metrics"] == json.loads(baseline)["metrics"]


def test_a_missed_gate_is_accepted_with_the_rights_of_the_policy(life: Life, baseline: bytes) -> None:
    root = life.repository.root
    git(root, "checkout", "-q", "-b", "feature")
    commit(root)  # what the base branch contains can't be accepted
    stricter = ("--param", "min_auc=0.9999")
    code, said = life.build(False, PULL_REQUEST, *stricter)
    assert code == 1, said
    run = life.repository.result()["run_id"]
    decision = ("--yes", "--because", "few cases", "--until", str(datetime.now(timezone.utc).date()))

    def accepted(environment: Mapping[str, str]) -> tuple[int, str]:
        done = life.repository.mlci("accept", run, "evaluate.auc", *decision, **environment)
        return done.returncode, done.stdout + done.stderr

    code, said = accepted(life.environment(False, PULL_REQUEST))
    assert (code, "nothing can be accepted in this pull request 7" in said) == (2, True), said
    code, said = accepted(life.environment(False, PUSH))  # it passes itself off as a push
    assert (code, "is not authorized to perform: s3:" in said) == (3, True), said
    printed = life.repository.mlci("policy", "accepter", **life.served.administrator)
    with enforced_documents(life.served, "accepter", [json.loads(printed.stdout)]) as person:
        at = {**life.served.administrator, "AWS_ENDPOINT_URL": person.endpoint, "MLCI_CLOUD": "aws"}
        code, said = accepted(at)
        assert (code, f"run {run}: accepted by arn:aws:" in said) == (0, True), said
        assert person.denied == set()
    code, said = life.build(False, PULL_REQUEST, *stricter)
    assert (code, "few cases" in said) == (0, True), said
    [rule] = [rule for rule in life.repository.result()["rules"] if rule["acceptance"]]
    assert (rule["verdict"], rule["acceptance"]["run_id"]) == ("accepted", run)
    git(root, "checkout", "-q", "main")


def test_a_pull_request_that_takes_the_base_branchs_names_starts_nothing(life: Life, baseline: bytes) -> None:
    settings = {"MLCI_PROTECTED": "true", "MLCI_WORKFLOW_ROLE": f"arn:aws:iam::{ACCOUNT}:role/{life.roles['workflow']}"}
    machine = arn("states", f"stateMachine:mlci-{FLOW}_protected")
    executions = life.served.client("stepfunctions").list_executions(stateMachineArn=machine)["executions"]
    code, said = life.build(False, PUSH, **settings)
    assert code == 3, said
    assert f"on resource: {machine}" in said
    assert life.served.client("stepfunctions").list_executions(stateMachineArn=machine)["executions"] == executions
    assert life.baseline() == baseline


def test_a_script_in_a_pull_requests_build_reaches_nothing_of_others(life: Life, baseline: bytes) -> None:
    bucket = life.bucket()
    s3, states = life.client("s3"), life.client("stepfunctions")
    protected = arn("states", f"stateMachine:mlci-{FLOW}_protected")
    theirs = {"definition": '{"StartAt": "a", "States": {"a": {"Type": "Succeed"}}}'}
    role = f"arn:aws:iam::{ACCOUNT}:role/{life.roles['protected_workflow']}"
    attempts: list[Callable[[], object]] = [
        *(
            functools.partial(s3.put_object, Bucket=bucket, Key=f"mlci/{key}", Body=b"{}")
            for key in (
                f"{FLOW}/baselines/main.json",
                f"{FLOW}/protected/records/{64 * '1'}/1.json",
                f"{FLOW}/records/{64 * '1'}/1.json",
                f"{FLOW}/install/{64 * '0'}/SHA256SUMS",
                "other/code/1/train.py",
            )
        ),
        lambda: s3.put_object(
            Bucket=bucket, Key=f"mlci/{FLOW}/protected/records/{64 * '1'}/1.json", Body=b"{}", IfNoneMatch="*"
        ),
        lambda: s3.delete_object(Bucket=bucket, Key=f"mlci/{FLOW}/records/{64 * '1'}/1.json"),
        lambda: s3.delete_object(Bucket=bucket, Key=f"mlci/{FLOW}/baselines/main.json"),
        lambda: s3.copy_object(Bucket=bucket, Key=f"mlci/{FLOW}/code/x", CopySource=f"{bucket}/mlci/other/data/x"),
        lambda: s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"}),
        lambda: states.start_execution(stateMachineArn=f"{protected}:1", input="{}"),
        lambda: states.update_state_machine(stateMachineArn=protected, **theirs),
        lambda: states.create_state_machine(name=f"mlci-{FLOW}", roleArn=role, **theirs),
        lambda: life.client("codebuild").start_build(projectName=project_name(FLOW, is_base=True)),
        lambda: life.client("ssm").put_parameter(Name=f"/mlci/{FLOW}/job_role", Value=role, Overwrite=True),
        lambda: life.client("iam").attach_role_policy(
            RoleName=life.roles["job"], PolicyArn="arn:aws:iam::aws:policy/ReadOnlyAccess"
        ),
    ]
    for attempt in attempts:
        with pytest.raises(ClientError) as refused:
            attempt()
        assert refused.value.response["Error"]["Code"] in ("AccessDenied", "AccessDeniedException")
    assert life.baseline() == baseline


def _lines(calls: Iterable[Call]) -> set[str]:
    """Each call as a line of JSON, without what differs from run to run."""
    return {
        json.dumps([_plain(call.action), _plain(call.resource), {k: _plain(v) for k, v in call.context}])
        for call in calls
    }


def _plain(text: str) -> str:
    for pattern, plain in PLAIN:
        text = re.sub(pattern, plain, text)
    return text
