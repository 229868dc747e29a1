"""The plan of a run: its names, its API requests, the objects to upload and the limits that metrics must meet."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import field
from datetime import datetime, timedelta
from typing import Literal, NewType, TypeAlias

from mlci.flow.models import LESS_IS_BETTER, Flow, Json, Rule, Scalar
from mlci.flow.names import written_name
from mlci.stage.models import CodeUnit, DataUnit, ImageContext, StagedFile
from mlci.step_types.build_run import HEARTBEAT_LOOKS
from mlci_dataclasses import dataclass

S3Uri = NewType("S3Uri", str)

#: The time between signs of life where nothing looks at anything, and the shortest one.
_HEARTBEAT_S, _LEAST_HEARTBEAT_S = 300, 20


#: The host in the names of images that are in no registry.
LOCAL_REGISTRY = "localhost"


#: A run uploads staged objects anew once they are older than this. So what is in use stays young, and what `mlci gc`
#: and the bucket's lifecycle delete by its age is in no run that starts meanwhile.
REFRESH_AFTER = timedelta(days=14)


@dataclass(frozen=True)
class Target:
    """The target of a run: the bucket and role that it uses, and its identity.

    `commit` is None outside of git, `build` (the build's id) outside of a build. `is_trusted` says that what runs is
    merged: it may write the baseline. `is_protected` chooses the names that pull requests' builds have no rights on.
    `region` is the run's, and `partition` the group of regions that it belongs to: `aws`, `aws-cn` or `aws-us-gov`, and
    `registry` the host of the registry that has the images which the flow builds. `cores` is the number of cores that
    all jobs share; None where each has machines of its own. `poll_s` is the time between two looks of a state machine
    at something that takes its time.
    """

    bucket: str
    job_role: str
    run_id: str
    commit: str | None = None
    base_branch: str | None = None
    is_trusted: bool = False
    build: str | None = None
    is_protected: bool = False
    partition: str = "aws"
    registry: str = LOCAL_REGISTRY
    cores: int | None = None
    poll_s: int = 1
    region: str = ""

    @property
    def keeps_resources(self) -> bool:
        """True if what the run creates may outlive it: on AWS only what runs of merged code create."""
        return self.is_protected or self.cores is not None

    @property
    def runs_jobs_here(self) -> bool:
        """True if jobs run on the machine where mlci does, and not on machines of their own."""
        return self.cores is not None

    @property
    def heartbeat_s(self) -> int:
        """The time in which a build that runs a job itself has to give a sign of life.

        It leaves a build that was cut off the time to start again. Here, nothing outlives the build.
        """
        return _HEARTBEAT_S if self.runs_jobs_here else max(_LEAST_HEARTBEAT_S, HEARTBEAT_LOOKS * self.poll_s)


#: What wrote a baseline: a passing run, or a person, with `mlci baseline set` or `mlci baseline reset`.
Origin: TypeAlias = Literal["run", "set", "reset"]


@dataclass(frozen=True)
class GatedMetrics:
    """The metrics that the gate of a run was on, by their names: those of a run that became the baseline."""

    run_id: str
    commit: str | None
    committed: datetime | None
    values: Mapping[str, float]


@dataclass(frozen=True)
class Baseline:
    """A passing run of the base branch, which others compare with. `run_id` is empty where there is none.

    `committed` is the time of its commit, and None where it is not known, as in those of older mlci. `metrics` are
    those of its steps. `outputs` has the URIs of what they made, by step and output; `cases` and `trained_on` those of
    the files of cases and of ids among it, by step. `gate` and `params` are those of its flow, and `acceptances` has
    the ids of the acceptances by which it passed. Of one that an older mlci wrote, the gate is not known. `keys` is the
    URI of the keys of its steps, "" where they were not kept. Where `gate` and `params` are those of a newer one,
    `own` is the baseline with its own. `history` has the gated metrics of the runs that became the baseline, up to this
    one and of a bounded number, the oldest first.
    """

    metrics: Mapping[str, Json] = field(default_factory=dict)
    run_id: str = ""
    commit: str | None = None
    committed: datetime | None = None
    origin: Origin = "run"
    outputs: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    cases: Mapping[str, str] = field(default_factory=dict)
    trained_on: Mapping[str, str] = field(default_factory=dict)
    gate: tuple[Rule, ...] = ()
    params: Mapping[str, Scalar] = field(default_factory=dict)
    acceptances: tuple[str, ...] = ()
    is_gate_known: bool = True
    keys: str = ""
    own: Baseline | None = field(default=None, repr=False)
    history: tuple[GatedMetrics, ...] = ()


#: Where no run has earned one.
NO_BASELINE = Baseline()

#: The file in an input that the baseline has nothing for: SageMaker fails where there is no object. What lists files
#: by a pattern, or passes over hidden ones, finds none.
#: Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_S3DataSource.html, and for the error ("No S3
#: objects found under S3 URL") https://github.com/aws/amazon-sagemaker-examples/issues/1938
EMPTY_INPUT_FILE = ".mlci-empty"


@dataclass(frozen=True)
class Upload:
    """Bytes that must lie at `uri` before the run starts: a staged file, or an archive of a few. `unit` is the folder
    of all that it was hashed with."""

    uri: S3Uri
    unit: S3Uri
    files: tuple[StagedFile, ...]
    is_archive: bool = False


@dataclass(frozen=True)
class PlannedImage:
    """An image that the run builds, where it is not there yet: its URI, and what it is built from. `steps` use it."""

    uri: str
    context: ImageContext
    steps: tuple[str, ...]


#: Whose gate a rule is of: the flow's that is run, or that of the base branch.
RuleOrigin: TypeAlias = Literal["flow", "base"]


@dataclass(frozen=True)
class Bound:
    """A rule with its limit worked out: the value must be at least, or at most, `threshold`.

    `baseline` is the metric's value there, None where there is none; a drop or rise is then not limited, and
    `threshold` is None. `origin` says whose rule it is: the flow's own, or the base branch's, which is in force for a
    `reason`. One that `is_removed` can't be judged, and is broken. Of one that `is_accepted`, somebody has accepted a
    miss: whether it covers that of the run, mlci judges. One that `is_added` is the base branch's, on a cell that the
    baseline does not have. It `lacks_metric` if there is a baseline, and the metric is not among its own.
    """

    rule: Rule
    threshold: float | None
    baseline: float | None = None
    origin: RuleOrigin = "flow"
    reason: str = ""
    is_removed: bool = False
    is_accepted: bool = False
    is_added: bool = False
    lacks_metric: bool = False

    @property
    def no_baseline(self) -> str:
        """The reason why there is no baseline's value to compare with."""
        return "the baseline has no such metric" if self.lacks_metric else "no baseline to compare with yet"

    @property
    def is_lower(self) -> bool:
        """True if the threshold is the least value that holds, and not the largest."""
        if self.rule.op == "max_gap":
            return self.rule.path[-1] not in LESS_IS_BETTER
        return self.rule.op in ("min", "max_drop")

    @property
    def is_judged_by_mlci(self) -> bool:
        """True if it decides about what stands behind the gate, and no state machine can judge it, but mlci alone."""
        return self.rule.level == "block" and self._needs_mlci

    @property
    def is_judged_by_machine(self) -> bool:
        """True if it decides about what stands behind the gate, and the state machine judges it: by two numbers."""
        return self.rule.level == "block" and not self._needs_mlci

    @property
    def _needs_mlci(self) -> bool:
        return self.rule.is_judged_by_mlci or self.is_removed or self.is_accepted


@dataclass(frozen=True)
class PlannedSelection:
    """An input of the best cell: `uri` stands in the request for the URI of the cell that is chosen.

    `outputs` are the URIs to choose from.
    """

    uri: S3Uri
    outputs: tuple[S3Uri, ...]


@dataclass(frozen=True)
class ReusedResult:
    """The result of a step that an earlier run made: that run's id, and the URIs of the outputs and of the metrics.

    `seconds` is the time that the step took there, None if that is not known.
    """

    run_id: str
    outputs: Mapping[str, S3Uri]
    metrics: S3Uri | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class PlannedStep:
    """A step with all of its values.

    `request` is its API request without the name of what it creates, and {} for a step that makes none. `job` is what
    the names of its jobs begin with, None for a step without a job. `execution_input` is the rest of the step's part of
    the execution input. `summary` says in a line what the step is, `code` are the files of its script, and `image`
    is the URI of its image. `deletions` are the resources to delete after the run: their kinds and names.
    `reused_from` is the run whose outputs and metrics these are; None for a step that is to be run. It took
    `reused_seconds` there, as far as that is known.
    """

    name: str
    job: str | None
    request: Mapping[str, Json]
    execution_input: Mapping[str, Json]
    outputs: Mapping[str, S3Uri]
    summary: str
    metrics: S3Uri | None = None
    when: tuple[Bound, ...] = ()
    code: CodeUnit | None = field(default=None, repr=False)
    image: str = ""
    selections: Mapping[str, PlannedSelection] = field(default_factory=dict)
    deletions: tuple[tuple[str, str], ...] = ()
    reused_from: str | None = None
    reused_seconds: float | None = None


@dataclass(frozen=True)
class Plan:
    """A run with all of its values, before anything is started. Equal inputs give equal plans.

    `data` has what the steps read from the repository, by its path in the flow, and `images` are those that it builds.
    `baseline` is the run that it compares with, and `empty_inputs` says of each input that the baseline has nothing
    for, by `<step>.<input>`, why that is so.
    """

    flow: Flow
    target: Target
    steps: Mapping[str, PlannedStep]
    gate: tuple[Bound, ...]
    uploads: tuple[Upload, ...] = field(repr=False, default=())
    data: Mapping[str, DataUnit] = field(repr=False, default_factory=dict)
    images: tuple[PlannedImage, ...] = field(repr=False, default=())
    baseline: Baseline = field(repr=False, default=NO_BASELINE)
    empty_inputs: Mapping[str, str] = field(repr=False, default_factory=dict)

    @property
    def written_steps(self) -> tuple[str, ...]:
        """The names of the steps as the flow writes them, where a step has one for all of its cells."""
        return tuple(dict.fromkeys(map(written_name, self.steps)))

    @property
    def machine_gate(self) -> tuple[Bound, ...]:
        """The rules of the gate that the state machine judges itself."""
        return tuple(bound for bound in self.gate if bound.is_judged_by_machine)

    @functools.cached_property
    def asks_mlci(self) -> bool:
        """True if the state machine asks mlci for the verdict: something stands behind the gate, and it has a rule that
        mlci alone can judge."""
        is_behind = any(self.flow.steps[name].is_after_gate for name in self.steps)
        return is_behind and any(bound.is_judged_by_mlci for bound in self.gate)

    @property
    def reused(self) -> dict[str, str]:
        """The steps that are reused, and the runs that made their results."""
        return {name: step.reused_from for name, step in self.steps.items() if step.reused_from is not None}

    def cells(self, step: str) -> tuple[PlannedStep, ...]:
        """Return the cells of a step, by the name that the flow writes; a step without a matrix is one."""
        matrix = self.flow.matrices.get(step)
        return tuple(self.steps[cell] for cell in matrix.cells if cell in self.steps) if matrix else (self.steps[step],)
