"""Who may loosen the gate, on a pretended AWS: a pull request's build, an acceptance, and the merge."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

import pytest

from mlci.decisions.acceptances import read_misses, write_acceptance
from mlci.gate import Acceptance
from mlci.report.result import Result, Status, to_json
from support.aws_builds import FLOW, Builder
from support.fake_aws import BUCKET, PretendAws, Script

LOWERED = FLOW.replace("defaults:", "params: {min_auc: 0.5}\ndefaults:").replace("0.9}", '"${{ params.min_auc }}"}')
BASE = LOWERED.replace("min_auc: 0.5", "min_auc: 0.9")
NOW = datetime.now(timezone.utc)


@pytest.fixture
def merged(builder: Builder) -> Builder:
    """A flow whose base branch has passed its gate."""
    builder.reuses = False
    builder.write(BASE)
    assert builder.run().status is Status.PASSED
    return builder


def misses(builder: Builder, result: Result) -> list[str]:
    found = read_misses("small", result.run_id, BUCKET, builder.cloud(builder.flow()))
    return [miss.metric for each in found for miss in each.misses]


def accept(builder: Builder, result: Result, days: int = 1) -> None:
    cloud = builder.cloud(builder.flow())
    [missed] = read_misses("small", result.run_id[:15], BUCKET, cloud)
    accepted = Acceptance(
        metric="measure.auc",
        run_id=missed.run_id,
        commit=missed.commit,
        by="arn:aws:sts::000000000000:assumed-role/accepter/ann",
        because="a fairer split",
        until=NOW.date() + timedelta(days=days),
        created=NOW,
        id="20261201-112004-77ab01",
        flow="small",
        base_branch="main",
        misses=missed.misses,
    )
    write_acceptance(accepted, builder.context().target, cloud)


def test_a_pull_request_that_lowers_a_param_is_red_until_it_is_accepted_or_merged(
    merged: Builder, pretended: PretendAws
) -> None:
    pretended.sagemaker.scripts["measure"] = Script(metrics={"auc": 0.8})
    merged.write(LOWERED)
    missed = merged.run("small:1")
    assert (missed.exit_code, [rule.held for rule in missed.rules]) == (1, [True, False])
    assert "min_auc lowered from 0.9 to 0.5 in flow.yaml" in missed.reason
    assert misses(merged, missed) == ["measure.auc"]
    accept(merged, missed)
    accepted = merged.run("small:2")
    assert accepted.exit_code == 0, accepted.reason
    [rule] = [rule for rule in to_json(accepted)["rules"] if rule["acceptance"]]  # type: ignore[union-attr,index,call-overload]
    assert rule["verdict"] == "accepted"  # type: ignore[index,call-overload]
    assert "accepted by arn:aws:sts::000000000000:assumed-role/accepter/ann until" in str(rule)
    pretended.sagemaker.scripts["measure"] = Script(metrics={"auc": 0.79})
    assert "worse than the 0.8 that was accepted" in merged.run("small:3").reason
    assert merged.run().exit_code == 0  # merged: its own gate
    pretended.sagemaker.scripts["measure"] = Script(metrics={"auc": 0.6})
    after = merged.run("small:4")
    assert (after.exit_code, len(after.rules)) == (0, 1)


def test_the_base_branchs_run_counts_an_acceptance_and_names_it(merged: Builder, pretended: PretendAws) -> None:
    pretended.sagemaker.scripts["measure"] = Script(metrics={"auc": 0.8})
    accept(merged, merged.run("small:1"))
    assert merged.run().exit_code == 0
    cloud = merged.cloud(merged.flow())
    document = json.loads(cloud.read(f"s3://{BUCKET}/mlci/small/baselines/main.json") or b"")
    assert (document["metrics"], document["acceptances"]) == ({"measure": {"auc": 0.8}}, ["20261201-112004-77ab01"])


def test_an_expired_acceptance_is_refused_with_the_reason(merged: Builder, pretended: PretendAws) -> None:
    pretended.sagemaker.scripts["measure"] = Script(metrics={"auc": 0.8})
    accept(merged, merged.run("small:1"), days=-1)
    assert "does not count: it expired on" in merged.run("small:2").reason


def test_a_baseline_without_a_gate_leaves_the_flows_own(merged: Builder, pretended: PretendAws) -> None:
    """As an older mlci wrote it."""
    cloud = merged.cloud(merged.flow())
    uri = f"s3://{BUCKET}/mlci/small/baselines/main.json"
    document = json.loads(cloud.read(uri) or b"")
    cloud.write(uri, json.dumps({name: document[name] for name in ("schema", "run_id", "commit", "metrics")}).encode())
    pretended.sagemaker.scripts["measure"] = Script(metrics={"auc": 0.8})
    merged.write(LOWERED)
    assert merged.run("small:1").exit_code == 0
