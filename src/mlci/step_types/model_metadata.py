"""The metadata that mlci keeps with a registered model: what its run's jobs have as tags, the commit and the params.

A version in the registry has no tags of its own, so all of it is in CustomerMetadataProperties.

Source: https://github.com/aws/aws-cdk/issues/33699 ("Tags are not supported in Model Package versions")
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from mlci.step_types.base import ResolvedStep
from mlci.step_types.keys import Json

COMMIT_KEY, PARAM_PREFIX = "mlci:commit", "mlci:param:"
#: CustomerMetadataMap, CustomerMetadataKey and CustomerMetadataValue in CreateModelPackage.
_MAX_ENTRIES, _MAX_KEY_CHARS, _MAX_VALUE_CHARS = 50, 128, 256
_FORBIDDEN = re.compile(r"[^\w \u00a0.:/=+\-@]")
_ALLOWED = "letters, digits, spaces and _ . : / = + - @"


def metadata(step: ResolvedStep) -> dict[str, Json]:
    """Return the tags of the run, its commit, what the step adds, and as many params as there is room for."""
    written = step.values.get("metadata")
    own = {**step.tags, COMMIT_KEY: step.commit or ""}
    own |= {name: str(value) for name, value in written.items()} if isinstance(written, dict) else {}
    kept: dict[str, Json] = {name: value for name, value in own.items() if value}
    for name, value in step.params.items():
        text = _FORBIDDEN.sub("_", str(value))[:_MAX_VALUE_CHARS]
        if text and len(kept) < _MAX_ENTRIES:
            kept[f"{PARAM_PREFIX}{name}"[:_MAX_KEY_CHARS]] = text
    return kept


def metadata_problems(value: Json) -> Iterator[tuple[tuple[str | int, ...], str, str]]:
    """Yield the names and values that the registry does not take."""
    for name, each in value.items() if isinstance(value, dict) else ():
        text = str(each)
        if name.startswith("mlci:"):
            yield (name,), f'"{name[:80]}" is a name of mlci\'s own', "Let it begin otherwise"
        elif not name or len(name) > _MAX_KEY_CHARS or _FORBIDDEN.search(name):
            hint = f"It has {_ALLOWED}, and at most {_MAX_KEY_CHARS} characters"
            yield (name,), f'"{name[:80]}" is no name of metadata', hint
        elif not text or len(text) > _MAX_VALUE_CHARS or _FORBIDDEN.search(text):
            hint = f"It has {_ALLOWED}, and 1 to {_MAX_VALUE_CHARS} characters"
            yield (name,), f'"{text[:80]}" is no value of metadata', hint
