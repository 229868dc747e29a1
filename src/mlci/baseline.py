"""The baseline: the metrics of the base branch's last passing run, which rules compare with.

A baseline is one JSON object in the bucket, `mlci/<flow>/baselines/<branch>.json`:
`{"schema": 1, "run_id": …, "commit": …, "metrics": {<step>: <its metrics file>}}`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from mlci.backends.protocol import Cloud
from mlci.errors import CloudError, InputError
from mlci.flow.models import Flow, Json
from mlci.gate import Metrics
from mlci.plan import Plan, Target
from mlci.plan.models import S3Uri
from mlci.plan.names import baseline_key
from mlci.report.result import strict

#: The version of the format. It changes when a reader of the old format would be misled by the new one.
SCHEMA = 1


def baseline_uri(flow: str, target: Target) -> S3Uri | None:
    """The URI of the base branch's baseline; None if the base branch is not known."""
    return S3Uri(f"s3://{target.bucket}/{baseline_key(flow, target.base_branch)}") if target.base_branch else None


def may_write(target: Target) -> bool:
    """True for a run of what is merged: a build of the base branch itself."""
    return target.is_trusted


def read_baseline(flow: Flow, target: Target, cloud: Cloud) -> dict[str, Json]:
    """The metrics of the base branch's last passing run, by step; empty if there was none.

    Raises: CloudError, for a baseline that is damaged or of another schema: to judge without it would let a drop pass.
    InputError, if a rule needs the baseline, and the base branch is not known.
    """
    uri = baseline_uri(flow.name, target)
    if uri is None and target.commit and _is_compared(flow):
        raise InputError(
            "the base branch is not known, and a rule of the flow compares with its baseline",
            "Name it: MLCI_BASE_BRANCH=main. Or fetch it: git fetch origin && git remote set-head origin --auto.",
        )
    data = cloud.read(uri) if uri else None
    return {} if uri is None or data is None else parse_baseline(data, uri)


def parse_baseline(data: bytes, uri: str) -> dict[str, Json]:
    """The metrics in a baseline's bytes, by step.

    Raises: CloudError, for a baseline that is damaged or of another schema.
    """
    try:
        document = json.loads(data)
        schema, metrics = document["schema"], document.get("metrics")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _damaged(uri) from error
    if schema != SCHEMA:
        raise CloudError(
            f"the baseline {uri} has schema {json.dumps(schema)[:40]}, and this version of mlci reads schema {SCHEMA}.",
            hint="Upgrade mlci, or delete the baseline: the next passing run on the base branch writes it again.",
        )
    if not isinstance(metrics, dict):
        raise _damaged(uri)
    return metrics


def write_baseline(planned: Plan, metrics: Mapping[str, Metrics], cloud: Cloud) -> None:
    """Writes a passing run's metrics as the baseline of later runs.

    Raises: CloudError.
    """
    uri = baseline_uri(planned.flow.name, planned.target)
    if uri is None or not metrics:
        return
    document = {
        "schema": SCHEMA,
        "run_id": planned.target.run_id,
        "commit": planned.target.commit,
        "metrics": {step: strict(measured.document) for step, measured in metrics.items()},
    }
    cloud.write(uri, json.dumps(document, indent=2).encode())


def _is_compared(flow: Flow) -> bool:
    rules = (*flow.gate, *(rule for step in flow.steps.values() for rule in step.when))
    return any(rule.op in ("max_drop", "max_rise") for rule in rules)


def _damaged(uri: str) -> CloudError:
    hint = "Delete it: the next passing run on the base branch writes it again."
    return CloudError(f"the baseline {uri} is damaged.", hint=hint)
