"""Prints src/mlci/stage/sagemaker_images.json: the URIs of SageMaker's images, as the installed SDK gives them.

`make lock` calls it. A row is here if the SDK gives one URI for all instance families of a kind, and the same
repository and tag in each region.
"""

from __future__ import annotations

import functools
import json
import logging
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from mlci.stage.image_table import FAMILIES
from mlci.stage.sdk_imports import quiet_sdk

with quiet_sdk():
    from sagemaker import image_uris

SCOPES = ("training", "inference")
URI = re.compile(r"(?P<account>\d+)\.dkr\.(?P<host>[^/]+)/(?P<image>.+)")
#: Where every image is that the SDK knows, or nearly.
HOME = "us-east-1"


@functools.cache
def config(framework: str) -> dict[str, object]:
    folder = Path(image_uris.__file__).parent / "image_uri_config"
    return dict(json.loads((folder / f"{framework}.json").read_text()))


def frameworks() -> list[str]:
    folder = Path(image_uris.__file__).parent / "image_uri_config"
    return sorted(path.stem for path in folder.glob("*.json"))


def retrieved(framework: str, version: str, python: str | None, region: str, instance: str, scope: str) -> str | None:
    """The URI by the SDK; None if it has none, for whatever reason."""
    try:
        found = image_uris.retrieve(
            framework, region, version=version, py_version=python, instance_type=instance, image_scope=scope
        )
    except Exception:  # noqa: BLE001 (an image that needs more arguments fails in many ways)
        return None
    return str(found)


def written(node: object, name: str) -> set[str]:
    """The members of every object of this name, and the strings of every list of this name."""
    if not isinstance(node, dict):
        return set()
    own = node.get(name, ())
    return set(own).union(*(written(child, name) for child in node.values()))


def rows(registries: list[Mapping[str, str]], hosts: dict[str, str]) -> Iterator[tuple[str, str, str, list[object]]]:
    """Yields each framework, `version` or `version@python`, scope with kind, and image with registry."""
    for framework in frameworks():
        document = config(framework)
        versions = sorted(written(document, "versions") | written(document, "version_aliases"))
        pythons = sorted(written(document, "py_versions"))
        regions = sorted(written(document, "registries"))
        for version in versions:
            for python in (None, *pythons):
                for scope in SCOPES:
                    for kind, families in FAMILIES.items():
                        row = _row(framework, version, python, scope, families, regions, registries, hosts)
                        if row is not None:
                            yield (
                                framework,
                                version if python is None else f"{version}@{python}",
                                f"{scope} {kind}",
                                row,
                            )


def _row(
    framework: str,
    version: str,
    python: str | None,
    scope: str,
    families: tuple[str, ...],
    regions: list[str],
    registries: list[Mapping[str, str]],
    hosts: dict[str, str],
) -> list[object] | None:
    home = HOME if HOME in regions else next(iter(regions), HOME)
    at_home = {retrieved(framework, version, python, home, f"ml.{family}.xlarge", scope) for family in families}
    if len(at_home) != 1 or None in at_home:
        return None
    accounts, images = dict[str, str](), set[str]()
    for region in regions:
        uri = retrieved(framework, version, python, region, f"ml.{families[0]}.xlarge", scope)
        parts = URI.fullmatch(uri) if uri else None
        if parts is None:
            continue
        accounts[region] = parts["account"]
        images.add(parts["image"])
        assert hosts.setdefault(region, parts["host"]) == parts["host"], region
    if len(images) != 1:
        return None
    if accounts not in registries:
        registries.append(accounts)
    return [images.pop(), registries.index(accounts)]


def main() -> None:
    logging.disable(logging.CRITICAL)
    image_uris.config_for_framework = config
    # It reads the endpoints of all services each time.
    image_uris.utils._botocore_resolver = functools.cache(image_uris.utils._botocore_resolver)
    registries, hosts = list[Mapping[str, str]](), dict[str, str]()
    images = dict[str, dict[str, dict[str, list[object]]]]()
    for framework, version, scope, row in rows(registries, hosts):
        images.setdefault(framework, {}).setdefault(version, {})[scope] = row
    document = {"hosts": hosts, "registries": registries, "images": images}
    sys.stdout.write(json.dumps(document, sort_keys=True, separators=(",", ":")).replace('}},"', '}},\n"') + "\n")


main()
