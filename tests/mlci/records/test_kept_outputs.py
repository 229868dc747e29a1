"""The outputs that a baseline names: copies where merged code runs on AWS, else those of the run."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import pytest

from mlci.backends.protocol import Cloud
from mlci.plan import Plan, S3Uri
from mlci.records.kept_outputs import keep_baseline_outputs, keep_outputs
from support.recorded_steps import BASE, LATER, PULL_REQUEST, RUN, InMemoryCloud, flow_plan


def outputs_of(planned: Plan, cloud: InMemoryCloud) -> dict[str, dict[str, S3Uri]]:
    return keep_baseline_outputs(planned, cast(Cloud, cloud), lambda text: None)


def test_a_baseline_of_merged_code_names_copies() -> None:
    table, kept = (
        f"s3://b/mlci/small/protected/{folder}/prepare/table/" for folder in (f"runs/{RUN}", f"records/outputs/{LATER}")
    )
    cloud = InMemoryCloud({f"{table}a/b.csv": b"a", f"{kept}c.csv": b"c"})
    planned = flow_plan(BASE)
    copy = f"s3://b/mlci/small/baselines/outputs/{RUN}/prepare/table/"
    assert outputs_of(planned, cloud) == {"prepare": {"table": copy}}
    assert cloud.objects[f"{copy}a/b.csv"] == b"a"
    reused = replace(planned.steps["prepare"], outputs={"table": S3Uri(kept)})
    assert outputs_of(replace(planned, steps={"prepare": reused}), cloud) == {"prepare": {"table": copy}}
    assert cloud.objects[f"{copy}c.csv"] == b"c"


def test_elsewhere_a_baseline_names_the_runs_outputs() -> None:
    table = f"s3://b/mlci/small/runs/{RUN}/prepare/table/"
    cloud = InMemoryCloud({f"{table}a.csv": b"a"})
    assert outputs_of(flow_plan(PULL_REQUEST), cloud) == {"prepare": {"table": table}}
    assert list(cloud.objects) == [f"{table}a.csv"]


@pytest.mark.parametrize(("size_bytes", "lines"), [(99_999_999, []), (100_000_000, ["copying 0.1 GB of outputs"])])
def test_a_large_copy_is_told(size_bytes: int, lines: list[str]) -> None:
    said: list[str] = []

    class Large(InMemoryCloud):
        def versions(
            self, prefix: str, most: int | None = None, has_any_owner: bool = False
        ) -> dict[str, tuple[int, str]]:
            return {f"{prefix}a": (size_bytes, "tag")}

    cloud = Large({"s3://b/x/a": b""})
    keep_outputs({S3Uri("s3://b/x/"): S3Uri("s3://b/y/")}, cast(Cloud, cloud), said.append)
    assert [line.partition(",")[0] for line in said] == lines
    assert cloud.objects["s3://b/y/a"] == b""
