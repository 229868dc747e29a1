"""Names of runs, jobs and objects: unique where AWS wants them unique, and never shared by two runs."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from datetime import datetime

#: Job names are at most 63 of [a-zA-Z0-9-]; the state machine appends `-<attempt>-<retry>`, at most six characters.
#: Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateTrainingJob.html
JOB_NAME_MAX_CHARS = 63
_ATTEMPT_MAX_CHARS = 6
_FLOW_MAX_CHARS = 20


def run_id(now: datetime, random: str) -> str:
    """A run's id, which sorts by time: `20261123-101530-3f9c2a`. `random` holds six hexadecimal digits."""
    return f"{now:%Y%m%d-%H%M%S}-{random}"


def job_name(flow: str, step: str, run: str) -> str:
    """What the names of a step's jobs begin with. Long names of flows and steps are cut and end in a hash.

    >>> job_name("breast-cancer", "train_model", "20261123-101530-3f9c2a")
    'mlci-breast-cancer-train-mode-ea41-20261123-101530-3f9c2a'
    """
    head = f"mlci-{_fit(flow, _FLOW_MAX_CHARS)}-"
    room = JOB_NAME_MAX_CHARS - _ATTEMPT_MAX_CHARS - len(head) - len(run) - 1
    return f"{head}{_fit(step, room)}-{run}"


def step_of(job: str, flow: str, steps: Iterable[str]) -> tuple[str, str]:
    """The run and the step that a job belongs to, from its name. One that is no step's goes by its own name.

    >>> step_of("mlci-breast-cancer-train-mode-ea41-20261123-101530-3f9c2a-0-1", "breast-cancer", ["train_model"])
    ('20261123-101530-3f9c2a', 'train_model')
    """
    *_, day, time, random, _, _ = job.split("-")
    run = f"{day}-{time}-{random}"
    base = job.rsplit("-", 2)[0]
    return run, next((step for step in steps if job_name(flow, step, run) == base), base)


def _fit(name: str, room: int) -> str:
    """The name itself where it is short enough and of [a-zA-Z0-9-]; else its beginning and four digits of its hash."""
    plain = re.sub(r"[^a-zA-Z0-9-]+", "-", name).strip("-")
    if plain == name and len(name) <= room:
        return name
    digits = hashlib.sha256(name.encode()).hexdigest()[:4]
    return f"{plain[: room - 5].rstrip('-')}-{digits}"


def prefix(flow: str) -> str:
    """Where in the bucket all of a flow's objects lie."""
    return f"mlci/{flow}"


def code_key(flow: str, digest: str) -> str:
    return f"{prefix(flow)}/code/{digest}"


def data_key(flow: str, digest: str) -> str:
    return f"{prefix(flow)}/data/{digest}"


def run_key(flow: str, run: str) -> str:
    return f"{prefix(flow)}/runs/{run}"


def baseline_key(flow: str, branch: str) -> str:
    """The baseline of a branch; its name is escaped, because a branch may be called anything."""
    plain = re.sub(r"[^a-zA-Z0-9._-]+", "-", branch)
    digits = "" if plain == branch else "-" + hashlib.sha256(branch.encode()).hexdigest()[:8]
    return f"{prefix(flow)}/baselines/{plain}{digits}.json"
