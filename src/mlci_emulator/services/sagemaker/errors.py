"""Builds SageMaker's errors, with SageMaker's own messages; the emulator's own errors say "the local cloud".

Sources: https://github.com/aws/aws-sdk/issues/165 (nearly all are a ValidationException, whatever the model says);
https://github.com/aws/sagemaker-python-sdk/issues/326 and https://github.com/awslabs/benchmark-ai/issues/928 (jobs);
https://github.com/aws/amazon-sagemaker-examples/issues/2491 (endpoints) and /issues/2489 (input data);
terraform-provider-aws, internal/service/sagemaker (endpoint configurations, models, package groups).
"""

from __future__ import annotations

from mlci_emulator.protocol.operations import ApiError
from mlci_emulator.services.sagemaker.job_status import TRAINING, JobKind
from mlci_emulator.store.s3_uris import split_s3_uri

_NOUNS = {"model": "model", "endpoint-config": "endpoint configuration", "endpoint": "endpoint"}


def invalid(message: str) -> ApiError:
    return ApiError("ValidationException", message)


def job_not_found(kind: JobKind, name: str) -> ApiError:
    if kind is TRAINING:
        return invalid("Requested resource not found.")
    return invalid(f"Could not find requested job with name: {name}")


def job_to_stop_not_found(kind: JobKind, name: str) -> ApiError:
    if kind is TRAINING:
        return invalid("Requested resource not found.")
    return invalid(f"Could not find job to update with name: {name}")


def not_running(kind: JobKind, status: str) -> ApiError:
    return invalid(f"The request was rejected because the {kind.words} is in status {status}.")


def job_name_in_use(arn: str) -> ApiError:
    return ApiError(
        "ResourceInUse",
        f"Job name must be unique within an AWS account and region, and a job with this name already exists ({arn})",
    )


def not_found(arn: str) -> ApiError:
    """Return the error for a model, an endpoint or an endpoint configuration that does not exist."""
    return invalid(f'Could not find {_NOUNS[arn.split(":")[5].partition("/")[0]]} "{arn}".')


def already_exists(arn: str) -> ApiError:
    return invalid(f'Cannot create already existing {_NOUNS[arn.split(":")[5].partition("/")[0]]} "{arn}".')


def input_not_found(uri: str, region: str, role: str) -> ApiError:
    bucket = split_s3_uri(uri)[0]
    return invalid(
        f'No S3 objects found under S3 URL "{uri}" given in input data source. Please ensure that the bucket exists in '
        f'the selected region ({region}), that objects exist under that S3 prefix, and that the role "{role}" has '
        f'"s3:ListBucket" permissions on bucket "{bucket}".'
    )
