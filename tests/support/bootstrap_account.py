"""An account to make ready, a person who answers as they are told to, and a flow's stack in small."""

from __future__ import annotations

import functools
import queue
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3

from mlci.backends.aws.api_calls import Api, RetryPolicy
from mlci.backends.aws.caller_identity import Identity
from mlci.backends.aws.cloudformation_stacks import StackEvent
from mlci.interrupts import Interrupts
from mlci.provision.bootstrap import set_up
from mlci.provision.context import Account, RepositoryContext
from mlci.provision.teardown import tear_down
from mlci.report.stack_report import Line
from support.fake_aws import ACCOUNT, REGION, waiting_clock
from support.fake_cloudformation import CodeConnections, Formation, FormationStack

FLOW = "small"
STACK = "mlci-small"
BUCKET = "mlci-small-bucket-1a2b"
TEMPLATE = """
Resources:
  Bucket: {Type: "AWS::S3::Bucket", DeletionPolicy: Retain}
  GitHubConnection: {Type: "AWS::CodeConnections::Connection"}
  WorkflowRole: {Type: "AWS::IAM::Role", Properties: {Days: {Ref: RunRetention}}}
  PullRequestProject: {Type: "AWS::CodeBuild::Project", Condition: IsConnected}
Outputs:
  Bucket: {Value: {Ref: Bucket}}
  ConnectionArn: {Value: {Ref: GitHubConnection}}
  PullRequestProject: {Value: {Ref: PullRequestProject}}
"""
GIVEN = {"Repository": "octo/model"}


@dataclass
class Answers:
    """A user. `answers` are given in turn; `interrupt` is what is heard while something goes on."""

    answers: list[bool] = field(default_factory=list)
    assume_yes: bool = False
    is_interactive: bool = True
    said: list[str] = field(default_factory=list)
    events: list[StackEvent] = field(default_factory=list)
    questions: list[str] = field(default_factory=list)
    heard: Interrupts = field(default_factory=queue.SimpleQueue)

    @property
    def text(self) -> str:
        return "\n".join(self.said)

    @property
    def interrupts(self) -> Callable[[], Any]:
        @contextmanager
        def open_interrupts() -> Iterator[Interrupts]:
            yield self.heard

        return open_interrupts

    def message(self, text: str) -> None:
        self.said.append(text)

    def show(self, lines: Sequence[Line]) -> None:
        self.said += [line.text for line in lines]

    def on_event(self, event: StackEvent) -> None:
        self.events.append(event)

    def confirm(self, question: str) -> bool:
        self.questions.append(question)
        return self.answers.pop(0)


@dataclass
class Boot:
    """What a test of `mlci bootstrap` has at hand. All services but two are moto's."""

    root: Path
    formation: Formation = field(default_factory=Formation)
    connections: CodeConnections = field(default_factory=CodeConnections)
    base_branch: str | None = "main"
    origin: str | None = "github.com/octo/model"
    repository_ids: dict[str, str] = field(default_factory=lambda: {"octo/model": "1234"})

    def __post_init__(self) -> None:
        self.formation.on_make, self.formation.on_remove = self._made, self._removed

    @functools.cached_property
    def account(self) -> Account:
        fakes = {"cloudformation": self.formation, "codeconnections": self.connections}
        retry_policy = RetryPolicy(waiting_clock(), 10.0)

        @functools.cache
        def api(service: str) -> Api:
            return Api(fakes.get(service) or boto3.client(service, region_name=REGION), retry_policy)

        return Account(api, Identity(ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/me", "aws"), REGION)

    def set_up(self, prompt: Answers, template: str = TEMPLATE, **chosen: str) -> int:
        around = RepositoryContext(
            self.root,
            "flow.yaml",
            self.base_branch,
            lambda: "^(flow\\.yaml)$",
            self.origin,
            repository_id=self.repository_ids.get,
        )
        return set_up(FLOW, template, chosen, around, self.account, prompt)

    def tear_down(self, prompt: Answers, deletes_bucket: bool = False, bucket: str | None = None) -> int:
        return tear_down(FLOW, bucket, deletes_bucket, self.account, prompt)

    @property
    def stack(self) -> FormationStack | None:
        return next((stack for stack in self.formation.living if stack.name == STACK), None)

    @property
    def buckets(self) -> list[str]:
        return [entry["Name"] for entry in boto3.client("s3", region_name=REGION).list_buckets()["Buckets"]]

    def _made(self, kind: str, name: str) -> None:
        if kind == "AWS::S3::Bucket":
            s3 = boto3.client("s3", region_name=REGION)
            s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
            s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": [{"Key": "mlci:flow", "Value": FLOW}]})
            s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})

    def _removed(self, kind: str, name: str) -> None:
        assert kind != "AWS::S3::Bucket"
