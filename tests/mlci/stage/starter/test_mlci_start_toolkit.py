"""The variables of the training toolkit, in an image that has none: as the emulator of the toolkit sets them."""

from __future__ import annotations

import json
import os
from pathlib import Path

from mlci.stage.starter import mlci_start, mlci_start_toolkit
from mlci_emulator.jobs import training_toolkit
from mlci_emulator.jobs.hosts import SINGLE_HOST
from mlci_emulator.jobs.training_toolkit import Processors, ToolkitJob

HYPERPARAMETERS = {
    "depth": "4",
    "name": '"a b"',
    "a=b": "1",
    "sagemaker_mlci_start": '{"args": ["fit"]}',
    "sagemaker_region": '"eu-west-1"',
    "_tuning_objective_metric": '"auc"',
}


def test_they_are_those_of_the_toolkit(tmp_path: Path) -> None:
    config = tmp_path / "input/config"
    config.mkdir(parents=True)
    channels = {"train": {"TrainingInputMode": "File"}, "code": {"TrainingInputMode": "File"}}
    resources = training_toolkit.resource_config("ml.m5.large", SINGLE_HOST)
    for name, content in {
        "hyperparameters": HYPERPARAMETERS,
        "inputdataconfig": channels,
        "resourceconfig": resources,
    }.items():
        (config / f"{name}.json").write_text(json.dumps(content))
    archive = str(tmp_path / "input/data/code/sourcedir.tar.gz")
    present = {"TRAINING_JOB_NAME": "job-1"}
    found = mlci_start_toolkit.variables(str(tmp_path / "code"), present, [archive], "src/train.py")
    variables = {name: mlci_start.to_variable(value) for name, value in found.items()}
    job = ToolkitJob(
        name="job-1",
        base=str(tmp_path),
        program="src/train.py",
        code_uri="",
        hyperparameters=HYPERPARAMETERS,
        channels={"train": channels["train"]},
        instance="ml.m5.large",
        processors=Processors(os.cpu_count() or 1, found["SM_NUM_GPUS"]),
        host=SINGLE_HOST,
    )
    expected = training_toolkit.environment(job)
    # The starter sets the arguments and PYTHONPATH itself, and SageMaker the job's name.
    for name in ("SM_USER_ARGS", "PYTHONPATH", "TRAINING_JOB_NAME", "SM_HP_A=B"):
        del expected[name]
    assert variables == expected


def test_a_job_without_channels_has_no_file_of_them(tmp_path: Path) -> None:
    config = tmp_path / "input/config"
    config.mkdir(parents=True)
    (config / "resourceconfig.json").write_text('{"current_host": "algo-2", "hosts": ["algo-1", "algo-2"]}')
    found = mlci_start_toolkit.variables(str(tmp_path / "code"), {}, [], "m")
    assert (found["SM_CHANNELS"], found["SM_CURRENT_HOST"]) == ([], "algo-2")
    assert found["SM_TRAINING_ENV"]["is_master"] is False
