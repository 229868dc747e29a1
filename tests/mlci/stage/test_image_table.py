"""The table of SageMaker's images: what the SDK gives, or nothing."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from mlci.stage.image_table import FAMILIES, known_image
from mlci.stage.sdk_imports import quiet_sdk
from mlci.step_types.base import ImageScope
from support.project import ROOT

TABLE = ROOT / "src" / "mlci" / "stage" / "sagemaker_images.json"


@pytest.mark.parametrize(
    ("image", "scope"),
    [
        (("xgboost", "1.7-1", None), "training"),
        (("xgboost", "3.0-5", None), "inference"),
        (("sklearn", "1.2-1", None), "training"),
        (("pytorch", "2.1", "py310"), "training"),
        (("pytorch", "2.1", "py310"), "inference"),
        (("tensorflow", "2.13", "py310"), "training"),
        (("kmeans", "1", None), "training"),
    ],
)
@pytest.mark.parametrize("instance", ["ml.m5.xlarge", "ml.g5.2xlarge", "ml.p4d.24xlarge", "ml.inf1.xlarge"])
@pytest.mark.parametrize("region", ["us-east-1", "cn-north-1", "nowhere-1"])
def test_a_known_image_is_that_of_the_sdk(
    image: tuple[str, str, str | None], scope: ImageScope, instance: str, region: str
) -> None:
    known = known_image(*image, region, instance, scope)
    if known is None:
        return
    framework, version, python = image
    with quiet_sdk():
        from sagemaker import image_uris

        assert known == image_uris.retrieve(
            framework, region, version=version, py_version=python, instance_type=instance, image_scope=scope
        )


def test_the_example_and_the_common_frameworks_are_known() -> None:
    for framework, version, python in (
        ("xgboost", "1.7-1", None),
        ("sklearn", "1.2-1", None),
        ("pytorch", "2.1", None),
    ):
        for region in ("us-east-1", "eu-central-1"):
            assert known_image(framework, version, python, region, "ml.m5.large", "training")


def test_what_the_table_does_not_have_is_left_to_the_sdk() -> None:
    assert known_image("xgboost", "9.9-9", None, "us-east-1", "ml.m5.large", "training") is None
    assert known_image("xgbost", "1.7-1", None, "us-east-1", "ml.m5.large", "training") is None
    assert known_image("xgboost", "1.7-1", None, "us-east-1", "ml.c6g.large", "inference") is None
    assert known_image("xgboost", "1.7-1", None, "us-east-1", "local", "training") is None
    families = [family for kind in FAMILIES.values() for family in kind]
    assert len(families) == len(set(families))


@pytest.mark.slow
def test_the_table_is_what_the_sdk_gives_now() -> None:
    """As `make lock` writes it, with the SDK of the lock."""
    command = [sys.executable, str(ROOT / ".ci" / "sagemaker_images.py")]
    made = subprocess.run(command, capture_output=True, text=True, check=True, timeout=900).stdout
    assert json.loads(made) == json.loads(TABLE.read_text())
