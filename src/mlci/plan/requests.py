"""A step → the SageMaker API request of its job, the same for both clouds.

Sources: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateProcessingJob.html and
API_CreateTrainingJob.html; for script mode, the hyperparameters that the SageMaker SDK sets
(https://github.com/aws/sagemaker-training-toolkit).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from mlci.flow.models import InputPath, Json, OutputPath, RepositoryPath, S3Location, Source, Step, StepOutput, Text
from mlci.plan.models import S3Uri
from mlci.stage.models import CodeUnit, DataUnit

PROCESSING_CODE = "/opt/ml/processing/input/code"
TRAINING_CODE = "/opt/ml/code"


@dataclass(frozen=True)
class Surroundings:
    """What a step's request takes from outside the step: where things lie, and in whose name it runs."""

    code: CodeUnit
    code_uri: S3Uri
    image: str
    data: Mapping[str, DataUnit]
    data_uris: Mapping[str, S3Uri]
    outputs: Mapping[StepOutput, S3Uri]
    job_role: str
    tags: Mapping[str, str]


def job_request(step: Step, around: Surroundings) -> dict[str, Json]:
    """The API request of a step's job, without the job's name; `request:` of the step is merged over it."""
    made = _processing(step, around) if step.uses == "processing" else _training(step, around)
    return _merged(made, dict(step.request))


def _processing(step: Step, around: Surroundings) -> dict[str, Json]:
    starter = "bash" if around.code.script.endswith(".sh") else "python3"
    application: dict[str, Json] = {
        "ImageUri": around.image,
        "ContainerEntrypoint": [starter, f"{PROCESSING_CODE}/{around.code.script}"],
    }
    if step.args:
        application["ContainerArguments"] = [_resolved(text, step, around) for text in step.args]
    sources: dict[str, str] = {name: _source_uri(source, around) for name, source in step.inputs.items()}
    return {
        "AppSpecification": application,
        "Environment": _environment(step, around, PROCESSING_CODE),
        "ProcessingInputs": [
            _processing_input(name, uri) for name, uri in {"code": around.code_uri, **sources}.items()
        ],
        "ProcessingOutputConfig": {
            "Outputs": [
                {
                    "OutputName": name,
                    "S3Output": {
                        "S3Uri": around.outputs[StepOutput(step.name, name)],
                        "LocalPath": f"/opt/ml/processing/output/{name}",
                        "S3UploadMode": "EndOfJob",
                    },
                }
                for name in step.outputs
            ]
        },
        "ProcessingResources": {"ClusterConfig": _cluster(step)},
        "RoleArn": around.job_role,
        "StoppingCondition": {"MaxRuntimeInSeconds": step.timeout_s},
        "Tags": _tags(around),
    }


def _processing_input(name: str, uri: str) -> dict[str, Json]:
    return {
        "InputName": name,
        "S3Input": {
            "S3Uri": uri,
            "LocalPath": f"/opt/ml/processing/input/{name}",
            "S3DataType": "S3Prefix",
            "S3InputMode": "File",
            "S3DataDistributionType": "FullyReplicated",
        },
    }


def _training(step: Step, around: Surroundings) -> dict[str, Json]:
    given = {name: _plain(value, step, around) for name, value in step.hyperparameters.items()}
    script_mode: dict[str, Json] = {
        "sagemaker_program": around.code.script,
        "sagemaker_submit_directory": f"{around.code_uri}sourcedir.tar.gz",
        "sagemaker_container_log_level": 20,
    }
    request: dict[str, Json] = {
        "AlgorithmSpecification": {"TrainingImage": around.image, "TrainingInputMode": "File"},
        "Environment": _environment(step, around, TRAINING_CODE),
        "HyperParameters": {name: json.dumps(value) for name, value in {**given, **script_mode}.items()},
        "OutputDataConfig": {"S3OutputPath": model_prefix(around.outputs[StepOutput(step.name, "model")])},
        "ResourceConfig": _cluster(step),
        "RoleArn": around.job_role,
        "StoppingCondition": {"MaxRuntimeInSeconds": step.timeout_s},
        "Tags": _tags(around),
    }
    if step.inputs:
        request["InputDataConfig"] = [
            {
                "ChannelName": name,
                "DataSource": {
                    "S3DataSource": {
                        "S3Uri": _source_uri(source, around),
                        "S3DataType": "S3Prefix",
                        "S3DataDistributionType": "FullyReplicated",
                    }
                },
            }
            for name, source in step.inputs.items()
        ]
    return request


def model_prefix(model_uri: S3Uri) -> S3Uri:
    """Where SageMaker puts `<job>/output/model.tar.gz`, beside the fixed place that it is copied to afterwards."""
    return S3Uri(model_uri.removesuffix("model/") + "jobs")


def _cluster(step: Step) -> dict[str, Json]:
    return {"InstanceCount": step.instance_count, "InstanceType": step.instance, "VolumeSizeInGB": step.volume_gb}


def _tags(around: Surroundings) -> list[Json]:
    return [{"Key": key, "Value": value} for key, value in around.tags.items()]


def _environment(step: Step, around: Surroundings, code: str) -> dict[str, Json]:
    """The step's `env`, and a PYTHONPATH where imports start at folders other than the script's own."""
    given: dict[str, Json] = {name: _resolved(text, step, around) for name, text in step.env.items()}
    roots = [f"{code}/{root}" if root else code for root in around.code.import_roots]
    return {"PYTHONPATH": ":".join(roots), **given} if roots else given


def _source_uri(source: Source, around: Surroundings) -> str:
    match source:
        case S3Location(uri):
            return uri
        case StepOutput():
            return around.outputs[source]
        case RepositoryPath(path):
            return around.data_uris[path]


def _plain(value: str | int | float | bool | Text, step: Step, around: Surroundings) -> Json:
    return _resolved(value, step, around) if isinstance(value, tuple) else value


def _resolved(text: Text, step: Step, around: Surroundings) -> str:
    return "".join(part if isinstance(part, str) else _referred(part, step, around) for part in text)


def _referred(reference: StepOutput | InputPath | OutputPath, step: Step, around: Surroundings) -> str:
    match reference:
        case StepOutput():
            return around.outputs[reference]
        case OutputPath(name):
            return f"/opt/ml/processing/output/{name}"
        case InputPath(name):
            folder = f"/opt/ml/processing/input/{name}"
            source = step.inputs[name]
            if isinstance(source, RepositoryPath) and not around.data[source.path].is_folder:
                return f"{folder}/{around.data[source.path].files[0].path}"  # a file keeps its own name
            return folder


def _merged(under: Mapping[str, Json], over: Mapping[str, Json]) -> dict[str, Json]:
    merged = dict(under)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = _merged(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged
