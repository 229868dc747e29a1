"""A `mlci serve` as an account: the environment of commands for which it is AWS, with a bucket and two roles."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from support.serving import Serving, serving


@dataclass(frozen=True)
class Account:
    server: Serving
    bucket: str

    @property
    def environment(self) -> dict[str, str]:
        role = "arn:aws:iam::000000000000:role/mlci"
        return {
            **self.server.exports,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "MLCI_CLOUD": "aws",
            "MLCI_BUCKET": self.bucket,
            "MLCI_WORKFLOW_ROLE": f"{role}-workflow",
            "MLCI_JOB_ROLE": f"{role}-job",
        }

    @property
    def administrator(self) -> dict[str, str]:
        """The same without any setting of mlci: the account as `mlci bootstrap` finds it."""
        return {name: value for name, value in self.environment.items() if not name.startswith("MLCI_")}

    @property
    def region(self) -> str:
        return self.server.exports["AWS_DEFAULT_REGION"]

    def client(self, service: str) -> Any:
        """A client of boto3's; the server's own is botocore's, which can less."""
        exports = self.server.exports
        return boto3.client(
            service,
            endpoint_url=exports["AWS_ENDPOINT_URL"],
            region_name=self.region,
            aws_access_key_id=exports["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=exports["AWS_SECRET_ACCESS_KEY"],
        )


@contextmanager
def account(data: Path, bucket: str) -> Iterator[Account]:
    """An account with an empty bucket."""
    with serving(data) as server:
        server.client("s3").create_bucket(Bucket=bucket)
        yield Account(server, bucket)
        server.stop()
