"""A flow as a Mermaid graph."""

from __future__ import annotations

from mlci.backends.progress import StepStatus
from mlci.flow import load
from mlci.report.flow_graph import flow_graph
from mlci.report.mermaid import mermaid

FLOW = b"""
flow: drawn
defaults: {image: "mine.example/image:7"}
steps:
  measure: {uses: processing, run: a.py, inputs: {raw: data/x.csv}, outputs: [out], metrics: out/m.json}
  register: {uses: processing, run: a.py, after: gate}
  tell: {uses: processing, run: a.py, if: [{metric: measure.auc, min: 1}]}
gate: [{metric: measure.auc, min: 0.9}]
"""


def test_data_steps_gate_and_conditions_are_drawn() -> None:
    assert mermaid(flow_graph(load(FLOW, "flow.yaml", {}, {}))).splitlines() == [
        "flowchart LR",
        '  s1["measure<br/><small>processing</small>"]',
        '  s2["register<br/><small>processing</small>"]',
        '  s3["tell<br/><small>processing</small>"]',
        '  d1[("data/x.csv")]',
        '  gate_{"gate"}',
        "  d1 --> s1",
        "  gate_ --> s2",
        "  s1 -. if .-> s3",
        "  s1 --> gate_",
    ]


def test_a_gate_that_mlci_judges_before_what_is_behind_it_says_so() -> None:
    cases = FLOW.replace(b"metrics: out/m.json", b"metrics: out/m.json, cases: out/c.csv").replace(
        b"auc, min: 0", b"recall, min: 0"
    )
    asked = '  gate_{"gate<br/><small>judged by mlci</small>"}'
    assert asked in mermaid(flow_graph(load(cases, "flow.yaml", {}, {}))).splitlines()
    for other in (
        cases.replace(b", after: gate", b""),
        cases.replace(b"min: 0.9", b"min: 0.9, level: warn"),
    ):
        assert '  gate_{"gate"}' in mermaid(flow_graph(load(other, "flow.yaml", {}, {}))).splitlines()


def test_an_outcome_colours_it() -> None:
    outcome: dict[str, StepStatus] = {"measure": "succeeded", "register": "skipped"}
    drawn = mermaid(flow_graph(load(FLOW, "flow.yaml", {}, {}), outcome, gate_held=False))
    assert "✔ measure" in drawn
    assert "✘ gate" in drawn
    assert "style s1 stroke:#1a7f37" in drawn
