"""The model registry, as `mlci models` tells it."""

from __future__ import annotations

from collections.abc import Iterator

from mlci.commits import short_commit
from mlci.flow.models import Json
from mlci.model_registry import ModelGroup, ModelVersion
from mlci.report.baseline_list import numbers
from mlci.report.formatting import figure

GROUP_HEAD = ("group", "newest", "created", "description")
VERSION_HEAD = ("version", "approval", "metrics", "run", "commit", "created")
_APPROVALS = {"PendingManualApproval": "pending", "Approved": "approved", "Rejected": "rejected"}
_NONE = "–"
_SHOWN = 4


def group_row(group: ModelGroup, newest: int | None) -> tuple[str, ...]:
    """Return a group in a line, one cell for each column of GROUP_HEAD."""
    version = _NONE if newest is None else str(newest)
    return group.name, version, f"{group.created:%Y-%m-%d %H:%M}", group.description or _NONE


def version_row(version: ModelVersion) -> tuple[str, ...]:
    """Return a version in a line, one cell for each column of VERSION_HEAD."""
    metrics = [f"{name} {figure(value)}" for name, value in numbers(version.metrics or {})]
    return (
        str(version.version),
        approval_word(version),
        ", ".join(metrics[:_SHOWN]) or _NONE,
        version.run or _NONE,
        short_commit(version.commit) or _NONE,
        f"{version.created:%Y-%m-%d %H:%M}",
    )


def approval_word(version: ModelVersion) -> str:
    """Return the approval in a word: pending, approved or rejected."""
    return _APPROVALS.get(version.approval, version.approval or _NONE)


def describe_version(version: ModelVersion) -> str:
    """Return a version in full."""
    lines = [f"{version.group}/{version.version}: {approval_word(version)}", *_lines(version)]
    if version.metrics is not None:
        lines += ["  metrics:", *(f"    {name} {figure(value)}" for name, value in numbers(version.metrics))]
    elif version.metrics_uri:
        lines.append(f"  metrics: {version.metrics_uri}, which can't be read")
    if version.params:
        lines += ["  params:", *(f"    {name} {value}" for name, value in version.params.items())]
    return "\n".join(lines)


def _lines(version: ModelVersion) -> Iterator[str]:
    status = "" if version.status == "Completed" else version.status
    named = {
        "status": status,
        "decision": version.decision,
        "description": version.description,
        "flow": version.flow,
        "run": version.run,
        "commit": version.commit,
        "created": f"{version.created:%Y-%m-%d %H:%M:%S}",
        "model": version.model,
        "image": version.image,
        "ARN": version.arn,
    }
    yield from (f"  {name}: {value}" for name, value in named.items() if value)


def group_json(group: ModelGroup, newest: int | None) -> dict[str, Json]:
    """Return a group for other programs."""
    return {
        "group": group.name,
        "newest_version": newest,
        "created": group.created.isoformat(),
        "description": group.description or None,
    }


def version_json(version: ModelVersion) -> dict[str, Json]:
    """Return a version for other programs. `approval_status` is SageMaker's ModelApprovalStatus."""
    return {
        "group": version.group,
        "version": version.version,
        "arn": version.arn,
        "approval_status": version.approval or None,
        "decision": version.decision or None,
        "status": version.status,
        "created": version.created.isoformat(),
        "description": version.description or None,
        "flow": version.flow or None,
        "run_id": version.run or None,
        "commit": version.commit or None,
        "params": dict(version.params),
        "metrics": dict(version.metrics) if version.metrics is not None else None,
        "metrics_uri": version.metrics_uri or None,
        "model": version.model or None,
        "image": version.image or None,
        "metadata": dict(version.metadata),
    }
