"""Computes the `SM_*` variables and script arguments that the SageMaker training toolkit gives a training job. Pure.

Source: https://github.com/aws/sagemaker-training-toolkit at 3383937: src/sagemaker_training/mapping.py, environment.py,
params.py and ENVIRONMENT_VARIABLES.md. SM_FRAMEWORK_MODULE depends on the image alone, and is left empty.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from mlci_dataclasses import dataclass
from mlci_emulator.jobs.hosts import SINGLE_HOST, Host

if TYPE_CHECKING:
    from mlci_asl import Json


GROUP = "homogeneousCluster"
LOG_LEVEL = 20
#: Hyperparameters that the toolkit reads and the script does not get. Source: params.py, SAGEMAKER_HYPERPARAMETERS.
TOOLKIT_PREFIX = "sagemaker_"
TOOLKIT_HYPERPARAMETERS = frozenset(
    f"sagemaker_{name}"
    for name in [
        "program",
        "submit_directory",
        "enable_cloudwatch_metrics",
        "region",
        "container_log_level",
        "job_name",
        "s3_output",
    ]
) | {"default_user_module_name", "_tuning_objective_metric"}


@dataclass(frozen=True)
class Processors:
    """The processors of the machine that the script runs on."""

    cpus: int
    gpus: int


@dataclass(frozen=True)
class ToolkitJob:
    """The toolkit's input for one job. `base` is `/opt/ml`, or the folder that replaces it."""

    name: str
    base: str
    program: str
    code_uri: str
    hyperparameters: Mapping[str, str]
    channels: Mapping[str, Mapping[str, Json]]
    instance: str
    processors: Processors
    host: Host = SINGLE_HOST


def decode_hyperparameter(value: str) -> Json:
    """Return a hyperparameter's value: the JSON value that the text holds, or the text itself.

    >>> decode_hyperparameter("4"), decode_hyperparameter('"train.py"'), decode_hyperparameter("train.py")
    (4, 'train.py', 'train.py')
    """
    try:
        result: Json = json.loads(value)
    except ValueError:
        return value
    return result


def user_hyperparameters(hyperparameters: Mapping[str, str]) -> dict[str, Json]:
    """Return the decoded hyperparameters that the script gets."""
    return {
        name: decode_hyperparameter(value)
        for name, value in hyperparameters.items()
        if name not in TOOLKIT_HYPERPARAMETERS and not name.startswith(TOOLKIT_PREFIX)
    }


def script_arguments(hyperparameters: Mapping[str, Json]) -> list[str]:
    """Return a script's arguments: sorted by name, one letter after one dash, booleans and lists as Python writes them.

    >>> script_arguments({"max_depth": 4, "v": True, "layers": [1, 2], "a": None, "grid": {"y": 2, "x": 1}})
    ['-a', '', '--grid', 'x=1,y=2', '--layers', '[1, 2]', '--max_depth', '4', '-v', 'True']
    """
    result = []
    for name, value in sorted(hyperparameters.items()):
        result += [f"--{name}" if len(name) > 1 else f"-{name}" if name else "", _argument_value(value)]
    return result


def _argument_value(value: Json) -> str:
    if isinstance(value, dict):
        return ",".join(f"{name}={item}" for name, item in sorted(value.items()))
    return "" if value is None else str(value)


def sm_variables(values: Mapping[str, Json]) -> dict[str, str]:
    """Return environment variables: `SM_` and the name in capitals; texts unchanged, and other values as JSON.

    >>> sm_variables({"model_dir": "/opt/ml/model", "hp_max-depth": 4, "hosts": ["algo-1"], "none": None})
    {'SM_MODEL_DIR': '/opt/ml/model', 'SM_HP_MAX-DEPTH': '4', 'SM_HOSTS': '["algo-1"]', 'SM_NONE': ''}
    """
    return {f"SM_{name.upper()}": _variable_value(value) for name, value in values.items()}


def _variable_value(value: Json) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, separators=(",", ":"))


def resource_config(instance: str, host: Host) -> dict[str, Json]:
    """Return the content of `/opt/ml/input/config/resourceconfig.json` for one host."""
    return {
        "current_host": host.name,
        "current_instance_type": instance,
        "current_group_name": GROUP,
        "hosts": [*host.names],
        "instance_groups": [{"instance_group_name": GROUP, "instance_type": instance, "hosts": [*host.names]}],
        "network_interface_name": host.network,
    }


def environment(job: ToolkitJob) -> dict[str, str]:
    """Return all variables that the toolkit sets for the script."""
    hyperparameters = user_hyperparameters(job.hyperparameters)
    properties = _training_env(job, hyperparameters)
    derived: dict[str, Json] = {
        "hps": hyperparameters,
        "framework_params": properties["additional_framework_parameters"],
        "channels": [*sorted(job.channels)],
        "training_env": properties,
        "user_args": list(script_arguments(hyperparameters)),
        **{f"channel_{name}": f"{job.base}/input/data/{name}" for name in job.channels},
        **{f"hp_{name}": value for name, value in hyperparameters.items()},
    }
    return {
        "CURRENT_HOST": job.host.name,
        "PYTHONPATH": f"{job.base}/code",
        "TRAINING_JOB_NAME": job.name,
        **sm_variables({**{name: properties[name] for name in _PROPERTIES_WITH_VARIABLE}, **derived}),
    }


_PROPERTIES_WITH_VARIABLE = [
    "hosts",
    "network_interface_name",
    "user_entry_point",
    "resource_config",
    "input_data_config",
    "output_data_dir",
    "current_host",
    "current_instance_type",
    "current_instance_group",
    "current_instance_group_hosts",
    "instance_groups",
    "instance_groups_dict",
    "distribution_instance_groups",
    "is_hetero",
    "module_name",
    "log_level",
    "framework_module",
    "input_dir",
    "input_config_dir",
    "output_dir",
    "num_cpus",
    "num_gpus",
    "num_neurons",
    "model_dir",
    "module_dir",
    "output_intermediate_dir",
]


def _training_env(job: ToolkitJob, hyperparameters: dict[str, Json]) -> dict[str, Json]:
    """Return the public properties of the toolkit's Environment: the value of `SM_TRAINING_ENV`."""
    host = job.host
    resources = resource_config(job.instance, host)
    group: Json = {"instance_group_name": GROUP, "instance_type": job.instance, "hosts": [*host.names]}
    toolkit_values = {
        name: decode_hyperparameter(value) for name, value in job.hyperparameters.items() if name not in hyperparameters
    }
    return {
        "additional_framework_parameters": {
            name: value for name, value in toolkit_values.items() if name not in TOOLKIT_HYPERPARAMETERS
        },
        "channel_input_dirs": {name: f"{job.base}/input/data/{name}" for name in job.channels},
        "current_host": host.name,
        "current_instance_group": GROUP,
        "current_instance_group_hosts": [*host.names],
        "current_instance_type": job.instance,
        "distribution_hosts": [*host.names],
        "distribution_instance_groups": toolkit_values.get("sagemaker_distribution_instance_groups", []),
        "framework_module": None,
        "hosts": [*host.names],
        "hyperparameters": hyperparameters,
        "input_config_dir": f"{job.base}/input/config",
        "input_data_config": {name: dict(config) for name, config in job.channels.items()},
        "input_dir": f"{job.base}/input",
        "instance_groups": [GROUP],
        "instance_groups_dict": {GROUP: group},
        "is_hetero": False,
        "is_master": host.name == host.names[0],
        "job_name": job.name,
        "log_level": toolkit_values.get("sagemaker_container_log_level", LOG_LEVEL),
        "master_hostname": host.names[0],
        "model_dir": f"{job.base}/model",
        "module_dir": job.code_uri,
        "module_name": job.program.removesuffix(".py"),
        "network_interface_name": host.network,
        "num_cpus": job.processors.cpus,
        "num_gpus": job.processors.gpus,
        "num_neurons": 0,
        "output_data_dir": f"{job.base}/output/data",
        "output_dir": f"{job.base}/output",
        "output_intermediate_dir": f"{job.base}/output/intermediate",
        "resource_config": resources,
        "user_entry_point": job.program,
    }
