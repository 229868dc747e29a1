"""The files that `mlci plan` says are staged for each step."""

from __future__ import annotations

from pathlib import Path

from mlci.flow import load
from mlci.plan import Target, plan
from mlci.report.staged_files import staged_files
from mlci.stage import Cache, find_repository, stage

FLOW = """
flow: x
defaults: {image: "123456789012.dkr.ecr.us-east-1.amazonaws.com/mine:7"}
steps:
  a: {uses: processing, run: a.py, inputs: {raw: data}, include: [big.txt]}
  b: {uses: processing, run: -m pkg.b}
  c: {uses: processing, run: -m papermill}
  d: {uses: training, run: dvc}
  many: {uses: training, run: a.py, include: ["many/*"], matrix: {fold: [1, 2]}}
"""


def test_each_step_has_its_files_with_their_sizes_and_what_starts(tmp_path: Path) -> None:
    files = {"a.py": "x", "big.txt": "y" * 2500, "data/r.csv": "abc", "pkg/b.py": ""}
    for path, text in {**files, **{f"many/{number:02}": "z" * number for number in range(30)}}.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    (tmp_path / "flow.yaml").write_text(FLOW)
    flow = load(FLOW.encode(), "flow.yaml", {}, {})
    staged = stage(flow, find_repository(tmp_path / "flow.yaml"), "us-east-1", Cache(None))
    target = Target("bucket", "arn:aws:iam::000000000000:role/r", "20261123-101530-3f9c2a")
    lines = staged_files(plan(flow, staged, target)).splitlines()
    assert lines[:12] == [
        "files",
        "  a: a.py, 2 files, 2.5 kB",
        "    a.py     1 bytes",
        "    big.txt  2.5 kB",
        "    input raw: data, 1 file, 3 bytes",
        "  b: -m pkg.b of the repository, 1 file, 0 bytes",
        "    pkg/b.py  0 bytes",
        "  c: -m papermill of the image, 0 files, 0 bytes",
        "  d: dvc, a program of the image, 0 files, 0 bytes",
        "  many: a.py, 31 files, 436 bytes",
        "    many/10  10 bytes",
        "    many/11  11 bytes",
    ]
    assert lines[-1] == "    … and 11 smaller"
