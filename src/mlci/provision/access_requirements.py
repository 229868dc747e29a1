"""A flow → what its runs access in AWS."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeGuard

from mlci.errors import InputError, Problem
from mlci.flow.dependencies import metrics_read, outputs_read
from mlci.flow.models import (
    BaselineOutput,
    Flow,
    ImageFolder,
    Json,
    RepositoryPath,
    S3Location,
    Secret,
    Source,
    Step,
    StepOutput,
)
from mlci.provision.arn_values import ValueKind, problem_of
from mlci.step_types import STEP_TYPES
from mlci.step_types.keys import CAPTURE, KEPT_NAME
from mlci_dataclasses import dataclass

_ECR = r"(?P<account>\d{12})\.dkr\.ecr(?:-fips)?\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(?:\.cn)?/(?P<name>[^:@]+)"


@dataclass(frozen=True, order=True)
class Image:
    """A repository of images in ECR."""

    account: str
    region: str
    name: str


@dataclass(frozen=True)
class AccessRequirements:
    """The access of a flow's steps to AWS, as far as policies depend on it.

    `uses` are the types of steps that the build does not run itself, and `runs_in_build` says that it runs some.
    `reads_data` says that any step reads data of the repository, and `only_build_reads_data` that no job on AWS does.
    `reads_baseline` says that jobs on AWS read outputs of the baseline.
    `outside` are inputs of jobs at S3 URIs of others, `outside_of_build` those of steps that the build runs, and
    `images` the ECR repositories of images. A step's `request:` names
    `outside_outputs`, which are prefixes of its outputs other than the run's, KMS `keys`, `subnets` and
    `security_groups`; `output_keys` are the keys that outputs are encrypted by. `builds_images` says that runs build
    images, `has_rules` whether the state machine reads metrics, `has_steps_behind_gate` whether it may ask mlci for the
    verdict, `functions` are the Lambda functions that it calls, and
    `model_groups` the model package groups that merged code registers in. `kept` are the names that the flow gives to
    what merged code keeps, and `captures` the prefixes that it gives to what merged code's endpoints capture. `secrets`
    are those that some step reads. `instance_types` and `max_runtime_s` bound the cost of a job; empty and None leave
    it unbounded.
    """

    flow: str
    uses: frozenset[str]
    runs_in_build: bool = False
    reads_data: bool = False
    only_build_reads_data: bool = False
    reads_baseline: bool = False
    reads_outputs: bool = False
    has_rules: bool = False
    has_steps_behind_gate: bool = False
    builds_images: bool = False
    outside: tuple[str, ...] = ()
    outside_of_build: tuple[str, ...] = ()
    images: tuple[Image, ...] = ()
    outside_outputs: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    output_keys: tuple[str, ...] = ()
    subnets: tuple[str, ...] = ()
    security_groups: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    captures: tuple[str, ...] = ()
    model_groups: tuple[str, ...] = ()
    secrets: tuple[Secret, ...] = ()
    instance_types: tuple[str, ...] = ()
    max_runtime_s: int | None = None


def access_requirements(flow: Flow, images: Mapping[str, str]) -> AccessRequirements:
    """Return the access requirements of a flow. `images` maps steps to the full URIs of their images.

    Raises: InputError, with every value that is not safe in an ARN.
    """
    check_arn_values(flow, images)
    steps = list(flow.steps.values())
    remote = [step for step in steps if not step.runs_on]
    sources = [source for step in remote for source in step.inputs.values()]
    build_sources = [source for name in flow.build_steps for source in flow.steps[name].inputs.values()]
    return AccessRequirements(
        flow=flow.name,
        uses=flow.step_types_on_aws,
        runs_in_build=bool(flow.build_steps),
        reads_data=any(map(_is_staged, [*sources, *build_sources])),
        only_build_reads_data=not any(map(_is_staged, sources)),
        reads_baseline=any(isinstance(source, BaselineOutput) for source in sources),
        reads_outputs=any(isinstance(source, StepOutput) for source in sources)
        or any(_syncs_files(step) or _reads_uris(step) for step in remote),
        builds_images=any(isinstance(step.image, ImageFolder) for step in steps),
        has_rules=bool(flow.gate) or any(step.when or step.selections or metrics_read(step) for step in steps),
        has_steps_behind_gate=any(step.is_after_gate for step in steps),
        outside=_locations(sources),
        outside_of_build=_locations(build_sources),
        images=tuple(sorted({image for uri in images.values() if (image := image_of(uri))})),
        outside_outputs=tuple(sorted({uri for step in steps for uri in _outside_outputs(step)})),
        keys=tuple(sorted({key for step in steps for key in _keys(step)})),
        output_keys=tuple(sorted({key for step in steps for key in _output_keys(step)})),
        subnets=_in_networks(steps, "Subnets"),
        security_groups=_in_networks(steps, "SecurityGroupIds"),
        functions=tuple(sorted({name for step in steps for name in _functions(step)})),
        kept=tuple(sorted({name for step in steps for name in _kept_names(step)})),
        captures=tuple(sorted({uri for step in steps for uri in _captures(step)})),
        model_groups=tuple(sorted({name for step in steps for name in _model_groups(step)})),
        secrets=flow.used_secrets,
        instance_types=tuple(sorted({name for step in remote for name in _instance_types(step)})),
        max_runtime_s=max((limit for step in remote for limit in _runtimes_s(step)), default=None),
    )


def check_arn_values(flow: Flow, images: Mapping[str, str]) -> None:
    """Raise InputError, with every problem, if a value of the flow is not safe in an ARN."""
    problems = []
    for name, step in flow.steps.items():
        values: list[tuple[tuple[str, ...], ValueKind, str]] = [
            *((_input_path(step, key), "S3 URI", source.uri) for key, source in step.inputs.items() if _is_s3(source)),
            *((("image",), "image", uri) for uri in (images.get(name), step.image) if isinstance(uri, str)),
            *((("request",), "S3 URI", uri) for uri in _outside_outputs(step)),
            *(((CAPTURE,), "S3 URI", uri) for uri in _captures(step)),
            *((("function",), "Lambda function", function) for function in _functions(step)),
            *((("request",), "KMS key", key) for key in _keys(step)),
            *((("request",), "subnet", subnet) for subnet in _in_networks([step], "Subnets")),
            *((("request",), "security group", group) for group in _in_networks([step], "SecurityGroupIds")),
        ]
        for path, kind, value in values:
            if problem := problem_of(kind, value):
                at = flow.position("steps", name, *path)
                problems.append(Problem(at.file, at.line, at.column, f'step "{name}": {problem[0]}', problem[1]))
    for secret in flow.secrets.values():
        if secret.kms_key is not None and (problem := problem_of("KMS key", secret.kms_key)):
            at = flow.position("secrets", secret.name, "kms_key")
            problems.append(Problem(at.file, at.line, at.column, f'secret "{secret.name}": {problem[0]}', problem[1]))
    if problems:
        raise InputError(problems)


def image_of(uri: str) -> Image | None:
    """Return the ECR repository of an image, or None if it is in another registry.

    >>> image_of("683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1")
    Image(account='683313688378', region='us-east-1', name='sagemaker-xgboost')
    """
    found = re.match(_ECR, uri)
    return Image(found["account"], found["region"], found["name"]) if found else None


def _locations(sources: Iterable[Source]) -> tuple[str, ...]:
    """Return the URIs of inputs that lie in S3 already."""
    return tuple(sorted({source.uri for source in sources if isinstance(source, S3Location)}))


def _reads_uris(step: Step) -> bool:
    """Return True if the script gets URIs of other steps' outputs, which it reads itself."""
    container = STEP_TYPES[step.uses].container
    return container is not None and container.passes_uris and any(outputs_read(step))


def _syncs_files(step: Step) -> bool:
    """Return True if SageMaker reads metrics or checkpoints back, where a job starts again on another machine.

    Source: https://docs.aws.amazon.com/sagemaker/latest/dg/model-checkpoints.html ("Existing checkpoints in S3 are
    written to the SageMaker AI container at the start of the job")
    """
    container = STEP_TYPES[step.uses].container
    has_field = container is not None and container.metrics_field is not None
    return (step.collects_metrics and step.run is not None and has_field) or step.keeps_checkpoints


def _functions(step: Step) -> Iterator[str]:
    """Yield the Lambda function that a step calls."""
    match step.values.get("function"):
        case str(name) | (str(name),):
            yield name


def _input_path(step: Step, name: str) -> tuple[str, ...]:
    return STEP_TYPES[step.uses].input_path(name)


def _model_groups(step: Step) -> Iterator[str]:
    """Yield the model package group that a step registers in."""
    match step.values.get("group"):
        case str(name) | (str(name),):
            yield name


def _kept_names(step: Step) -> Iterator[str]:
    """Yield the name of what runs of merged code keep of a step. Its key allows no character that a pattern has."""
    match step.values.get(KEPT_NAME):
        case str(name) | (str(name),):
            yield name


def _is_staged(source: Source) -> bool:
    """Return True for data of the repository, and for what the baseline may have nothing for: that is staged, too."""
    return isinstance(source, RepositoryPath | BaselineOutput)


def _is_s3(source: object) -> TypeGuard[S3Location]:
    return isinstance(source, S3Location)


def _instance_types(step: Step) -> Iterator[str]:
    """Yield the instance types of a step: its own, and any in its `request:`."""
    if step.instance:
        yield step.instance
        yield from (name for name in _named(step.request, "InstanceType") if isinstance(name, str))


def _runtimes_s(step: Step) -> Iterator[int]:
    """Yield the time limits of a step: its own, and any in its `request:`."""
    if step.instance:
        yield step.timeout_s
        yield from (limit for limit in _named(step.request, "MaxRuntimeInSeconds") if isinstance(limit, int))


def _outside_outputs(step: Step) -> Iterator[str]:
    """Yield the prefixes of outputs that the step's request names: of a model, of a processing job's outputs, and of
    what an endpoint captures."""
    outputs = [output for output in _named(step.request, "S3Output") if isinstance(output, dict)]
    named = [*_named(step.request, "S3OutputPath"), *(output.get("S3Uri") for output in outputs)]
    named += _named(step.request, "DestinationS3Uri")
    yield from (uri for uri in named if isinstance(uri, str))


def _captures(step: Step) -> Iterator[str]:
    """Yield the prefix that the step gives to what the endpoint of merged code captures."""
    match step.values.get(CAPTURE):
        case {"to": str(uri)} | {"to": (str(uri),)}:
            yield uri


def _keys(step: Step) -> Iterator[str]:
    for name in ("KmsKeyId", "VolumeKmsKeyId"):
        yield from (key for key in _named(step.request, name) if isinstance(key, str))


def _requests(step: Step) -> Iterator[Mapping[str, Json]]:
    """Yield what the flow gives of the step's requests: its own, and those that other keys are merged over."""
    yield step.request
    yield from step.further_requests.values()


def _output_keys(step: Step) -> Iterator[str]:
    """Yield the keys that SageMaker encrypts the step's outputs by. A volume's key is no object's."""
    yield from (key for key in _named(step.request, "KmsKeyId") if isinstance(key, str))


def _in_networks(steps: Iterable[Step], name: str) -> tuple[str, ...]:
    """Return the values under that name in the VpcConfig of any step."""
    requests = [request for step in steps for request in _requests(step)]
    networks = [network for request in requests for network in _named(request, "VpcConfig")]
    lists = [found for network in networks for found in _named(network, name) if isinstance(found, list)]
    return tuple(sorted({element for found in lists for element in found if isinstance(element, str)}))


def _named(value: Json | Mapping[str, Json], name: str) -> Iterator[Json]:
    """Whatever stands under that name, at any depth."""
    if isinstance(value, Mapping):
        for key, member in value.items():
            if key == name:
                yield member
            yield from _named(member, name)
    elif isinstance(value, list):
        for element in value:
            yield from _named(element, name)
