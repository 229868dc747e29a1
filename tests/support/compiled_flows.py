"""Flows that are planned and compiled without a repository."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from mlci.compile import compile_plan
from mlci.flow import Json, load
from mlci.plan import Plan, ReusedResult, Target, plan
from mlci.stage.models import CodeUnit, Staged
from mlci.step_types.script_start import ScriptStart

XGBOOST_IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"


def planned(text: str, reused: Mapping[str, ReusedResult] | None = None) -> Plan:
    """Return the plan of a flow whose steps with a script run `a.py`; an algorithm has the image of XGBoost."""
    flow = load(text.encode(), "flow.yaml")
    scripts = [step.name for step in flow.steps.values() if step.run]
    images = {step.name: "mine.example/image:7" for step in flow.steps.values() if step.image}
    images |= {step.name: XGBOOST_IMAGE for step in flow.steps.values() if "algorithm" in step.values}
    unit = CodeUnit(ScriptStart({"script": "a.py"}), (), ())
    staged = Staged(dict.fromkeys(scripts, unit), {}, images)
    target = Target("bucket", "arn:aws:iam::000000000000:role/r", "20261123-101530-3f9c2a")
    return plan(flow, staged, target, reused=reused)


_DEFINITIONS: dict[str, str] = {}


def kept_definition(key: Json, make: Callable[[], str]) -> str:
    """Return the definition of a structure, which is compiled once for all tests of a process."""
    text = json.dumps(key)
    if text not in _DEFINITIONS:
        _DEFINITIONS[text] = make()
    return _DEFINITIONS[text]


def compiled(text: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the definition and the execution input of a flow."""
    result = compile_plan(planned(text), lambda key, compute: compute())
    return json.loads(result.definition), json.loads(result.execution_input)
