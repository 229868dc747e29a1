"""`flow.yaml` as it is written, key by key: the pydantic models behind validation and behind the JSON schema.

They know shapes only. What a value means (a duration, a path, a reference) and whether it fits the other values is for
the modules that build the flow. Descriptions here are what an editor shows beside a key.
"""

from __future__ import annotations

import os
from typing import Annotated, Literal

# Looking for plugins reads the metadata of every installed package: a third of the time that the import takes.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

from pydantic import BaseModel, ConfigDict, Discriminator, Field, JsonValue, Tag

from mlci.flow import limits

ScalarSpelling = bool | int | float | str

DEFAULT_INSTANCE = "ml.m5.xlarge"
DEFAULT_INSTANCE_COUNT = 1
DEFAULT_VOLUME_GB = 30
DEFAULT_TIMEOUT = "1h"


class Spelling(BaseModel):
    """What all have in common: unknown keys are errors, and no type is converted to another."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class BuildSpelling(Spelling):
    """An image that is built from a folder of the repository."""

    build: str = Field(description="The folder that holds the Dockerfile, relative to this file.")


class RuleSpelling(Spelling):
    """One metric and what it must meet. Give at least one of min, max, max_drop and max_rise."""

    metric: str = Field(
        description="The step that writes the metric, then the path to the number in its JSON: evaluate.auc.",
        examples=["evaluate.auc"],
    )
    min: float | None = Field(default=None, description="The metric is at least this.")
    max: float | None = Field(default=None, description="The metric is at most this.")
    max_drop: float | str | None = Field(
        default=None,
        description="How far the metric may fall below the baseline, which is the last passing run of the base "
        'branch: 0.02 in its own unit, or "2%" of the baseline.',
        examples=[0.02, "2%"],
    )
    max_rise: float | str | None = Field(
        default=None,
        description='How far the metric may rise above the baseline: 0.02 in its own unit, or "2%" of the baseline.',
        examples=[0.02, "2%"],
    )


#: The ways of writing one value. pydantic puts them into the places of errors, so none may be taken for a key.
_TEXT, _BUILD, _LIST = "<text>", "<build>", "<list>"


def _kind_of_image(value: object) -> str:
    return _BUILD if isinstance(value, (dict, BuildSpelling)) else _TEXT


ImageSpelling = Annotated[
    Annotated[str, Tag(_TEXT)] | Annotated[BuildSpelling, Tag(_BUILD)], Discriminator(_kind_of_image)
]


def _kind_of_list(value: object) -> str:
    return _LIST if isinstance(value, list) else _TEXT


OneOrMoreSpelling = Annotated[
    Annotated[str, Tag(_TEXT)] | Annotated[list[str], Tag(_LIST)], Discriminator(_kind_of_list)
]


class DefaultsSpelling(Spelling):
    """What every step takes where it says nothing itself."""

    image: ImageSpelling | None = Field(
        default=None,
        description="The container image: framework:version (xgboost:1.7-1), a full image URI, or {build: folder}.",
        examples=["xgboost:1.7-1"],
    )
    instance: str | None = Field(
        default=None,
        description=f"The instance type, {DEFAULT_INSTANCE} unless told.",
        examples=[DEFAULT_INSTANCE],
        json_schema_extra={"pattern": rf"^{limits.INSTANCE_TYPE.pattern}$|\$\{{\{{"},
    )
    instance_count: int | None = Field(
        default=None, ge=1, description="How many instances the job runs on, 1 unless told."
    )
    volume_gb: int | None = Field(
        default=None,
        ge=limits.MIN_VOLUME_GB,
        le=limits.MAX_VOLUME_GB,
        description=f"The disk of each instance in GB, {DEFAULT_VOLUME_GB} unless told.",
    )
    timeout: str | None = Field(
        default=None,
        description=f"How long the job may run: 90s, 30m, 2h, 1h30m or 1d; {DEFAULT_TIMEOUT} unless told.",
        examples=["30m", "1h30m"],
        json_schema_extra={"pattern": r"^(?=.)(\d+d)?(\d+h)?(\d+m)?(\d+s)?$|\$\{\{"},
    )
    env: dict[str, ScalarSpelling] = Field(
        default_factory=dict, description="Environment variables. A step's own are added to those of defaults, and win."
    )
    include: list[str] = Field(
        default_factory=list,
        description="Globs of files to send along with the script and what it imports, relative to this file.",
    )


class StepSpelling(DefaultsSpelling):
    """One unit of work: a script, what it reads, and what it writes. Order comes from references, not from the file."""

    uses: Literal["processing", "training"] = Field(
        description="What the step is on SageMaker: a processing job (any script with inputs and outputs) or a "
        "training job (a script that writes a model)."
    )
    run: str = Field(description="The script, relative to this file.", examples=["src/train.py"])
    args: list[ScalarSpelling] = Field(
        default_factory=list,
        description="The script's arguments (processing). ${{ inputs.<name> }} and ${{ outputs.<name> }} give paths "
        "inside the container.",
    )
    inputs: dict[str, str] = Field(
        default_factory=dict,
        description="What the step reads, by name: a path in the repository, an s3:// URI, or "
        "${{ steps.<step>.outputs.<output> }}. For training, each is a channel.",
    )
    outputs: list[str] = Field(
        default_factory=list,
        description="The names of what the step writes, each a folder (processing). A training step has one, model.",
    )
    hyperparameters: dict[str, ScalarSpelling] = Field(
        default_factory=dict, description="What the script gets as --name value (training)."
    )
    after: OneOrMoreSpelling = Field(
        default_factory=list,
        description='Steps that must have ended before, where no data passes. "gate" runs the step only when the gate '
        "holds.",
        examples=["gate", ["train"]],
    )
    when: list[RuleSpelling] = Field(
        default_factory=list,
        alias="if",
        description="Rules on metrics. Where one does not hold, the step and what depends on it are skipped.",
    )
    metrics: str | None = Field(
        default=None,
        description="The JSON file with the step's metrics, in one of its outputs: evaluation/metrics.json.",
        examples=["evaluation/metrics.json"],
    )
    request: dict[str, JsonValue] = Field(
        default_factory=dict,
        description="Merged over the request of the AWS API, for whatever mlci has no key for.",
    )


class LocalSpelling(Spelling):
    """How steps run on this machine."""

    python: str | None = Field(default=None, description="The Python that runs the scripts, instead of mlci's own.")


class AwsSpelling(Spelling):
    """Where the flow runs on AWS. Options and MLCI_ variables win over it."""

    bucket: str | None = Field(default=None, description="The S3 bucket for code, data and results.")
    workflow_role: str | None = Field(default=None, description="The ARN of the role that the state machine has.")
    job_role: str | None = Field(default=None, description="The ARN of the role that the jobs have.")
    region: str | None = Field(default=None, description="The AWS region.", examples=["eu-central-1"])
    log_group: str | None = Field(
        default=None,
        description="The ARN (ending in :*) of a log group for the state machine's log. Default: left as it is.",
    )


class FlowSpelling(Spelling):
    """A flow for mlci: steps that make and judge a model, and the gate that it must pass."""

    flow: str = Field(description="The flow's name: letters, digits and -, beginning with a letter.")
    params: dict[str, ScalarSpelling] = Field(
        default_factory=dict,
        description="Values to use as ${{ params.<name> }}. The default gives the type; --param name=value and "
        "MLCI_PARAM_NAME override it.",
    )
    defaults: DefaultsSpelling = Field(default_factory=DefaultsSpelling)
    steps: dict[str, StepSpelling] = Field(description="The steps by name, in any order.")
    gate: list[RuleSpelling] = Field(
        default_factory=list,
        description="The rules that the metrics must meet for the run to pass. A missing metric misses its rule.",
    )
    local: LocalSpelling = Field(default_factory=LocalSpelling)
    aws: AwsSpelling = Field(default_factory=AwsSpelling)
