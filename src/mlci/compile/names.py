"""Names that stand in the definition and are looked for in what comes of it."""

from __future__ import annotations

#: The error name of the Fail state that a missed gate ends in.
GATE_MISSED = "mlci.GateMissed"


def keeping_model(step: str) -> str:
    """The state that copies a trained model to where the other steps look for it; its failure is the step's."""
    return f"{step}: keep the model"
