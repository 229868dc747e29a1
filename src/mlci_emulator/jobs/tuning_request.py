"""Reads CreateHyperParameterTuningJob requests into the tuning jobs that can run on this machine.

Like `requests.py`, it rejects what AWS accepts and this machine can't do, and never ignores it silently.

Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateHyperParameterTuningJob.html
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

from mlci_dataclasses import dataclass
from mlci_emulator.jobs.algorithms import metric_definitions
from mlci_emulator.jobs.requests import InvalidRequest, MalformedRequest, UnsupportedRequest, training
from mlci_emulator.protocol import sagemaker_validation

if TYPE_CHECKING:
    from mlci_asl import Json

Strategy = Literal["Bayesian", "Random", "Grid"]
#: The hyperparameter by which SageMaker tells a training job its objective.
#: Source: sagemaker-training-toolkit, params.py (TUNING_METRIC_PARAM)
OBJECTIVE_HYPERPARAMETER = "_tuning_objective_metric"
#: The names of trials have three digits, a - and eight characters behind the tuning job's.
_TRIAL_OF = "{}-001-00000000"
_UNSUPPORTED_FIELDS = {
    "TrainingJobDefinitions": "several definitions of training jobs",
    "WarmStartConfig": "a warm start from earlier tuning jobs",
    "Autotune": "ranges that SageMaker chooses",
}
_UNSUPPORTED_IN_CONFIG = {
    "StrategyConfig": "a StrategyConfig",
    "TuningJobCompletionCriteria": "completion criteria other than its limits",
}
#: Fields of the definition that a training job's request does not have.
_OWN_FIELDS = frozenset(
    {
        "DefinitionName",
        "TuningObjective",
        "HyperParameterRanges",
        "HyperParameterTuningResourceConfig",
        "StaticHyperParameters",
    }
)


@dataclass(frozen=True)
class Interval:
    """The numbers from `low` to `high`, both included, which are drawn on a scale of the API."""

    name: str
    low: float
    high: float
    is_integer: bool
    scale: str


@dataclass(frozen=True)
class Categories:
    """The values of a categorical hyperparameter, as texts."""

    name: str
    values: tuple[str, ...]


Range: TypeAlias = "Interval | Categories"


@dataclass(frozen=True)
class TuningRequest:
    """A tuning job that can run here. `max_trials` is None where the strategy decides."""

    name: str
    strategy: Strategy
    metric: str
    is_maximized: bool
    ranges: tuple[Range, ...]
    max_trials: int | None
    max_parallel: int
    max_runtime_s: int | None
    seed: int | None
    stops_early: bool
    definition: Mapping[str, Json]
    tags: tuple[Json, ...]

    @property
    def instance_count(self) -> int:
        """The number of instances that a trial runs on."""
        count = _map(self.definition.get("ResourceConfig")).get("InstanceCount", 1)
        return count if isinstance(count, int) else 1

    @property
    def first_values(self) -> dict[str, str]:
        """Some values of the tuned hyperparameters."""
        return {each.name: _any_value(each) for each in self.ranges}

    def training_request(self, name: str, values: Mapping[str, str]) -> dict[str, Any]:
        """Return the CreateTrainingJob request of a trial, with its values of the tuned hyperparameters."""
        static = cast("dict[str, str]", self.definition.get("StaticHyperParameters") or {})
        return {
            **{field: value for field, value in self.definition.items() if field not in _OWN_FIELDS},
            "TrainingJobName": name,
            "HyperParameters": {**static, OBJECTIVE_HYPERPARAMETER: self.metric, **values},
            # Source: API_CreateHyperParameterTuningJob.html, Tags: "Tags that you specify for the tuning job are also
            # added to all training jobs that the tuning job launches."
            "Tags": list(self.tags),
        }


def _is_installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def tuning(parameters: Json, is_installed: Callable[[str], bool] = _is_installed) -> TuningRequest:
    """Read a CreateHyperParameterTuningJob request. `is_installed` says whether a package is.

    Raises:
        MalformedRequest, InvalidRequest, UnsupportedRequest
    """
    request = _checked(parameters)
    name = cast(str, request["HyperParameterTuningJobName"])
    config = _map(request["HyperParameterTuningJobConfig"])
    _require_supported(name, request, config)
    definition, objective = _map(request.get("TrainingJobDefinition")), _objective(config)
    limits, ranges = _map(config["ResourceLimits"]), _ranges(_map(config.get("ParameterRanges")))
    found = TuningRequest(
        name,
        _strategy(name, config, is_installed),
        cast(str, objective["MetricName"]),
        objective["Type"] == "Maximize",
        ranges,
        cast("int | None", limits.get("MaxNumberOfTrainingJobs")),
        cast(int, limits["MaxParallelTrainingJobs"]),
        cast("int | None", limits.get("MaxRuntimeInSeconds")),
        cast("int | None", config.get("RandomSeed")),
        config.get("TrainingJobEarlyStoppingType") == "Auto",
        definition,
        tuple(cast("list[Json]", request.get("Tags") or [])),
    )
    _require_consistent(found)
    training(found.training_request(_TRIAL_OF.format(name), found.first_values))
    return found


def _require_supported(name: str, request: Mapping[str, Json], config: Mapping[str, Json]) -> None:
    found = [what for field, what in _UNSUPPORTED_FIELDS.items() if request.get(field)]
    found += [what for field, what in _UNSUPPORTED_IN_CONFIG.items() if config.get(field)]
    ranges, definition = _map(config.get("ParameterRanges")), _map(request.get("TrainingJobDefinition"))
    found += ["AutoParameters"] if ranges.get("AutoParameters") else []
    found += [field for field in sorted(_OWN_FIELDS) if field.startswith("HyperParameter") and definition.get(field)]
    if found:
        raise UnsupportedRequest(f'the tuning job "{name}" has {found[0]}, which the local cloud does not do. Drop it.')
    if not definition:
        raise InvalidRequest("A training job definition is required for this hyperparameter tuning job.")


def _strategy(name: str, config: Mapping[str, Json], is_installed: Callable[[str], bool]) -> Strategy:
    strategy = config["Strategy"]
    if strategy == "Hyperband":
        raise UnsupportedRequest(
            f'the tuning job "{name}" has the strategy Hyperband, which the local cloud does not do. Choose bayesian, '
            "random or grid for local runs."
        )
    if strategy == "Bayesian" and not is_installed("optuna"):
        raise UnsupportedRequest(
            f'the tuning job "{name}" has the strategy Bayesian, for which the local cloud needs the package optuna, '
            "and it is not installed. Install it beside mlci (pip install optuna), or choose random or grid."
        )
    return cast("Strategy", strategy)


def _objective(config: Mapping[str, Json]) -> Mapping[str, Json]:
    objective = config.get("HyperParameterTuningJobObjective")
    if not objective:
        raise InvalidRequest("An objective is required for this hyperparameter tuning job.")
    return _map(objective)


def _ranges(written: Mapping[str, Json]) -> tuple[Range, ...]:
    """Return the ranges in the order of the request."""
    found: list[Range] = []
    for field, items in written.items():
        for item in cast("list[dict[str, Any]]", items or []):
            if field == "CategoricalParameterRanges":
                found.append(Categories(item["Name"], tuple(item["Values"])))
            else:
                found.append(_interval(item, field == "IntegerParameterRanges"))
    return tuple(found)


def _interval(item: Mapping[str, Any], is_integer: bool) -> Interval:
    name, scale = item["Name"], item.get("ScalingType", "Auto")
    try:
        number = int if is_integer else float
        low, high = number(item["MinValue"]), number(item["MaxValue"])
    except ValueError as error:
        raise InvalidRequest(f"The range of the hyperparameter [{name}] is not a range of numbers: {error}") from error
    if not low < high:
        raise InvalidRequest(f"The MinValue of the hyperparameter [{name}] has to be less than its MaxValue")
    if scale == "Logarithmic" and low <= 0:
        raise InvalidRequest(f"Logarithmic scaling of the hyperparameter [{name}] needs values greater than 0")
    if scale == "ReverseLogarithmic" and (is_integer or not 0 <= low < high < 1):
        raise InvalidRequest(f"ReverseLogarithmic scaling of the hyperparameter [{name}] needs values in 0<=x<1.0")
    return Interval(name, low, high, is_integer, scale)


def _require_consistent(request: TuningRequest) -> None:
    """Reject what contradicts itself. SageMaker's own words are known for the metric alone.

    Source: https://github.com/aws/sagemaker-python-sdk/issues/3932
    """
    algorithm = _map(request.definition.get("AlgorithmSpecification"))
    own = cast("list[dict[str, str]]", algorithm.get("MetricDefinitions") or [])
    definitions = own or metric_definitions(str(algorithm.get("TrainingImage")))
    if request.metric not in [each["Name"] for each in definitions]:
        raise InvalidRequest(
            "A metric is required for this hyperparameter tuning job objective. Provide a metric in the metric "
            "definitions."
        )
    names = [each.name for each in request.ranges]
    static = _map(request.definition.get("StaticHyperParameters"))
    for name in names:
        if names.count(name) > 1 or name in static:
            raise InvalidRequest(f"The hyperparameter [{name}] has several values: ranges and static ones")
    if not names:
        raise InvalidRequest("At least one hyperparameter range is required for this hyperparameter tuning job.")
    if request.strategy == "Grid" and not all(isinstance(each, Categories) for each in request.ranges):
        raise InvalidRequest("Grid search takes categorical hyperparameter ranges only")
    if request.strategy != "Grid" and request.max_trials is None:
        raise UnsupportedRequest(
            f'the tuning job "{request.name}" has no MaxNumberOfTrainingJobs, and would never end here. Give it one.'
        )


def _any_value(given: Range) -> str:
    return given.values[0] if isinstance(given, Categories) else str(given.low)


def _map(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, dict) else {}


def _checked(parameters: Json) -> Mapping[str, Json]:
    """Return the parameters if the API accepts them."""
    found = sagemaker_validation.problems("CreateHyperParameterTuningJob", parameters)
    malformed: Sequence[str] = [
        sagemaker_validation.step_functions_text(problem) for problem in found if not problem.is_constraint
    ]
    if malformed:
        texts = ", ".join(dict.fromkeys(malformed))
        raise MalformedRequest(f"The Parameters could not be used to start the Task: [{texts}]")
    if found:
        raise InvalidRequest(sagemaker_validation.rejection(found).message)
    return cast("dict[str, Json]", parameters)
