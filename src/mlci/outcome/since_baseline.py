"""The changes of a run since the baseline's: the keys of the baseline's steps are kept beside it, for later runs.

So the changes are known in a build, too, which has no earlier runs. They decide nothing: what can't be kept or read is
not known, and is said.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from mlci.backends.protocol import Cloud
from mlci.baseline.kept_keys import read_keys
from mlci.errors import CloudError
from mlci.plan import Plan
from mlci.plan.names import baseline_keys
from mlci.report.baseline_changes import BaselineChanges, baseline_changes
from mlci.reuse.key_document import RunKeys


def keep_keys(planned: Plan, keys: RunKeys, cloud: Cloud, log: Callable[[str], None]) -> str:
    """Return the URI of the keys of a run that becomes the baseline, which it writes; "" if it can't."""
    uri = f"s3://{planned.target.bucket}/{baseline_keys(planned.flow.name, planned.target.run_id)}"
    try:
        cloud.write(uri, json.dumps(keys.to_json()).encode())
    except (CloudError, OSError) as error:
        log(f"later runs can't tell what they change since this one: {error}")
        return ""
    return uri


def changes_since_baseline(
    planned: Plan, keys: RunKeys, cloud: Cloud, log: Callable[[str], None]
) -> BaselineChanges | None:
    """Return what a run has changed since the baseline that it compares with; None if there is none."""
    baseline = planned.baseline
    if not baseline.run_id:
        return None
    return baseline_changes(baseline, planned.flow, read_keys(baseline, cloud, log), keys)
