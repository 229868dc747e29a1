"""An acceptance: the decision of somebody with the base branch's rights that a rule's miss is fine. And its format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import date, datetime
from typing import Any

from mlci.fast_dataclasses import dataclass
from mlci.flow.models import Json

#: The version of the format. It changes when a reader of the old format would be misled by the new one.
SCHEMA = 1


@dataclass(frozen=True)
class AcceptedMiss:
    """One rule that a run missed, with the `value` that its metric had; None where there was none.

    `group` is that of a slice, "" for all cases. `keys` are those of the steps that wrote the metric; none where the
    flow lacks what the rule is about, which `is_removed` says.
    """

    metric: str
    op: str
    slice: str | None = None
    group: str = ""
    value: float | None = None
    is_removed: bool = False
    keys: tuple[str, ...] = ()
    text: str = field(default="", compare=False)

    def is_of(self, other: AcceptedMiss) -> bool:
        """Returns True if both are of the same rule, on the same cases."""
        mine, others = ((each.metric, each.op, each.slice, each.group) for each in (self, other))
        return mine == others

    def to_json(self) -> dict[str, Json]:
        return {
            "metric": self.metric,
            "op": self.op,
            "slice": self.slice,
            "group": self.group,
            "value": self.value,
            "removed": self.is_removed,
            "keys": list(self.keys),
            "text": self.text,
        }

    @staticmethod
    def from_json(document: Any) -> AcceptedMiss:
        """Returns the miss that a document has. Raises: LookupError, TypeError or ValueError."""
        value = document["value"]
        return AcceptedMiss(
            str(document["metric"]),
            str(document["op"]),
            None if document["slice"] is None else str(document["slice"]),
            str(document["group"]),
            None if value is None else float(value),
            document["removed"] is True,
            tuple(map(str, document["keys"])),
            str(document["text"]),
        )


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
