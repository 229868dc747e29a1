"""The changes of a run since the baseline's, by the keys of the baseline's steps.

They are kept beside the baseline, so the changes are known in a build, too, which has no earlier runs.
"""

from __future__ import annotations

from collections.abc import Callable

from mlci.backends.protocol import Cloud
from mlci.baseline.kept_keys import read_keys
from mlci.plan import Plan
from mlci.report.baseline_changes import BaselineChanges, baseline_changes
from mlci.reuse.key_document import RunKeys


def changes_since_baseline(
    planned: Plan, keys: RunKeys, cloud: Cloud, log: Callable[[str], None]
) -> BaselineChanges | None:
    """Return what a run has changed since the baseline that it compares with; None if there is none."""
    baseline = planned.baseline
    if not baseline.run_id:
        return None
    return baseline_changes(baseline, planned.flow, read_keys(baseline, cloud, log), keys)
