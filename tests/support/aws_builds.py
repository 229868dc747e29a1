"""Builds of a small repository on a pretended AWS, in this process."""

from __future__ import annotations

import os
import queue
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

from mlci.backends.aws.backend import AwsCloud, AwsTarget, aws_cloud
from mlci.backends.aws.caller_identity import identify
from mlci.backends.progress import Progress, StepState
from mlci.errors import MlciError
from mlci.flow import load
from mlci.flow.models import Flow
from mlci.interrupts import Interrupts
from mlci.plan import Target, run_id
from mlci.plan.names import JobSteps, Names
from mlci.report.result import Result
from mlci.run import run
from mlci.running.context import RunContext
from mlci.runs.run_folder import RunFolder
from mlci.stage import Cache, find_repository
from support.fake_aws import BUCKET, JOB_ROLE, PATIENCE_S, REGION, ROLE, SPEED, PretendAws
from support.project import CACHE

FLOW = """
flow: small
defaults: {image: "mine.example/image:7", timeout: 10m}
steps:
  train: {uses: training, run: train.py}
  measure:
    uses: processing
    run: measure.py
    inputs: {model: "${{ steps.train.outputs.model }}", raw: data.csv}
    outputs: [out]
    metrics: out/metrics.json
gate:
  - {metric: measure.auc, min: 0.9}
"""


@dataclass
class Log:
    """What a build log shows."""

    lines: list[str] = field(default_factory=list)
    steps: Mapping[str, StepState] = field(default_factory=dict)

    def log(self, text: str) -> None:
        self.lines.append(text)

    def update(self, progress: Progress) -> None:
        self.steps = progress.steps

    def use_run(self, run_id: str, tail: Callable[[str], str]) -> None:
        pass

    def live(self) -> nullcontext[None]:
        return nullcontext()

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


@dataclass
class Builder:
    """A repository with a flow in it, and builds of it on a pretended AWS. Where they do not reuse, each runs all."""

    root: Path
    aws: PretendAws
    speed: float = SPEED
    patience_s: float = PATIENCE_S
    interrupts: Interrupts = field(default_factory=queue.SimpleQueue)
    log: Log = field(default_factory=Log)
    reuses: bool = True
    _opened: AwsCloud | None = None

    def write(self, flow: str = FLOW) -> None:
        (self.root / "flow.yaml").write_text(flow)
        for name in ("train.py", "measure.py", "data.csv"):
            (self.root / name).write_text(f"# {name}")

    def flow(self) -> Flow:
        return load((self.root / "flow.yaml").read_bytes(), "flow.yaml", {}, {})

    def cloud(self, flow: Flow) -> AwsCloud:
        """The cloud of a build. It is opened as the command opens it, but for clients, which take long to make."""
        if self._opened is None:
            self._opened = self._open(flow)
        self._opened.objects.check_bucket(BUCKET, REGION)
        return self._opened

    def _open(self, flow: Flow) -> AwsCloud:
        session = self.aws.session(speed=self.speed, patience_s=self.patience_s)
        target = AwsTarget(identify(session), REGION, ROLE, "github.com/octo/model")

        jobs = JobSteps(Names(flow.name), flow.steps)

        def log_file(job: str) -> Path:
            run, step = jobs.step_of(job)
            return self._folder(run).log(step)

        return aws_cloud(session, target, flow.step_types, log_file, self.log.log)

    def context(self, build: str | None = None, attaches: bool = True) -> RunContext:
        wanted = run_id(datetime.now(timezone.utc), os.urandom(2).hex())
        target = Target(BUCKET, JOB_ROLE, wanted, "0" * 40, "main", is_trusted=build is None, build=build)
        return RunContext(
            repository=find_repository(self.root / "flow.yaml"),
            region=REGION,
            cache=Cache(CACHE),
            target=target,
            folder=self._folder(wanted),
            reporter=self.log,
            interrupts=self._open_interrupts,
            attaches=attaches,
            fresh={} if self.reuses else dict.fromkeys(self.flow().steps, "--fresh"),
        )

    def run(self, build: str | None = None, attaches: bool = True) -> Result:
        """A build.

        Raises: MlciError, as the command would exit with.
        """
        flow = self.flow()
        return run(flow, self.context(build, attaches), self.cloud(flow))

    def exit_code(self, build: str | None = None) -> int:
        try:
            return self.run(build).exit_code
        except MlciError as error:
            self.log.log(str(error))
            return error.exit_code

    def _folder(self, run: str) -> RunFolder:
        return RunFolder(self.root / ".mlci" / "runs" / run)

    @contextmanager
    def _open_interrupts(self) -> Iterator[Interrupts]:
        yield self.interrupts
