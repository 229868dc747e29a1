"""The steps that a rule on a run's cost counts."""

from __future__ import annotations

from dataclasses import replace

from mlci.flow.models import COST, Flow
from mlci.flow.part import with_later


def with_counted_steps(flow: Flow) -> Flow:
    """Returns the flow whose rules on the run's cost name the steps that they count: those not behind the gate.

    What stands behind the gate is not known when the gate is judged.
    """
    if not any(rule.is_budget and rule.path == (COST,) for rule in flow.gate):
        return flow
    behind = with_later((name for name, step in flow.steps.items() if step.is_after_gate), flow)
    counted = tuple(name for name in flow.steps if name not in behind)
    gate = (replace(rule, cells=counted) if rule.is_budget and rule.path == (COST,) else rule for rule in flow.gate)
    return replace(flow, gate=tuple(gate))
