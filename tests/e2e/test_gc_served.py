"""`mlci gc` on AWS, against `mlci serve`: by the policy that `mlci policy gc` prints, with a run that goes on."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.aws_account import Account, account
from support.iam_calls import Call
from support.iam_decisions import decided
from support.iam_enforced import enforced_documents
from support.project import Project

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

BUCKET, FLOW = "models", "small"
OLD, LIVE, MODEL = "20250101-101530-aaaaaa", "20250102-101530-aaaaaa", "20250103-101530-aaaaaa"
CODE, USED = "a" * 64, "b" * 64
OBJECTS = {
    f"runs/{OLD}/train/model/m",
    f"runs/{MODEL}/train/model/m",
    f"protected/runs/{OLD}/train/model/m",
    f"protected/tokens/{OLD}/approve.json",
    f"code/{CODE}/a.py",
    f"code/{USED}/a.py",
    "install/wheel.whl",
    "baselines/main.json",
}
GONE = {
    f"runs/{OLD}/train/model/m",
    f"protected/runs/{OLD}/train/model/m",
    f"protected/tokens/{OLD}/approve.json",
    f"code/{CODE}/a.py",
}


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Account]:
    """A bucket of old objects, a run that goes on, and a registered model."""
    with account(tmp_path / "data", BUCKET) as made:
        s3, states, sagemaker = (made.client(name) for name in ("s3", "stepfunctions", "sagemaker"))
        for key in OBJECTS:
            s3.put_object(Bucket=BUCKET, Key=f"mlci/{FLOW}/{key}", Body=b"1234567890")
        for path in (tmp_path / "data/store" / BUCKET).rglob("*"):
            os.utime(path, (time.time() - 90 * 86_400,) * 2)
        definition = json.dumps({"StartAt": "a", "States": {"a": {"Type": "Wait", "Seconds": 600, "End": True}}})
        machine = states.create_state_machine(
            name=f"mlci-{FLOW}", definition=definition, roleArn="arn:aws:iam::000000000000:role/mlci-workflow"
        )
        text = json.dumps({"code": f"s3://{BUCKET}/mlci/{FLOW}/code/{USED}/"})
        states.start_execution(stateMachineArn=machine["stateMachineArn"], name=LIVE, input=text)
        sagemaker.create_model_package_group(ModelPackageGroupName="models")
        uri = f"s3://{BUCKET}/mlci/{FLOW}/runs/{MODEL}/train/model/m"
        sagemaker.create_model_package(
            ModelPackageGroupName="models",
            InferenceSpecification={
                "Containers": [{"Image": "mine.example/image:7", "ModelDataUrl": uri}],
                "SupportedContentTypes": ["text/csv"],
                "SupportedResponseMIMETypes": ["text/csv"],
            },
        )
        yield made


def objects(account: Account) -> set[str]:
    found = account.client("s3").list_objects_v2(Bucket=BUCKET).get("Contents", ())
    return {entry["Key"].removeprefix(f"mlci/{FLOW}/") for entry in found}


def test_a_person_with_the_policy_deletes_what_nothing_needs(project: Project, served: Account) -> None:
    project.write("flow.yaml", f"flow: {FLOW}\nsteps: {{pause: {{uses: wait, seconds: 1}}}}\n")
    printed = project.mlci("policy", "gc", **served.environment)
    assert printed.returncode == 0, printed.stderr
    policy = json.loads(printed.stdout)
    with enforced_documents(served, "person", [policy]) as person:
        dry = project.mlci("gc", "--dry-run", **{**served.environment, "AWS_ENDPOINT_URL": person.endpoint})
        assert dry.returncode == 0, dry.stdout + dry.stderr
        assert person.denied == set()
    assert "Nothing was deleted: --dry-run." in dry.stdout
    assert objects(served) == OBJECTS
    own = (("aws:ResourceAccount", "000000000000"),)
    for key in OBJECTS:
        call = Call("s3:DeleteObject", f"arn:aws:s3:::{BUCKET}/mlci/{FLOW}/{key}", own)
        assert decided(policy, call) == (not key.startswith(("install/", "baselines/"))), key
    done = project.mlci("gc", "--yes", **served.environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "deleted 40 bytes" in done.stdout
    assert objects(served) == OBJECTS - GONE


def test_a_right_that_is_missing_is_one_line(project: Project, served: Account) -> None:
    project.write("flow.yaml", f"flow: {FLOW}\nsteps: {{pause: {{uses: wait, seconds: 1}}}}\n")
    policy = json.loads(project.mlci("policy", "gc", **served.environment).stdout)
    with enforced_documents(
        served, "person", [policy]
    ) as person:  # this endpoint knows no DeleteObjects, and denies it
        refused = project.mlci("gc", "--yes", **{**served.environment, "AWS_ENDPOINT_URL": person.endpoint})
    assert refused.returncode == 3, refused.stdout + refused.stderr
    assert objects(served) == OBJECTS
    (line,) = refused.stderr.strip().splitlines()
    assert line.startswith("mlci: not deleted: s3://models/mlci/small/"), refused.stderr
    assert "AccessDenied" in line
    assert line.endswith("`mlci policy gc` prints the rights that it takes.")
