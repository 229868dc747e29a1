"""A month of pull requests on a copy of the example: random edits, and what mlci decides to reuse for each of them."""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

from mlci.flow import load
from mlci.flow.dependencies import read_by
from mlci.plan import Plan, Target, plan
from mlci.reuse.decisions import reused_steps
from mlci.reuse.key_document import RunKeys
from mlci.reuse.record import Record, RecordedMetrics, RecordedOutput
from mlci.reuse.step_keys import step_keys
from mlci.stage import Cache, find_repository, stage

REGION = "us-east-1"
_START = datetime(2026, 1, 5, tzinfo=timezone.utc)

#: What a push changes, and how often of a hundred. An assumption: no team publishes this.
MIX: Mapping[str, int] = {
    "README only": 30,
    "evaluate.py": 20,
    "a param of the training": 16,
    "train.py": 14,
    "preprocess.py": 6,
    "features.py, which all scripts import": 4,
    "data": 5,
    "image": 2,
    "nothing: the build is run again": 3,
}
#: The pushes to a pull request, each as likely.
PUSHES = (1, 2, 3, 4)


@dataclass(frozen=True)
class Push:
    """A push to a pull request, or the merge of one: what it changed, and the plan and the keys of its run."""

    edit: str
    planned: Plan
    keys: RunKeys
    is_merge: bool = False


@dataclass(frozen=True)
class Planner:
    """Plans the runs of the flow in a folder, as builds of it on AWS do."""

    folder: Path
    cache: Cache

    def push(self, edit: str, number: int, is_merge: bool = False) -> Push:
        """The run that a push starts. `number` tells it from all others."""
        planned = self.plan(target_of(number, is_merge))
        return Push(edit, planned, step_keys(planned), is_merge)

    def plan(self, target: Target, text: str | None = None) -> Plan:
        """The plan of a run, of the folder's flow or of a variant of it."""
        file = self.folder / "flow.yaml"
        flow = load(file.read_bytes() if text is None else text.encode(), file.name)
        return plan(flow, stage(flow, find_repository(file), REGION, self.cache), target)


def target_of(number: int, is_protected: bool = False) -> Target:
    """The target of a build. Its run has the number in its name."""
    role = "arn:aws:iam::123456789012:role/jobs"
    return Target("bucket", role, f"20260105-090000-{number:06x}", is_protected=is_protected)


def month(planner: Planner, pull_requests: int, seed: int) -> Iterator[Push]:
    """A build of the base branch, then the pushes of some pull requests, one after the other, each with its merge.

    The folder's files are edited.
    """
    generator, numbers = random.Random(seed), itertools.count(1)
    yield planner.push("the base branch", 0, is_merge=True)
    for number in range(pull_requests):
        for _ in range(generator.choice(PUSHES)):
            edit = generator.choices(list(MIX), list(MIX.values()))[0]
            EDITS[edit](planner.folder, generator)
            yield planner.push(edit, next(numbers))
        yield planner.push(f"merge of pull request {number + 1}", next(numbers), is_merge=True)


@dataclass
class Records:
    """The records by the keys of steps. A pull request reads both scopes and writes its own; a merge has the base's."""

    base: dict[str, list[Record]] = field(default_factory=dict)
    pull_requests: dict[str, list[Record]] = field(default_factory=dict)

    def run(self, push: Push) -> frozenset[str]:
        """The steps that a push does not run. Those that it runs succeed, and have records from then on."""
        scopes = (self.base,) if push.is_merge else (self.base, self.pull_requests)
        readable = {
            step.key: [record for scope in scopes for record in scope.get(step.key, ())]
            for step in push.keys.steps.values()
        }
        reused = reused_steps(push.planned, push.keys, readable, {}, None).reused
        run_ids = {name: record.run_id for name, record in reused.items()}
        for name in push.planned.steps.keys() - reused.keys():
            record = _record(push, name, run_ids)
            (self.base if push.is_merge else self.pull_requests).setdefault(record.key, []).append(record)
        return frozenset(reused)


def _record(push: Push, name: str, reused: Mapping[str, str]) -> Record:
    """The record of a step that a push has run; `reused` has the runs of those that it has not."""
    step, key = push.planned.steps[name], push.keys.steps[name].key
    run_id = push.planned.target.run_id
    return Record(
        key=key,
        flow=push.planned.flow.name,
        step=name,
        run_id=run_id,
        made=_START,
        outputs={output: RecordedOutput(uri) for output, uri in step.outputs.items()},
        metrics=RecordedMetrics(step.metrics, 0, "") if step.metrics else None,
        reads={other: reused.get(other, run_id) for other in read_by(push.planned.flow.steps[name])},
    )


# --- Edits ---

Edit = Callable[[Path, random.Random], None]


def _append(path: str) -> Edit:
    def edit(folder: Path, generator: random.Random) -> None:
        with (folder / path).open("a", encoding="utf-8") as file:
            file.write(f"# {generator.getrandbits(64):x}\n")

    return edit


def _param(folder: Path, generator: random.Random) -> None:
    """Another depth of the trees: there are few, so that some were tried before."""
    _replace(folder / "flow.yaml", r"(?m)^  max_depth: \d+", f"  max_depth: {generator.randint(3, 8)}")


def _image(folder: Path, generator: random.Random) -> None:
    version = generator.choice(["1.2-2", "1.3-1", "1.5-1", "1.7-1"])
    _replace(folder / "flow.yaml", r"image: xgboost:[\d.-]+", f"image: xgboost:{version}")


def _data(folder: Path, generator: random.Random) -> None:
    """One row less."""
    file = folder / "data" / "breast_cancer.csv"
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    del lines[generator.randrange(1, len(lines))]
    file.write_text("".join(lines), encoding="utf-8")


def _replace(file: Path, pattern: str, text: str) -> None:
    file.write_text(re.sub(pattern, text, file.read_text(encoding="utf-8")), encoding="utf-8")


def _nothing(folder: Path, generator: random.Random) -> None:
    pass


EDITS: Mapping[str, Edit] = {
    "README only": _append("README.md"),
    "evaluate.py": _append("src/breast_cancer/evaluate.py"),
    "a param of the training": _param,
    "train.py": _append("src/breast_cancer/train.py"),
    "preprocess.py": _append("src/breast_cancer/preprocess.py"),
    "features.py, which all scripts import": _append("src/breast_cancer/features.py"),
    "data": _data,
    "image": _image,
    "nothing: the build is run again": _nothing,
}
