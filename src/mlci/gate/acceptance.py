"""An acceptance: the decision of somebody with the base branch's rights that a rule's miss is fine."""

from __future__ import annotations

from datetime import date, datetime

from mlci.fast_dataclasses import dataclass


@dataclass(frozen=True)
class Acceptance:
    """The decision that `metric` may miss its rule in run `run_id`, of that commit: by whom, why, and until when."""

    metric: str
    run_id: str
    commit: str | None
    by: str
    because: str
    until: date
    created: datetime
