"""The types of a job that runs here: where jobs run, what one job runs with, the phases it passes, and its result."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from pathlib import Path
from typing import Literal

from mlci_dataclasses import dataclass
from mlci_emulator.jobs.container_runtime import ContainerRuntime
from mlci_emulator.jobs.isolation import Isolation
from mlci_emulator.jobs.process import StopSignal
from mlci_emulator.jobs.python_overlay import Interpreter

JobStatus = Literal["Completed", "Failed", "Stopped"]

#: A training job shows all phases in its SecondaryStatus; other jobs show none.
Phase = Literal["Downloading", "Training", "Uploading"]


@dataclass(frozen=True)
class JobSettings:
    """The folders, the interpreter, the environment and the isolation that all jobs use.

    `work` is the folder of their workspaces, `logs` returns a job's log file by its name, `environment` is the user's
    environment, of which jobs see little, and `extra` holds variables that every job gets. `pythons` returns the
    interpreter of a job by its name, and may take its time: it gets the job's log and stop signal. None stands for
    `python`. It raises PythonUnavailable.
    `variables` returns the variables that a job gets beside those of its request, by its name: no request, description
    or log has them. `defaults` returns the variables that a job gets where neither this machine nor its request sets
    them, by its name. `runtime` returns what runs the jobs that run in their images: all with `container`, and
    otherwise those with an image that `is_contained`.
    """

    work: Path
    logs: Callable[[str], Path]
    python: str
    environment: Mapping[str, str]
    isolation: Isolation = "auto"
    extra: Mapping[str, str] = field(default_factory=dict)
    pythons: Callable[[str, Path, StopSignal], Interpreter | None] = lambda job, log, stop: None
    variables: Callable[[str], Mapping[str, str]] = lambda job: {}
    defaults: Callable[[str], Mapping[str, str]] = lambda job: {}
    runtime: Callable[[], ContainerRuntime | None] = lambda: None
    is_contained: Callable[[str], bool] = lambda image: False


@dataclass(frozen=True)
class JobContext:
    """The ARN, the log and the stop signal of one job. `on_phase` is called as each phase starts.

    `saves_model_on_stop` returns whether a training job that is stopped uploads the model that it has so far, as it
    does on SageMaker; where nobody reads that model, the upload only costs time. `instance_log` returns the log of one
    of several instances, by the host's name; None keeps it only as part of `log`.
    """

    arn: str
    log: Path
    stop: StopSignal
    on_phase: Callable[[Phase], None] = lambda phase: None
    saves_model_on_stop: Callable[[], bool] = lambda: False
    instance_log: Callable[[str], Path | None] = lambda host: None


@dataclass(frozen=True)
class JobResult:
    """The result of a job. `reason` is set where the job failed or timed out."""

    status: JobStatus
    reason: str | None = None
    is_timed_out: bool = False
    exit_message: str | None = None
