"""A flow → what its runs will ask AWS for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from mlci.flow.models import Flow, Json, RepositoryPath, S3Location, Step, StepOutput

_ECR = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr(?:-fips)?\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(?:\.cn)?/(?P<name>[^:@]+)"
)


@dataclass(frozen=True, order=True)
class Image:
    """A repository of images in ECR."""

    account: str
    region: str
    name: str


@dataclass(frozen=True)
class Needs:
    """What the steps of a flow are, read and write, so far as it decides about rights.

    `outside` are inputs at S3 URIs of others, `images` the repositories of ECR that images are pulled from. A step's
    `request:` names `keys` of KMS, and puts jobs into `subnets`, with `security_groups`. `has_rules` says whether the
    state machine reads metrics.
    """

    flow: str
    uses: frozenset[str]
    reads_data: bool = False
    reads_outputs: bool = False
    has_rules: bool = False
    outside: tuple[str, ...] = ()
    images: tuple[Image, ...] = ()
    keys: tuple[str, ...] = ()
    subnets: tuple[str, ...] = ()
    security_groups: tuple[str, ...] = ()


def needs(flow: Flow, images: Mapping[str, str]) -> Needs:
    """What a flow needs. `images` maps steps to the full URIs of their images."""
    steps = list(flow.steps.values())
    sources = [source for step in steps for source in step.inputs.values()]
    return Needs(
        flow=flow.name,
        uses=flow.step_types,
        reads_data=any(isinstance(source, RepositoryPath) for source in sources),
        reads_outputs=any(isinstance(source, StepOutput) for source in sources),
        has_rules=bool(flow.gate) or any(step.when for step in steps),
        outside=tuple(sorted({source.uri for source in sources if isinstance(source, S3Location)})),
        images=tuple(sorted({image for uri in images.values() if (image := image_of(uri))})),
        keys=tuple(sorted({key for step in steps for key in _keys(step)})),
        subnets=_in_networks(steps, "Subnets"),
        security_groups=_in_networks(steps, "SecurityGroupIds"),
    )


def image_of(uri: str) -> Image | None:
    """The repository that an image is pulled from; None where that is not one of ECR's.

    >>> image_of("683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1")
    Image(account='683313688378', region='us-east-1', name='sagemaker-xgboost')
    """
    found = _ECR.match(uri)
    return Image(found["account"], found["region"], found["name"]) if found else None


def _keys(step: Step) -> Iterator[str]:
    for name in ("KmsKeyId", "VolumeKmsKeyId"):
        yield from (key for key in _named(step.request, name) if isinstance(key, str))


def _in_networks(steps: Iterable[Step], name: str) -> tuple[str, ...]:
    """What the VpcConfig of any step has under that name."""
    networks = [network for step in steps for network in _named(step.request, "VpcConfig")]
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
