"""Using the SageMaker SDKs without their side effects."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from mlci.stage.sdk_imports import quiet_sdk


@pytest.mark.parametrize("variable", ["AWS_PROFILE", "AWS_DEFAULT_PROFILE"])
def test_a_profile_that_does_not_exist_disturbs_no_import(variable: str) -> None:
    code = (
        "from mlci.stage.image_uris import image_uri\n"
        "from mlci.stage.sdk_imports import quiet_sdk\n"
        "with quiet_sdk():\n    import stepfunctions.steps\n"
        "print(image_uri('xgboost:1.7-1', 'us-east-1', 'ml.m5.large'))\n"
    )
    environment = {**os.environ, variable: "nope"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "xgboost:1.7-1" in done.stdout


def test_the_profile_is_there_again_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "mine")
    with quiet_sdk():
        assert "AWS_PROFILE" not in os.environ
    assert os.environ["AWS_PROFILE"] == "mine"
