"""`mlci noise` by the real command: a flow against itself with other seeds."""

from __future__ import annotations

import json

import pytest

from support.project import Project

FLOW = """
flow: noisy
params: {seed: 7, name: a, least: 1}
defaults: {image: 'mine.example/image:1', timeout: 1m}
steps:
  data: {uses: processing, run: data.py, outputs: [rows]}
  measure:
    uses: processing
    run: measure.py
    args: ["${{ params.seed }}", "${{ params.least }}"]
    inputs: {rows: "${{ steps.data.outputs.rows }}"}
    outputs: [out]
    metrics: out/m.json
  publish: {uses: processing, run: publish.py, after: [gate]}
gate:
  - {metric: measure.auc, max_drop: 0.15}
"""
MEASURE = """
import json, sys
seed, least = int(sys.argv[1]), int(sys.argv[2])
if seed < least:
    raise SystemExit("this seed is too small")
json.dump({"auc": seed / 10}, open("/opt/ml/processing/output/out/m.json", "w"))
"""


@pytest.fixture
def noisy(project: Project) -> Project:
    project.write("flow.yaml", FLOW)
    project.write("data.py", 'open("/opt/ml/processing/output/rows/r", "w").write("1")\n')
    project.write("measure.py", MEASURE)
    project.write("publish.py", "raise SystemExit('published')\n")
    return project


def test_each_seed_runs_what_depends_on_it_and_the_spread_is_told(noisy: Project) -> None:
    done = noisy.mlci("noise", "--param", "seed", "--seeds", "4")
    assert done.returncode == 0, done.stdout + done.stderr
    row = next(line for line in done.stdout.splitlines() if line.startswith("measure.auc "))
    assert row.split()[:6] == ["measure.auc", "0.25", "0.1291", "0.1", "0.4", "0.3"]
    assert row.rstrip().endswith("max_drop 0.15: red in 25% of pairs")
    assert "the gate is red in 25% of comparisons of a model with itself" in done.stdout
    steps = noisy.result()["steps"]
    assert {name: step["status"] for name, step in steps.items()} == {"data": "reused", "measure": "succeeded"}
    assert noisy.result()["partial"] is True
    assert noisy.result()["rules"] == []
    assert "part of the flow" in noisy.mlci("list").stdout
    assert not [path for path in (noisy.root / ".mlci/store").rglob("*") if "baselines" in path.parts]
    again = noisy.mlci("noise", "--param", "seed", "--seeds", "4", "--json")
    document = json.loads(again.stdout)
    assert (document["schema"], document["param"], document["seeds"]) == (1, "seed", [1, 2, 3, 4])
    assert document["metrics"]["measure.auc"]["values"] == [0.1, 0.2, 0.3, 0.4]
    assert noisy.result()["steps"]["measure"]["status"] == "reused"


def test_a_seed_that_fails_ends_it_or_is_left_out(noisy: Project) -> None:
    arguments = ("noise", "--param", "seed", "--seeds", "4", "--param", "least=2")
    done = noisy.mlci(*arguments)
    assert done.returncode == 3, done.stdout + done.stderr
    assert "0 of 4 seeds gave metrics, too few for a spread: the run with seed 1 failed" in done.stderr
    assert "this seed is too small" in done.stderr
    going = noisy.mlci(*arguments, "--keep-going")
    assert going.returncode == 3
    assert "measure.auc  0.3" in going.stdout


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--param", "sed"], 'flow.yaml has no param "sed". Did you mean "seed"?'),
        (["--param", "name"], 'the param "name" is "a", and a seed is a whole number.'),
        ([], "no param is named whose value is the seed. Name one, without a value: mlci noise --param seed"),
        (["--param", "seed", "--param", "seed=1"], '"seed" has a value, and is to have each seed.'),
        (["--param", "seed", "--seeds", "2"], "2 seeds tell no spread. Take at least 3"),
    ],
)
def test_what_can_t_be_measured_is_refused_before_anything_runs(
    noisy: Project, arguments: list[str], expected: str
) -> None:
    done = noisy.mlci("noise", *arguments)
    assert done.returncode == 2
    assert expected in done.stderr
    assert not (noisy.root / ".mlci").exists()
