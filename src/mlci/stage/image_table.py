"""A table of SageMaker's images: the URI of a framework's image without the SDK, whose import takes seconds.

The table is what the SDK gives for the instance families below; `make lock` writes it. The SDK is asked for the rest.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

from mlci.step_types.base import ImageScope

#: The instance families of which all have the same images. Others, such as Inferentia, Trainium, Graviton, P2 and P4d,
#: have their own for some frameworks.
#: Source: https://docs.aws.amazon.com/sagemaker/latest/dg/notebooks-available-instance-types.html
FAMILIES: Mapping[str, tuple[str, ...]] = {
    "cpu": (
        *("c4", "c5", "c5d", "c6i", "c6id", "c7i"),
        *("m4", "m5", "m5d", "m6i", "m6id", "m7i"),
        *("r5", "r5d", "r6i", "r6id", "r7i"),
        *("t2", "t3"),
    ),
    "gpu": ("g4dn", "g5", "g6", "g6e", "p3", "p3dn", "p4de", "p5", "p5e", "p5en"),
}
_KINDS = {family: kind for kind, families in FAMILIES.items() for family in families}
_TABLE = Path(__file__).with_name("sagemaker_images.json")
_INSTANCE = re.compile(r"ml\.([a-z0-9]+)\.\w+")


def known_image(
    framework: str, version: str, python: str | None, region: str, instance: str, scope: ImageScope
) -> str | None:
    """Returns the URI of an image; None if the table does not have it.

    >>> known_image("xgboost", "1.7-1", None, "eu-west-1", "ml.m5.large", "training")
    '141502667606.dkr.ecr.eu-west-1.amazonaws.com/sagemaker-xgboost:1.7-1'
    >>> known_image("xgboost", "1.7-1", None, "eu-west-1", "ml.inf1.xlarge", "inference")
    """
    family = _INSTANCE.fullmatch(instance)
    kind = _KINDS.get(family[1]) if family else None
    table = json.loads(_TABLE.read_text(encoding="utf-8"))
    versions = table["images"].get(framework, {})
    row = versions.get(f"{version}@{python}" if python else version, {}).get(f"{scope} {kind}")
    if row is None:
        return None
    image, registry = row
    account = table["registries"][registry].get(region)
    return f"{account}.dkr.{table['hosts'][region]}/{image}" if account else None
