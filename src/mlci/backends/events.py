"""An event of an execution's history, on any backend, with the names and details of GetExecutionHistory.

Source: https://docs.aws.amazon.com/step-functions/latest/apireference/API_HistoryEvent.html
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from mlci.fast_dataclasses import dataclass
from mlci.flow.models import Json


@dataclass(frozen=True)
class Event:
    """One event. `details` has at most one member, as in the API: `{"stateEnteredEventDetails": {…}}`."""

    id: int
    previous_id: int
    timestamp: datetime
    type: str
    details: Mapping[str, Json]
