"""SageMaker's API as botocore describes it: the shapes that requests have, by the names of operations.

The model is read as the JSON file that it is: importing botocore would take ten times as long. Even that file costs
25 ms, so the two operations that every `mlci run` needs lie beside this module in a file of their own, which
`python -m mlci_emulator.protocol.sagemaker_shapes` writes, and which a test holds equal to botocore's.

Source: botocore/data/sagemaker/2017-07-24/service-2.json
"""

from __future__ import annotations

import functools
import gzip
import importlib.util
import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

#: A shape of the model: `type`, `members`, `required`, `min`, `max`, `pattern`, `enum`, `member`, `key`, `value`.
Shape: TypeAlias = Mapping[str, Any]
Shapes: TypeAlias = Mapping[str, Shape]

#: What the quick file has.
QUICK = ("CreateProcessingJob", "CreateTrainingJob")
_FILE = Path(__file__).with_name("sagemaker_shapes.json")
_KEPT = frozenset(["type", "members", "required", "min", "max", "pattern", "enum", "member", "key", "value", "shape"])


def input_of(operation: str) -> tuple[str, Shapes]:
    """The name of the operation's input, and the shapes that it is made of.

    Raises: KeyError: there is no such operation.
    """
    if operation in QUICK:
        return f"{operation}Request", quick()
    given = model()
    return given["operations"][operation]["input"]["shape"], given["shapes"]


@functools.cache
def quick() -> Shapes:
    """The shapes of the operations that have to be known at once."""
    shapes: Shapes = json.loads(_FILE.read_text(encoding="utf-8"))
    return shapes


@functools.cache
def model() -> Mapping[str, Any]:
    """The whole model."""
    found = importlib.util.find_spec("botocore")
    assert found is not None
    assert found.submodule_search_locations is not None
    folder = Path(found.submodule_search_locations[0]) / "data" / "sagemaker" / "2017-07-24"
    packed = folder / "service-2.json.gz"
    data = gzip.decompress(packed.read_bytes()) if packed.exists() else (folder / "service-2.json").read_bytes()
    result: Mapping[str, Any] = json.loads(data)
    return result


def reached_from(names: Iterable[str], shapes: Shapes) -> dict[str, Any]:
    """These shapes and all that they are made of, without documentation."""
    found: dict[str, Any] = {}
    ahead = [*names]
    while ahead:
        name = ahead.pop()
        if name not in found:
            shape = found[name] = _bare(shapes[name])
            inner = [
                *shape.get("members", {}).values(),
                *(shape[part] for part in ("member", "key", "value") if part in shape),
            ]
            ahead += [reference["shape"] for reference in inner]
    return dict(sorted(found.items()))


def _bare(shape: Shape) -> dict[str, Any]:
    result = {name: value for name, value in shape.items() if name in _KEPT}
    for part in ("member", "key", "value"):
        if part in result:
            result[part] = {"shape": result[part]["shape"]}
    if "members" in result:
        result["members"] = {name: {"shape": member["shape"]} for name, member in result["members"].items()}
    return result


if __name__ == "__main__":
    text = json.dumps(
        reached_from([f"{operation}Request" for operation in QUICK], model()["shapes"]), separators=(",", ":")
    )
    _FILE.write_text(text.replace('},"', '},\n"') + "\n", encoding="utf-8")
    sys.stdout.write(f"{_FILE}: {len(text):,} bytes\n")
