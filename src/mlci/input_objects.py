"""The objects below the `s3://` inputs of a flow's steps, as they count in the keys of these steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mlci.backends.at_once import at_once
from mlci.backends.protocol import Cloud
from mlci.errors import CloudError
from mlci.flow.models import Flow, Json, S3Location
from mlci.reuse.step_keys import digest

#: An input of more objects is not listed: that would take longer than a run may wait for.
_MAX_OBJECTS = 10_000
#: An input of more objects counts by one hash, and `--why` can't tell how many have changed.
_NAMED_OBJECTS = 1_000


def input_objects(flow: Flow, cloud: Cloud, log: Callable[[str], None]) -> dict[str, Json]:
    """Return what counts of the objects below each input in S3, by its URI. What can't be listed is left out, and told:
    steps that read it have no key, and are run."""
    inputs = {source for step in flow.steps.values() for source in step.inputs.values()}
    uris = sorted(source.uri for source in inputs if isinstance(source, S3Location))
    found: dict[str, Json] = {}
    for uri, objects in zip(uris, at_once(lambda uri: _listed(uri, cloud), uris, cloud), strict=True):
        if isinstance(objects, str):
            log(f"what reads {uri} is not reused: {objects}")
        else:
            found[uri] = _counted(uri, objects)
    return found


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
