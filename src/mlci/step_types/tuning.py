"""`uses: tuning`: a SageMaker hyperparameter tuning job, whose trials are training jobs of one script.

The request of a trial is that of a training step, and all of its keys are a training step's. Its outputs are the best
trial's model, and best.json, which the state machine writes from what the tuning job says of that trial.

Sources: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateHyperParameterTuningJob.html;
https://docs.aws.amazon.com/step-functions/latest/dg/connect-sagemaker.html (createHyperParameterTuningJob.sync);
https://docs.aws.amazon.com/step-functions/latest/dg/sample-hyper-tuning.html (it uses BestTrainingJob of the output)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial

from mlci.step_types import sagemaker_jobs as jobs
from mlci.step_types.algorithms import XGBOOST, algorithm_name, defines_metrics
from mlci.step_types.base import JobType, Request, ResolvedStep, StepType, UnknownCost, no_further_requests
from mlci.step_types.build_run import ONLY_PROCESSING, RUNS_ON
from mlci.step_types.grants import Grant, Grants
from mlci.step_types.kept_results import ETAG, keep_result, result_place
from mlci.step_types.keys import Json, Key
from mlci.step_types.model_copy import COPY_GRANTS, model_copy
from mlci.step_types.own_entrypoint import training_problems
from mlci.step_types.states import PassState, State, StepPaths
from mlci.step_types.training import MODEL_OUTPUT, TRAINING
from mlci.step_types.tuning_ranges import combinations, parameter_ranges, range_problems

BEST_OUTPUT, BEST_FILE = "best", "best.json"
_JOB = JobType(
    "HyperParameterTuningJob",
    console_page="hyper-tuning-jobs",
    log_group="/aws/sagemaker/TrainingJobs",
    # Source: https://docs.aws.amazon.com/step-functions/latest/dg/sagemaker-iam.html, and the policies of state
    # machines that wait for tuning jobs: rule/StepFunctionsGetEventsForSageMakerTuningJobsRule
    event_noun="TuningJob",
    # HyperParameterTuningJobName: training jobs are called by it, and by 13 characters or more.
    name_max_chars=32,
    has_trials=True,
)
_STRATEGIES = {"bayesian": "Bayesian", "random": "Random", "grid": "Grid", "hyperband": "Hyperband"}
#: ResourceLimits: MaxRuntimeInSeconds is 120 to 15,768,000, and a tuning job lasts at most 30 days.
#: Source: https://docs.aws.amazon.com/sagemaker/latest/dg/automatic-model-tuning-limits.html
_MIN_RUNTIME_S, _MAX_RUNTIME_S = 120, 30 * jobs.DAY_S
#: HyperParameterTrainingJobEnvironmentMap
_MAX_VARIABLES = 48
#: The metrics of XGBoost that a tuning job can optimize begin with this.
#: Source: https://docs.aws.amazon.com/sagemaker/latest/dg/xgboost-tuning.html
_VALIDATION = "validation:"

#: best.json, beside the step's result. A value of a hyperparameter is a text in the API: numbers, booleans and texts in
#: JSON get their own form. In one line: asl-validator takes no other expression.
_BEST = """($result := $; $merge([$result, {"best": {
  "job": $result.job, "tuning_job": $result.tuning_job, "metric": $result.metric, "objective": $result.objective,
  "hyperparameters": $merge($each($result.hyperparameters, function($value, $name) {{
    $name: $contains($value, /^(-?(0|[1-9][0-9]*)([.][0-9]+)?([eE][-+]?[0-9]+)?|true|false|"[^"]*")$/)
      ? $parse($value) : $value }})),
  "trials": {
    "completed": $result.trials.Completed, "stopped": $result.trials.Stopped,
    "failed": $result.trials.NonRetryableError + $result.trials.RetryableError }
}}]))""".replace("\n", " ")


_Problem = tuple[tuple[str | int, ...], str, str]


def _max_runtime_problems(value: Json) -> Iterator[_Problem]:
    if isinstance(value, int) and not _MIN_RUNTIME_S <= value <= _MAX_RUNTIME_S:
        yield (), f'"max_runtime" is {value} s', "A tuning job may run for 2m to 30d"


def _request_problems(value: Json) -> Iterator[_Problem]:
    """Yield what is wrong with the trials' part of `request:`: what would be wrong with a training step's."""
    definition = value.get("TrainingJobDefinition") if isinstance(value, dict) else None
    key = TRAINING.key("request")
    if not isinstance(definition, dict) or key is None or key.problems is None:
        return
    for path, what, hint in key.problems(_as_training(definition)):
        names = ("StaticHyperParameters" if name == "HyperParameters" else name for name in path)
        yield ("TrainingJobDefinition", *names), what, hint


def _output_problems(own: Mapping[str, Json], defaults: Mapping[str, Json]) -> Iterator[_Problem]:
    outputs = own.get("outputs")
    if isinstance(outputs, (dict, list)) and BEST_OUTPUT in outputs:
        yield ("outputs",), f'"{BEST_OUTPUT}" is written by the state machine, and not by the script', "Remove it"


def _range_problems(own: Mapping[str, Json], defaults: Mapping[str, Json]) -> Iterator[_Problem]:
    """Yield the ranges of hyperparameters that have a value already, and a step without any."""
    ranges = own.get("ranges")
    if ranges == {}:
        yield ("ranges",), "there is nothing to tune", "Give a range of a hyperparameter: max_depth: {min: 2, max: 8}"
    for name in _map(own.get("hyperparameters")):
        if name in _map(ranges):
            yield ("ranges", name), f'"{name}" has a value in hyperparameters as well', "Remove one"


def _objective_problems(own: Mapping[str, Json], defaults: Mapping[str, Json]) -> Iterator[_Problem]:
    metric, definitions = _map(own.get("objective")).get("metric"), own.get("metric_definitions")
    defined = [_map(each).get("name") for each in definitions] if isinstance(definitions, list) else []
    if metric is None:
        return
    image = own.get("image", defaults.get("image"))
    if "algorithm" in own:
        return  # each algorithm has metrics of its own
    if isinstance(image, str) and (defines_metrics(image) or algorithm_name(image) == XGBOOST):
        if not str(metric).startswith(_VALIDATION):
            what = (
                f'the objective is "{metric}", and in the output of this image SageMaker finds XGBoost\'s metrics alone'
            )
            yield ("objective", "metric"), what, "Write one of them, such as validation:auc, or take another image"
    elif metric not in defined:
        names = ", ".join(f'"{name}"' for name in defined)
        hint = f"They define {names}" if defined else "Add metric_definitions: [{name: …, regex: 'auc=([0-9.]+)'}]"
        yield ("objective", "metric"), f'the objective is "{metric}", which metric_definitions do not define', hint


def _limit_problems(own: Mapping[str, Json], defaults: Mapping[str, Json]) -> Iterator[_Problem]:
    """Yield what is wrong with the strategy and its limits.

    Source: https://docs.aws.amazon.com/sagemaker/latest/dg/automatic-model-tuning-how-it-works.html (grid search:
    categorical parameters alone, and as many training jobs as there are combinations)
    """
    strategy, max_jobs = own.get("strategy", "bayesian"), own.get("max_jobs")
    if strategy == "grid":
        count = combinations(_map(own.get("ranges")))
        if count is None:
            what = "the strategy grid tries lists of values, and a range is an interval"
            yield ("strategy",), what, "Write the range as a list, [2, 4, 8], or choose random"
        elif max_jobs not in (None, count):
            what = f"the strategy grid tries all {count} combinations, and max_jobs is {max_jobs}"
            yield ("max_jobs",), what, "Remove max_jobs"
    elif max_jobs is None:
        yield (), 'lacks "max_jobs", the number of trials', "Add max_jobs: 20"
    if strategy == "hyperband" and own.get("early_stopping") is True:
        what = "the strategy hyperband stops trials by itself, and AWS takes no early_stopping with it"
        yield ("early_stopping",), what, "Remove it"


def _map(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, dict) else {}


def _start_problems(own: Mapping[str, Json], defaults: Mapping[str, Json]) -> Iterator[_Problem]:
    """Yield what can't stand together in a training step, of which the tuned hyperparameters have some value."""
    ranges, fixed = _map(own.get("ranges")), _map(own.get("hyperparameters"))
    tuned = {
        name: given[0] if isinstance(given, list) and given else _map(given).get("min")
        for name, given in ranges.items()
    }
    for path, what, hint in training_problems({**own, "hyperparameters": {**tuned, **fixed}}, defaults):
        is_tuned = path[:1] == ("hyperparameters",) and path[1:] and path[1] in ranges
        yield ("ranges", *path[1:]) if is_tuned else path, what, hint
    if "run" not in own and "args" in own and "algorithm" not in own:
        what = "a tuning job has no arguments for an image that starts by itself"
        yield ("args",), what, "Give it hyperparameters, which it reads from a file, or add run"


def _reused_keys() -> Iterator[Key]:
    """Yield the keys of a training step that a trial has as well. What they become is below the trials' definition."""
    for key in TRAINING.keys:
        if key.becomes is not None:
            key = replace(key, becomes=partial(_in_definition, key.becomes))
        match key.name:
            # SageMaker does not document that each trial has checkpoints of its own.
            # A tuning job's ResourceConfig, HyperParameterTuningResourceConfig, has no KeepAlivePeriodInSeconds.
            case "metrics" | "entrypoint" | "checkpoints" | "keep_alive":
                continue
            case "run":
                yield replace(key, step_problems=_start_problems)
            case "outputs":
                yield replace(key, step_problems=_output_problems)
            case "env":
                yield replace(key, max_items=_MAX_VARIABLES)
            case "request":
                yield replace(key, problems=_request_problems)
            case _:
                yield key


def _in_definition(becomes: Callable[[Json], dict[str, Json]], value: Json) -> dict[str, Json]:
    return {"TrainingJobDefinition": _as_definition(becomes(value))}


_KEYS = (
    *_reused_keys(),
    Key(
        "ranges",
        "map of ranges",
        "The hyperparameters to tune (tuning): an interval of whole numbers, of any numbers, or a list of values.",
        examples=({"max_depth": {"min": 2, "max": 8}, "eta": {"min": 0.01, "max": 0.5, "scale": "log"}},),
        is_required=True,
        missing_hint="Add ranges: {<hyperparameter>: {min: <number>, max: <number>}}",
        problems=range_problems,
        step_problems=_range_problems,
    ),
    Key(
        "objective",
        "objective",
        "The metric to optimize, which metric_definitions finds in what the script prints (tuning).",
        examples=({"metric": "validation_auc", "goal": "maximize"},),
        is_required=True,
        missing_hint="Add objective: {metric: <a name in metric_definitions>, goal: maximize}",
        step_problems=_objective_problems,
    ),
    Key(
        "max_jobs",
        "integer",
        "The number of trials (tuning). The strategy grid tries every combination, and needs none.",
        examples=(20,),
        minimum=1,
        step_problems=_limit_problems,
    ),
    Key(
        "max_parallel_jobs",
        "integer",
        "The number of trials that run at once, 1 by default (tuning); locally at most one for each core.",
        examples=(2,),
        minimum=1,
    ),
    Key(
        "strategy",
        "text",
        "How values are chosen (tuning): bayesian by default, random, grid (all combinations of lists) or hyperband.",
        examples=("random",),
        choices=tuple(_STRATEGIES),
    ),
    Key(
        "early_stopping",
        "boolean",
        "True lets SageMaker stop trials that are unlikely to become the best (tuning).",
        examples=(True,),
    ),
    Key(
        "seed",
        "integer",
        "The seed of the choice of values (tuning): the same seed finds more of the same values again.",
        examples=(7,),
        minimum=0,
        maximum=2**31 - 1,
    ),
    Key(
        "max_runtime",
        "duration",
        "The longest time that the tuning job may run, with all of its trials (tuning): 2m to 30d.",
        examples=("2h",),
        pattern=r"^(?=.)(\d+d)?(\d+h)?(\d+m)?(\d+s)?$|\$\{\{",
        problems=_max_runtime_problems,
    ),
)


def _request(step: ResolvedStep) -> dict[str, Json]:
    training = TRAINING.request.build(_in_script_mode(step)) if TRAINING.request else {}
    objective = _map(step.values.get("objective"))
    limits: dict[str, Json] = {"MaxParallelTrainingJobs": step.values.get("max_parallel_jobs", 1)}
    for field, key in (("MaxNumberOfTrainingJobs", "max_jobs"), ("MaxRuntimeInSeconds", "max_runtime")):
        if key in step.values:
            limits[field] = step.values[key]
    config: dict[str, Json] = {
        "Strategy": _STRATEGIES[str(step.values.get("strategy", "bayesian"))],
        "HyperParameterTuningJobObjective": {
            "MetricName": objective.get("metric"),
            "Type": str(objective.get("goal")).capitalize(),
        },
        "ResourceLimits": limits,
        "ParameterRanges": parameter_ranges(_map(step.values.get("ranges")), is_script=bool(step.code_uri)),
        "TrainingJobEarlyStoppingType": "Auto" if step.values.get("early_stopping") is True else "Off",
    }
    if "seed" in step.values:
        config["RandomSeed"] = step.values["seed"]
    return {
        "HyperParameterTuningJobConfig": config,
        "TrainingJobDefinition": _as_definition(training),
        # SageMaker gives the tags of the tuning job to its training jobs.
        "Tags": training.get("Tags", []),
    }


def _in_script_mode(step: ResolvedStep) -> ResolvedStep:
    """Return the step as one on an image with SageMaker's training toolkit: trials can't have an entry point.

    Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_HyperParameterAlgorithmSpecification.html
    """
    return replace(step, has_built_image=False)


def _as_definition(training: Mapping[str, Json]) -> dict[str, Json]:
    """Return the definition of the training jobs that a request for one would start, without its name and tags."""
    renamed = {"HyperParameters": "StaticHyperParameters"}
    return {renamed.get(name, name): value for name, value in training.items() if name != "Tags"}


def _as_training(definition: Mapping[str, Json]) -> dict[str, Json]:
    renamed = {"StaticHyperParameters": "HyperParameters"}
    return {renamed.get(name, name): value for name, value in definition.items()}


def _finish(step: ResolvedStep, request: dict[str, Json]) -> dict[str, Json]:
    definition = request["TrainingJobDefinition"]
    if not isinstance(definition, dict) or TRAINING.request is None:
        return request  # AWS's model says what is wrong with it
    training = {"HyperParameters": {}, **_as_training(definition)}
    return {
        **request,
        "TrainingJobDefinition": _as_definition(TRAINING.request.finish(_in_script_mode(step), training)),
    }


def _execution_input(step: ResolvedStep, request: Mapping[str, Json]) -> dict[str, Json]:
    training = _as_training(_map(request.get("TrainingJobDefinition")))
    return {
        **TRAINING.execution_input(step, training),
        "timeout_s": _time_limit_s(step, request) + jobs.PROVISIONING_S,
        "best": result_place(step.outputs[BEST_OUTPUT], BEST_FILE),
    }


def _time_limit_s(step: ResolvedStep, request: Mapping[str, Json]) -> int:
    """Return the longest time that the trials may take together, each with the time that AWS needs for its machine."""
    config = _map(request.get("HyperParameterTuningJobConfig"))
    limits = _map(config.get("ResourceLimits"))
    limit = limits.get("MaxRuntimeInSeconds")
    if isinstance(limit, int):
        return limit
    training = _as_training(_map(request.get("TrainingJobDefinition")))
    trial_s = jobs.time_limit_s(step, training) + jobs.PROVISIONING_S
    rounds = math.ceil(_trials(step, limits) / max(1, _integer(limits.get("MaxParallelTrainingJobs"), 1)))
    return min(_MAX_RUNTIME_S, rounds * trial_s)


def _trials(step: ResolvedStep, limits: Mapping[str, Json]) -> int:
    return _integer(limits.get("MaxNumberOfTrainingJobs"), combinations(_map(step.values.get("ranges"))) or 1)


def _integer(value: Json, otherwise: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else otherwise


def _states(paths: StepPaths) -> tuple[State, ...]:
    best = "$.BestTrainingJob"
    keeps = {
        "job": f"{best}.TrainingJobName",
        "tuning_job": f"$.{_JOB.name_field}",
        "metric": f"{best}.FinalHyperParameterTuningJobObjectiveMetric.MetricName",
        "objective": f"{best}.FinalHyperParameterTuningJobObjectiveMetric.Value",
        "hyperparameters": f"{best}.TunedHyperParameters",
        "trials": "$.TrainingJobStatusCounters",
    }
    return (
        jobs.task(_JOB, paths, keeps),
        model_copy(paths),
        PassState("describe the best", _BEST, keeps_below=""),
        keep_result(paths, "best", "best", f"{paths.result}.best", ETAG),
    )


def _grants() -> Grants:
    """Return the rights to run and follow a tuning job, to read its trials' logs, and to be a trial.

    SageMaker starts and stops the training jobs itself.
    """
    shared = jobs.grants(_JOB, *COPY_GRANTS, Grant("KeepModels", ("s3:PutObject",), ("s3:{runs}",)))
    follow = Grant(
        "FollowJobs",
        ("sagemaker:ListTrainingJobsForHyperParameterTuningJob",),
        (f"sagemaker:{_JOB.arn_resource}/{{{_JOB.jobs_placeholder}}}*",),
    )
    return replace(shared, build=(*shared.build, follow))


def _summary(step: ResolvedStep, request: Mapping[str, Json]) -> str:
    config = _map(request.get("HyperParameterTuningJobConfig"))
    limits, strategy = _map(config.get("ResourceLimits")), str(config.get("Strategy", "bayesian")).lower()
    trials = f"{_trials(step, limits)} trials ({strategy})"
    parallel = _integer(limits.get("MaxParallelTrainingJobs"), 1)
    at_once = f", {parallel} at once" if parallel > 1 else ""
    training = _as_training(_map(request.get("TrainingJobDefinition")))
    return f"tuning by {trials}{at_once}, each on {step.instance}, at most {jobs.time_limit_s(step, training):g} s"


TUNING = StepType(
    name="tuning",
    description="a tuning job (training jobs that search for the best hyperparameters)",
    keys=_KEYS,
    hints={
        RUNS_ON.name: ONLY_PROCESSING,
        "metrics": "A tuning step's metrics are those of its best trial: <step>.objective and "
        "<step>.hyperparameters.<name>",
    },
    outputs=(MODEL_OUTPUT, BEST_OUTPUT),
    metrics_file=f"{BEST_OUTPUT}/{BEST_FILE}",
    image_scope="training",
    # The metrics are those that the state machine writes.
    container=replace(TRAINING.container, metrics_field=None) if TRAINING.container else None,
    request=Request(
        action=f"Create{_JOB.noun}",
        name_field=_JOB.name_field,
        # "Supported parameters" of https://docs.aws.amazon.com/step-functions/latest/dg/connect-sagemaker.html in the
        # developer guide's edition of 2022.
        task_fields=frozenset(
            {
                "HyperParameterTuningJobConfig",
                "HyperParameterTuningJobName",
                "Tags",
                "TrainingJobDefinition",
                "WarmStartConfig",
            }
        ),
        build=_request,
        finish=_finish,
    ),
    further_requests=no_further_requests,
    job=_JOB,
    execution_input=_execution_input,
    states=_states,
    cleanup=(),
    grants=_grants(),
    summary=_summary,
    is_reusable=True,
    cost=UnknownCost("AWS does not say how many seconds of its trials it bills"),
)
