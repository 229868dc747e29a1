"""Reports the outputs that a step left empty: when it succeeds, and in the reason of a later step that reads them.

SageMaker uploads nothing for an empty folder and saves no archive of an empty model, and the job succeeds. A later step
then fails on an input that is not there, with the URI alone.

Source: https://github.com/aws/sagemaker-python-sdk/issues/3455 (models); API_CreateTrainingJob.html (inputs).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace

from mlci.backends.progress import Progress, StepState
from mlci.errors import CloudError
from mlci.flow.models import StepOutput
from mlci.plan.models import Plan
from mlci.step_types import STEP_TYPES

#: The message of S3's NoSuchKey: a step copies an output that its job did not save.
_NO_SUCH_KEY = "The specified key does not exist"


class EmptyOutputs:
    """The empty outputs of a run's steps. `is_empty` returns whether no object's URI begins with a text."""

    def __init__(self, planned: Plan, is_empty: Callable[[str], bool], log: Callable[[str], None]) -> None:
        self._planned, self._is_empty, self._log = planned, is_empty, log
        self._empty: set[StepOutput] = set()

    def explain(self, before: Progress, progress: Progress) -> Progress:
        """Return the progress, in which the reason of a step that just failed names the empty output behind it.

        An empty output of a step that just succeeded is logged.
        """
        states = {name: progress.steps[name] for name in progress.changed}
        changed = {name: step for name, step in states.items() if step.status != before.steps[name].status}
        for name, step in changed.items():
            if step.status in ("succeeded", "reused"):
                self._check(name)
        failed = {name: self._explained(name, step) for name, step in changed.items() if step.status == "failed"}
        return replace(progress, steps={**progress.steps, **failed}) if failed else progress

    def _check(self, name: str) -> None:
        if self._copied_outputs(name):
            return  # they are copied to their place after the job, and that fails if there is nothing to copy
        for output, uri in self._planned.steps[name].outputs.items():
            with contextlib.suppress(CloudError):  # the run does not depend on it
                if self._is_empty(uri):
                    self._empty.add(StepOutput(name, output))
                    self._log(self._sentence(name, output))

    def _explained(self, name: str, step: StepState) -> StepState:
        reason = step.reason or ""
        if _NO_SUCH_KEY in reason and self._copied_outputs(name):
            return replace(step, reason=". ".join(self._sentence(name, each) for each in self._copied_outputs(name)))
        inputs = self._planned.flow.steps[name].inputs.values()
        sources = [source for source in inputs if isinstance(source, StepOutput) and source in self._empty]
        sentences = [self._sentence(source.step, source.output) for source in sources]
        return replace(step, reason=". ".join([*sentences, reason])) if sources else step

    def _sentence(self, name: str, output: str) -> str:
        """Say that an output is empty, and where it is written."""
        step = self._planned.flow.steps.get(name)
        container = STEP_TYPES[step.uses].container if step else None
        what = f'step "{name}" left its output "{output}" empty'
        if step is None or container is None or output in step.output_paths:
            return what
        if container.passes_uris:
            return f"{what}: its script wrote nothing to the URI that it got"
        example = f"outputs: {{{output}: <path>}}"
        return f"{what}: its script wrote nothing to {container.output(output)}. For a path of its own, write {example}"

    def _copied_outputs(self, name: str) -> tuple[str, ...]:
        """Return the outputs that the step's type gives it: SageMaker saves them under the job's own name."""
        return STEP_TYPES[self._planned.flow.steps[name].uses].outputs or ()
