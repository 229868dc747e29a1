"""The objects below the `s3://` inputs of a flow's steps, as they count in the keys of these steps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from mlci.backends.at_once import at_once
from mlci.backends.protocol import Cloud
from mlci.errors import CloudError
from mlci.flow.models import BaselineOutput, Json, S3Location, Source
from mlci.plan import Plan
from mlci.reuse.key_document import RunKeys, StepKey
from mlci.reuse.step_keys import digest

#: An input of more objects is not listed: that would take longer than a run may wait for.
_MAX_OBJECTS = 10_000
#: An input of more objects counts by one hash, and `--why` can't tell how many have changed.
_NAMED_OBJECTS = 1_000


def input_objects(planned: Plan, cloud: Cloud, log: Callable[[str], None]) -> dict[str, Json]:
    """Return what counts of the objects below each input in S3, and of the baseline, by its URI.

    What can't be listed is left out, and told: steps that read it have no key, and are run.
    """
    inputs = {source for step in planned.flow.steps.values() for source in step.inputs.values()}
    uris = sorted({uri for source in inputs if (uri := _uri(source, planned))})
    found: dict[str, Json] = {}
    for uri, objects in zip(uris, at_once(lambda uri: _listed(uri, cloud), uris, cloud), strict=True):
        if isinstance(objects, str):
            log(f"what reads {uri} is not reused: {objects}")
        else:
            found[uri] = _counted(uri, objects)
    return found


def _uri(source: Source, planned: Plan) -> str | None:
    """Return the URI of an input that counts by the objects below it; None for others, and for an empty one."""
    match source:
        case S3Location(uri):
            return uri
        case BaselineOutput(step, output):
            return planned.baseline.outputs.get(step, {}).get(output)
        case _:
            return None


def changed_inputs(keys: RunKeys, steps: Iterable[str], cloud: Cloud) -> dict[str, str]:
    """Return those of some steps that read objects in S3 which are no longer those of their keys, each with a URI.

    Nobody can tell which of the two such a step has read.
    """
    counted = {step: dict(_counted_inputs(keys.steps[step])) for step in steps}
    uris = sorted({uri for inputs in counted.values() for uri in inputs})
    found = dict(zip(uris, at_once(lambda uri: _listed(uri, cloud), uris, cloud), strict=True))

    def is_changed(uri: str, before: Json) -> bool:
        objects = found[uri]
        return isinstance(objects, str) or _counted(uri, objects) != before

    return {step: uri for step, inputs in counted.items() for uri, before in inputs.items() if is_changed(uri, before)}


def _counted_inputs(step: StepKey) -> Iterator[tuple[str, Json]]:
    """Yield the URI of each input of a step in S3, and what its key counts of the objects there."""
    inputs = step.ingredients.get("inputs")
    for source in inputs.values() if isinstance(inputs, dict) else ():
        match source:
            case {"uri": str(uri), "objects": objects}:
                yield uri, objects


def _listed(uri: str, cloud: Cloud) -> Mapping[str, tuple[int, str]] | str:
    """Return the sizes and tags of the objects below a URI, or why they are not known."""
    try:
        found = cloud.versions(uri, _MAX_OBJECTS + 1, has_any_owner=True)
    except CloudError as error:
        return str(error)
    return found if len(found) <= _MAX_OBJECTS else f"it has more than {_MAX_OBJECTS:,} objects"


def _counted(uri: str, versions: Mapping[str, tuple[int, str]]) -> Json:
    objects: dict[str, Json] = {key.removeprefix(uri): [*version] for key, version in versions.items()}
    return objects if len(objects) <= _NAMED_OBJECTS else {"count": len(objects), "digest": digest(objects)}
