"""The API requests that a run's tasks make, held to botocore's model and to what Step Functions passes on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any  # botocore has no types

from mlci.errors import InputError, Problem
from mlci.flow.models import StepType
from mlci.plan.models import Plan

#: The fields that Step Functions' integrations name, at the top of a request; any other fails the task at run time.
#: Sources: "Supported parameters" of https://docs.aws.amazon.com/step-functions/latest/dg/connect-sagemaker.html in
#: the developer guide's edition of 2022 (the current one refers to SageMaker's API as a whole); Environment of training
#: jobs, EnableNetworkIsolation and the like came later, and are passed by AWS's own constructs:
#: https://docs.aws.amazon.com/cdk/api/v2/docs/aws-cdk-lib.aws_stepfunctions_tasks.SageMakerCreateTrainingJob.html and
#: by the Step Functions Data Science SDK (stepfunctions/steps/sagemaker.py: TrainingStep, ProcessingStep).
TASK_FIELDS: Mapping[StepType, frozenset[str]] = {
    "processing": frozenset(
        {
            "AppSpecification",
            "Environment",
            "ExperimentConfig",
            "NetworkConfig",
            "ProcessingInputs",
            "ProcessingJobName",
            "ProcessingOutputConfig",
            "ProcessingResources",
            "RoleArn",
            "StoppingCondition",
            "Tags",
        }
    ),
    "training": frozenset(
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
}
_OPERATIONS: Mapping[StepType, tuple[str, str]] = {
    "processing": ("CreateProcessingJob", "ProcessingJobName"),
    "training": ("CreateTrainingJob", "TrainingJobName"),
}


def check(planned: Plan, sagemaker: Any) -> None:
    """Raises InputError, with every problem, where a request is none that SageMaker or Step Functions takes.

    `sagemaker` is botocore's model of the service, which a client of it has.
    """
    from botocore.validate import ParamValidator

    problems = []
    for name, step in planned.steps.items():
        operation, name_field = _OPERATIONS[planned.flow.steps[name].uses]
        request = {**step.request, name_field: f"{step.job}-0-0"}
        report = ParamValidator().validate(request, sagemaker.operation_model(operation).input_shape)
        found = report.generate_report().splitlines() if report.has_errors() else []
        unknown = sorted(set(request) - TASK_FIELDS[planned.flow.steps[name].uses])
        found += [f'"{field}" can\'t be given to a task of Step Functions' for field in unknown if not found]
        at = planned.flow.position("steps", name, "request")
        problems += [Problem(at.file, at.line, at.column, f'step "{name}": {what}') for what in found]
    if problems:
        raise InputError(problems)
