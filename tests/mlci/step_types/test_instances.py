"""Steps on several instances: their requests, and inputs of which each instance gets a part."""

from __future__ import annotations

from typing import Any

import pytest

from mlci.backends.local_checks import check_jobs
from mlci.errors import InputError
from support.compiled_flows import planned

FLOW = """flow: wide
defaults: {image: "mine.example/image:7", instance_count: 2}
steps:
  split: {uses: processing, run: a.py, inputs: {raw: {from: "s3://acme/raw", shard: true}}, outputs: [part]}
  train:
    uses: training
    run: a.py
    inputs: {part: {from: "${{ steps.split.outputs.part }}", shard: true}, all: "s3://acme/raw"}
"""


def test_a_sharded_input_goes_to_the_instances_in_parts() -> None:
    steps = planned(FLOW).steps
    split: Any = steps["split"].request
    train: Any = steps["train"].request
    inputs = {each["InputName"]: each["S3Input"]["S3DataDistributionType"] for each in split["ProcessingInputs"]}
    assert inputs == {"code": "FullyReplicated", "raw": "ShardedByS3Key"}
    channels = {
        each["ChannelName"]: each["DataSource"]["S3DataSource"]["S3DataDistributionType"]
        for each in train["InputDataConfig"]
    }
    assert channels == {"part": "ShardedByS3Key", "all": "FullyReplicated"}
    assert split["ProcessingResources"]["ClusterConfig"]["InstanceCount"] == 2
    assert train["ResourceConfig"]["InstanceCount"] == 2


def test_what_cannot_run_on_several_instances_here_is_refused_at_the_keys_place() -> None:
    plan = planned(FLOW.replace(", instance_count: 2", "").replace("    run:", "    instance_count: 2\n    run:"))
    asked = []

    def problem_of(count: int) -> str:
        asked.append(count)
        return "no namespaces" if count > 1 else ""

    with pytest.raises(InputError) as refusal:
        check_jobs(plan, problem_of)
    assert str(refusal.value) == 'flow.yaml:7:21: step "train": no namespaces'
    assert sorted(asked) == [1, 2]
    check_jobs(plan)


@pytest.mark.parametrize(("count", "place"), [(1, "evaluation/metrics.json"), (2, "_metrics/metrics.json")])
def test_metrics_in_an_output_of_several_instances_are_those_of_the_first(count: int, place: str) -> None:
    """Each instance may write the file, and S3 keeps whichever comes last."""
    plan = planned(f"""flow: wide
steps:
  judge:
    uses: processing
    image: "mine.example/image:7"
    run: a.py
    instance_count: {count}
    outputs: [evaluation]
    metrics: evaluation/metrics.json
""")
    assert str(plan.steps["judge"].metrics).endswith(f"/judge/{place}")
