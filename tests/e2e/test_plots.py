"""Plots in a report: files that a step names, and the cases that it tested, beside those of the baseline."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from support.git_repositories import commit, repository
from support.project import Project

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

FLOW = """\
flow: drawn
params: {shift: 0.0}
defaults: {image: "mine.example/image:1", timeout: 1m}
steps:
  evaluate:
    uses: processing
    run: evaluate.py
    args: ["${{ params.shift }}"]
    outputs: [out]
    metrics: out/metrics.json
    cases: out/cases.csv
    plots: [out/learning.csv, out/picture.svg, out/missing.png, out/text.json]
gate: [{metric: evaluate.spread, min: 0}]
"""
SCRIPT = """\
import json, pathlib, random, sys
out = pathlib.Path("/opt/ml/processing/output/out")
out.mkdir(parents=True, exist_ok=True)
generator, shift = random.Random(1), float(sys.argv[1])
out.joinpath("metrics.json").write_text('{"spread": 1}')
rows = ["id,label,predicted,score"]
for number in range(60):
    label = number % 2
    score = min(1, max(0, generator.gauss(0.3 + 0.4 * label - shift, 0.2)))
    rows.append(f"{number},{label},{int(score >= 0.5)},{score}")
out.joinpath("cases.csv").write_text("\\n".join(rows))
out.joinpath("learning.csv").write_text("epoch,loss\\n1,0.5\\n2,0.25\\n")
out.joinpath("picture.svg").write_text(f"<svg xmlns='http://www.w3.org/2000/svg'><text>{shift}</text></svg>")
out.joinpath("text.json").write_text('"no columns"')
"""


@pytest.fixture
def drawn(project: Project) -> Project:
    project.write("flow.yaml", FLOW)
    project.write("evaluate.py", SCRIPT)
    repository(project.root, **{".gitignore": ".mlci/\n"})
    return project


def test_a_report_shows_the_plots_of_its_steps(drawn: Project, tmp_path: Path) -> None:
    first = drawn.mlci("run")
    assert first.returncode == 0, first.stdout + first.stderr
    assert 'the plot out/missing.png of "evaluate" is not shown: there is no such file' in first.stdout
    assert 'the plot out/text.json of "evaluate" is not shown: it is neither an object of lists' in first.stdout
    shown = drawn.latest("report.html")
    titles = re.findall(r'<img src="data:image/svg\+xml;base64,[^"]+" alt="([^"]+)">', shown)
    assert titles == [
        "evaluate: learning.csv",
        "evaluate: picture.svg",
        "evaluate: ROC",
        "evaluate: precision and recall",
        "evaluate: calibration",
        "evaluate: confusion",
    ]
    assert "<img" not in drawn.latest("report.md")
    drawn.write("flow.yaml", FLOW.replace("shift: 0.0", "shift: 0.2"))
    commit(drawn.root)
    second = drawn.mlci("run")
    assert second.returncode == 0, second.stdout + second.stderr
    assert 'alt="evaluate: picture.svg, baseline"' in drawn.latest("report.html")


def test_plots_name_files_of_the_step(drawn: Project) -> None:
    drawn.write("flow.yaml", FLOW.replace("out/learning.csv, out/picture.svg", "ot/learning.csv, out/picture.gif"))
    refused = drawn.mlci("validate")
    assert refused.returncode == 2
    assert "flow.yaml:12:" in refused.stderr
    assert '"plots" is in "ot", which is no output of step "evaluate". Did you mean "out"?' in refused.stderr
    assert '"plots" is a plot in a .png, .svg, .csv or .json file, but names "out/picture.gif"' in refused.stderr
