"""The approvals that a run waits for: what they ask, and the decision about one of them.

A waiting step has written its token to the store, beside what it asks. `mlci approve` and `mlci reject` read it there,
and send the decision as the task's output.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import field
from datetime import datetime
from typing import Protocol

from mlci.backends.decisions import MAX_REASON_CHARS, Decision, parse_decision
from mlci.errors import InputError
from mlci.flow.models import Json
from mlci.plan.names import Names
from mlci.s3_uris import split_s3_uri
from mlci_dataclasses import dataclass

#: More than a token, a message and the rest of it can have.
_TOKEN_MAX_BYTES = 65_536
#: The state machine writes a decision down right after it came.
_WRITTEN_S, _POLL_S = 5.0, 0.25


class DecisionCloud(Protocol):
    """The part of a cloud that decisions need."""

    def list(self, prefix: str) -> Sequence[str]: ...

    def read(self, uri: str, max_bytes: int | None = None) -> bytes | None: ...

    def send(self, run_id: str, token: str, output: str) -> bool:
        """Completes a waiting task by its token; returns False if it does not wait any more."""


@dataclass(frozen=True)
class Approval:
    """An approval that a run asked for. `decision` is the decision about it; None as long as there is none."""

    step: str
    message: str
    token: str = field(repr=False)
    decision_uri: str = ""
    decision: Decision | None = None


@dataclass(frozen=True)
class RunApprovals:
    """The approvals of one run, in a bucket. `sleep` waits for the state machine to write a decision down."""

    cloud: DecisionCloud
    bucket: str
    names: Names
    run_id: str
    sleep: Callable[[float], None]

    def all(self) -> list[Approval]:
        """Returns the approvals that the run has asked for, decided or not."""
        uris = self.cloud.list(f"s3://{self.bucket}/{self.names.tokens}/{self.run_id}/")
        found = (self._approval(self.cloud.read(uri, _TOKEN_MAX_BYTES)) for uri in sorted(uris))
        return [approval for approval in found if approval]

    def _approval(self, data: bytes | None) -> Approval | None:
        document = _document(data)
        step, token = document.get("step"), document.get("token")
        if not isinstance(step, str) or not isinstance(token, str):
            return None
        uri = f"s3://{self.bucket}/{document.get('decision_key')}"
        if not split_s3_uri(uri)[1].startswith(f"{self.names.run(self.run_id)}/"):
            return None
        return Approval(step, str(document.get("message", "")), token, uri, self._decision(uri))

    def _decision(self, uri: str) -> Decision | None:
        data = self.cloud.read(uri, _TOKEN_MAX_BYTES)
        return parse_decision(data.decode(errors="replace")) if data else None

    def find(self, step: str | None) -> Approval:
        """Returns the approval of a step.

        Raises: InputError, if the run asked for none there, or if it is decided already; it lists what is open.
        """
        approvals = self.all()
        chosen = next((approval for approval in approvals if approval.step == step), None)
        if chosen is None:
            what = f'step "{step}" of run {self.run_id} waits for no decision' if step else "name the step"
            raise InputError(what, _open_list(self.run_id, approvals))
        if chosen.decision:
            raise _decided(chosen, chosen.decision)
        return chosen

    def decide(self, approval: Approval, decision: Decision) -> None:
        """Sends the decision about an approval.

        Raises: InputError, if the step does not wait any more, or the decision is too long.
        """
        if len(decision.reason) > MAX_REASON_CHARS:
            raise InputError(f"the reason has {len(decision.reason)} characters. {MAX_REASON_CHARS} is the most")
        if self.cloud.send(self.run_id, approval.token, json.dumps(decision.to_json())):
            return
        waited_s = 0.0
        while not (found := self._decision(approval.decision_uri)) and waited_s < _WRITTEN_S:
            self.sleep(_POLL_S)
            waited_s += _POLL_S
        if found:
            raise _decided(approval, found)
        what = f'step "{approval.step}" of run {self.run_id} does not wait any more: it timed out, or the run has ended'
        raise InputError(what, f"See: mlci show {self.run_id}")


def decision_of(word: str, by: str, now: datetime, reason: str) -> Decision:
    """Returns a decision that is made now. `word` is "approved" or "rejected"."""
    return Decision(word, by, f"{now:%Y-%m-%dT%H:%M:%SZ}", reason)


def _decided(approval: Approval, decision: Decision) -> InputError:
    return InputError(f'step "{approval.step}" is decided already: {decision}')


def _open_list(run_id: str, approvals: Sequence[Approval]) -> str:
    still_open = [f"{each.step} ({each.message})" for each in approvals if not each.decision]
    if not still_open:
        return f"No step of run {run_id} waits for a decision now."
    return f"Open are: {'; '.join(still_open)}"


def _document(data: bytes | None) -> dict[str, Json]:
    try:
        document = json.loads(data or b"")
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}
