"""Builds S3's errors, with S3's own messages.

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
"""

from __future__ import annotations

from mlci_emulator.protocol.operations import ApiError


class S3Error(ApiError):
    """`details` are the other elements of the error's XML, such as `BucketName`."""

    def __init__(self, code: str, message: str, status: int = 400, **details: str) -> None:
        super().__init__(code, message, status)
        self.details = details


def no_such_bucket(bucket: str) -> S3Error:
    return S3Error("NoSuchBucket", "The specified bucket does not exist", 404, BucketName=bucket)


def no_such_key(key: str) -> S3Error:
    return S3Error("NoSuchKey", "The specified key does not exist.", 404, Key=key)


def no_such_upload(upload: str) -> S3Error:
    message = (
        "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or "
        "completed."
    )
    return S3Error("NoSuchUpload", message, 404, UploadId=upload)


def invalid_argument(message: str, name: str, value: object) -> S3Error:
    details = {"ArgumentName": name} if value is None else {"ArgumentName": name, "ArgumentValue": str(value)}
    return S3Error("InvalidArgument", message, 400, **details)


def invalid_request(message: str) -> S3Error:
    return S3Error("InvalidRequest", message, 400)


def malformed_xml() -> S3Error:
    message = "The XML you provided was not well-formed or did not validate against our published schema"
    return S3Error("MalformedXML", message, 400)


def precondition_failed(condition: str) -> S3Error:
    message = "At least one of the pre-conditions you specified did not hold"
    return S3Error("PreconditionFailed", message, 412, Condition=condition)


def not_implemented_header(header: str, why: str) -> S3Error:
    message = "A header you provided implies functionality that is not implemented"
    return S3Error("NotImplemented", message, 501, Header=header, additionalMessage=why)


def not_implemented(feature: str) -> S3Error:
    """Return the error for a feature of S3 that is not implemented here."""
    return S3Error("NotImplemented", f"{feature} is not part of the local S3.", 501)
