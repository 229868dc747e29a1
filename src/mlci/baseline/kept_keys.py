"""The keys of the steps of a baseline's run, which are kept beside it: by them, later runs know what has changed."""

from __future__ import annotations

import json
from collections.abc import Callable

from mlci.backends.protocol import Cloud
from mlci.errors import CloudError
from mlci.plan import Baseline
from mlci.reuse.key_document import RunKeys

_MAX_BYTES = 20_000_000


def read_keys(baseline: Baseline, cloud: Cloud, log: Callable[[str], None]) -> RunKeys | None:
    """Return the keys of the steps of a baseline's run; None where they were not kept, or can't be read."""
    if not baseline.keys:
        return None
    try:
        data = cloud.read(baseline.keys, _MAX_BYTES)
        return RunKeys.from_json(json.loads(data)) if data is not None else None
    except (CloudError, OSError, ValueError, RecursionError) as error:
        log(f"what has changed since the baseline is not known: {error}")
        return None
