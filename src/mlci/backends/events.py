"""An event of an execution's history, on any backend, with the names and details of GetExecutionHistory.

Source: https://docs.aws.amazon.com/step-functions/latest/apireference/API_HistoryEvent.html
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from mlci.flow.models import Json
from mlci_dataclasses import dataclass


@dataclass(frozen=True)
class Event:
    """One event. `details` has at most one member, as in the API: `{"stateEnteredEventDetails": {…}}`."""

    id: int
    previous_id: int
    timestamp: datetime
    type: str
    details: Mapping[str, Json]
