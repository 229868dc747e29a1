"""Notes on models that no script serves, as far as the flow tells: their steps would fail after the training."""

from __future__ import annotations

from collections.abc import Iterator

from mlci.errors import Problem
from mlci.flow.models import Flow, Step, StepOutput
from mlci.flow.names import written_name
from mlci.step_types import STEP_TYPES


def model_notes(flow: Flow) -> Iterator[Problem]:
    """Yield a note for each step that has SageMaker serve a model whose training step names no script for that."""
    seen = set()
    for step in flow.steps.values():
        name, maker = written_name(step.name), _maker(step, flow)
        if maker is None or name in seen:
            continue
        seen.add(name)
        at, made_by = flow.position("steps", name, "model"), written_name(maker.name)
        what = f'step "{name}" needs a script that serves the model of "{made_by}", and "{made_by}" names none'
        cure = f'Give "{made_by}" an "inference" script, or "{name}" a "program" that the archive of the model holds'
        yield Problem(at.file, at.line, at.column, what, f'{cure}; "program: none" where the image serves it by itself')


def _maker(step: Step, flow: Flow) -> Step | None:
    """Return the training step of the model that a step serves by a script which nothing names; None for others."""
    source = step.inputs.get("model")
    if STEP_TYPES[step.uses].key("program") is None or "program" in step.values or not isinstance(source, StepOutput):
        return None
    maker = flow.steps[source.steps[0]]
    has_inference = STEP_TYPES[maker.uses].key("inference") is not None
    return maker if has_inference and maker.run and "inference" not in maker.values else None
