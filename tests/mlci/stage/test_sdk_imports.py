"""Using the SageMaker SDKs without their side effects."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from mlci.errors import InputError
from mlci.stage.sdk_imports import quiet_sdk


@pytest.mark.slow
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


_WITHOUT = """
import sys
class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in NAMES:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Hidden())
from mlci.stage.sdk_imports import quiet_sdk
"""


def test_the_step_functions_sdk_needs_no_setuptools() -> None:
    code = _WITHOUT.replace("NAMES", "('pkg_resources', 'setuptools')") + (
        "with quiet_sdk():\n    import stepfunctions\n"
        "print(stepfunctions.__version__, 'pkg_resources' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == f"{version('stepfunctions')} False\n", done.stderr


def test_a_missing_sdk_is_an_error_with_its_cure() -> None:
    code = _WITHOUT.replace("NAMES", "('sagemaker',)") + "with quiet_sdk():\n    import stepfunctions\n"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "InputError: the SageMaker SDKs can't be imported in" in done.stderr
    assert "Install mlci in an environment of its own" in done.stderr


def test_an_environment_without_any_sdk_is_told_from_a_broken_one() -> None:
    code = (
        "import sys\nfrom mlci.errors import SdkMissing\nfrom mlci.stage.sdk_imports import quiet_sdk\n"
        "sys.path[:] = [path for path in sys.path if 'site-packages' not in path]\n"
        "try:\n    with quiet_sdk():\n        import stepfunctions\n"
        "except SdkMissing as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "Install mlci with all of its dependencies: pip install mlci" in done.stdout, done.stderr


def test_another_version_of_the_sdk_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "sagemaker-3.1.0.dist-info").mkdir()
    (tmp_path / "sagemaker-3.1.0.dist-info" / "METADATA").write_text("Name: sagemaker\nVersion: 3.1.0\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError, match=r"needs version 2 of the package sagemaker, and .* holds 3.1.0"), quiet_sdk():
        raise ImportError("No module named 'sagemaker.model'")
