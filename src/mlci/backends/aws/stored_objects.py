"""S3: the objects of a flow's bucket, and what uses them: executions and SageMaker models, for `mlci gc`."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from mlci.backends.aws.api_calls import Api, AwsError
from mlci.backends.aws.executions import Executions
from mlci.backends.aws.s3_objects import Objects
from mlci.backends.protocol import RunningExecution, StoredObject
from mlci.plan.names import Names
from mlci.s3_uris import split_s3_uri
from mlci_dataclasses import dataclass

#: The most keys of one DeleteObjects.
#: Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html
BATCH = 1_000


@dataclass(frozen=True)
class AwsObjects:
    """The objects of a bucket. `machine` returns the ARN of a state machine by its name."""

    objects: Objects
    executions: Executions
    sagemaker: Api
    machine: Callable[[str], str]

    def list(self, prefix: str) -> Iterator[StoredObject]:
        bucket, key = split_s3_uri(prefix)
        for entry in self.objects.entries(bucket, key):
            yield StoredObject(f"s3://{bucket}/{entry['Key']}", int(entry["Size"]), entry["LastModified"])

    def read(self, uri: str) -> bytes | None:
        return self.objects.read(uri)

    def delete(self, uris: Sequence[str]) -> Mapping[str, str]:
        """Delete objects, in batches; of a batch that is refused as a whole, all are still there."""
        left: dict[str, str] = {}
        for bucket, in_bucket in itertools.groupby(uris, lambda uri: split_s3_uri(uri)[0]):
            keys = [split_s3_uri(uri)[1] for uri in in_bucket]
            for start in range(0, len(keys), BATCH):
                batch = keys[start : start + BATCH]
                left |= {f"s3://{bucket}/{key}": reason for key, reason in self._delete(bucket, batch).items()}
        return left

    def running(self, flow: str, is_protected: bool) -> Iterable[RunningExecution]:
        return self.executions.running(self.machine(Names(flow, is_protected).machine))

    def model_uris(self, flow: str) -> Iterable[str]:
        """Yield the descriptions of the models whose names are those of the flow's, which name their files.

        Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ListModels.html
        """
        for names in (Names(flow), Names(flow, is_protected=True)):
            pages = self.sagemaker.pages("list_models", ("NextToken", "NextToken"), NameContains=names.jobs)
            for page in pages:
                for model in page["Models"]:
                    described = self.sagemaker.call("describe_model", ModelName=model["ModelName"])
                    yield json.dumps(described, default=str)

    def _delete(self, bucket: str, keys: Sequence[str]) -> dict[str, str]:
        try:
            response = self.objects.api.call(
                "delete_objects",
                Bucket=bucket,
                Delete={"Objects": [{"Key": key} for key in keys], "Quiet": True},
                ExpectedBucketOwner=self.objects.owner,
            )
        except AwsError as error:
            return dict.fromkeys(keys, f"{error.code}: {error.message}")
        return {each["Key"]: f"{each.get('Code')}: {each.get('Message')}" for each in response.get("Errors", ())}
