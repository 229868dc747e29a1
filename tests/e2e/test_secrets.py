"""A secret's value is where the script needs it, and nowhere else: not in files, processes, requests or output."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.aws_account import Account, account
from support.project import Project

pytestmark = pytest.mark.e2e

VALUE = "s3cret-0f2a91"
LINES = "-----BEGIN KEY-----\nMIIEowIBAAKCAQEA0f2a\n-----END KEY-----"
FLOW = """
flow: NAME
secrets:
  wandb: ssm:/team/wandb
  key: {from: "secretsmanager:team/key", pull_request: true}
defaults: {image: "mine.example/image:7", timeout: 10m}
steps:
  train:
    uses: training
    run: train.py
    env: {WANDB_API_KEY: "${{ secrets.wandb }}", COMMIT: "${{ env.GIT_SHA }}"}
  measure:
    uses: processing
    run: measure.py
    after: train
    env: {KEY: "${{ secrets.key }}"}
    outputs: [out]
    metrics: out/metrics.json
  other:
    uses: processing
    run: other.py
    outputs: [seen]
gate:
  - {metric: measure.auc, min: 0.9}
"""
TRAIN = """
import json, os, time
assert json.loads(os.environ.get("EXPECTED", "null")) in (None, os.environ["WANDB_API_KEY"])
print("login with", os.environ["WANDB_API_KEY"], "at", os.environ["COMMIT"], flush=True)
time.sleep(1)
assert os.environ["WANDB_API_KEY"][::-1] == "19a2f0-terc3s"
open(os.environ["SM_MODEL_DIR"] + "/m", "w").close()
"""
MEASURE = """
import json, os
key = os.environ["KEY"]
print("the key is", key)
print(repr(key))
assert len(key.splitlines()) == 3, key
json.dump({"auc": 0.95}, open("/opt/ml/processing/output/out/metrics.json", "w"))
"""
#: It looks for secrets that are not its own: in its environment, in its files, in all processes that it sees.
OTHER = """
import glob, json, os, time
found = [name for name in os.environ if "SECRET" in name or "KEY" in name]
deadline = time.monotonic() + 1.5
while time.monotonic() < deadline:
    for name in glob.glob("/proc/[0-9]*/environ") + glob.glob("/proc/[0-9]*/cmdline"):
        try:
            found += [name for part in (b"s3cret", b"MIIEow", b"MLCI_SECRET") if part in open(name, "rb").read()]
        except OSError:
            pass
    time.sleep(0.05)
json.dump(found, open("/opt/ml/processing/output/seen/found.json", "w"))
print("found", found)
"""


def repository(folder: Path, name: str) -> Project:
    project = Project(folder)
    project.write("flow.yaml", FLOW.replace("NAME", name))
    for script, text in (("train.py", TRAIN), ("measure.py", MEASURE), ("other.py", OTHER)):
        project.write(script, text)
    return project


def places(folder: Path, *values: str) -> list[str]:
    """The files below a folder that hold a value, or a line of one."""
    parts = [line.encode() for value in values for line in value.splitlines()]
    files = [file for file in folder.rglob("*") if file.is_file() and not file.is_symlink()]
    return [str(file) for file in files if any(part in file.read_bytes() for part in parts)]


def processes_with(*values: str) -> set[str]:
    """The command lines of all processes that hold a value there, or that have no business with one they hold."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line, variables = (folder / "cmdline").read_bytes(), (folder / "environ").read_bytes()
        except OSError:
            continue
        is_stranger = any(name in line for name in (b"supervisor.py", b"other.py"))
        holding = [value for value in values if value.encode() in (line + variables if is_stranger else line)]
        found |= {line.decode(errors="replace") for _ in holding}
    return found


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="there is no /proc")
def test_a_local_run_shows_a_secret_to_its_script_alone(tmp_path: Path) -> None:
    project = repository(tmp_path / "repository", "secret")
    variables = {"MLCI_SECRET_WANDB": VALUE, "MLCI_SECRET_KEY": LINES, "GIT_SHA": "0123abc"}
    started = project.start("run", **variables)
    seen: set[str] = set()
    while started.poll() is None:
        seen |= processes_with(VALUE, "MIIEow")
        time.sleep(0.05)
    output, errors = started.communicate(timeout=60)
    assert started.returncode == 0, output + errors
    assert seen == set()
    for text in (output, errors):
        assert VALUE not in text
        assert "MIIEow" not in text
    assert places(tmp_path, VALUE, "MIIEowIBAAKCAQEA0f2a") == []
    assert "login with *** at 0123abc" in project.latest("logs/train.log")
    assert "the key is ***\n***\n***" in project.latest("logs/measure.log")
    assert project.result()["env"] == {"GIT_SHA": "0123abc"}
    assert "GIT\\_SHA" in project.latest("report.md")
    if "isolation: namespace" in output:
        assert project.latest("logs/other.log") == "found []\n"


def test_a_run_without_a_value_starts_nothing(tmp_path: Path) -> None:
    project = repository(tmp_path, "secret")
    done = project.mlci("run", GIT_SHA="x", MLCI_SECRET_KEY=LINES)
    assert done.returncode == 2
    assert 'flow.yaml:4:10: the secret "wandb": MLCI_SECRET_WANDB is not set.' in done.stderr
    assert "MLCI_SECRET_KEY" not in done.stderr
    assert not (tmp_path / ".mlci" / "store").exists()
    assert project.runs == []


def test_plan_and_policy_know_secrets_by_name(tmp_path: Path) -> None:
    project = repository(tmp_path, "secret")
    variables = {"MLCI_SECRET_WANDB": VALUE, "MLCI_SECRET_KEY": LINES, "GIT_SHA": "x"}
    planned = project.mlci("plan", **variables)
    assert planned.returncode == 0, planned.stderr
    assert "  wandb  ssm:/team/wandb, read by train\n" in planned.stdout
    assert "  key    secretsmanager:team/key, read by measure; jobs of pull requests may read it\n" in planned.stdout
    assert VALUE not in planned.stdout
    document = json.loads(project.mlci("plan", "--json", **variables).stdout)
    assert document["secrets"] == {
        "wandb": {"from": "ssm:/team/wandb", "pull_request": False, "steps": ["train"]},
        "key": {"from": "secretsmanager:team/key", "pull_request": True, "steps": ["measure"]},
    }
    assert document["env"] == {"GIT_SHA": "x"}
    assert project.mlci("validate", GIT_SHA="x").returncode == 0
    policies = json.loads(project.mlci("policy", GIT_SHA="x").stdout)
    statements = {role: {each["Sid"]: each["Resource"] for each in policies[role]["Statement"]} for role in policies}
    assert statements["protected_job"]["ReadParameters"] == ["arn:aws:ssm:*:*:parameter/team/wandb"]
    assert "ReadParameters" not in statements["job"]
    secret = ["arn:aws:secretsmanager:*:*:secret:team/key-??????"]
    assert statements["job"]["ReadSecrets"] == statements["protected_job"]["ReadSecrets"] == secret
    readers = {role for role, named in statements.items() if "ReadSecrets" in named or "ReadParameters" in named}
    assert readers == {"job", "protected_job"}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    with account(tmp_path_factory.mktemp("served"), "models") as made:
        made.client("ssm").put_parameter(Name="/team/wandb", Value=VALUE, Type="SecureString")
        made.client("secretsmanager").create_secret(Name="team/key", SecretString=LINES)
        yield made


@pytest.mark.slow
def test_jobs_on_aws_read_secrets_themselves(tmp_path: Path, served: Account) -> None:
    project = repository(tmp_path, "aws-secret")
    environment = {**served.environment, "GIT_SHA": "0123abc"}
    refused = project.mlci("run", **environment)
    assert refused.returncode == 2
    assert 'the secret "wandb": only jobs of the base branch may read it' in refused.stderr
    done = project.mlci("run", "--protected", **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "login with *** at 0123abc" in project.latest("logs/train.log")
    assert "the key is ***\n***\n***" in project.latest("logs/measure.log")
    assert places(tmp_path, VALUE, "MIIEowIBAAKCAQEA0f2a") == []
    assert VALUE not in done.stdout + done.stderr
    sagemaker = served.client("sagemaker")
    for job in sagemaker.list_training_jobs()["TrainingJobSummaries"]:
        assert VALUE not in json.dumps(
            sagemaker.describe_training_job(TrainingJobName=job["TrainingJobName"]), default=str
        )
    served.client("ssm").delete_parameter(Name="/team/wandb")
    failed = project.mlci("run", "--protected", "--fresh", **environment)
    assert failed.returncode == 3, failed.stdout + failed.stderr
    assert 'the secret "wandb" (ssm:/team/wandb) can\'t be read: it does not exist in us-east-1' in failed.stdout
    served.client("ssm").put_parameter(Name="/team/wandb", Value=VALUE, Type="SecureString")
