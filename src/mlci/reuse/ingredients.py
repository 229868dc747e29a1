"""All that can change a step's result, as JSON by kind: what a step's key is the hash of.

Neither the run, its names and its URIs, nor the clock and the values of secrets are in it. An output of another step
counts by that step's key, and what the repository holds by its content.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from mlci.flow.models import (
    BaselineOutput,
    InputPath,
    Json,
    MetricValue,
    OutputPath,
    Reference,
    RepositoryPath,
    S3Location,
    SecretValue,
    Selection,
    Source,
    Step,
    StepOutput,
    Text,
    Value,
)
from mlci.plan.models import Plan
from mlci.reuse.request_fields import counted_fields
from mlci.stage.models import StagedFile
from mlci.step_types.build_run import BUILD
from mlci_dataclasses import dataclass

#: Stands for a text that has references in it. No map that a flow gives has this name.
PARTS = "${{}}"


class UnknownKey(Exception):
    """A step reads an output, or a metric, of a step whose key is not known, or objects that are not known."""


@dataclass(frozen=True)
class Ingredients:
    """Makes the ingredients of a plan's steps. `keys` are those of the steps before, `software` is the hash of what
    jobs run with here, and `objects` has what is known of the objects below an S3 URI."""

    plan: Plan
    keys: Mapping[str, str]
    software: str = ""
    objects: Mapping[str, Json] | None = None

    def of(self, name: str) -> dict[str, Json]:
        """Return the ingredients of a step; what it does not have is left out.

        Raises: UnknownKey.
        """
        step, planned = self.plan.flow.steps[name], self.plan.steps[name]
        code = planned.code
        found: dict[str, Json] = {
            "type": step.uses,
            "code": _hashes(code.package) if code else None,
            "start": {"command": list(code.start.command), "working_dir": code.start.working_dir} if code else None,
            "requirements": _hashes(code.requirements.files) if code and code.requirements else None,
            "image": self._image(name),
            "args": [self._text(text) for text in step.args],
            "hyperparameters": {key: self._value(value) for key, value in step.hyperparameters.items()},
            "env": {key: self._text(text) for key, text in step.env.items()},
            "values": {key: self._value(value) for key, value in step.values.items()},
            "inputs": {key: self._input(step, key) for key in step.inputs},
            "outputs": [*sorted(step.outputs)],
            "input_paths": {**step.input_paths},
            "output_paths": {**step.output_paths},
            "metrics": _metrics(step),
            "checkpoints": step.keeps_checkpoints,
            "instance_count": step.instance_count,
            "request": counted_fields(step.request),
            "further_requests": {key: counted_fields(value) for key, value in step.further_requests.items()},
            "runs_on": step.runs_on,
            "software": self.software if code and self._runs_in_build(step) else "",
        }
        return {key: value for key, value in found.items() if value not in (None, "", [], {}, False)}

    def _runs_in_build(self, step: Step) -> bool:
        """Return True if a step's script runs with the software of the build, and not with that of an image."""
        return self.plan.target.runs_jobs_here or step.runs_on == BUILD

    def _image(self, name: str) -> Json:
        """Return the URI of the image, or the hash of what it is built from."""
        built = next((image.context for image in self.plan.images if name in image.steps), None)
        return {"digest": built.digest} if built else self.plan.steps[name].image

    def _input(self, step: Step, name: str) -> Json:
        source = step.inputs[name]
        found: dict[str, Json] = {
            "content_type": step.content_types.get(name),
            "sharded": name in step.sharded_inputs,
        }
        selection = step.selections.get(name)
        if selection is not None and isinstance(source, StepOutput):
            found |= self._best(selection, source)
        else:
            found |= self._source(source)
        return {key: value for key, value in found.items() if value not in (None, False)}

    def _source(self, source: Source) -> dict[str, Json]:
        match source:
            case StepOutput():
                return self._output(source)
            case RepositoryPath(path):
                return {"digest": self.plan.data[path].digest}
            case S3Location(uri):
                return {"uri": uri, "objects": self._objects(uri)}
            case BaselineOutput(step, output):
                kept = self.plan.baseline.outputs.get(step, {}).get(output)
                return {"baseline": f"{step}.{output}", "objects": {} if kept is None else self._objects(kept)}

    def _objects(self, uri: str) -> Json:
        """Return what counts of the objects below a URI; None where nobody looked.

        Raises: UnknownKey.
        """
        if self.objects is None:
            return None
        try:
            return self.objects[uri]
        except KeyError:
            raise UnknownKey(uri) from None

    def _output(self, output: StepOutput) -> dict[str, Json]:
        """Return an output by the key of the step that makes it; those of cells by their folders."""
        if not output.cells:
            return {"output": output.output, "key": self._key(output.step)}
        return {"output": output.output, "keys": {self._folder(cell): self._key(cell) for cell in output.cells}}

    def _best(self, selection: Selection, source: StepOutput) -> dict[str, Json]:
        return {
            "output": source.output,
            "best": selection.best,
            "metric": list(selection.path),
            "of": [self._key(cell) for cell in source.cells],
            "by": [self._key(cell) for cell in selection.cells or (selection.step,)],
        }

    def _folder(self, cell: str) -> str:
        flow = self.plan.flow
        step = flow.steps.get(cell) or flow.left_out.get(cell)
        return step.cell.folder if step and step.cell else cell

    def _key(self, step: str) -> str:
        try:
            return self.keys[step]
        except KeyError:
            raise UnknownKey(step) from None

    def _value(self, value: Value) -> Json:
        match value:
            case tuple():
                return self._text(value)
            case list():
                return [self._value(part) for part in value]
            case dict():
                return {key: self._value(part) for key, part in value.items()}
            case _:
                return value

    def _text(self, text: Text) -> Json:
        if all(isinstance(part, str) for part in text):
            return "".join(part for part in text if isinstance(part, str))
        return {PARTS: [part if isinstance(part, str) else self._reference(part) for part in text]}

    def _reference(self, reference: Reference) -> Json:
        match reference:
            case StepOutput():
                return self._output(reference)
            case InputPath(name):
                return {"input": name}
            case OutputPath(name):
                return {"path_of": name}
            case MetricValue(step, path):
                return {"metric": list(path), "key": self._key(step)}
            case SecretValue(name):
                return {"secret": name}
            case BaselineOutput():
                raise AssertionError(reference)  # the flow takes it as an input alone


def _hashes(files: Iterable[StagedFile]) -> dict[str, Json]:
    return {file.path: file.sha256 for file in files}


def _metrics(step: Step) -> dict[str, Json]:
    """Return how the step's metrics are found."""
    found = dict(_found_metrics(step))
    return found if any(found.values()) else {}


def _found_metrics(step: Step) -> Iterator[tuple[str, Json]]:
    yield "files", [[each.pattern, each.root, each.name] for each in step.metrics]
    yield "definitions", [[each.name, each.regex] for each in step.metric_definitions]
    yield "collected", step.collects_metrics
