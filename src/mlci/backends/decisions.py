"""Decisions about approvals: the question that a waiting step asks, and what a person decided."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from mlci.step_types.states import APPROVED, REJECTED
from mlci_dataclasses import dataclass

if TYPE_CHECKING:
    from mlci.flow.models import Json

#: The most characters of a name and of a reason: a state's data is limited, and a history keeps them.
MAX_BY_CHARS, MAX_REASON_CHARS = 2_048, 4_096


@dataclass(frozen=True)
class Question:
    """The question of a step that waits for a decision. `until` is the end of its time limit. It can be decided once it
    `is_asked`: its token is where `mlci approve` reads it."""

    message: str
    until: datetime | None = None
    is_asked: bool = False


@dataclass(frozen=True)
class Decision:
    """A decision: `decision` is "approved" or "rejected", `by` says who decided, and `at` when."""

    decision: str
    by: str
    at: str
    reason: str = ""

    @property
    def is_approved(self) -> bool:
        return self.decision == APPROVED

    def to_json(self) -> dict[str, Json]:
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.decision} by {self.by} at {self.at}" + (f": {self.reason}" if self.reason else "")


def parse_decision(text: str) -> Decision | None:
    """Return the decision in a JSON text; None if there is none in it.

    >>> str(parse_decision('{"decision": "approved", "by": "ann", "at": "2026-11-23T10:15:30Z", "reason": "fine"}'))
    'approved by ann at 2026-11-23T10:15:30Z: fine'
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict) or document.get("decision") not in (APPROVED, REJECTED):
        return None
    fields = {name: document.get(name, "") for name in ("decision", "by", "at", "reason")}
    return Decision(**{name: str(value) for name, value in fields.items()})


def parse_question(parameters: str, asked: datetime, timeout_s: object) -> Question | None:
    """Return the question that the parameters of a task ask; None if the task asks none."""
    try:
        body = json.loads(parameters)["Body"]
    except (ValueError, RecursionError, KeyError, TypeError):
        return None
    if not isinstance(body, dict) or "token" not in body:
        return None
    until = asked + timedelta(seconds=timeout_s) if isinstance(timeout_s, int) else None
    return Question(str(body.get("message", "")), until)
