"""A flow of one step, whose metric is its param: its gate compares with the baseline."""

from __future__ import annotations

FLOW = """\
flow: iris
params: {auc: 0.95}
defaults: {image: "mine.example/image:1", timeout: 1m}
steps:
  measure:
    uses: processing
    run: measure.py
    args: ["${{ params.auc }}"]
    outputs: [out]
    metrics: out/metrics.json
gate: [{metric: measure.auc, max_drop: 0.02}]
"""
SCRIPT = """\
import json, os, sys
os.makedirs("/opt/ml/processing/output/out", exist_ok=True)
json.dump({"auc": float(sys.argv[1])}, open("/opt/ml/processing/output/out/metrics.json", "w"))
"""
