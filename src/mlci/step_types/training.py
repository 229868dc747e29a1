"""`uses: training`: a SageMaker training job, whose one output is a model: in script mode, or what an image does.

Sources: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateTrainingJob.html; for script mode, the
hyperparameters that the SageMaker SDK sets (https://github.com/aws/sagemaker-training-toolkit).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from mlci.s3_uris import split_s3_uri
from mlci.step_types import sagemaker_jobs as jobs
from mlci.step_types.algorithms import defines_metrics
from mlci.step_types.base import Container, InstanceCost, JobType, Request, ResolvedStep, StepType, no_further_requests
from mlci.step_types.build_run import ONLY_PROCESSING, RUNS_ON
from mlci.step_types.hyperparameters import argument_problems, encode_hyperparameters, problems
from mlci.step_types.job_metrics import keep_metrics, metric_data_input
from mlci.step_types.job_security import security_keys
from mlci.step_types.keys import Json, Key, NameRule
from mlci.step_types.managed_spot import CHECKPOINTS, SPOT_KEYS
from mlci.step_types.model_copy import COPY_GRANTS, model_copy
from mlci.step_types.own_entrypoint import (
    ALGORITHM,
    ENTRYPOINT,
    container_command,
    plain_hyperparameters,
    training_problems,
)
from mlci.step_types.script_start import STARTER
from mlci.step_types.states import S3_RETRIES, State, StepPaths, attempt_counters
from mlci.step_types.warm_pools import KEEP_ALIVE

#: The one output: `/opt/ml/model`, packed as model.tar.gz.
MODEL_OUTPUT = "model"
_CONTAINER = Container(
    code="/opt/ml/code",
    package="archive",
    inputs="/opt/ml/input/data",
    outputs="/opt/ml",
    metrics=f"/opt/ml/{jobs.METRICS_OUTPUT}",
    archive=f"{MODEL_OUTPUT}.tar.gz",
    metrics_field="CheckpointConfig",
    checkpoints=CHECKPOINTS,
    installs_requirements=True,
    has_toolkit=True,
)
_JOB = JobType("TrainingJob", console_page="jobs", log_group="/aws/sagemaker/TrainingJobs")
#: Script mode sends sagemaker_program, _submit_directory, _container_log_level and what the starter needs on top; one
#: is spare.
_SCRIPT_MODE_HYPERPARAMETERS = 5
_SCRIPT_MODE_PREFIX = "sagemaker_"
_SUBMIT_DIRECTORY = "sagemaker_submit_directory"
#: An image without the training toolkit gets the code as a channel, and this unpacks it and runs the starter. It goes
#: before `train`, which such an image has not.
#: Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_AlgorithmSpecification.html
_UNPACK = (
    "import os,sys,tarfile as t;_,a,c=sys.argv;os.makedirs(c,exist_ok=True);t.open(a).extractall(c);"
    "os.execv(sys.executable,[sys.executable,os.path.join(c,'" + STARTER + "'),a])"
)


def _hyperparameter_problems(value: Json) -> Iterator[tuple[tuple[str | int, ...], str, str]]:
    sent = {name: json.dumps(each) for name, each in value.items()} if isinstance(value, dict) else {}
    yield from _located(problems(sent), ())


def _argument_problems(value: Json) -> Iterator[tuple[tuple[str | int, ...], str, str]]:
    yield from argument_problems([str(text) for text in value] if isinstance(value, list) else [])


def _request_problems(value: Json) -> Iterator[tuple[tuple[str | int, ...], str, str]]:
    """Yield the hyperparameters in `request:` that would not arrive, and a place that no model can be copied from."""
    output_path = _output_config(value).get("S3OutputPath") if isinstance(value, dict) else None
    if isinstance(output_path, str) and not output_path.startswith("s3://"):
        sentence = "the state machine copies the model from here, and needs an s3:// URI"
        yield ("OutputDataConfig", "S3OutputPath"), sentence, "Write s3://<bucket>/<prefix>"
    hyperparameters = value.get("HyperParameters") if isinstance(value, dict) else None
    if not isinstance(hyperparameters, dict):
        return
    path = ("HyperParameters",)
    for name in ("sagemaker_program", "sagemaker_submit_directory"):
        if name in hyperparameters:
            yield (*path, name), f'"{name}" is for the script that "run" names', "Remove it"
    texts = {name: each for name, each in hyperparameters.items() if isinstance(each, str)}
    yield from _located(problems(texts), path)


def _inference_problems(value: Json) -> Iterator[tuple[tuple[str | int, ...], str, str]]:
    path = str(value)
    if not path.endswith(".py") or path.startswith("/") or "\\" in path:
        hint = "Name a script of the repository, relative to this file: src/inference.py"
        yield (), f'"{path[:80]}" is no path of a Python script', hint


def _located(
    found: Iterable[tuple[str, str]], path: tuple[str, ...]
) -> Iterator[tuple[tuple[str | int, ...], str, str]]:
    for name, sentence in found:
        yield ((*path, name), f'hyperparameter "{name[:80]}": {sentence}', "") if name else (path, sentence, "")


_KEYS = (
    replace(jobs.RUN, step_problems=training_problems),
    ALGORITHM,
    ENTRYPOINT,
    replace(jobs.INPUTS, max_items=20),
    jobs.env(max_chars=512),
    # AlgorithmSpecification and HyperParameters in CreateTrainingJob. Values are counted as they are sent, in JSON.
    Key(
        "hyperparameters",
        "map of scalars",
        "What the script, or the algorithm, gets as --name value (training).",
        takes_outputs=True,
        max_items=100 - _SCRIPT_MODE_HYPERPARAMETERS,
        max_chars=2_500,
        names=NameRule(
            "a hyperparameter",
            re.compile(rf"(?!{_SCRIPT_MODE_PREFIX})[^\x00-\x1f\x7f]+"),
            256,
            f"printable characters, not beginning with {_SCRIPT_MODE_PREFIX}",
        ),
        problems=_hyperparameter_problems,
    ),
    replace(jobs.ARGS, problems=_argument_problems),
    Key(
        "outputs",
        "texts or map of texts",
        f'The path that the script writes, by the name "{MODEL_OUTPUT}": it becomes the model.',
        examples=({MODEL_OUTPUT: "models/model.pkl"},),
    ),
    Key(
        "inference",
        "text",
        "The script that serves the model (model_fn and its like), which is put into the model with what it imports "
        "(training). Relative to this file, or to source.",
        examples=("src/inference.py",),
        problems=_inference_problems,
    ),
    jobs.WORKING_DIR,
    jobs.SOURCE,
    jobs.METRICS,
    jobs.METRIC_DEFINITIONS,
    jobs.TRAINED_ON,
    jobs.INCLUDE,
    jobs.REQUIREMENTS,
    jobs.IMAGE,
    jobs.INSTANCE,
    jobs.INSTANCE_COUNT,
    jobs.VOLUME_GB,
    *SPOT_KEYS,
    KEEP_ALIVE,
    *security_keys(output=("OutputDataConfig",), cluster=("ResourceConfig",), network=()),
    replace(jobs.TIMEOUT, job_maximum=28 * jobs.DAY_S),  # StoppingCondition: "the maximum value is 28 days"
    jobs.REUSE,
    replace(jobs.REQUEST, problems=_request_problems),
)


def _request(step: ResolvedStep) -> dict[str, Json]:
    """Return the request: of a job in script mode, or of one whose image starts by itself.

    Step Functions can't open an archive, and a job's outputs are archives. What is in the folder of CheckpointConfig
    goes to S3 file by file: metrics, and checkpoints with the metrics among them.

    Source: https://docs.aws.amazon.com/sagemaker/latest/dg/model-checkpoints.html ("automatically syncs the checkpoints
    in that directory with S3")
    """
    request: dict[str, Json] = {
        "AlgorithmSpecification": algorithm_specification(step),
        "Environment": dict(step.env),
        "HyperParameters": hyperparameters(step),
        "OutputDataConfig": {"S3OutputPath": _model_prefix(step)},
        "ResourceConfig": jobs.cluster(step),
        **jobs.common_fields(step),
    }
    if step.checkpoints_folder:
        request["CheckpointConfig"] = {"S3Uri": step.checkpoints_folder, "LocalPath": CHECKPOINTS}
    elif step.metrics_folder and step.code_uri:
        request["CheckpointConfig"] = {"S3Uri": step.metrics_folder, "LocalPath": _CONTAINER.metrics}
    if step.inputs:
        request["InputDataConfig"] = channels(step)
    return request


def algorithm_specification(step: ResolvedStep) -> dict[str, Json]:
    """Return the request's AlgorithmSpecification: the image, how it starts, and the metrics in its log."""
    algorithm: dict[str, Json] = {"TrainingImage": step.image, "TrainingInputMode": "File"}
    if not step.code_uri:
        algorithm |= container_command(step.values, step.args)
    if step.metric_definitions and not defines_metrics(step.image):
        algorithm["MetricDefinitions"] = [{"Name": name, "Regex": regex} for name, regex in step.metric_definitions]
    return algorithm


def hyperparameters(step: ResolvedStep) -> dict[str, Json]:
    """Return the request's HyperParameters, before the starter's: in JSON for a script, and as text for an image."""
    if not step.code_uri:
        return plain_hyperparameters(step.hyperparameters)
    script_mode: dict[str, Json] = {
        "sagemaker_program": STARTER,
        _SUBMIT_DIRECTORY: f"{step.code_uri}sourcedir.tar.gz",
        "sagemaker_container_log_level": 20,
    }
    values: dict[str, Json] = {**step.hyperparameters, **({} if step.has_built_image else script_mode)}
    return {name: json.dumps(value) for name, value in values.items()}


def channels(step: ResolvedStep) -> list[Json]:
    """Return the request's InputDataConfig."""
    types = step.content_types
    return [
        {
            **_channel(name, uri, jobs.distribution(step, name)),
            **({"ContentType": types[name]} if name in types else {}),
        }
        for name, uri in step.inputs.items()
    ]


def _finish(step: ResolvedStep, request: dict[str, Json]) -> dict[str, Json]:
    """Return the request with what the starter needs among its hyperparameters, those of `request:` included."""
    sent = request["HyperParameters"]
    if not step.code_uri or not isinstance(sent, dict):
        return request  # AWS's model says what is wrong with it
    texts = {name: value for name, value in sent.items() if isinstance(value, str)}
    encoded = encode_hyperparameters(texts, step.args)
    values = {**{name: sent[name] for name in sent if name not in texts}, **encoded}
    request = {**request, "HyperParameters": values}
    return _with_entry_point(step, request) if step.has_built_image else _with_code_channel(step, request)


def _with_entry_point(step: ResolvedStep, request: dict[str, Json]) -> dict[str, Json]:
    """Return the request with the code as a channel, and an entry point that runs it without a training toolkit."""
    algorithm, channels = request.get("AlgorithmSpecification"), request.get("InputDataConfig") or []
    if not isinstance(algorithm, dict) or not isinstance(channels, list) or "ContainerEntrypoint" in algorithm:
        return request  # AWS's model says what is wrong with it, or `request:` has its own entry point
    name = _code_channel_name(channels)
    archive = f"/opt/ml/input/data/{name}/sourcedir.tar.gz"
    entry: dict[str, Json] = {
        "ContainerEntrypoint": ["python3", "-Wignore", "-c", _UNPACK],
        "ContainerArguments": [archive, _CONTAINER.code],
    }
    return {
        **request,
        "AlgorithmSpecification": {**algorithm, **entry},
        "InputDataConfig": [*channels, _channel(name, f"{step.code_uri}sourcedir.tar.gz", "FullyReplicated")],
    }


def _code_channel_name(channels: list[Json]) -> str:
    """Return a name for the channel of the code that no other channel has."""
    taken = {channel.get("ChannelName") for channel in channels if isinstance(channel, dict)}
    return next(name for name in ("code", *(f"code-{number}" for number in range(2, 99))) if name not in taken)


def _with_code_channel(step: ResolvedStep, request: dict[str, Json]) -> dict[str, Json]:
    """Return the request with the code as a channel, if the container has no network to fetch it by.

    Source: AWS's SDK does the same (sagemaker-python-sdk 2, src/sagemaker/estimator.py: CONTAINER_CODE_CHANNEL_…, and
    src/sagemaker/job.py: code_channel).
    """
    parameters, channels = request["HyperParameters"], request.get("InputDataConfig") or []
    if request.get("EnableNetworkIsolation") is not True or not isinstance(channels, list):
        return request
    archive = f"{step.code_uri}sourcedir.tar.gz"
    if not isinstance(parameters, dict) or parameters.get(_SUBMIT_DIRECTORY) != json.dumps(archive):
        return request
    name = _code_channel_name(channels)
    local = json.dumps(f"/opt/ml/input/data/{name}/sourcedir.tar.gz")
    return {
        **request,
        "HyperParameters": {**parameters, _SUBMIT_DIRECTORY: local},
        "InputDataConfig": [*channels, _channel(name, archive, "FullyReplicated")],
    }


def _channel(name: str, uri: str, distribution: str) -> dict[str, Json]:
    source: dict[str, Json] = {"S3Uri": uri, "S3DataType": "S3Prefix", "S3DataDistributionType": distribution}
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}}


def _model_prefix(step: ResolvedStep) -> str:
    """Return the prefix below which SageMaker puts `<job>/output/model.tar.gz`, beside the models' fixed location.

    The cells of a matrix share it; each has a folder of its own below `model/`.
    """
    return step.outputs[MODEL_OUTPUT].rpartition(f"/{MODEL_OUTPUT}/")[0] + "/jobs"


def _execution_input(step: ResolvedStep, request: Mapping[str, Json]) -> dict[str, Json]:
    bucket, folder = split_s3_uri(step.outputs[MODEL_OUTPUT])
    from_bucket, prefix = split_s3_uri(_output_prefix(step, request))
    model: dict[str, Json] = {
        "bucket": bucket,
        "key": f"{folder}model.tar.gz",
        "from_bucket": from_bucket,
        "from_prefix": f"{prefix.rstrip('/')}/" if prefix.rstrip("/") else "",
        "attempt": attempt_counters(S3_RETRIES),
    }
    key = _output_config(request).get("KmsKeyId")
    found_in_log = {} if step.code_uri else metric_data_input(step.metrics_folder)
    values = {**jobs.execution_input(step, request), **found_in_log, "model": model}
    return {**values, **({"model_key": key} if key else {})}


def _output_config(request: Mapping[str, Json]) -> Mapping[str, Json]:
    config = request.get("OutputDataConfig")
    return config if isinstance(config, dict) else {}


def _output_prefix(step: ResolvedStep, request: Mapping[str, Json]) -> str:
    """Return the prefix that SageMaker puts the job's archives below, according to its request."""
    prefix = _output_config(request).get("S3OutputPath")
    return prefix if isinstance(prefix, str) else _model_prefix(step)


def _states(paths: StepPaths) -> tuple[State, ...]:
    """SageMaker puts a model under the job's name, which a retry changes; others look for it under the run's."""
    job = jobs.task(_JOB, paths, keeps={"job": f"$.{_JOB.name_field}"})
    return job, model_copy(paths), *keep_metrics(paths)


def _summary(step: ResolvedStep, request: Mapping[str, Json]) -> str:
    algorithm = step.values.get("algorithm")
    return jobs.summary(f"training of {algorithm}" if algorithm else "training", step, request)


TRAINING = StepType(
    name="training",
    description="a training job (a script that writes a model)",
    keys=_KEYS,
    hints={RUNS_ON.name: ONLY_PROCESSING},
    outputs=(MODEL_OUTPUT,),
    metrics_file=None,
    image_scope="training",
    container=_CONTAINER,
    request=Request(
        action="CreateTrainingJob",
        name_field=_JOB.name_field,
        # "Supported parameters" of https://docs.aws.amazon.com/step-functions/latest/dg/connect-sagemaker.html in the
        # developer guide's edition of 2022 (the current one refers to SageMaker's API as a whole). Environment,
        # EnableNetworkIsolation and the like came later, and are passed by AWS's own constructs:
        # https://docs.aws.amazon.com/cdk/api/v2/docs/aws-cdk-lib.aws_stepfunctions_tasks.SageMakerCreateTrainingJob.html
        # and by the Step Functions Data Science SDK (stepfunctions/steps/sagemaker.py: TrainingStep).
        task_fields=frozenset(
            {
                "AlgorithmSpecification",
                "CheckpointConfig",
                "DebugHookConfig",
                "DebugRuleConfigurations",
                "EnableInterContainerTrafficEncryption",
                "EnableManagedSpotTraining",
                "EnableNetworkIsolation",
                "Environment",
                "ExperimentConfig",
                "HyperParameters",
                "InputDataConfig",
                "OutputDataConfig",
                "ProfilerConfig",
                "ProfilerRuleConfigurations",
                "ResourceConfig",
                "RetryStrategy",
                "RoleArn",
                "StoppingCondition",
                "Tags",
                "TensorBoardOutputConfig",
                "TrainingJobName",
                "VpcConfig",
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
    grants=jobs.grants(_JOB, *COPY_GRANTS),
    summary=_summary,
    is_reusable=True,
    cost=InstanceCost(("ResourceConfig",)),
)
