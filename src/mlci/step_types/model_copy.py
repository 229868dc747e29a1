"""The states that copy a job's model to the run's folder: by CopyObject, or in parts if it is too large for that.

The state machine knows the ranges of the parts from the model's size alone: intrinsic functions add and count, but do
not multiply. Its state data holds two numbers and a checksum for each part, and its history seven events: 1,000 parts
stay below the limits of both.

Sources: https://docs.aws.amazon.com/AmazonS3/latest/userguide/CopyingObjectsMPUapi.html;
https://docs.aws.amazon.com/step-functions/latest/dg/intrinsic-functions.html (States.ArrayRange: at most 1,000 items)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from mlci.step_types.grants import Grant
from mlci.step_types.states import S3_RETRIES, S3_TRANSIENT_ERRORS, Alternative, MapState, State, StepPaths, TaskState
from mlci_dataclasses import dataclass

#: Parts of 5 MiB to 5 GiB are allowed. A part's limits are 32-bit integers, so that any parser of the definition takes
#: them. Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
PART_BYTES = 2_000_000_000
#: The most parts: a model has at most 2 TB.
MAX_PARTS = 1_000
#: Step Functions starts at most 40 iterations of an inline Map at the same time.
#: Source: https://docs.aws.amazon.com/step-functions/latest/dg/state-map-inline.html
_CONCURRENT_PARTS = 40
#: The limits of one call. S3 answers once it has copied: an object of 5 GB, a part of 2 GB.
_COPY_S, _PART_S, _CALL_S = 900, 300, 60
#: The cause of a CopyObject that S3 rejects for the object's size; behind it stands the limit, 5368709120.
_TOO_LARGE = "*larger than the maximum allowable size for a copy source*"

#: The rights of the state machine to copy models within the runs.
COPY_GRANTS = (
    Grant("ListBucket", ("s3:ListBucket",), ("s3:",)),
    Grant("ReadRuns", ("s3:GetObject",), ("s3:{runs}",)),
    Grant("KeepModels", ("s3:AbortMultipartUpload", "s3:PutObject"), ("s3:{runs}",)),
)

_Action = Literal[
    "abortMultipartUpload",
    "completeMultipartUpload",
    "copyObject",
    "createMultipartUpload",
    "headObject",
    "uploadPartCopy",
]


@dataclass(frozen=True)
class _Copy:
    """The JSONPaths of a copy: of the model's part of the execution input, of the job's name, and of its own data."""

    model: str
    job: str
    data: str

    @property
    def target(self) -> dict[str, str]:
        return {"Bucket.$": f"{self.model}.bucket", "Key.$": f"{self.model}.key"}

    @property
    def source_key(self) -> str:
        return f"States.Format('{{}}{{}}/output/model.tar.gz', {self.model}.from_prefix, {self.job})"

    @property
    def source(self) -> str:
        values = f"{self.model}.from_bucket, {self.model}.from_prefix, {self.job}"
        return f"States.Format('{{}}/{{}}{{}}/output/model.tar.gz', {values})"

    @property
    def upload(self) -> dict[str, str]:
        return {**self.target, "UploadId.$": f"{self.data}.upload.id"}


def model_copy(paths: StepPaths) -> TaskState:
    """Return the state that copies the model, with the states that copy a large one.

    A copy has the bucket's default encryption unless the request names a key. Step Functions names the parameters as
    the SDK for Java 2 does: SSEKMSKeyId is `ssekmsKeyId` there.

    Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html (x-amz-server-side-encryption)
    """
    copy = _Copy(f"{paths.input}.model", f"{paths.result}.job", f"{paths.result}.copy")
    key: dict[str, str] = {}
    if "model_key" in paths.input_fields:
        key = {"ServerSideEncryption": "aws:kms", "SsekmsKeyId.$": f"{paths.input}.model_key"}
    return TaskState(
        title="keep the model",
        resource=_resource("copyObject"),
        parameters={**copy.target, "CopySource.$": copy.source, **key},
        transient_errors=S3_TRANSIENT_ERRORS,
        retries=S3_RETRIES,
        attempt_path=f"{copy.model}.attempt",
        failure_title="model not kept",
        timeout_s=_COPY_S,
        alternative=Alternative((_TOO_LARGE,), _multipart_copy(copy, key)),
    )


def _multipart_copy(copy: _Copy, key: Mapping[str, str]) -> tuple[State, ...]:
    """Return the states that copy an object in parts.

    Each part has a CRC32, as the SDK for Java would request by itself, and S3 wants those of all parts at the end.

    Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
    """
    last_byte = "States.MathAdd($.ContentLength, -1)"
    full_parts = f"States.ArrayRange({PART_BYTES - 1}, States.MathAdd($.ContentLength, -2), {PART_BYTES})"
    measure = _call(
        "measure the model",
        "headObject",
        {"Bucket.$": f"{copy.model}.from_bucket", "Key.$": copy.source_key},
        keeps={
            "first": f"States.ArrayRange(0, {last_byte}, {PART_BYTES})",
            "last": f"States.Array({full_parts}, States.Array({last_byte}))",
        },
        keeps_below=".copy",
    )
    create = _call(
        "start the copy",
        "createMultipartUpload",
        {**copy.target, "ChecksumAlgorithm": "CRC32", **key},
        keeps={"id": "$.UploadId"},
        keeps_below=".copy.upload",
    )
    abort = _call("abort the copy", "abortMultipartUpload", copy.upload)
    parts = MapState(
        title="copy the parts",
        items_path=f"{copy.data}.first",
        item={
            **copy.upload,
            "CopySource.$": copy.source,
            "Range.$": (
                "States.Format('bytes={}-{}', $$.Map.Item.Value, "
                f"States.ArrayGetItem({copy.data}.last[*][*], $$.Map.Item.Index))"
            ),
            "PartNumber.$": "States.MathAdd($$.Map.Item.Index, 1)",
        },
        max_items=MAX_PARTS,
        max_concurrency=_CONCURRENT_PARTS,
        task=_call(
            "copy a part",
            "uploadPartCopy",
            {
                **{f"{name}.$": f"$.{name}" for name in ("Bucket", "Key", "UploadId", "CopySource", "PartNumber")},
                "CopySourceRange.$": "$.Range",
            },
            keeps={
                "PartNumber": "States.MathAdd($$.Map.Item.Index, 1)",
                "ETag": "$.CopyPartResult.ETag",
                "ChecksumCRC32": "$.CopyPartResult.ChecksumCRC32",
            },
            timeout_s=_PART_S,
        ),
        keeps_below=".copy.parts.Parts",
        undo=abort,
    )
    complete = _call(
        "complete the copy",
        "completeMultipartUpload",
        {**copy.upload, "MultipartUpload.$": f"{copy.data}.parts"},
        keeps={"etag": "$.ETag"},
        keeps_below=".copy",
        timeout_s=_COPY_S,
        undo=abort,
    )
    return measure, create, parts, complete


def _call(
    title: str,
    action: _Action,
    parameters: Mapping[str, str],
    keeps: Mapping[str, str] | None = None,
    keeps_below: str = "",
    timeout_s: int = _CALL_S,
    undo: TaskState | None = None,
) -> TaskState:
    return TaskState(
        title=title,
        resource=_resource(action),
        parameters=parameters,
        transient_errors=S3_TRANSIENT_ERRORS,
        failure_title="model not kept",
        keeps=keeps or {},
        keeps_below=keeps_below,
        timeout_s=timeout_s,
        undo=undo,
    )


def _resource(action: _Action) -> str:
    return f"arn:aws:states:::aws-sdk:s3:{action}"
