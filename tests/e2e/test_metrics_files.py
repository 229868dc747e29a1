"""Metrics files of every kind: each run ends with a verdict and a report."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from support.project import Project

MakeFlow = Callable[..., Project]

WRITE = """
import os
os.makedirs("/opt/ml/processing/output/out", exist_ok=True)
open("/opt/ml/processing/output/out/metrics.json", "w").write(TEXT)
"""


@pytest.mark.parametrize(
    ("text", "gate", "words"),
    [
        ("'{\"auc\": ' + '9' * 400 + '}'", "min: 0.9", "beyond 1.8e308"),
        ("'{\"auc\": ' + '9' * 5000 + '}'", "max_drop: 0.1", "beyond 1.8e308"),
        ("'{\"auc\": 0.95, \"x\": ' + '[' * 900 + ']' * 900 + '}'", "min: 0.9", "nested more than 100 levels"),
        ("'{\"auc\": 0.95, \"x\": ' + '[' * 30000 + ']' * 30000 + '}'", "min: 0.9", "nested more than 100 levels"),
        ("'{\"auc\": 9007199254740992}'", "min: 9007199254740993", "is missed by 1"),
        ("'{\"auc\": 0.95}' + ' ' * 70000", "min: 0.9", "too large"),
        ("'{\"auc\": 0.95}' + ' ' * 300000", "min: 0.9", "metrics"),
    ],
)
def test_a_strange_metrics_file_misses_its_rule_in_a_report(
    script_flow: MakeFlow, text: str, gate: str, words: str
) -> None:
    project = script_flow(
        {"measure": WRITE.replace("TEXT", text)},
        {"measure": "outputs: [out]\nmetrics: out/metrics.json"},
        f"gate: [{{metric: measure.auc, {gate}}}]",
    )
    done = project.mlci("run")
    assert "inside of mlci" not in done.stderr
    assert "inside mlci" not in done.stderr
    result = project.result()
    assert done.returncode == result["exit_code"]
    assert (result["status"], result["rules"][0]["held"]) == ("gate_missed", False), result["reason"]
    assert words in result["rules"][0]["text"]
