"""Models that are too large to be copied at once: the real command, with smaller limits."""

from __future__ import annotations

import hashlib
from pathlib import Path

from support.project import Project

#: S3 copies 5 MiB at once here, and the state machine copies parts of that size.
SMALL_LIMITS = """
import os, sys
os.environ["MLCI_CACHE"] = "cache"  # what this compiles is for nobody else
from mlci.step_types import model_copy
from mlci_emulator.services.s3 import copy_object
model_copy.PART_BYTES = copy_object.MAX_SOURCE_BYTES = 5 << 20
from mlci.cli import main
sys.exit(main(["run"]))
"""
TRAIN = """
import hashlib, os
data = os.urandom(12 << 20)
open("/opt/ml/model/weights.bin", "wb").write(data)
print("weights", hashlib.sha256(data).hexdigest())
"""
TEST = """
import glob, hashlib, os, tarfile
[archive] = glob.glob("/opt/ml/processing/input/model/*")
data = tarfile.open(archive).extractfile("weights.bin").read()
print("weights", hashlib.sha256(data).hexdigest())
"""
FLOW = """flow: large
defaults: {image: "mine.example/image:1", timeout: 1m}
steps:
  train: {uses: training, run: train.py}
  test: {uses: processing, run: test.py, inputs: {model: "${{ steps.train.outputs.model }}"}}
"""


def test_a_step_reads_a_model_that_was_copied_in_parts(project: Project) -> None:
    for name, text in (("train.py", TRAIN), ("test.py", TEST), ("flow.yaml", FLOW)):
        project.write(name, text)
    done = project.python(SMALL_LIMITS)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "failed" not in done.stdout
    trained, tested = (
        next(line for line in project.latest(f"logs/{name}.log").splitlines() if line.startswith("weights"))
        for name in ("train", "test")
    )
    assert trained == tested
    models = sorted((project.root / ".mlci/store").rglob("model.tar.gz"))
    assert len({hashlib.sha256(model.read_bytes()).hexdigest() for model in models}) == 1
    assert [_below_the_run(model) for model in models][-1] == "train/model/model.tar.gz"
    assert len(models) == 2


def _below_the_run(file: Path) -> str:
    parts = file.parts
    return "/".join(parts[parts.index("runs") + 2 :]) if "runs" in parts else str(file)
