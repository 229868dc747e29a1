"""Names and ARNs of functions, and functions from files."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlci_emulator.errors import ConfigurationError
from mlci_emulator.services.lambda_functions import FunctionFiles, function_option


def test_an_option_names_a_file_and_a_handler(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("")
    code = function_option(f"Train={tmp_path}/train.py:main")
    assert (code.name, code.folder, code.handler) == ("Train", tmp_path, "train.main")
    assert function_option(f"t={tmp_path}/train.py").handler == "train.handler"


@pytest.mark.parametrize(
    "text", ["train", "train=", "a b=train.py", "train=nowhere.py", "t:1=train.py", "t=train.py:a.b"]
)
def test_an_invalid_function_option_is_rejected(text: str) -> None:
    with pytest.raises(ConfigurationError):
        function_option(text)


def test_functions_are_found_by_any_form_of_their_name(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("")
    files = FunctionFiles([function_option(f"train={tmp_path}/train.py")])
    for name in (
        "train",
        "train:$LATEST",
        "000000000000:function:train",
        "arn:aws:lambda:eu-west-1:000000000000:function:train:prod",
    ):
        assert files.find(name, "us-east-1") is not None
    for name in ("other", "arn:aws:sns:eu-west-1:000000000000:train", ""):
        assert files.find(name, "us-east-1") is None
