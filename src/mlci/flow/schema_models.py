"""`flow.yaml` as it is written, key by key: the pydantic models behind validation and behind the JSON schema.

They know shapes only. What a value means (a duration, a path, a reference) and whether it fits the other values is for
the modules that build the flow. The keys of steps come from their types. Descriptions are what an editor shows beside a
key.
"""

from __future__ import annotations

import functools
import keyword
import os
import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

# Looking for plugins reads the metadata of every installed package: a third of the time that the import takes.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
# Even so, pydantic 2 imports what looks for them, and with it importlib.metadata and the package email. A pydantic that
# has it elsewhere only starts later.
_no_plugins = ModuleType("pydantic.plugin._loader")
_no_plugins.__dict__["get_plugins"] = tuple
sys.modules.setdefault(_no_plugins.__name__, _no_plugins)

from pydantic import BaseModel, ConfigDict, Discriminator, Field, JsonValue, Tag, create_model

from mlci.aws_settings import AWS_SETTINGS, AwsSetting
from mlci.step_types import STEP_TYPES, all_keys
from mlci.step_types.keys import Key, KeyKind

ScalarValue = bool | int | float | str


class SchemaModel(BaseModel):
    """The base of all models: unknown keys are errors, and no type is converted to another."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)


class RuleModel(SchemaModel):
    """One metric and what it must meet. Give at least one of min, max, max_drop, max_rise and max_gap."""

    metric: str = Field(
        description="The step that writes the metric, then the path to the number in its metrics: evaluate.auc, or "
        'evaluate["a.b"][0].f1 for a name with a dot and the item of a list. true counts as 1, and false as 0.',
        examples=["evaluate.auc", 'evaluate["a.b"][0].f1'],
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
    aggregate: Literal["mean", "min", "max", "std"] | None = Field(
        default=None,
        description="For a step with a matrix: one number of all cells is judged, and not each cell's own. std is the "
        "population's, as NumPy's.",
        examples=["mean"],
    )
    level: Literal["block", "warn", "info"] | None = Field(
        default=None,
        description="The weight of a miss: block, the default, fails the run; warn and info only say so. In the gate "
        "alone, as all keys below.",
        examples=["warn"],
    )
    confidence: float | str | None = Field(
        default=None,
        description="For metrics of cases: the confidence of what is said about max_drop, max_rise and slices, 95% by "
        "default, one-sided and corrected for the number of comparisons. With aggregate: mean, the spread of the cells "
        "decides.",
        examples=["95%", 0.99],
    )
    confidence_on: Literal["all"] | None = Field(
        default=None,
        description="all: min and max judge the interval as well, and not the number itself.",
        examples=["all"],
    )
    unclear: Literal["fail", "warn", "pass"] | None = Field(
        default=None,
        description="The outcome where the cases can't decide: warn by default, or fail, or pass.",
        examples=["fail"],
    )
    slice: str | None = Field(
        default=None,
        description="A column of the cases: each group of cases that are equal in it is judged by itself.",
        examples=["sex"],
    )
    min_cases: int | None = Field(
        default=None, ge=2, description="The size of the smallest group that is judged, 20 by default.", examples=[50]
    )
    max_gap: float | None = Field(
        default=None,
        description="With slice: how far a group may lie behind all other cases, in the metric's own unit.",
        examples=[0.05],
    )
    positive: ScalarValue | None = Field(
        default=None,
        description="The class that counts as positive in recall, precision, f1 and auc: 1 or true by default.",
        examples=["malignant"],
    )


class AnyModel(SchemaModel):
    """A condition that holds if any of its parts does."""

    any: list[ConditionValue] = Field(description="Rules and conditions, of which one must hold.")


class AllModel(SchemaModel):
    """A condition that holds if all of its parts do."""

    all: list[ConditionValue] = Field(description="Rules and conditions, which must all hold.")


class NotModel(SchemaModel):
    """A condition that holds if a rule or a condition does not. A metric that is missing makes neither hold."""

    not_: ConditionValue = Field(alias="not", description="The rule or condition that must not hold.")


ConnectiveValue: TypeAlias = AnyModel | AllModel | NotModel
ConditionValue: TypeAlias = RuleModel | AnyModel | AllModel | NotModel
for _model in (AnyModel, AllModel, NotModel):
    _model.model_rebuild()


class MatrixModel(BaseModel):
    """Values by key: the step runs once for each combination. Beside the keys, include and exclude change them."""

    model_config = ConfigDict(extra="allow", defer_build=True)
    __pydantic_extra__: dict[str, list[ScalarValue]]

    include: list[dict[str, ScalarValue]] = Field(
        default_factory=list,
        description="Values to add to the combinations that they agree with, or combinations of their own.",
        examples=[[{"fold": 6, "depth": 3}]],
    )
    exclude: list[dict[str, ScalarValue]] = Field(
        default_factory=list,
        description="Values whose combinations are left out.",
        examples=[[{"fold": 1, "depth": 6}]],
    )


class MetricDefinitionModel(SchemaModel):
    """A metric in the lines that a script prints, as SageMaker has them."""

    name: str = Field(description="The metric's name in rules: val_loss is <step>.val_loss.", examples=["val_loss"])
    regex: str = Field(
        description="A regular expression, whose first group is the value. The last line that matches counts.",
        examples=["val_loss=([0-9.]+)"],
    )


class VpcModel(SchemaModel):
    """The network that a job runs in, by the IDs of its parts."""

    subnets: list[str] = Field(description="The subnets: 1 to 16.", examples=[["subnet-1a2b3c4d"]])
    security_groups: list[str] = Field(description="The security groups: 1 to 5.", examples=[["sg-1a2b3c4d"]])


#: The ways of writing one value. pydantic puts them into the places of errors, so none may be taken for a key.
_TEXT, _LIST, _MAP, _FLAG = "<text>", "<list>", "<map>", "<flag>"


def _kind_of_value(value: object) -> str:
    return _LIST if isinstance(value, list) else _TEXT


def _kind_of_named_value(value: object) -> str:
    return _MAP if isinstance(value, dict) else _kind_of_value(value)


_TextOrTexts = Annotated[str, Tag(_TEXT)] | Annotated[list[str], Tag(_LIST)]
OneOrMoreValue = Annotated[_TextOrTexts, Discriminator(_kind_of_value)]
NamedValue = Annotated[_TextOrTexts | Annotated[dict[str, str], Tag(_MAP)], Discriminator(_kind_of_named_value)]


def _kind_of_map(value: object) -> str:
    return _MAP if isinstance(value, dict) else _LIST


ListOrMapValue = Annotated[
    Annotated[list[str], Tag(_LIST)] | Annotated[dict[str, str], Tag(_MAP)], Discriminator(_kind_of_map)
]


class SelectModel(SchemaModel):
    """The choice of one cell of a matrix by a metric."""

    metric: str = Field(
        description="The metric that decides: the step that writes it, which has the same matrix, and the path to it.",
        examples=["score.r2"],
    )
    best: Literal["max", "min"] = Field(description="The cell whose metric is the largest, or the smallest, is read.")


class InputModel(SchemaModel):
    """An input that the script reads at a path of its own, or of one cell of a matrix."""

    source: str = Field(
        alias="from",
        description="A path in the repository, an s3:// URI, or ${{ steps.<step>.outputs.<output> }}.",
        examples=["data/raw.csv"],
    )
    path: str | None = Field(
        default=None,
        description="The path at which the script reads it, relative to the working folder: the input's only file, "
        "where it has this name, or else the folder.",
        examples=["data/raw.csv"],
    )
    shard: bool = Field(
        default=False,
        description="Of several instances, each gets a part of the input's files: every nth object. By default, each "
        "gets all.",
    )
    content_type: str | None = Field(
        default=None,
        description="The content type of a training step's channel (ContentType), which built-in algorithms read.",
        examples=["text/csv"],
    )
    select: SelectModel | None = Field(
        default=None, description="For an output of a step with a matrix: the one cell to read, instead of all."
    )


def _kind_of_map_or_list(value: object) -> str:
    return _LIST if isinstance(value, list) else _MAP


class ImageModel(SchemaModel):
    """An image that the run builds, and that its jobs run in."""

    build: str = Field(
        description="The folder with the Dockerfile, relative to this file. It is sent to the builder but for files "
        "that git or its .dockerignore ignores. The image needs a python3, and no toolkit of SageMaker's.",
        examples=["docker/train"],
    )
    dockerfile: str = Field(
        default="Dockerfile",
        description="The Dockerfile, relative to the folder.",
        examples=["Dockerfile.gpu"],
    )
    args: dict[str, ScalarValue] = Field(
        default_factory=dict,
        description="The values of ARG instructions. Not for secrets: an image's history shows them.",
        examples=[{"BASE": "python:3.11-slim"}],
    )


class ReuseModel(SchemaModel):
    """The results of earlier runs that a step takes."""

    max_age: str = Field(
        description="The age of the oldest result that is taken: 12h, 7d or 1d12h.",
        examples=["7d"],
        json_schema_extra={"pattern": r"^(?=.)(\d+d)?(\d+h)?(\d+m)?(\d+s)?$|\$\{\{"},
    )


def _kind_of_reuse(value: object) -> str:
    return _MAP if isinstance(value, dict) else _FLAG


ReuseValue = Annotated[Annotated[bool, Tag(_FLAG)] | Annotated[ReuseModel, Tag(_MAP)], Discriminator(_kind_of_reuse)]


def _kind_of_image(value: object) -> str:
    return _MAP if isinstance(value, dict) else _TEXT


ImageValue = Annotated[Annotated[str, Tag(_TEXT)] | Annotated[ImageModel, Tag(_MAP)], Discriminator(_kind_of_image)]


def _kind_of_source(value: object) -> str:
    return _MAP if isinstance(value, dict) else _TEXT


SourceValue = Annotated[Annotated[str, Tag(_TEXT)] | Annotated[InputModel, Tag(_MAP)], Discriminator(_kind_of_source)]


class RangeModel(SchemaModel):
    """The values of a hyperparameter between two numbers: whole numbers where both are, and else any."""

    min: int | float = Field(description="The smallest value.")
    max: int | float = Field(description="The largest value.")
    scale: Literal["auto", "linear", "log", "reverse-log"] = Field(
        default="auto",
        description="The scale that the values are drawn from. log is for positive numbers of several orders of "
        "magnitude, and reverse-log for fractions close to 1.",
    )


RangeValue = Annotated[
    Annotated[list[ScalarValue], Tag(_LIST)] | Annotated[RangeModel, Tag(_MAP)], Discriminator(_kind_of_map_or_list)
]


class ObjectiveModel(SchemaModel):
    """The metric that the best trial has the largest or the smallest value of."""

    metric: str = Field(
        description="The name of a metric in metric_definitions: its last value in a trial's output counts.",
        examples=["validation_auc"],
    )
    goal: Literal["maximize", "minimize"] = Field(description="The best value is the largest, or the smallest.")


#: The pydantic type of each kind of value, and what it is where the key is not there.
_TYPES: Mapping[KeyKind, tuple[Any, Callable[[], object] | None]] = {
    "text": (str, None),
    "integer": (int, None),
    "duration": (str, None),
    "image": (ImageValue, None),
    "texts": (list[str], list),
    "scalars": (list[ScalarValue], list),
    "text or texts": (OneOrMoreValue, list),
    "text, texts or map of texts": (NamedValue, list),
    "metric definitions": (list[MetricDefinitionModel], list),
    "map of ranges": (dict[str, RangeValue], dict),
    "objective": (ObjectiveModel, None),
    "map of texts": (dict[str, str], dict),
    "texts or map of texts": (ListOrMapValue, list),
    "source": (str, None),
    "map of sources": (dict[str, SourceValue], dict),
    "map of scalars": (dict[str, ScalarValue], dict),
    "boolean": (bool, None),
    "number": (float, None),
    "vpc": (VpcModel, None),
    "matrix": (MatrixModel, None),
    "reuse": (ReuseValue, None),
    "condition": (list[ConditionValue] | ConnectiveValue, list),
    "json": (dict[str, JsonValue], dict),
    "json map": (dict[str, JsonValue], None),
    "json list": (list[JsonValue], None),
}

#: The keys that steps of every type have, beside `uses`.
COMMON_KEYS = (
    Key(
        "after",
        "text or texts",
        'Steps that must have ended before, where no data passes. "gate" runs the step only when the gate holds.',
        examples=("gate", ["train"]),
    ),
    Key(
        "if",
        "condition",
        "Rules on metrics, and {any: […]}, {all: […]} and {not: …} of rules. Where one does not hold, the step and "
        "what depends on it are skipped.",
        examples=([{"metric": "evaluate.auc", "min": 0.9}], {"any": [{"metric": "evaluate.auc", "min": 0.9}]}),
    ),
    Key(
        "matrix",
        "matrix",
        "Lists of values by key: the step runs once for each combination, which it reads as ${{ matrix.<key> }}.",
        examples=({"fold": [1, 2, 3, 4, 5]},),
    ),
    Key(
        "max_parallel",
        "integer",
        "How many cells of the matrix run at once. By default, as many as this machine has cores, and on AWS all.",
        examples=(2,),
        minimum=1,
        # Source: https://docs.aws.amazon.com/step-functions/latest/dg/state-map-inline.html
        maximum=40,
    ),
    Key(
        "fail_fast",
        "boolean",
        "True by default: a failure of the step stops the run. If false, the other cells, and the steps beside it, "
        "run to their end first; what depends on it is skipped, and the run fails.",
        examples=(False,),
        in_defaults=True,
    ),
)


def _field(key: Key, is_required: bool) -> tuple[Any, Any]:
    """A key as pydantic takes it: its type and its field."""
    kind, empty = _TYPES[key.kind]
    if key.choices:
        kind = Literal[key.choices]
    options: dict[str, Any] = {"description": key.description, "ge": key.minimum, "le": key.maximum}
    if key.examples:
        options["examples"] = list(key.examples)
    if key.pattern:
        options["json_schema_extra"] = {"pattern": key.pattern}
    if _attribute(key) != key.name:
        options["alias"] = key.name
    if is_required:
        return kind, Field(**options)
    return (kind, Field(default_factory=empty, **options)) if empty else (kind | None, Field(default=None, **options))


def _fields(keys: Iterable[Key], required: Collection[str] = ()) -> dict[str, Any]:
    return {_attribute(key): _field(key, key.name in required) for key in keys}


def _attribute(key: Key) -> str:
    """A key as the name of a model's attribute."""
    return f"{key.name}_" if keyword.iskeyword(key.name) else key.name.replace("-", "_")


if TYPE_CHECKING:
    DefaultsModel: TypeAlias = SchemaModel
else:
    DefaultsModel = create_model(
        "DefaultsModel",
        __base__=SchemaModel,
        __doc__="What every step takes where it says nothing itself.",
        **_fields(key for key in (*all_keys().values(), *COMMON_KEYS) if key.in_defaults),
    )


@functools.cache
def step_model(uses: str | None, is_closed: bool = False) -> type[SchemaModel]:
    """Return the model of a step, which requires the keys that this type requires; None requires none.

    A model that `is_closed` has the keys of the type alone, and any other the keys of all types.
    """
    own = STEP_TYPES[uses].keys if uses is not None else ()
    required = [key.name for key in own if key.is_required]
    keys = own if is_closed else {**all_keys(), **{key.name: key for key in own}}.values()
    types = " or ".join(kind.description for kind in STEP_TYPES.values())
    fields = _fields((*keys, *COMMON_KEYS), required)
    uses_field = (Literal[tuple(STEP_TYPES)], Field(description=f"The type of the step: {types}."))
    step: type[SchemaModel] = create_model(
        "StepModel",
        __base__=SchemaModel,
        __doc__="One unit of work. Order comes from references, not from the file.",
        **{"uses": uses_field, **fields},
    )
    return step


class SecretModel(SchemaModel):
    """A secret in AWS, and who may read it."""

    from_: str = Field(
        alias="from",
        description="The place of its value: ssm:<name of a parameter>, or secretsmanager:<name or ARN of a secret>.",
        examples=["ssm:/team/wandb", "secretsmanager:wandb"],
    )
    pull_request: bool = Field(
        default=False,
        description="Jobs of pull requests may read it, too. By default only those of the base branch may.",
    )
    kms_key: str | None = Field(
        default=None,
        description="The KMS key that it is encrypted by, if it is a key of your own: its ID, ARN or alias.",
        examples=["alias/team"],
    )


def _kind_of_secret(value: object) -> str:
    return _TEXT if isinstance(value, str) else _MAP


SecretSourceValue = Annotated[
    Annotated[str, Tag(_TEXT)] | Annotated[SecretModel, Tag(_MAP)], Discriminator(_kind_of_secret)
]


class LocalModel(SchemaModel):
    """Settings of steps that run on this machine."""

    python: str | None = Field(
        default=None,
        description="The Python that runs the scripts: a path relative to this file, or a name on PATH. Default: that "
        "of the active environment, else of .venv, else mlci's own.",
        examples=[".venv/bin/python", "python3.11"],
    )


class _AwsModel(SchemaModel):
    """Settings of the flow's runs on AWS. Options and MLCI_ variables win over them."""


def _aws_field(setting: AwsSetting) -> Any:
    return Field(default=None, description=setting.description, examples=list(setting.examples) or None)


AwsModel: type[SchemaModel] = create_model(
    "AwsModel",
    __base__=_AwsModel,
    __doc__=_AwsModel.__doc__,
    **{name: (str | None, _aws_field(setting)) for name, setting in AWS_SETTINGS.items()},  # type: ignore[call-overload]
)


class FlowModel(SchemaModel):
    """A flow for mlci: steps that make and judge a model, and the gate that it must pass."""

    flow: str = Field(description="The flow's name: letters, digits and -, beginning with a letter.")
    params: dict[str, ScalarValue] = Field(
        default_factory=dict,
        description="Values to use as ${{ params.<name> }}. The default gives the type; --param name=value and "
        "MLCI_PARAM_NAME override it.",
    )
    defaults: DefaultsModel = Field(default_factory=DefaultsModel)
    steps: dict[str, JsonValue] = Field(description="The steps by name, in any order.")
    gate: list[RuleModel] = Field(
        default_factory=list,
        description="The rules that the metrics must meet for the run to pass. A missing metric misses its rule.",
    )
    secrets: dict[str, SecretSourceValue] = Field(
        default_factory=dict,
        description="Secrets that jobs read from AWS, by name: ssm:<parameter>, secretsmanager:<secret>, or a map. "
        "Use ${{ secrets.<name> }} in `env`. Locally, MLCI_SECRET_NAME holds the value.",
        examples=[{"wandb": "ssm:/team/wandb"}],
    )
    local: LocalModel = Field(default_factory=LocalModel)
    aws: AwsModel = Field(default_factory=AwsModel)  # type: ignore[valid-type]
