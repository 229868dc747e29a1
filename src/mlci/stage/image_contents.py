"""The Python and the main packages that SageMaker's images hold, as far as they are known. Pure.

Read on 2026-12-01 from the repositories that build the images, at the tag of each version: `docker/<version>/base/
Dockerfile.cpu` (PYTHON_VERSION, XGBOOST_VERSION) and `requirements.txt` of
https://github.com/aws/sagemaker-xgboost-container and https://github.com/aws/sagemaker-scikit-learn-container. An image
of the Deep Learning Containers says both in its own tag (`2.1.0-cpu-py310`), which the SageMaker SDK's
`image_uri_config` has: https://github.com/aws/deep-learning-containers/blob/master/available_images.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from mlci_dataclasses import dataclass


@dataclass(frozen=True)
class ImageContents:
    """The version of an image's Python, as X.Y, and those of packages in it, by their names on an index."""

    image: str
    python: str
    packages: Mapping[str, str]


def _packages(**versions: str) -> Mapping[str, str]:
    return {name.replace("_", "-"): version for name, version in versions.items()}


_IMAGES: Mapping[tuple[str, str], tuple[str, Mapping[str, str]]] = {
    ("sagemaker-xgboost", "1.2-1"): (
        "3.7",
        _packages(xgboost="1.2.0", numpy="1.19.2", pandas="1.1.3", scikit_learn="0.23.2"),
    ),
    ("sagemaker-xgboost", "1.2-2"): (
        "3.7",
        _packages(xgboost="1.2.0", numpy="1.20.3", pandas="1.1.3", scikit_learn="0.23.2"),
    ),
    ("sagemaker-xgboost", "1.3-1"): (
        "3.7",
        _packages(xgboost="1.3.3", numpy="1.21.6", pandas="1.2.4", scikit_learn="0.24.1"),
    ),
    ("sagemaker-xgboost", "1.5-1"): (
        "3.8",
        _packages(xgboost="1.5.2", numpy="1.19.2", pandas="1.2.4", scikit_learn="0.24.1"),
    ),
    ("sagemaker-xgboost", "1.7-1"): (
        "3.8",
        _packages(xgboost="1.7.4", numpy="1.19.2", pandas="1.2.4", scikit_learn="0.24.1"),
    ),
    ("sagemaker-xgboost", "3.0-5"): (
        "3.10",
        _packages(xgboost="3.0.5", numpy="2.1.0", pandas="2.2.3", scikit_learn="1.5.2"),
    ),
    ("sagemaker-scikit-learn", "0.23-1"): ("3.7", _packages(scikit_learn="0.23.2", numpy="1.19.2", pandas="1.1.3")),
    ("sagemaker-scikit-learn", "1.0-1"): ("3.8", _packages(scikit_learn="1.0.2", numpy="1.19.2", pandas="1.1.3")),
    ("sagemaker-scikit-learn", "1.2-1"): ("3.8", _packages(scikit_learn="1.2.1", numpy="1.24.1", pandas="1.1.3")),
    ("sagemaker-scikit-learn", "1.4-2"): ("3.12", _packages(scikit_learn="1.4.2", numpy="2.1.0", pandas="2.3.2")),
}
_DEEP_LEARNING = (
    r"(?P<repository>(?:huggingface-)?(?P<framework>pytorch|tensorflow)-(?:training|inference)):"
    r"(?P<version>\d+\.\d+\.\d+)(?:-transformers(?P<transformers>\d+\.\d+\.\d+))?-.*\bpy(?P<major>3)(?P<minor>\d+)\b.*"
)
_FRAMEWORKS = {"pytorch": "torch", "tensorflow": "tensorflow"}


def image_contents(uri: str) -> ImageContents | None:
    """Return what is known of an image; None for one of the user's own, or an unknown version.

    >>> image_contents("763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-training:2.1.0-cpu-py310")
    ImageContents(image='pytorch-training:2.1.0', python='3.10', packages={'torch': '2.1.0'})
    >>> image_contents("683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3").python
    '3.8'
    >>> image_contents("123456789012.dkr.ecr.us-east-1.amazonaws.com/mine:1")
    """
    name = uri.rpartition("/")[2]
    match = re.fullmatch(_DEEP_LEARNING, name)
    if match:
        packages = {_FRAMEWORKS[match["framework"]]: match["version"]}
        if match["transformers"]:
            packages["transformers"] = match["transformers"]
        image = f"{match['repository']}:{match['version']}"
        return ImageContents(image, f"{match['major']}.{match['minor']}", packages)
    repository, _, tag = name.partition(":")
    for (known, version), (python, packages_there) in _IMAGES.items():
        if repository == known and (tag == version or tag.startswith(f"{version}-cpu-")):
            return ImageContents(f"{repository}:{version}", python, packages_there)
    return None
