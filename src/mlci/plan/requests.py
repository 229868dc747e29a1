"""Resolves a step: every reference in it becomes a URI, or a path in the container. The API request is made of that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from mlci.flow.models import (
    BaselineOutput,
    InputPath,
    Json,
    MetricValue,
    OutputPath,
    Reference,
    RepositoryPath,
    S3Location,
    Scalar,
    SecretValue,
    Source,
    Step,
    StepOutput,
    Text,
    Value,
)
from mlci.plan.models import S3Uri, Target
from mlci.stage.models import CodeUnit, DataUnit
from mlci.step_types import STEP_TYPES
from mlci.step_types.base import ResolvedStep, StepType
from mlci.step_types.request_parts import merged
from mlci_dataclasses import dataclass


@dataclass(frozen=True)
class RequestContext:
    """The values that a request takes from outside the step: locations, the run's target and the tags.

    `image` is the URI of the image, and `has_built_image` says that the flow builds it.
    `outputs` has the URI of each output by its step and its name, `metrics` the URI of each step's metrics, and
    `metrics_folder` is for the metrics that a job collects, and `checkpoints_folder` for its checkpoints. `token_uri`
    is for the token of a task that waits for one. `params` are those of the flow. `code`, `code_uri` and `image` are
    None for a step without a script, or without an image. The steps `without_script` are those of the whole flow.
    `baseline_outputs` has the URIs of the baseline's outputs, by step and output, and `empty_input` is the URI of the
    folder that stands for one which is not among them.
    """

    job: str
    code: CodeUnit | None
    code_uri: S3Uri | None
    image: str | None
    data: Mapping[str, DataUnit]
    data_uris: Mapping[str, S3Uri]
    outputs: Mapping[tuple[str, str], S3Uri]
    metrics_folder: S3Uri
    checkpoints_folder: S3Uri
    target: Target
    tags: Mapping[str, str]
    params: Mapping[str, Scalar]
    metrics: Mapping[str, S3Uri]
    token_uri: S3Uri
    kept_name: str
    has_built_image: bool = False
    without_script: frozenset[str] = frozenset()
    baseline_outputs: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    empty_input: S3Uri = S3Uri("")


def resolve(step: Step, context: RequestContext) -> ResolvedStep:
    """Return the step with all of its values known."""
    return _Resolver(step, context, STEP_TYPES[step.uses]).resolved()


def api_request(step: Step, resolved: ResolvedStep) -> dict[str, Json]:
    """Return the step's API request, without a name, with the step's `request:` merged over it; {} if it makes none."""
    request = STEP_TYPES[step.uses].request
    return request.finish(resolved, merged(request.build(resolved), step.request)) if request else {}


def selected_uri(step: Step, name: str, source: StepOutput, outputs: Mapping[tuple[str, str], S3Uri]) -> S3Uri:
    """Return what stands in a request for the URI of an input of the best cell, which is known while the run goes on.

    Nothing lies there. It is no part of another text in the request.
    """
    shared, _, _ = outputs[source.cells[0], source.output].rpartition(f"/{source.step}/{source.output}/")
    own = f"{step.cell.step}/selected/{name}/{step.cell.folder}" if step.cell else f"{step.name}/selected/{name}"
    return S3Uri(f"{shared}/{own}/")


def output_uri(output: StepOutput, outputs: Mapping[tuple[str, str], S3Uri]) -> str:
    """Return the URI of an output; of several cells' outputs, that of the folder that holds a folder for each."""
    if not output.cells:
        return outputs[output.step, output.output]
    first = outputs[output.cells[0], output.output]
    shared, _, _ = first.rpartition(f"/{output.step}/{output.output}/")
    return f"{shared}/{output.step}/{output.output}/{output.folder}"


@dataclass(frozen=True)
class _Resolver:
    step: Step
    context: RequestContext
    step_type: StepType

    def resolved(self) -> ResolvedStep:
        step, context = self.step, self.context
        return ResolvedStep(
            name=step.name,
            job=context.job,
            role=context.target.job_role,
            tags=context.tags,
            run_id=context.target.run_id,
            commit=context.target.commit,
            is_protected=context.target.is_protected,
            kept_name=context.kept_name,
            poll_s=context.target.poll_s,
            keeps_resources=context.target.keeps_resources,
            params=context.params,
            metrics_uris=context.metrics,
            inputs={name: self._input_uri(name, source) for name, source in step.inputs.items()},
            inputs_without_script=frozenset(name for name in step.inputs if self._has_no_script(step.inputs[name])),
            sharded_inputs=step.sharded_inputs,
            outputs={name: context.outputs[step.name, name] for name in step.outputs},
            args=tuple(self._text(text) for text in step.args),
            hyperparameters={name: self._value(value) for name, value in step.hyperparameters.items()},
            env={name: self._text(text) for name, text in step.env.items()},
            further_requests=step.further_requests,
            values={name: self._json(value) for name, value in step.values.items()},
            metrics_folder=context.metrics_folder if step.collects_metrics else "",
            checkpoints_folder=context.checkpoints_folder if step.keeps_checkpoints else "",
            metric_definitions=tuple((each.name, each.regex) for each in step.metric_definitions),
            code_uri=context.code_uri or "",
            working_dir=context.code.start.working_dir if context.code else "",
            command=context.code.start.command if context.code and not context.code.start.needs_starter else (),
            content_types=step.content_types,
            image=context.image or "",
            has_built_image=context.has_built_image,
            instance=step.instance,
            instance_count=step.instance_count,
            volume_gb=step.volume_gb,
            timeout_s=step.timeout_s,
            token_uri=context.token_uri,
            runs_on=step.runs_on,
            heartbeat_s=context.target.heartbeat_s,
        )

    def _input_uri(self, name: str, source: Source) -> str:
        if name in self.step.selections and isinstance(source, StepOutput):
            return selected_uri(self.step, name, source, self.context.outputs)
        return self._source_uri(source)

    def _has_no_script(self, source: Source) -> bool:
        return isinstance(source, StepOutput) and not self.context.without_script.isdisjoint(source.steps)

    def _source_uri(self, source: Source) -> str:
        match source:
            case S3Location(uri):
                return uri
            case StepOutput():
                return output_uri(source, self.context.outputs)
            case BaselineOutput(step, output):
                return self.context.baseline_outputs.get(step, {}).get(output, self.context.empty_input)
            case RepositoryPath(path):
                return self.context.data_uris[path]

    def _json(self, value: Value) -> Json:
        match value:
            case tuple():
                return self._text_or_parts(value)
            case list():
                return [self._json(part) for part in value]
            case dict():
                return {key: self._json(part) for key, part in value.items()}
            case _:
                return value

    def _text_or_parts(self, text: Text) -> Json:
        """A text as a whole; or its parts, and a map with the name of each metric, which is known only later."""
        if not any(isinstance(part, MetricValue) for part in text):
            return self._text(text)
        return [{"metric": part.metric} if isinstance(part, MetricValue) else self._text((part,)) for part in text]

    def _value(self, value: Scalar | Text) -> Scalar:
        return self._text(value) if isinstance(value, tuple) else value

    def _text(self, text: Text) -> str:
        return "".join(part if isinstance(part, str) else self._reference(part) for part in text)

    def _own_uri(self, reference: InputPath | OutputPath) -> str:
        if isinstance(reference, OutputPath):
            return self.context.outputs[self.step.name, reference.name]
        return self._input_uri(reference.name, self.step.inputs[reference.name])

    def _reference(self, reference: Reference) -> str:
        # The flow takes secrets in `Step.secrets` alone, and outputs of the baseline in inputs.
        assert not isinstance(reference, (SecretValue, MetricValue, BaselineOutput))
        if isinstance(reference, StepOutput):
            return output_uri(reference, self.context.outputs)
        container = self.step_type.container
        assert container is not None  # the flow takes paths in the container for a script's arguments alone
        if container.passes_uris:
            return self._own_uri(reference)
        if isinstance(reference, OutputPath):
            return container.output(reference.name)
        folder, source = container.input(reference.name), self.step.inputs[reference.name]
        if isinstance(source, RepositoryPath) and not self.context.data[source.path].is_folder:
            return f"{folder}/{self.context.data[source.path].files[0].path}"  # a file keeps its own name
        return folder
