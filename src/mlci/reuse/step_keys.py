"""The keys of a plan's steps: each is the hash of its ingredients, in which those of the steps before it count."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from graphlib import TopologicalSorter

from mlci.flow.dependencies import dependencies
from mlci.flow.models import Json, RepositoryPath
from mlci.plan.models import Plan
from mlci.reuse.ingredients import Ingredients, UnknownKey
from mlci.reuse.key_document import RunKeys, StepKey

#: Changes when the same ingredients are to give another key, because mlci runs steps in another way.
_VERSION = 1


def step_keys(
    plan: Plan,
    software: Mapping[str, str] | None = None,
    known: Mapping[str, StepKey] | None = None,
    objects: Mapping[str, Json] | None = None,
) -> RunKeys:
    """Return the keys of a plan's steps.

    `software` are the versions of what jobs run with here, {} where their images hold all. `known` are the keys
    of steps that are not in the plan's flow; a step that reads of one whose key is not known has none. `objects` has
    what counts of the objects below each S3 URI, and a step that reads of another one has no key; None if only the URIs
    count.
    """
    steps: dict[str, StepKey] = dict(known or {})
    keys = {name: step.key for name, step in steps.items()}
    hash_of_software = digest(dict(software)) if software else ""
    before = {name: sorted(names) for name, names in dependencies(plan.flow).items()}
    for name in TopologicalSorter(before).static_order():
        try:
            ingredients = Ingredients(plan, keys, hash_of_software, objects).of(name)
        except UnknownKey:
            continue
        keys[name] = digest({"version": _VERSION, "ingredients": ingredients})
        steps[name] = StepKey(keys[name], ingredients, _paths(plan, name))
    without_key = tuple(name for name in plan.flow.steps if name not in steps)
    return RunKeys(plan.flow.name, steps, dict(software or {}), without_key)


def digest(document: Json) -> str:
    """Return the SHA-256 of a document, in its one form.

    >>> digest({"b": 1, "a": [True]}) == digest({"a": [True], "b": 1}), digest([1]) == digest([1.0])
    (True, False)
    """
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _paths(plan: Plan, name: str) -> dict[str, str]:
    """Return the paths of a step's inputs that the repository holds, to name them by."""
    inputs = plan.flow.steps[name].inputs.items()
    return {key: source.path for key, source in inputs if isinstance(source, RepositoryPath)}
