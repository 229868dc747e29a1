"""Writes sagemaker_shapes.json: the input shapes of the operations that every local run calls.

    python -m mlci_emulator.protocol.sagemaker_shapes

A test compares the file with botocore's model.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from mlci_emulator.protocol import models

_USED = frozenset(["type", "members", "required", "min", "max", "pattern", "enum", "member", "key", "value", "shape"])


def extract() -> dict[str, Any]:
    """Return the shapes of the extracted operations' inputs, and all shapes that these consist of."""
    return _reachable(
        (f"{operation}Request" for operation in models.EXTRACTED), models.model_data("sagemaker")["shapes"]
    )


def _reachable(names: Iterable[str], shapes: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    reached: dict[str, Any] = {}
    pending = [*names]
    while pending:
        name = pending.pop()
        if name not in reached:
            shape = reached[name] = _without_documentation(shapes[name])
            references = [
                *shape.get("members", {}).values(),
                *(shape[part] for part in ("member", "key", "value") if part in shape),
            ]
            pending += [reference["shape"] for reference in references]
    return dict(sorted(reached.items()))


def _without_documentation(shape: Mapping[str, Any]) -> dict[str, Any]:
    result = {name: value for name, value in shape.items() if name in _USED}
    for part in ("member", "key", "value"):
        if part in result:
            result[part] = {"shape": result[part]["shape"]}
    if "members" in result:
        result["members"] = {name: {"shape": member["shape"]} for name, member in result["members"].items()}
    return result


if __name__ == "__main__":
    text = json.dumps(extract(), separators=(",", ":"))
    models.EXTRACT.write_text(text.replace('},"', '},\n"') + "\n", encoding="utf-8")
    sys.stdout.write(f"{models.EXTRACT}: {len(text):,} bytes\n")
