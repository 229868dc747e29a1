"""The progress of a tuning job: a line for each of its trials that has ended, as a local run has them.

Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_HyperParameterTrainingJobSummary.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import field
from typing import Any, Protocol

from mlci.backends.aws.sagemaker_jobs import ENDED, JOBS, Job, trial_number
from mlci_dataclasses import dataclass

_OBJECTIVE = "FinalHyperParameterTuningJobObjectiveMetric"
_REASON_CHARS = 300


class TuningJobs(Protocol):
    """The descriptions of tuning jobs and of their trials. `sagemaker_jobs.Jobs` is one."""

    def describe(self, job: Job) -> Mapping[str, Any] | None: ...

    def trials(self, job: Job) -> list[Mapping[str, Any]]: ...


@dataclass
class TrialProgress:
    """Tells of the trials of tuning jobs; each trial is told once."""

    jobs: TuningJobs
    _told: dict[Job, set[str]] = field(default_factory=dict)
    _limits: dict[Job, int | None] = field(default_factory=dict)

    def new_lines(self, job: Job) -> list[str]:
        """Return a line for each trial that has ended since the last call; none for a job without trials.

        Raises: AwsError
        """
        if not JOBS[job.kind].has_trials:
            return []
        told, trials = self._told.setdefault(job, set()), self.jobs.trials(job)
        if job not in self._limits:
            self._limits[job] = _most_trials(self.jobs.describe(job) or {})
        new = [each for each in trials if each["TrainingJobStatus"] in ENDED and each["TrainingJobName"] not in told]
        told.update(each["TrainingJobName"] for each in new)
        best = _best(trials)
        return [_line(job, each, self._limits[job], best) for each in new]


def _most_trials(described: Mapping[str, Any]) -> int | None:
    limits = described.get("HyperParameterTuningJobConfig", {}).get("ResourceLimits", {})
    most = limits.get("MaxNumberOfTrainingJobs")
    return int(most) if most is not None else None


def _best(trials: list[Mapping[str, Any]]) -> float | None:
    completed = [each[_OBJECTIVE] for each in trials if each["TrainingJobStatus"] == "Completed" and _OBJECTIVE in each]
    values = [float(each["Value"]) for each in completed]
    if not values:
        return None
    return min(values) if completed[0].get("Type") == "Minimize" else max(values)


def _line(job: Job, trial: Mapping[str, Any], most: int | None, best: float | None) -> str:
    """Return what became of a trial, in one line.

    >>> trial = {"TrainingJobName": "t-0-0-004-0123abcd", "TrainingJobStatus": "Completed",
    ...          "TunedHyperParameters": {"max_depth": "6", "booster": '"dart"'},
    ...          _OBJECTIVE: {"MetricName": "auc", "Value": 0.981}}
    >>> _line(Job("tuning", "t-0-0"), trial, 12, 0.984)
    'trial 4 of 12: auc 0.981, best 0.984 (max_depth=6, booster=dart)'
    """
    number = trial_number(job, trial["TrainingJobName"])
    objective, status = trial.get(_OBJECTIVE), trial["TrainingJobStatus"]
    if status == "Failed":
        what = f"failed: {' '.join(str(trial.get('FailureReason', 'no reason was given')).split())[:_REASON_CHARS]}"
    elif objective:
        what = f"{objective['MetricName']} {objective['Value']:.6g}" + (
            ", stopped early" if status == "Stopped" else ""
        )
    else:
        what = "stopped" if status == "Stopped" else "no value of the objective in its output"
    known = f", best {best:.6g}" if best is not None else ""
    values = ", ".join(f"{name}={_shown(text)}" for name, text in trial.get("TunedHyperParameters", {}).items())
    return f"trial {number}{f' of {most}' if most else ''}: {what}{known} ({values})"


def _shown(text: str) -> str:
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return f"{value:.6g}" if isinstance(value, float) else str(value)
