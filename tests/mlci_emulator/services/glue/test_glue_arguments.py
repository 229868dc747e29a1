"""`getResolvedOptions`, held to what AWS's function of that name does.

The expected values are those of awsglue/utils.py in https://github.com/awslabs/aws-glue-libs, called with each input.
"""

from __future__ import annotations

from typing import Any

import pytest

from mlci_emulator.services.glue.modules.awsglue.utils import GlueArgumentError, getResolvedOptions

#: What is there in each result.
ALWAYS = {
    "job_bookmark_option": "job-bookmark-disable",
    "job_bookmark_from": None,
    "job_bookmark_to": None,
    "JOB_ID": None,
    "JOB_RUN_ID": None,
    "SECURITY_CONFIGURATION": None,
    "encryption_type": None,
    "enable_data_lineage": None,
    "RedshiftTempDir": None,
    "TempDir": None,
}


@pytest.mark.parametrize(
    ("arguments", "options", "expected"),
    [
        (["--a", "1", "--b", "2"], ["a", "b"], {"a": "1", "b": "2"}),
        (["--a=x", "--extra", "y"], ["a"], {"a": "x"}),
        (["--a", "1", "--a", "2"], ["a"], {"a": "2"}),
        (["word", "--a", "-5"], ["a"], {"a": "-5"}),
        (["--my-key", "v"], ["my-key"], {"my_key": "v"}),
        (["--JOB_NAME", "j"], ["JOB_NAME"], {"JOB_NAME": "j"}),
        (["--JOB_ID", "j"], [], {"JOB_ID": "j"}),
        (["--a", "1", "--TempDir", "t"], ["a", "TempDir"], {"a": "1", "TempDir": "t", "RedshiftTempDir": "t"}),
        (["--RedshiftTempDir", "t"], [], {"TempDir": "t", "RedshiftTempDir": "t"}),
        (["--continuation-option", "continuation-readonly"], [], {"job_bookmark_option": "job-bookmark-pause"}),
        (["--continuation-option", "continuation-enabled"], [], {"job_bookmark_option": "job-bookmark-enable"}),
    ],
)
def test_the_values_of_options(arguments: list[str], options: list[str], expected: dict[str, Any]) -> None:
    assert getResolvedOptions(["script.py", *arguments], options) == {**ALWAYS, **expected}


@pytest.mark.parametrize(
    ("arguments", "options", "error"),
    [
        ([], ["a"], GlueArgumentError),
        (["--ab", "1"], ["a"], GlueArgumentError),
        (["--encryption-type", "x"], [], GlueArgumentError),
        (["--job-bookmark-option", "x"], [], GlueArgumentError),
        ([], ["job-bookmark-option"], RuntimeError),
        (["--job-bookmark-option", "job-bookmark-pause", "--job-bookmark-from", "1"], [], RuntimeError),
        (["--job-bookmark-from", "1", "--job-bookmark-to", "2"], [], RuntimeError),
    ],
)
def test_what_is_wrong_is_an_error(arguments: list[str], options: list[str], error: type[Exception]) -> None:
    with pytest.raises(error):
        getResolvedOptions(["script.py", *arguments], options)
