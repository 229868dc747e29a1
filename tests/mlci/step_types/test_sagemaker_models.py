"""What the types that create a model have in common."""

from __future__ import annotations

import pytest

from mlci.provision.access_requirements import access_requirements
from mlci.step_types import STEP_TYPES
from mlci.step_types import sagemaker_models as models
from mlci.step_types.base import ResolvedStep
from mlci.step_types.keys import Json
from support.compiled_flows import compiled, planned

#: The types that make a model beside their own request, with what else each needs.
OTHERS = {"transform": "input: s3://acme/rows/", "endpoint": "smoke: [{body: '1', expect: {equals: '1'}}]"}
NETWORK = "network_isolation: true, vpc: {subnets: [subnet-1], security_groups: [sg-1]}"


def test_every_type_that_creates_a_model_beside_its_request_is_tried() -> None:
    assert {name for name, kind in STEP_TYPES.items() if kind.key(models.MODEL_REQUEST.name)} == set(OTHERS)


@pytest.mark.parametrize("uses", OTHERS)
def test_the_network_of_all_steps_is_that_of_the_model(uses: str) -> None:
    text = f"""flow: alike
defaults: {{image: "mine.example/image:7", {NETWORK}}}
steps:
  serve:
    uses: {uses}
    model: s3://acme/model.tar.gz
    {OTHERS[uses]}
"""
    step = compiled(text)[1]["steps"]["serve"]
    assert step["model_EnableNetworkIsolation"] is True
    assert step["model_VpcConfig"] == {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]}
    assert "VpcConfig" not in step["request"]
    assert access_requirements(planned(text).flow, {}).subnets == ("subnet-1",)


@pytest.mark.parametrize(
    ("uri", "archive"), [("s3://b/run/train/model/", "s3://b/run/train/model/model.tar.gz"), ("s3://b/x.tar.gz",) * 2]
)
def test_the_archive_is_that_in_an_output_or_the_one_that_is_named(uri: str, archive: str) -> None:
    step = ResolvedStep("serve", "mlci-alike--serve-1", "arn:role", {}, inputs={"model": uri}, image="mine:7")
    assert models.archive_uri(step) == archive
    assert models.model_container(step)["ModelDataUrl"] == archive


def test_a_request_of_the_model_is_checked_whole() -> None:
    values: dict[str, Json] = {"model": {"name": "m"}, "model_PrimaryContainer": {"Image": "i"}, "job": "j"}
    (sent,) = models.further_requests(values)
    assert (sent.action, sent.key) == ("CreateModel", "model_request")
    assert sent.request == {"ModelName": "m", "PrimaryContainer": {"Image": "i"}}
