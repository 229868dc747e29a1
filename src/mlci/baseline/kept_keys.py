"""The keys of the steps of a baseline's run, which are kept beside it: by them, later runs know what has changed.

They decide nothing: what can't be kept or read is not known, and is said.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from mlci.backends.protocol import Cloud
from mlci.errors import CloudError
from mlci.plan import Baseline, Plan
from mlci.plan.names import baseline_keys
from mlci.reuse.key_document import RunKeys

_MAX_BYTES = 20_000_000


def keep_keys(planned: Plan, keys: RunKeys, cloud: Cloud, log: Callable[[str], None]) -> str:
    """Return the URI of the keys of a run that becomes the baseline, which it writes; "" if it can't."""
    uri = f"s3://{planned.target.bucket}/{baseline_keys(planned.flow.name, planned.target.run_id)}"
    try:
        cloud.write(uri, json.dumps(keys.to_json()).encode())
    except (CloudError, OSError) as error:
        log(f"later runs can't tell what they change since this one: {error}")
        return ""
    return uri


def read_keys(baseline: Baseline, cloud: Cloud, log: Callable[[str], None]) -> RunKeys | None:
    """Return the keys of the steps of a baseline's run; None where they were not kept, or can't be read."""
    if not baseline.keys:
        return None
    try:
        found = _parsed(cloud.read(baseline.keys, _MAX_BYTES + 1))
    except (CloudError, OSError) as error:
        found = str(error)
    if isinstance(found, str):
        log(f"what has changed since the baseline is not known: {found}")
        return None
    return found


def _parsed(data: bytes | None) -> RunKeys | str:
    """Return the keys that a document holds, or why they can't be read."""
    if data is None:
        return "the keys of its steps are gone"
    if len(data) > _MAX_BYTES:
        return f"the keys of its steps are too large: more than {_MAX_BYTES:,} bytes"
    try:
        keys = RunKeys.from_json(json.loads(data))
    except (ValueError, RecursionError):
        keys = None
    return keys or "the keys of its steps are damaged, or of another version of mlci"
