"""A policy's statements and its document, and the account that they are about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import TypeAlias

from mlci.provision.stack_names import Role
from mlci_dataclasses import dataclass

Document: TypeAlias = "dict[str, object]"

#: An account, a region or a name that is not known: what `mlci policy` prints for it.
UNKNOWN = "*"


@dataclass(frozen=True)
class AccountScope:
    """The account of the policies and the resources in it: as names and ARNs, or as the template's references.

    `roles` are the ARNs of those that policies pass on. `secret` is the ARN of the secret with GitHub's token.
    """

    partition: str
    region: str
    account: str
    bucket: str
    connection: str
    roles: Mapping[Role, str]
    secret: str = UNKNOWN

    @property
    def owner_condition(self) -> Mapping[str, Mapping[str, object]]:
        """The condition that the bucket belongs to the account: of a deleted bucket, somebody else can take the name.

        Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
        (aws:ResourceAccount)
        """
        return {} if self.account == UNKNOWN else {"StringEquals": {"aws:ResourceAccount": self.account}}

    def arn(self, service: str, resource: str) -> str:
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{resource}"

    def objects(self, *prefixes: str) -> list[str]:
        return [f"arn:{self.partition}:s3:::{self.bucket}/{prefix}*" for prefix in prefixes]

    def log_streams(self, group: str, stream: str) -> str:
        return self.arn("logs", f"log-group:{group}:log-stream:{stream}")


@dataclass(frozen=True)
class Statement:
    """One statement with the effect Allow."""

    sid: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    condition: Mapping[str, Mapping[str, object]] = field(default_factory=dict)

    def document(self) -> Document:
        document: Document = {
            "Sid": self.sid,
            "Effect": "Allow",
            "Action": sorted(self.actions),
            "Resource": sorted(self.resources),
        }
        return {**document, "Condition": self.condition} if self.condition else document


def document(statements: Iterable[Statement]) -> Document:
    return {"Version": "2012-10-17", "Statement": [statement.document() for statement in statements]}
