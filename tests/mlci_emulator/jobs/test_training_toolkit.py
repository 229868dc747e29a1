"""The variables and arguments that scripts get from the training toolkit."""

from __future__ import annotations

import json

from mlci_emulator.jobs import training_toolkit

JOB = training_toolkit.ToolkitJob(
    name="job",
    base="/opt/ml",
    program="train.py",
    code_uri="s3://b/sourcedir.tar.gz",
    hyperparameters={
        "sagemaker_program": '"train.py"',
        "sagemaker_submit_directory": '"s3://b/sourcedir.tar.gz"',
        "sagemaker_container_log_level": "10",
        "sagemaker_mpi_enabled": "false",
        "max-depth": "4",
        "eta": "0.1",
        "objective": '"binary:logistic"',
        "plain": "as it is",
        "flag": "true",
        "layers": "[1, 2]",
        "grid": '{"b": 2, "a": 1}',
        "v": "1",
        "nothing": "null",
    },
    channels={"train": {"TrainingInputMode": "File"}, "test": {"TrainingInputMode": "File"}},
    instance="ml.m5.large",
    processors=training_toolkit.Processors(cpus=2, gpus=0),
)


def test_arguments_are_those_of_the_toolkit() -> None:
    expected = [
        *("--eta", "0.1", "--flag", "True", "--grid", "a=1,b=2", "--layers", "[1, 2]", "--max-depth", "4"),
        *("--nothing", "", "--objective", "binary:logistic", "--plain", "as it is", "-v", "1"),
    ]
    assert training_toolkit.script_arguments(training_toolkit.user_hyperparameters(JOB.hyperparameters)) == expected


def test_variables_are_those_of_the_toolkit() -> None:
    environment = training_toolkit.environment(JOB)
    expected = {
        "SM_MODEL_DIR": "/opt/ml/model",
        "SM_CHANNELS": '["test","train"]',
        "SM_CHANNEL_TRAIN": "/opt/ml/input/data/train",
        "SM_CHANNEL_TEST": "/opt/ml/input/data/test",
        "SM_HP_MAX-DEPTH": "4",
        "SM_HP_OBJECTIVE": "binary:logistic",
        "SM_HP_FLAG": "true",
        "SM_HP_LAYERS": "[1,2]",
        "SM_HP_GRID": '{"a":1,"b":2}',
        "SM_HP_NOTHING": "",
        "SM_HOSTS": '["algo-1"]',
        "SM_CURRENT_HOST": "algo-1",
        "SM_NUM_CPUS": "2",
        "SM_NUM_GPUS": "0",
        "SM_LOG_LEVEL": "10",
        "SM_FRAMEWORK_PARAMS": '{"sagemaker_mpi_enabled":false}',
        "SM_USER_ENTRY_POINT": "train.py",
        "SM_MODULE_NAME": "train",
        "SM_MODULE_DIR": "s3://b/sourcedir.tar.gz",
        "SM_INPUT_DIR": "/opt/ml/input",
        "SM_INPUT_CONFIG_DIR": "/opt/ml/input/config",
        "SM_OUTPUT_DIR": "/opt/ml/output",
        "SM_OUTPUT_DATA_DIR": "/opt/ml/output/data",
        "SM_OUTPUT_INTERMEDIATE_DIR": "/opt/ml/output/intermediate",
        "SM_CURRENT_INSTANCE_TYPE": "ml.m5.large",
        "TRAINING_JOB_NAME": "job",
    }
    assert {name: environment.get(name) for name in expected} == expected
    assert json.loads(environment["SM_HPS"])["max-depth"] == 4
    assert json.loads(environment["SM_USER_ARGS"])[:2] == ["--eta", "0.1"]
    assert json.loads(environment["SM_TRAINING_ENV"])["channel_input_dirs"]["train"] == "/opt/ml/input/data/train"
    assert not any("SAGEMAKER_PROGRAM" in name for name in environment)


def test_the_base_folder_is_everywhere() -> None:
    environment = training_toolkit.environment(training_toolkit.ToolkitJob(**{**vars(JOB), "base": "/w"}))
    assert not [name for name, value in environment.items() if "/opt/ml" in value]
