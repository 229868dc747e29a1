"""The modules that commands import which only look: each costs every user a part of a millisecond, some a hundred."""

from __future__ import annotations

import pytest

from support.project import Project

FLOW = """
flow: looked-at
defaults: {image: 'mine.example/image:1', timeout: 1m}
steps:
  train: {uses: training, run: train.py}
  measure:
    uses: processing
    run: measure.py
    inputs: {model: "${{ steps.train.outputs.model }}"}
    outputs: [out]
    metrics: out/m.json
gate: [{metric: measure.rows, min: 1}]
"""
#: What is slow to import, and never needed to look at something.
SLOW = ("pydantic", "yaml", "boto3", "botocore", "stepfunctions", "sagemaker", "numpy", "scipy", "xml", "asyncio")
#: The parts that only a run needs.
OF_RUNS = ("mlci.run", "mlci.running.prepared_run", "mlci.backends.local", "mlci.gate.statistics", "mlci_emulator.jobs")
#: The parts that only a plan needs.
OF_PLANS = ("mlci.stage", "mlci.plan", "mlci.compile", "mlci.gate", "mlci.backends.protocol")


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A repository whose flow the cache knows."""
    project = Project(tmp_path_factory.mktemp("looked-at"))
    for name in ("train", "measure"):
        project.write(f"{name}.py", "import json\n")
    project.write("flow.yaml", FLOW)
    done = project.mlci("validate")
    assert done.returncode == 0, done.stdout + done.stderr
    return project


@pytest.mark.parametrize(
    ("command", "unwanted", "most"),
    [
        (["validate"], (*SLOW, *OF_RUNS, "rich", "typing_extensions", "mlci.flow.loading", "mlci.gate"), 155),
        (["list"], (*SLOW, *OF_RUNS, *OF_PLANS, "rich"), 55),
        (["--help"], (*SLOW, *OF_RUNS, *OF_PLANS, "rich", "mlci.runs.run_folder"), 65),
    ],
)
def test_a_command_that_looks_imports_no_more_than_it_needs(
    checked: Project, command: list[str], unwanted: tuple[str, ...], most: int
) -> None:
    code = f"import sys; from mlci.cli import main; main({command}); print(*sys.modules, file=sys.stderr)"
    modules = checked.python(code).stderr.split()
    assert "mlci.cli.main" in modules
    parts = {".".join(name.split(".")[:length]) for name in modules for length in range(1, name.count(".") + 2)}
    assert sorted(parts & set(unwanted)) == []
    own = [name for name in modules if name.startswith("mlci")]
    assert len(own) < most, own
