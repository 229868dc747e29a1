"""The changes of steps since earlier runs: the result of `mlci plan --why`, and a part of a run's report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mlci.flow.models import Json
from mlci.report.result import SCHEMA, Result

if TYPE_CHECKING:
    from mlci.reuse.differences import Explanation


def changes_text(found: Sequence[Explanation]) -> str:
    """Return a paragraph for each step."""
    return "\n".join(_paragraph(each) for each in found)


def changes_lines(result: Result) -> dict[str, str]:
    """Return a line for each step of a run, without its name. Those since the baseline's run are told elsewhere."""
    since = result.since_baseline
    told = since.run_id if since and since.steps is not None else None
    return {
        step: f"{'; '.join(each.changes) or 'nothing that counts has changed'} (since run {each.run_id})"
        for step, each in result.changes.items()
        if each.run_id != told
    }


def _paragraph(found: Explanation) -> str:
    if not found.has_key:
        return f"{found.step}: has no key, for it or a step before it reads what can't be looked at; it runs each time"
    if found.run_id is None:
        return f"{found.step}: no earlier run has made this step, as far as this folder knows"
    if not found.changes:
        return f"{found.step}: nothing that counts has changed since run {found.run_id}"
    lines = "".join(f"\n  {change}" for change in found.changes)
    return f"{found.step}: changed since run {found.run_id}, the nearest earlier one:{lines}"


def changes_json(flow: str, cloud: str, found: Sequence[Explanation]) -> dict[str, Json]:
    """Return the document of `mlci plan --why --json`."""
    steps: dict[str, Json] = {each.step: {"run_id": each.run_id, "changes": list(each.changes)} for each in found}
    return {"schema": SCHEMA, "flow": flow, "cloud": cloud, "steps": steps}
