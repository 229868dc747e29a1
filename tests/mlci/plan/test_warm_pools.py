"""The warm pools of a plan: who keeps machines, and who can start on them."""

from __future__ import annotations

import pytest

from mlci.plan.warm_pools import WarmPool, warm_pools
from mlci.report.warm_pool_lines import warm_pool_lines, warm_pools_json
from support.compiled_flows import planned

FLOW = """flow: warm
defaults: {image: "mine.example/image:7"}
steps:
  prep: {uses: processing, run: a.py}
  train: {uses: training, run: a.py, after: [prep], keep_alive: 30m}
  distill: {uses: training, run: a.py, inputs: {model: "${{ steps.train.outputs.model }}"}, keep_alive: 5m}
  check: {uses: processing, run: a.py, after: [distill]}
  final: {uses: training, run: a.py, after: [check]}
  large: {uses: training, run: a.py, instance: ml.m5.4xlarge}
"""


def test_matching_steps_share_a_pool_in_the_order_that_they_run_in() -> None:
    assert warm_pools(planned(FLOW)) == (
        WarmPool(
            instance="ml.m5.xlarge",
            instance_count=1,
            most=1,
            keep_alive_s={"train": 1800, "distill": 300},
            others=("final",),
            later={"distill": ("train",), "final": ("train", "distill")},
        ),
    )


@pytest.mark.parametrize(
    "different",
    [
        "instance: ml.m5.2xlarge",
        "instance_count: 2",
        "volume_gb: 31",
        "volume_kms_key: 1234abcd",
        "network_isolation: true",
        "encrypt_traffic: true",
        "vpc: {subnets: [subnet-1], security_groups: [sg-1]}",
        "request: {RoleArn: 'arn:aws:iam::000000000000:role/other'}",
    ],
)
def test_whatever_differs_of_role_machines_and_network_keeps_pools_apart(different: str) -> None:
    alike = FLOW.replace("keep_alive: 5m", "hyperparameters: {depth: 3}, env: {A: b}, keep_alive: 5m")
    assert len(warm_pools(planned(alike))) == 1
    assert len(warm_pools(planned(FLOW.replace("keep_alive: 5m", f"keep_alive: 5m, {different}")))) == 2


def test_each_cell_keeps_its_own_machines() -> None:
    text = FLOW.replace("keep_alive: 30m", "keep_alive: 30m, matrix: {fold: [1, 2, 3]}, instance_count: 2")
    (pool, _) = warm_pools(planned(text))
    assert (pool.keep_alive_s, pool.most) == ({"train": 1800}, 6)


def test_without_keep_alive_there_is_no_pool() -> None:
    assert warm_pools(planned(FLOW.replace("30m", "0s").replace("5m", "0s"))) == ()


def test_a_plan_tells_who_starts_at_once_what_it_costs_and_which_quota_it_needs() -> None:
    pools = warm_pools(planned(FLOW))
    assert list(warm_pool_lines(pools)) == [
        "  train keeps 1 × ml.m5.xlarge for 30m after its job: a matching job then starts at once",
        "  distill keeps 1 × ml.m5.xlarge for 5m after its job: a matching job then starts at once",
        "  distill can start on the machines of train in this run",
        "  final can start on the machines of train or distill in this run",
        "  in a later run with the same role, train or distill or final can, while the machines wait",
        "  the time that they wait is billed: up to 30m of 1 × ml.m5.xlarge after a run",
        '  needs the quota "ml.m5.xlarge for training warm pool usage" in Service Quotas, at least 1. AWS begins',
        "  with 0: then nothing is kept, and jobs start as ever",
    ]
    assert warm_pools_json(pools) == [
        {
            "instance": "ml.m5.xlarge",
            "instance_count": 1,
            "most_instances": 1,
            "keep_alive_s": {"train": 1800, "distill": 300},
            "others": ["final"],
            "in_this_run": {"distill": ["train"], "final": ["train", "distill"]},
            "quota": "ml.m5.xlarge for training warm pool usage",
        }
    ]
