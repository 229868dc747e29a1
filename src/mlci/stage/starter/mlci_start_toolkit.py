"""Stands in for SageMaker's training toolkit, in an image that has none: sets the variables that scripts read.

SageMaker itself gives a training container its files in /opt/ml, and a few variables. The toolkit makes the SM_*
variables of them. `mlci_emulator.jobs.training_toolkit` does the same for local jobs, and a test compares the two.

Source: sagemaker-training-toolkit at 3383937, src/sagemaker_training/mapping.py, environment.py and params.py. What
depends on the image's own toolkit, SM_FRAMEWORK_MODULE, is empty.

Standard library only; Python 3.6 and newer.
"""

import json
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Mapping, Sequence

#: Hyperparameters that the toolkit keeps to itself, beside those of its own that begin with `sagemaker_`.
_OWN = ("default_user_module_name", "_tuning_objective_metric")
_PREFIX = "sagemaker_"
#: Those of its own that are no "framework parameters".
_OF_TOOLKIT = {
    _PREFIX + name
    for name in (
        "program",
        "submit_directory",
        "enable_cloudwatch_metrics",
        "region",
        "container_log_level",
        "job_name",
        "s3_output",
    )
}
_LOG_LEVEL = 20


def variables(folder: str, present: "Mapping[str, str]", arguments: "Sequence[str]", script: str) -> "Dict[str, Any]":
    """Return the variables that the toolkit adds to those that are `present`. The starter sets SM_USER_ARGS.

    `folder` holds the code, beside the folders of the job. The first argument is the archive of the code, in a channel
    of its own, which is not the script's.
    """
    base = os.path.dirname(folder)
    config = os.path.join(base, "input", "config")
    sent = {name: _decoded(value) for name, value in _read(config, "hyperparameters.json").items()}
    own = {name: value for name, value in sent.items() if name.startswith(_PREFIX) or name in _OWN}
    values = {name: value for name, value in sent.items() if name not in own}
    channels = _read(config, "inputdataconfig.json")
    for name in list(channels):
        if arguments and os.path.dirname(arguments[0]) == os.path.join(base, "input", "data", name):
            del channels[name]
    facts = _facts(base, script, own, values, channels, _read(config, "resourceconfig.json"), present)
    parameters = facts["additional_framework_parameters"]
    named = {name: value for name, value in facts.items() if name not in _WITHOUT_VARIABLE}
    named.update(hps=values, framework_params=parameters, channels=sorted(channels), training_env=facts)
    named.update(("channel_" + name, os.path.join(base, "input", "data", name)) for name in channels)
    named.update(("hp_" + name, value) for name, value in values.items())
    # A name with "=" can't be a variable's.
    found = {"SM_" + name.upper(): value for name, value in named.items() if "=" not in name}
    return dict(found, CURRENT_HOST=facts["current_host"])


#: The properties that only SM_TRAINING_ENV has.
_WITHOUT_VARIABLE = (
    "additional_framework_parameters",
    "channel_input_dirs",
    "distribution_hosts",
    "hyperparameters",
    "is_master",
    "job_name",
    "master_hostname",
)


def _facts(
    base: str,
    script: str,
    own: "Mapping[str, Any]",
    values: "Mapping[str, Any]",
    channels: "Mapping[str, Any]",
    resources: "Mapping[str, Any]",
    present: "Mapping[str, str]",
) -> "Dict[str, Any]":
    """Return the public properties of the toolkit's Environment."""
    host, hosts = resources["current_host"], resources["hosts"]
    groups = {group["instance_group_name"]: group for group in resources.get("instance_groups", [])}
    group = resources.get("current_group_name", "homogeneousCluster")
    kind = resources.get("current_instance_type", "local")
    groups = groups or {group: {"instance_group_name": group, "instance_type": kind, "hosts": hosts}}
    inputs = os.path.join(base, "input")
    outputs = os.path.join(base, "output")
    return {
        "additional_framework_parameters": {
            name: value for name, value in own.items() if name not in _OF_TOOLKIT and name not in _OWN
        },
        "channel_input_dirs": {name: os.path.join(inputs, "data", name) for name in channels},
        "current_host": host,
        "current_instance_group": group,
        "current_instance_group_hosts": groups.get(group, {}).get("hosts", hosts),
        "current_instance_type": kind,
        "distribution_hosts": hosts,
        "distribution_instance_groups": own.get("sagemaker_distribution_instance_groups", []),
        "framework_module": None,
        "hosts": hosts,
        "hyperparameters": values,
        "input_config_dir": os.path.join(inputs, "config"),
        "input_data_config": channels,
        "input_dir": inputs,
        "instance_groups": list(groups),
        "instance_groups_dict": groups,
        "is_hetero": len(groups) > 1,
        "is_master": host == min(hosts),
        "job_name": present.get("TRAINING_JOB_NAME", ""),
        "log_level": own.get("sagemaker_container_log_level", _LOG_LEVEL),
        "master_hostname": min(hosts),
        "model_dir": os.path.join(base, "model"),
        "module_dir": own.get("sagemaker_submit_directory", ""),
        "module_name": script[: -len(".py")] if script.endswith(".py") else script,
        "network_interface_name": resources.get("network_interface_name", "eth0"),
        "num_cpus": os.cpu_count() or 1,
        "num_gpus": _count("/dev", "nvidia"),
        "num_neurons": 0,
        "output_data_dir": os.path.join(outputs, "data"),
        "output_dir": outputs,
        "output_intermediate_dir": os.path.join(outputs, "intermediate"),
        "resource_config": resources,
        "user_entry_point": script,
    }


def _read(folder: str, name: str) -> "Dict[str, Any]":
    """Return the content of a file that SageMaker writes; a job without channels may have no file of them."""
    try:
        with open(os.path.join(folder, name), encoding="utf-8") as stream:
            content = json.load(stream)
    except OSError:
        return {}
    return content if isinstance(content, dict) else {}


def _decoded(value: "Any") -> "Any":
    try:
        return json.loads(value)
    except (TypeError, ValueError):
        return value


def _count(folder: str, prefix: str) -> int:
    """Return the number of devices of that name, which ends in a digit."""
    return sum(1 for name in os.listdir(folder) if name.startswith(prefix) and name[len(prefix) :].isdigit())
