"""The baseline: the metrics of the base branch's last passing run, which rules compare with.

It is one object, `mlci/<flow>/baselines/<branch>.json`. Each run that earned it is kept beside it, at
`mlci/<flow>/baselines/<branch>/<run id>.json`, in the same format: the history.

    document.py       the format
    rule_document.py  that of the rules in it
    history_document.py  that of the runs before it
    earned.py         who may write it: a clean commit of the base branch, with the flow's own params
    choice.py         the one that a run compares with
    kept_files.py     the files of cases and of ids that it names
    kept_keys.py      the keys of its run's steps
    storage.py        reading it, and replacing it, but never by an older commit's
"""

from __future__ import annotations

from mlci.baseline.choice import find_baseline
from mlci.baseline.document import parse_baseline
from mlci.baseline.earned import NO_HISTORY, CommitHistory, WorkTree, unearned_reason
from mlci.baseline.history_document import with_history, with_metrics
from mlci.baseline.storage import (
    baseline_uri,
    by_hand,
    find_former,
    former_baselines,
    read_current,
    record_baseline,
    replace_baseline,
    reset,
)
from mlci.plan import NO_BASELINE, Baseline

__all__ = [
    "NO_BASELINE",
    "NO_HISTORY",
    "Baseline",
    "CommitHistory",
    "WorkTree",
    "baseline_uri",
    "by_hand",
    "find_baseline",
    "find_former",
    "former_baselines",
    "parse_baseline",
    "read_current",
    "record_baseline",
    "replace_baseline",
    "reset",
    "unearned_reason",
    "with_history",
    "with_metrics",
]
