"""The approvals that a run waits for, and decisions about them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone

import pytest

from mlci.backends.decisions import MAX_REASON_CHARS
from mlci.decisions.approvals import RunApprovals, decision_of
from mlci.errors import InputError
from mlci.plan.names import Names

RUN = "20261123-101530-3f9c2a"
ROOT = "s3://bucket/mlci/release"
NOW = datetime(2026, 11, 23, 10, 16, tzinfo=timezone.utc)


@dataclass
class InMemoryCloud:
    """A store, and tasks that wait for the tokens in `waiting`. A decision is written down when it is sent."""

    objects: dict[str, bytes] = field(default_factory=dict)
    waiting: dict[str, str] = field(default_factory=dict)
    sent: list[str] = field(default_factory=list)

    def ask(self, step: str, message: str = "go?") -> None:
        key = f"mlci/release/runs/{RUN}/{step}/decision/decision.json"
        body = {"token": f"token of {step}", "run": RUN, "step": step, "message": message, "decision_key": key}
        self.objects[f"{ROOT}/tokens/{RUN}/{step}.json"] = json.dumps(body).encode()
        self.waiting[f"token of {step}"] = f"s3://bucket/{key}"

    def list(self, prefix: str) -> Sequence[str]:
        return [uri for uri in self.objects if uri.startswith(prefix)]

    def read(self, uri: str, max_bytes: int | None = None) -> bytes | None:
        return self.objects.get(uri)

    def send(self, run_id: str, token: str, output: str) -> bool:
        self.sent.append(output)
        uri = self.waiting.pop(token, None)
        if uri:
            self.objects[uri] = output.encode()
        return uri is not None


def approvals(cloud: InMemoryCloud) -> RunApprovals:
    return RunApprovals(cloud, "bucket", Names("release"), RUN, lambda seconds: None)


def test_an_open_approval_is_decided_once() -> None:
    cloud = InMemoryCloud()
    cloud.ask("approve")
    run = approvals(cloud)
    found = run.find("approve")
    assert (found.message, found.decision) == ("go?", None)
    assert "token of" not in repr(found)
    run.decide(found, decision_of("approved", "ann", NOW, "fine"))
    assert json.loads(cloud.sent[0]) == {
        "decision": "approved",
        "by": "ann",
        "at": "2026-11-23T10:16:00Z",
        "reason": "fine",
    }
    expected = r'step "approve" is decided already: approved by ann at 2026-11-23T10:16:00Z: fine'
    with pytest.raises(InputError, match=expected):
        run.find("approve")
    with pytest.raises(InputError, match=expected):  # somebody was faster, after it was found open
        run.decide(found, decision_of("rejected", "bob", NOW, "no"))


@pytest.mark.parametrize("step", [None, "aprove"])
def test_what_is_open_is_listed_where_no_step_is_meant(step: str | None) -> None:
    cloud = InMemoryCloud()
    with pytest.raises(InputError, match=f"No step of run {RUN} waits for a decision now"):
        approvals(cloud).find(step)
    cloud.ask("approve")
    cloud.ask("publish", "really?")
    with pytest.raises(InputError, match=r"Open are: approve \(go\?\); publish \(really\?\)"):
        approvals(cloud).find(step)
    approvals(cloud).decide(approvals(cloud).find("approve"), decision_of("approved", "ann", NOW, ""))
    with pytest.raises(InputError, match=r"Open are: publish \(really\?\)"):
        approvals(cloud).find(step)


def test_a_step_that_does_not_wait_any_more_is_not_approved() -> None:
    cloud = InMemoryCloud()
    cloud.ask("approve")
    found = approvals(cloud).find("approve")
    cloud.waiting.clear()
    with pytest.raises(InputError, match="does not wait any more: it timed out, or the run has ended"):
        approvals(cloud).decide(found, decision_of("approved", "ann", NOW, ""))


def test_a_reason_has_a_limit() -> None:
    cloud = InMemoryCloud()
    cloud.ask("approve")
    run = approvals(cloud)
    with pytest.raises(InputError, match=f"the reason has {MAX_REASON_CHARS + 1} characters"):
        run.decide(run.find("approve"), decision_of("approved", "ann", NOW, "x" * (MAX_REASON_CHARS + 1)))
    assert cloud.sent == []
    run.decide(run.find("approve"), decision_of("approved", "ann", NOW, "x" * MAX_REASON_CHARS))


@pytest.mark.parametrize(
    "data", [b"", b"[]", b'{"step": "approve"}', b'{"step": "approve", "token": "t", "decision_key": "mlci/other/x"}']
)
def test_an_object_that_is_no_token_of_the_run_asks_nothing(data: bytes) -> None:
    cloud = InMemoryCloud({f"{ROOT}/tokens/{RUN}/approve.json": data})
    assert approvals(cloud).all() == []


def test_runs_of_the_base_branch_have_tokens_of_their_own() -> None:
    cloud = InMemoryCloud()
    cloud.ask("approve")
    assert RunApprovals(cloud, "bucket", Names("release", True), RUN, lambda seconds: None).all() == []
