"""The result of a step without a job, kept in S3 as a file of JSON, which other steps and rules read as an output.

Sources: https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html;
https://docs.aws.amazon.com/step-functions/latest/dg/supported-services-awssdk.html
"""

from __future__ import annotations

from collections.abc import Mapping

from mlci.s3_uris import split_s3_uri
from mlci.step_types.grants import Grant
from mlci.step_types.keys import Json
from mlci.step_types.states import S3_RETRIES, S3_TRANSIENT_ERRORS, StepPaths, TaskState, attempt_counters

#: The right of the state machine to keep results.
KEEP_RESULTS = Grant("KeepResults", ("s3:PutObject",), ("s3:{runs}",))
_WRITE_S = 60


def result_place(folder: str, file: str) -> dict[str, Json]:
    """Return the part of the execution input that says where a result is kept: a file in a folder's URI."""
    bucket, prefix = split_s3_uri(folder)
    return {"bucket": bucket, "key": f"{prefix}{file}", "attempt": attempt_counters(S3_RETRIES)}


def keep_result(
    paths: StepPaths, what: str, place: str, body: str, keeps: Mapping[str, str] | None = None, keeps_below: str = ""
) -> TaskState:
    """Return the state that writes the JSON at the path `body` to the `place` in the step's input.

    `what` names it in the state's title, "keep the <what>". What the state itself `keeps` takes the result's place in
    the data of later states, which is limited, and which have no use for it.
    """
    return TaskState(
        title=f"keep the {what}",
        resource="arn:aws:states:::aws-sdk:s3:putObject",
        parameters={
            "Bucket.$": f"{paths.input}.{place}.bucket",
            "Key.$": f"{paths.input}.{place}.key",
            "Body.$": body,
            "ContentType": "application/json",
        },
        transient_errors=S3_TRANSIENT_ERRORS,
        retries=S3_RETRIES,
        attempt_path=f"{paths.input}.{place}.attempt",
        failure_title=f"{what} not kept",
        keeps=keeps or {},
        keeps_below=keeps_below,
        timeout_s=_WRITE_S,
    )


#: What stays of a result in the data of later states.
ETAG: Mapping[str, str] = {"etag": "$.ETag"}
