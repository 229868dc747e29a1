"""An acceptance: the decision of somebody with the base branch's rights that a rule's miss is fine. And its format."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import field
from datetime import date, datetime
from typing import Any

from mlci.flow.models import Json
from mlci_dataclasses import dataclass

#: The version of the format. It changes when a reader of the old format would be misled by the new one.
SCHEMA = 1


@dataclass(frozen=True)
class AcceptedMiss:
    """One rule that a run missed, with its limit, and the `value` that its metric had; None where there was none. So
    for the `baseline`.

    `group` is that of a slice, "" for all cases. `keys` maps the steps that wrote the metric to their keys; it is empty
    where the flow lacks what the rule is about, which `is_removed` says, and in what an older mlci wrote, which kept no
    `limit` either.
    """

    metric: str
    op: str
    slice: str | None = None
    group: str = ""
    value: float | None = None
    is_removed: bool = False
    keys: Mapping[str, str] = field(default_factory=dict)
    limit: float | None = None
    is_relative: bool = False
    baseline: float | None = None

    def is_of(self, other: AcceptedMiss) -> bool:
        """Returns True if both are of rules of one kind, on the same cases. Their limits may differ."""
        mine, others = ((each.metric, each.op, each.slice, each.group) for each in (self, other))
        return mine == others

    @property
    def fields(self) -> dict[str, str]:
        """All that an acceptance of it covers, by names, with each digit of its numbers.

        >>> AcceptedMiss("evaluate.auc", "min", "sex", "f", 0.85, keys={"evaluate": "1f"}, limit=0.9).fields
        {'metric': 'evaluate.auc', 'value': '0.85', 'limit': 'min 0.9', 'group': 'f, of sex', 'written by': 'evaluate'}
        """
        value = "missing" if self.value is None else _shown(self.value)
        found = {"metric": self.metric, "value": "gone from the flow" if self.is_removed else value}
        if self.baseline is not None:
            found["baseline"] = _shown(self.baseline)
        found["limit"] = self.limit_text
        if self.slice is not None:
            found["group"] = f"{self.group}, of {self.slice}"
        return {**found, "written by": ", ".join(self.keys)} if self.keys else found

    @property
    def limit_text(self) -> str:
        """The limit, as the flow has it: `min 0.9`, `max_drop 2%`."""
        if self.limit is None:
            return self.op
        return f"{self.op} {_shown(self.limit * 100)}%" if self.is_relative else f"{self.op} {_shown(self.limit)}"

    def to_json(self) -> dict[str, Json]:
        return {
            "metric": self.metric,
            "op": self.op,
            "slice": self.slice,
            "group": self.group,
            "value": self.value,
            "removed": self.is_removed,
            "keys": dict(self.keys),
            "limit": self.limit,
            "relative": self.is_relative,
            "baseline": self.baseline,
        }

    @staticmethod
    def from_json(document: Any) -> AcceptedMiss:
        """Returns the miss that a document has. Raises: LookupError, TypeError or ValueError."""
        keys = document["keys"]
        return AcceptedMiss(
            str(document["metric"]),
            str(document["op"]),
            None if document["slice"] is None else str(document["slice"]),
            str(document["group"]),
            _number(document["value"]),
            document["removed"] is True,
            # An older mlci kept no names, and a key alone may be that of any step.
            {str(step): str(key) for step, key in keys.items()} if isinstance(keys, Mapping) else {},
            _number(document.get("limit")),
            document.get("relative") is True,
            _number(document.get("baseline")),
        )


def _number(value: Any) -> float | None:
    """Returns a number of a document. Raises: ValueError, if it is none, or not finite."""
    if value is None:
        return None
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise ValueError(f"{str(value)[:60]} is no number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"{str(value)[:60]} is not finite")
    return number


def _shown(number: float) -> str:
    return repr(number).removesuffix(".0")


@dataclass(frozen=True)
class Acceptance:
    """The decision that `metric` may miss its rules in run `run_id`, of that commit: by whom, why, and until when.

    `misses` has what was missed there: it covers nothing that is worse. `id`, `flow` and `base_branch` say where it is
    kept. One that was taken back has a `revoked_by`.
    """

    metric: str
    run_id: str
    commit: str | None
    by: str
    because: str
    until: date
    created: datetime
    id: str = ""
    flow: str = ""
    base_branch: str = ""
    misses: tuple[AcceptedMiss, ...] = ()
    revoked_by: str = ""

    def to_json(self) -> dict[str, Json]:
        return {
            "schema": SCHEMA,
            "id": self.id,
            "flow": self.flow,
            "base_branch": self.base_branch,
            "metric": self.metric,
            "run_id": self.run_id,
            "commit": self.commit,
            "by": self.by,
            "because": self.because,
            "until": self.until.isoformat(),
            "created": self.created.isoformat(timespec="seconds"),
            "revoked_by": self.revoked_by,
            "misses": [miss.to_json() for miss in self.misses],
        }

    @staticmethod
    def from_json(document: Any) -> Acceptance:
        """Returns the acceptance that a document has.

        Raises: LookupError, TypeError or ValueError, for one that is damaged, or of another version of mlci.
        """
        if not isinstance(document, Mapping) or document.get("schema") != SCHEMA:
            raise ValueError("this is no acceptance of this version of mlci")
        commit = document["commit"]
        return Acceptance(
            str(document["metric"]),
            str(document["run_id"]),
            None if commit is None else str(commit),
            str(document["by"]),
            str(document["because"]),
            date.fromisoformat(document["until"]),
            datetime.fromisoformat(document["created"]),
            str(document["id"]),
            str(document["flow"]),
            str(document["base_branch"]),
            tuple(map(AcceptedMiss.from_json, document["misses"])),
            str(document["revoked_by"]),
        )
