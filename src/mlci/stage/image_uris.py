"""URIs of container images: `framework:version` becomes the URI of SageMaker's own image."""

from __future__ import annotations

import re
from pathlib import Path

from mlci.flow import nearest
from mlci.step_types.algorithms import CLOSED_ALGORITHMS
from mlci.step_types.base import ImageScope

_FRAMEWORK = re.compile(r"(?P<framework>[a-z][a-z0-9-]*):(?P<version>[A-Za-z0-9][\w.-]*)(@(?P<python>py\d+))?")


class UnknownImage(Exception):
    """There is no image of that name: `args` are the problem, and what to write instead."""


def is_framework(image: str) -> bool:
    """Says whether an image is written as `framework:version` and not as a full URI.

    >>> is_framework("xgboost:1.7-1"), is_framework("123456789012.dkr.ecr.eu-west-1.amazonaws.com/mine:7")
    (True, False)
    """
    return _FRAMEWORK.fullmatch(image) is not None


def check_runs_scripts(image: str) -> None:
    """Raises: UnknownImage, if `framework:version` names a built-in algorithm, whose image runs no script."""
    if image.partition(":")[0] in CLOSED_ALGORITHMS:
        what = f'"{image}" is a built-in algorithm of SageMaker, and its image runs no script'
        hint = f"Name a framework, such as xgboost:1.7-1, or write algorithm: {image} in place of run and image."
        raise UnknownImage(what, hint)


def image_uri(image: str, region: str, instance: str, scope: ImageScope = "training") -> str:
    """Returns the URI of SageMaker's image for a framework, a region and an instance type.

    The SDK is asked for what the table does not have; its import takes seconds. Processing uses images to train in, as
    the SDK's own FrameworkProcessor does.

    Raises: UnknownImage. Source: https://docs.aws.amazon.com/sagemaker/latest/dg-ecr-paths/
    """
    match = _FRAMEWORK.fullmatch(image)
    if match is None:
        raise UnknownImage(f'"{image}" is not written as framework:version', "Write it like xgboost:1.7-1.")
    from mlci.stage.image_table import known_image  # late, for an image is looked up once

    known = known_image(match["framework"], match["version"], match["python"], region, instance, scope)
    if known is not None:
        return known
    try:
        from mlci.stage.sdk_imports import quiet_sdk  # late, as the SDK itself

        with quiet_sdk():
            import sagemaker.image_uris as image_uris

            uri = image_uris.retrieve(
                match["framework"],
                region,
                version=match["version"],
                py_version=match["python"],
                instance_type=instance,
                image_scope=scope,
            )
    except FileNotFoundError as error:
        framework = match["framework"]
        raise UnknownImage(f'SageMaker has no framework "{framework}"', _frameworks(framework)) from error
    except ValueError as error:
        raise UnknownImage(
            f'SageMaker has no image "{image}" for {instance} in {region}', _versions(str(error))
        ) from error
    return str(uri)


def _frameworks(name: str) -> str:
    """Returns the nearest framework, or all that exist: the SDK has a file for each."""
    from sagemaker import image_uris

    folder = Path(image_uris.__file__).parent / "image_uri_config"
    known = sorted(path.stem for path in folder.glob("*.json"))
    near = nearest(name, known)
    return f'Did you mean "{near}"?' if near else f"There are: {', '.join(known)}"


def _versions(message: str) -> str:
    """Returns the supported versions of the SDK's message, without its advice to upgrade: the SDK is pinned here."""
    _, separator, supported = message.partition("Supported ")
    return f"Supported {supported}" if separator else message
