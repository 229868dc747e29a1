"""A month of pull requests on a copy of the example: random edits, and the keys that the planner gives its steps."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mlci.flow import load
from mlci.plan import Target, plan
from mlci.reuse.step_keys import step_keys
from mlci.stage import Cache, find_repository, stage

TARGET = Target("bucket", "arn:aws:iam::123456789012:role/jobs", "20260105-090000-3f9c2a")
REGION = "us-east-1"

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
    """A push to a pull request, or the merge of one: what it changed, and the key of each step."""

    edit: str
    keys: Mapping[str, str]
    is_merge: bool = False


def keys_of(folder: Path, cache: Cache) -> dict[str, str]:
    """The keys of the steps of the flow in a folder, as its plan on AWS has them."""
    flow = load((folder / "flow.yaml").read_bytes(), "flow.yaml")
    staged = stage(flow, find_repository(folder / "flow.yaml"), REGION, cache)
    return {name: step.key for name, step in step_keys(plan(flow, staged, TARGET, {})).steps.items()}


def month(folder: Path, cache: Cache, pull_requests: int, seed: int) -> Iterator[Push]:
    """The pushes of some pull requests, one after the other, and each one's merge. The folder's files are edited."""
    generator = random.Random(seed)
    for number in range(pull_requests):
        for _ in range(generator.choice(PUSHES)):
            edit = generator.choices(list(MIX), list(MIX.values()))[0]
            EDITS[edit](folder, generator)
            yield Push(edit, keys_of(folder, cache))
        yield Push(f"merge of pull request {number + 1}", keys_of(folder, cache), is_merge=True)


@dataclass
class Scopes:
    """The keys that have records: a pull request reads both scopes and writes its own; a merge has only the base's."""

    base: set[str]
    pull_requests: set[str] = field(default_factory=set)

    def reused(self, push: Push) -> frozenset[str]:
        """The steps that a push does not run."""
        readable = self.base if push.is_merge else self.base | self.pull_requests
        return frozenset(name for name, key in push.keys.items() if key in readable)

    def record(self, push: Push) -> None:
        """Notes that all steps of a push have succeeded."""
        written = self.base if push.is_merge else self.pull_requests
        written.update(push.keys.values())


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
