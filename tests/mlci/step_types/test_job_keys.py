"""Keys of jobs for networks, encryption, spot machines and checkpoints: their requests, refusals and rights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import boto3
import pytest

from mlci.backends.aws import request_validation
from mlci.backends.local_checks import check_jobs
from mlci.errors import InputError
from mlci.flow import load
from mlci.provision.access_requirements import AccessRequirements, access_requirements
from mlci.stage.start_metrics import metrics_feature
from mlci.step_types import STEP_TYPES
from support.compiled_flows import compiled, planned

FLOW = """flow: keyed
defaults: {image: "mine.example/image:7", timeout: 1h}
steps:
  job:
    uses: USES
    run: a.py
    KEYS
"""
SECURE = """network_isolation: true
    vpc: {subnets: [subnet-1, subnet-2], security_groups: [sg-1]}
    encrypt_traffic: true
    kms_key: alias/models
    volume_kms_key: 1234abcd"""
#: The same as fields of each type's request.
REQUESTS = {
    "training": {
        "EnableNetworkIsolation": True,
        "VpcConfig": {"Subnets": ["subnet-1", "subnet-2"], "SecurityGroupIds": ["sg-1"]},
        "EnableInterContainerTrafficEncryption": True,
        "OutputDataConfig": {"KmsKeyId": "alias/models"},
        "ResourceConfig": {"VolumeKmsKeyId": "1234abcd"},
    },
    "processing": {
        "NetworkConfig": {
            "EnableNetworkIsolation": True,
            "VpcConfig": {"Subnets": ["subnet-1", "subnet-2"], "SecurityGroupIds": ["sg-1"]},
            "EnableInterContainerTrafficEncryption": True,
        },
        "ProcessingOutputConfig": {"KmsKeyId": "alias/models"},
        "ProcessingResources": {"ClusterConfig": {"VolumeKmsKeyId": "1234abcd"}},
    },
}
SPOT = "spot: true\n    max_wait: 2h"
SERVICE = boto3.client("sagemaker", region_name="us-east-1").meta.service_model


def flow(keys: str, uses: str = "training") -> str:
    return FLOW.replace("USES", uses).replace("KEYS", keys)


def request(keys: str, uses: str = "training") -> Mapping[str, Any]:
    """Return the step's request, which both clouds accept."""
    plan = planned(flow(keys, uses))
    check_jobs(plan)
    request_validation.check(plan, SERVICE)
    sent = plan.steps["job"].request
    step_type = STEP_TYPES[uses].request
    assert step_type is not None
    assert sent.keys() <= step_type.task_fields
    return sent


def contains(value: Any, part: Any) -> bool:
    if isinstance(part, dict):
        return all(name in value and contains(value[name], each) for name, each in part.items())
    return bool(value == part)


@pytest.mark.parametrize("uses", ["training", "processing"])
def test_keys_become_fields_of_the_request(uses: str) -> None:
    assert contains(request(SECURE, uses), REQUESTS[uses])
    assert request(SECURE, uses) == request(f"request: {json.dumps(REQUESTS[uses])}", uses)


@pytest.mark.parametrize("uses", ["training", "processing"])
def test_keys_in_defaults_hold_for_all_steps_and_a_step_may_differ(uses: str) -> None:
    text = flow("kms_key: alias/own\n    encrypt_traffic: false", uses).replace(
        "timeout: 1h", "timeout: 1h, kms_key: alias/all, volume_kms_key: key-12, encrypt_traffic: true, spot: false"
    )
    sent = json.dumps(planned(text).steps["job"].request)
    assert '"KmsKeyId": "alias/own"' in sent
    assert '"VolumeKmsKeyId": "key-12"' in sent
    assert "EnableInter" not in sent


@pytest.mark.parametrize("uses", ["training", "processing"])
def test_rights_are_the_same_for_keys_and_for_fields(uses: str) -> None:
    def requirements(keys: str) -> AccessRequirements:
        return access_requirements(load(flow(keys, uses).encode(), "flow.yaml"), {})

    by_keys = requirements(SECURE)
    assert by_keys == requirements(f"request: {json.dumps(REQUESTS[uses])}")
    assert by_keys.keys == ("1234abcd", "alias/models")
    assert by_keys.output_keys == ("alias/models",)
    assert (by_keys.subnets, by_keys.security_groups) == (("subnet-1", "subnet-2"), ("sg-1",))
    assert requirements("env: {}").keys == ()


def test_request_wins_over_the_keys() -> None:
    sent = request(f"{SPOT}\n    request: {{StoppingCondition: {{MaxWaitTimeInSeconds: 9000}}}}")
    assert sent["StoppingCondition"] == {"MaxRuntimeInSeconds": 3600, "MaxWaitTimeInSeconds": 9000}
    assert sent["EnableManagedSpotTraining"] is True


def test_a_plan_names_spot_machines() -> None:
    expected = "training on ml.m5.xlarge (spot), at most 7200 s"
    assert planned(flow(SPOT)).steps["job"].summary == expected


def test_a_job_on_spot_machines_waits_and_its_task_waits_as_long() -> None:
    assert request(SPOT)["StoppingCondition"] == {"MaxRuntimeInSeconds": 3600, "MaxWaitTimeInSeconds": 7200}
    _, execution_input = compiled(flow(SPOT))
    assert execution_input["steps"]["job"]["timeout_s"] > 7200


def test_checkpoints_and_metrics_share_one_configuration() -> None:
    """The metrics of a step with checkpoints lie among them, where the state machine reads them."""
    text = flow("checkpoints: true\n    metric_definitions: [{name: loss, regex: 'loss=(.*)'}]")
    plan = planned(text)
    config: Any = plan.steps["job"].request["CheckpointConfig"]
    assert config["LocalPath"] == "/opt/ml/checkpoints"
    assert config["S3Uri"].endswith("/runs/20261123-101530-3f9c2a/job/_checkpoints/")
    assert plan.steps["job"].metrics == f"{config['S3Uri']}mlci-metrics/metrics.json"
    container = STEP_TYPES["training"].container
    assert container is not None
    assert metrics_feature(plan.flow.steps["job"], container)["target"] == "../checkpoints/mlci-metrics"
    without = planned(text.replace("checkpoints: true", "env: {}")).steps["job"]
    assert without.request["CheckpointConfig"]["LocalPath"] == "/opt/ml/mlci-metrics"  # type: ignore[call-overload, index]
    assert "CheckpointConfig" not in request("env: {}")


def test_a_job_reads_its_checkpoints_back() -> None:
    for keys, reads in (("checkpoints: true", True), ("checkpoints: false", False)):
        assert access_requirements(load(flow(keys).encode(), "flow.yaml"), {}).reads_outputs is reads


@pytest.mark.parametrize(
    ("keys", "right", "message"),
    [
        (
            "spot: true",
            SPOT,
            (
                '7:5: step "job" runs on spot machines, and has no "max_wait". '
                'Add how long it may take at most, such as "max_wait: 2h"'
            ),
        ),
        (
            "spot: true\n    max_wait: 30m",
            "spot: true\n    max_wait: 60m",
            (
                '8:15: "max_wait" is 30m, and the job may run for 1h. '
                "It counts the wait and the run: make it at least as long"
            ),
        ),
        (
            "max_wait: 2h",
            SPOT,
            '7:5: "max_wait" is for spot machines, and step "job" has none. Add "spot: true", or remove it',
        ),
        (
            "spot: true\n    max_wait: 2",
            SPOT,
            '8:15: "max_wait" must be text, but is the integer 2',
        ),
        (
            "vpc: {subnets: [], security_groups: [sg-1]}",
            "vpc: {subnets: [subnet-1], security_groups: [sg-1]}",
            '7:20: "subnets" has 0 IDs. AWS allows 1 to 16',
        ),
        (
            "vpc: {subnets: ['subnet-*'], security_groups: [sg-1]}",
            "vpc: {subnets: [subnet-1], security_groups: [sg-1]}",
            '7:21: "subnet-*" is not an ID. Such as subnet-1a2b3c4d',
        ),
        (
            "vpc: {subnet: [subnet-1], security_groups: [sg-1]}",
            "vpc: {subnets: [subnet-1], security_groups: [sg-1]}",
            'unknown key "subnet" in "vpc". Did you mean "subnets"?',
        ),
        (
            "kms_key: my key",
            "kms_key: arn:aws:kms:eu-west-1:123456789012:alias/models",
            '7:14: "my key" is not a KMS key. Use a key ID, alias/…, or the ARN of a key or an alias',
        ),
        (
            "volume_kms_key: alias/models",
            "volume_kms_key: arn:aws:kms:eu-west-1:123456789012:key/1234abcd",
            '7:21: "alias/models" is an alias, which AWS takes for no volume. Use the key\'s ID or ARN',
        ),
        (
            "keep_alive: 2h",
            "keep_alive: 1h",
            "7:17: the machines would be kept for 2h. SageMaker keeps them for at most 1h",
        ),
        (
            "request: {ResourceConfig: {KeepAlivePeriodInSeconds: 3601}}",
            "request: {ResourceConfig: {KeepAlivePeriodInSeconds: 3600}}",
            "7:58: the machines would be kept for 1h1s. SageMaker keeps them for at most 1h",
        ),
        ("keep_alive: 30", "keep_alive: 30s", '7:17: "keep_alive" must be text, but is the integer 30'),
        ("keep_alive: half an hour", "keep_alive: 0s", '7:17: "half an hour" is not a duration'),
        (
            f"{SPOT}\n    keep_alive: 30m",
            "spot: false\n    keep_alive: 30m",
            (
                '9:5: step "job" runs on spot machines, which SageMaker does not keep for the next job. '
                'Remove "keep_alive", or "spot"'
            ),
        ),
        (
            "keep_alive: 30m\n    request: {ResourceConfig: {InstanceGroups: [{InstanceGroupName: a}]}}",
            "keep_alive: 30m",
            '7:5: step "job" has groups of instances, which SageMaker does not keep for the next job.',
        ),
        ("spot: yes please", SPOT, '7:11: "spot" must be true or false, but is the text "yes please"'),
    ],
)
def test_what_aws_would_refuse_is_said_at_its_place(keys: str, right: str, message: str) -> None:
    with pytest.raises(InputError) as refusal:
        planned(flow(keys))
    assert message in str(refusal.value)
    request(right)


def test_a_processing_step_has_no_spot_machines() -> None:
    with pytest.raises(InputError, match='"spot" is for training and tuning steps, and "job" is a processing'):
        planned(flow("spot: true", "processing"))
    text = flow("env: {}", "processing").replace("timeout: 1h", "timeout: 1h, spot: true, max_wait: 2h")
    assert "EnableManagedSpotTraining" not in planned(text).steps["job"].request


def test_machines_are_kept_by_default_or_by_a_step_and_the_steps_own_spot_machines_are_not() -> None:
    text = flow("env: {}").replace("timeout: 1h", "timeout: 1h, keep_alive: 30m")
    by_default: Any = planned(text).steps["job"].request
    assert by_default["ResourceConfig"]["KeepAlivePeriodInSeconds"] == 1800
    own: Any = planned(text.replace("env: {}", "keep_alive: 0s")).steps["job"].request
    assert own["ResourceConfig"]["KeepAlivePeriodInSeconds"] == 0
    spot: Any = planned(text.replace("env: {}", SPOT)).steps["job"].request
    assert "KeepAlivePeriodInSeconds" not in spot["ResourceConfig"]


@pytest.mark.parametrize("uses", ["processing", "tuning"])
def test_only_training_jobs_keep_their_machines(uses: str) -> None:
    with pytest.raises(InputError, match=f'"keep_alive" is for training steps, and "job" is a {uses}'):
        planned(flow("keep_alive: 30m", uses))


@pytest.mark.parametrize(
    ("isolated", "place"),
    [
        ("network_isolation: true", "7:5"),
        ("request: {EnableNetworkIsolation: true}", "7:15"),
    ],
)
def test_an_isolated_step_can_read_no_secret(isolated: str, place: str) -> None:
    text = flow(f"{isolated}\n    env: {{TOKEN: '${{{{ secrets.token }}}}'}}") + "secrets: {token: 'ssm:/team/token'}\n"
    with pytest.raises(InputError) as refusal:
        planned(text)
    assert str(refusal.value).startswith(f'flow.yaml:{place}: step "job" reads the secret "token" from AWS')
    planned(text.replace("true", "false"))


def test_the_trials_of_a_tuning_step_may_wait_as_long_as_a_training_step() -> None:
    keys = """spot: true
    max_wait: 30m
    ranges: {depth: {min: 1, max: 3}}
    metric_definitions: [{name: auc, regex: 'auc=(.*)'}]
    objective: {metric: auc, goal: maximize}
    max_jobs: 3"""
    with pytest.raises(InputError, match='8:15: "max_wait" is 30m, and the job may run for 1h'):
        planned(flow(keys, "tuning"))
    sent: Any = planned(flow(keys.replace("30m", "90m"), "tuning")).steps["job"].request
    assert sent["TrainingJobDefinition"]["StoppingCondition"]["MaxWaitTimeInSeconds"] == 5400
