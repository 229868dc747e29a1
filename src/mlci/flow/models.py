"""The Flow that `load` makes of `flow.yaml`, and the types that all later stages share.

All values here are final: params are filled in, defaults applied, durations in seconds. What stays open are
references to things that exist only once a run is planned: another step's output, or a path inside the container.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field, replace
from typing import Literal, TypeAlias

from mlci.aws_settings import AwsSettingName
from mlci.flow.metric_paths import MetricPath, format_metric
from mlci.flow.names import written_name
from mlci.step_types.keys import Json as Json
from mlci.step_types.keys import Scalar as Scalar
from mlci_dataclasses import dataclass

Op = Literal["min", "max", "max_drop", "max_rise", "max_gap"]
#: The metrics that cases give. Of the last two, less is better.
CaseMetric = Literal["accuracy", "recall", "precision", "f1", "auc", "rmse", "mae"]
LESS_IS_BETTER: frozenset[str] = frozenset(["rmse", "mae"])
#: The one number that a rule makes of those of all cells. `std` is the population's, as NumPy's.
Aggregate = Literal["mean", "min", "max", "std"]
#: The weight of a rule: one that is missed stops what is behind the gate, is a warning, or is only told.
Level = Literal["block", "warn", "info"]
#: The outcome of a rule that the cases can't decide.
Unclear = Literal["fail", "warn", "pass"]
#: The words in the names of what a run measures: run.cost_usd, run.steps.<step>.seconds, run.steps.<step>.model_bytes.
#: No step is called `run`.
RUN, COST, RUN_STEPS, SECONDS, MODEL_BYTES = "run", "cost_usd", "steps", "seconds", "model_bytes"
#: The output of a step whose size is `model_bytes`.
MODEL_OUTPUT = "model"
SecretService = Literal["ssm", "secretsmanager"]
RunsOn = Literal["", "build"]


@dataclass(frozen=True)
class Position:
    """A place in a file; line and column count from 1."""

    file: str
    line: int
    column: int


@dataclass(frozen=True)
class Cell:
    """One combination of the values of a step's matrix; in a Flow, it is a step of its own, called `name`.

    `step` is the step as the flow writes it, and `index` the cell's place among its cells. `identity` tells the cell
    from the others: keys, and values as text. `keys` are those of the whole matrix, in order. `folder` is where its
    outputs lie below the step's: `fold=1/depth=3`.
    """

    step: str
    index: int
    name: str
    values: Mapping[str, Scalar] = field(compare=False)
    identity: tuple[tuple[str, str], ...]
    keys: tuple[str, ...]
    folder: str


@dataclass(frozen=True)
class StepOutput:
    """`${{ steps.<step>.outputs.<output> }}`: the URI under which that output lies.

    Where `cells` names cells of the step, these are their outputs, a folder each below `folder`.
    """

    step: str
    output: str
    cells: tuple[str, ...] = ()
    folder: str = ""

    @property
    def steps(self) -> tuple[str, ...]:
        """The steps of the flow that write it."""
        return self.cells or (self.step,)


@dataclass(frozen=True)
class BaselineOutput:
    """`${{ baseline.steps.<step>.outputs.<output> }}`: that output of the run that this one is compared with."""

    step: str
    output: str


@dataclass(frozen=True)
class InputPath:
    """`${{ inputs.<name> }}`: where that input lies inside the container."""

    name: str


@dataclass(frozen=True)
class OutputPath:
    """`${{ outputs.<name> }}`: where that output is written inside the container."""

    name: str


@dataclass(frozen=True)
class SecretValue:
    """`${{ secrets.<name> }}`: the value of that secret, which the job itself reads."""

    name: str


@dataclass(frozen=True)
class RepositoryPath:
    """A file or folder of the repository, relative to the flow file's folder, with `/`."""

    path: str


@dataclass(frozen=True)
class ImageFolder:
    """A folder that an image is built from: its path, that of the Dockerfile in it, and the build's arguments."""

    path: str
    dockerfile: str = "Dockerfile"
    args: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class S3Location:
    """An `s3://bucket/key` that exists outside of the flow."""

    uri: str


@dataclass(frozen=True)
class MetricValue:
    """`${{ steps.<step>.metrics.<path> }}`: the metric of a step, which is known while the flow runs."""

    step: str
    path: MetricPath

    @property
    def metric(self) -> str:
        return format_metric(self.step, self.path)


Reference: TypeAlias = "StepOutput | BaselineOutput | InputPath | OutputPath | SecretValue | MetricValue"
#: A text with references in it, in order; a text without any is a tuple of one string.
Text: TypeAlias = "tuple[str | Reference, ...]"
#: A value under a key of flow.yaml; a text with references in it is a Text.
Value: TypeAlias = "Scalar | None | Text | list[Value] | dict[str, Value]"
Source: TypeAlias = "RepositoryPath | S3Location | StepOutput | BaselineOutput"


@dataclass(frozen=True)
class Rule:
    """One comparison that a metric must meet. A YAML rule with `min` and `max_drop` is two of these.

    `step` wrote the metrics, `path` leads to the number in their JSON. `limit` is in the metric's own unit, or, where
    `is_relative`, a share of the baseline: "2%" is 0.02. `place` is the number by which a condition names the rule; 0
    for one that must hold by itself. One that `is_negated` holds where the metric is there, and misses the limit.

    One that `reads_cases` judges a metric of the step's cases, not of its metrics file; `positive` is the class that
    counts as positive. With `slice`, each group of at least `min_cases` cases that are equal in that column is judged.
    A rule with a `confidence`, which is one-sided, compares an interval with its limit; one without, a number.

    `position` is that of its limit in the flow's file, and `param` the one that the limit is: None and "" for a rule
    that is not from there.
    """

    step: str
    path: MetricPath
    op: Op
    limit: float
    is_relative: bool = False
    aggregate: Aggregate | None = None
    cells: tuple[str, ...] = ()
    place: int = 0
    is_negated: bool = False
    level: Level = "block"
    reads_cases: bool = False
    confidence: float | None = None
    unclear: Unclear = "warn"
    slice: str | None = None
    min_cases: int = 20
    positive: Scalar | None = None
    position: Position | None = field(default=None, compare=False)
    param: str = field(default="", compare=False)

    @property
    def is_judged_by_mlci(self) -> bool:
        """True if no state machine can judge it, but mlci alone."""
        return self.reads_cases or self.confidence is not None or self.is_budget

    @property
    def metric(self) -> str:
        """The metric's name: `evaluate.auc`, or `mean(evaluate.auc)` for one number of all cells."""
        name = format_metric(self.step, self.path)
        return f"{self.aggregate}({name})" if self.aggregate else name

    @property
    def is_budget(self) -> bool:
        """True if it is on what a run measures, and not on a metric that a step wrote."""
        return self.step == RUN

    @property
    def judged_step(self) -> str:
        """The step that it is on; "" for one that is on the whole run."""
        if not self.is_budget:
            return self.step
        return str(self.path[1]) if len(self.path) > 1 else ""

    @property
    def steps(self) -> tuple[str, ...]:
        """The steps that must have ended before it is judged: those whose metrics it reads, or that it measures."""
        return self.cells or ((self.judged_step,) if self.judged_step else ())

    @property
    def as_written(self) -> Rule:
        """This rule as the flow writes it: on the step, where it is on a cell of it."""
        return self.of_step(written_name(self.judged_step))

    def of_step(self, name: str) -> Rule:
        """This rule on another step, such as a cell."""
        if not self.is_budget:
            return replace(self, step=name)
        return replace(self, path=(self.path[0], name, *self.path[2:])) if self.judged_step else self


@dataclass(frozen=True)
class BaseRule:
    """A rule of the base branch's gate that is in force beside the flow's own, and the reason: it was loosened, or
    removed.

    One that `is_removed` can't be judged any more: the flow lacks what it is about. One that `is_added` is on a cell
    that the baseline does not have.
    """

    rule: Rule
    reason: str
    is_removed: bool = False
    is_added: bool = False


@dataclass(frozen=True)
class Condition:
    """A part of an `if`: any or all of its parts must hold. A part is another condition, or the place of a rule."""

    kind: Literal["any", "all"]
    parts: tuple[Condition | int, ...]

    @property
    def places(self) -> tuple[int, ...]:
        """The places of all rules in it."""
        nested = (part.places if isinstance(part, Condition) else (part,) for part in self.parts)
        return tuple(place for places in nested for place in places)


@dataclass(frozen=True)
class Selection:
    """The choice of one cell: that whose metric is the largest or the smallest.

    `step` wrote the metrics, and `path` leads to the number. `cells` are the steps whose metrics decide, in the order
    of the cells to choose from.
    """

    step: str
    path: MetricPath
    best: Literal["max", "min"]
    cells: tuple[str, ...] = ()

    @property
    def metric(self) -> str:
        return format_metric(self.step, self.path)


@dataclass(frozen=True)
class Secret:
    """A secret of the flow: the service of AWS that holds it, and its name or ARN there.

    `kms_key` is the customer managed key that it is encrypted by, if it is. `allows_pull_requests` says that jobs of
    pull requests may read it.
    """

    name: str
    service: SecretService
    id: str
    kms_key: str | None = None
    allows_pull_requests: bool = False

    @property
    def source(self) -> str:
        """As the flow writes it: `ssm:/team/wandb`."""
        return f"{self.service}:{self.id}"

    @property
    def variable(self) -> str:
        """The environment variable that holds the value for local runs."""
        return secret_variable(self.name)


SECRET_VARIABLE_PREFIX = "MLCI_SECRET_"


def secret_variable(name: str) -> str:
    """Return the environment variable that holds a secret for local runs.

    >>> secret_variable("hub-token")
    'MLCI_SECRET_HUB_TOKEN'
    """
    return SECRET_VARIABLE_PREFIX + name.upper().replace("-", "_")


@dataclass(frozen=True)
class MetricsFiles:
    """The files that a path or a glob means, which hold metrics of a step.

    `pattern` is relative to `root`: to the folder with a folder for each output, to /opt/ml in the container, or to the
    script's working folder. Their metrics stand on top, or under `name`.
    """

    pattern: str
    root: Literal["outputs", "container", "working_dir"]
    name: str = ""


@dataclass(frozen=True)
class MetricDefinition:
    """A metric in the lines that a script prints: the first group of a regular expression, of the last match."""

    name: str
    regex: str


@dataclass(frozen=True)
class Reuse:
    """The results of earlier runs that a step takes: none, or those that are at most `max_age_s` old."""

    is_allowed: bool = True
    max_age_s: int | None = None


@dataclass(frozen=True)
class Step:
    """One unit of work. `uses` is the name of its step type.

    `run` is the script, relative to `source` or else the flow file's folder; or `-m <module>`, or a program of the
    image; None where the image starts by itself. `source` is a folder that is sent whole, and `working_dir` where the
    script starts. `input_paths` and `output_paths` are what the script reads and writes by paths relative to it.
    `image` is `framework:version`, a full image URI, or the folder that it is built from. `after` names steps only;
    `is_after_gate` says whether `after: gate` was given. `collects_metrics` says whether mlci puts its metrics into one
    file; `metrics` is otherwise the single file to read. `content_types` are those of channels. `request` is merged
    over the AWS API request, and has the fields that keys become; `further_requests` has those of other requests, by
    the key that is merged over them. If it `keeps_checkpoints`, a folder is kept in step with S3. `values` holds the
    keys that only the step's type has. `secrets` are the variables of `env` that hold secrets; `env` has the others.
    What a type has no key for is None or empty. `cell` is set for a cell of a step with a matrix. `when` has all rules
    of the `if`, and `conditions` say how those with a place count. Where not
    `fail_fast`, a failure of the step leaves the steps and cells beside it running. `selections` has the inputs that
    are of the best cell of a matrix, and `sharded_inputs` those of which each instance gets a part. `runs_on` is
    "build" where the build runs the job itself, and "" where the step's type says what does. `reuse` says which
    results of earlier runs it takes. `cases` is the file with the cases that it tested, as `<output>/<file>`.
    `trained_on` is the file with the ids that it trained on: `<output>/<file>`, and for a training step
    `<channel>/<file>`, a file of an input. `plots` are the files that a report shows, each as `<output>/<file>`.
    """

    name: str
    uses: str
    run: str | None = None
    image: str | ImageFolder | None = None
    instance: str = ""
    instance_count: int = 1
    volume_gb: int = 1
    timeout_s: int = 0
    inputs: Mapping[str, Source] = field(default_factory=dict)
    content_types: Mapping[str, str] = field(default_factory=dict)
    outputs: tuple[str, ...] = ()
    args: tuple[Text, ...] = ()
    hyperparameters: Mapping[str, Scalar | Text] = field(default_factory=dict)
    env: Mapping[str, Text] = field(default_factory=dict)
    secrets: Mapping[str, Text] = field(default_factory=dict)
    include: tuple[str, ...] = ()
    requirements: str | None = None
    when: tuple[Rule, ...] = ()
    conditions: tuple[Condition, ...] = ()
    cell: Cell | None = None
    fail_fast: bool = True
    after: tuple[str, ...] = ()
    is_after_gate: bool = False
    metrics: tuple[MetricsFiles, ...] = ()
    metric_definitions: tuple[MetricDefinition, ...] = ()
    collects_metrics: bool = False
    keeps_checkpoints: bool = False
    request: Mapping[str, Json] = field(default_factory=dict)
    further_requests: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)
    values: Mapping[str, Value] = field(default_factory=dict)
    source: str | None = None
    working_dir: str | None = None
    selections: Mapping[str, Selection] = field(default_factory=dict)
    sharded_inputs: frozenset[str] = frozenset()
    input_paths: Mapping[str, str] = field(default_factory=dict)
    output_paths: Mapping[str, str] = field(default_factory=dict)
    runs_on: RunsOn = ""
    reuse: Reuse = Reuse()
    cases: str | None = None
    trained_on: str | None = None
    plots: tuple[str, ...] = ()


@dataclass(frozen=True)
class Matrix:
    """The cells of a step, by their names in order; at most `max_parallel` of them run at once, None for no limit."""

    cells: tuple[str, ...]
    max_parallel: int | None = None


def texts_in(value: Value) -> Iterator[Text]:
    """Return the texts in a value that hold references."""
    match value:
        case tuple():
            yield value
        case list():
            yield from (text for part in value for text in texts_in(part))
        case dict():
            yield from (text for part in value.values() for text in texts_in(part))


@dataclass(frozen=True)
class Flow:
    """A flow, whole and valid.

    `params` holds the values after overrides, of which those `overridden` are not the flow's own, `env` those of the
    environment variables that it reads, and `secrets` the secrets that it declares, by name. `python` is
    `local: {python: …}`. `aws` holds the settings that `aws:` gives.
    `steps` has each cell of a step with a matrix as a step, and `matrices` the names of a step's cells by its own.
    `gate` has its own rules, and `base_gate` those of the base branch that are in force beside them.
    A flow that is a part of another has in `left_out` the steps of the other that are not in it.
    `positions` tells where each part stands in the file, by its path from the top:
    `("steps", "train", "run")`.
    """

    name: str
    file: str
    params: Mapping[str, Scalar]
    steps: Mapping[str, Step]
    gate: tuple[Rule, ...]
    overridden: tuple[str, ...] = ()
    secrets: Mapping[str, Secret] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    python: str | None = None
    aws: Mapping[AwsSettingName, str] = field(default_factory=dict)
    matrices: Mapping[str, Matrix] = field(default_factory=dict)
    left_out: Mapping[str, Step] = field(default_factory=dict)
    base_gate: tuple[BaseRule, ...] = ()
    positions: Mapping[tuple[str | int, ...], Position] = field(default_factory=dict, compare=False, repr=False)

    @property
    def rules_in_force(self) -> tuple[Rule, ...]:
        """The rules that its gate is judged by, as far as it has what they are about."""
        return self.gate + tuple(each.rule for each in self.base_gate if not each.is_removed)

    @property
    def step_types(self) -> frozenset[str]:
        """The names of the step types that its steps use."""
        return frozenset(step.uses for step in self.steps.values())

    @property
    def step_types_on_aws(self) -> frozenset[str]:
        """The names of the step types of its steps that services of AWS run, and not the build."""
        return frozenset(step.uses for step in self.steps.values() if not step.runs_on)

    @property
    def build_steps(self) -> tuple[str, ...]:
        """The names of the steps that the build runs itself."""
        return tuple(step.name for step in self.steps.values() if step.runs_on)

    def secrets_of(self, step: str) -> tuple[Secret, ...]:
        """The secrets that a step reads, sorted by name."""
        texts = self.steps[step].secrets.values()
        names = {part.name for text in texts for part in text if isinstance(part, SecretValue)}
        return tuple(self.secrets[name] for name in sorted(names))

    def readers(self, secret: Secret) -> tuple[str, ...]:
        """The names of the steps that read a secret, as the flow writes them."""
        steps = (step for step in self.steps.values() if secret in self.secrets_of(step.name))
        return tuple(dict.fromkeys(step.cell.step if step.cell else step.name for step in steps))

    @property
    def used_secrets(self) -> tuple[Secret, ...]:
        """The secrets that some step reads, sorted by name."""
        used = {secret.name: secret for step in self.steps for secret in self.secrets_of(step)}
        return tuple(used[name] for name in sorted(used))

    def position(self, *path: str | int) -> Position:
        """Returns the position of this part, or of the nearest part around it that the file has."""
        while path and path not in self.positions:
            path = path[:-1]
        return self.positions.get(path, Position(self.file, 1, 1))
