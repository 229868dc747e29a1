"""Compiled definitions, kept in the bucket by what they were compiled from: a build then needs no SDK to compile.

Builds of pull requests read those that the base branch's builds kept, then their own; the base branch's builds read
their own alone. Definitions are a help and never a condition: one that is damaged, or can't be read or written, costs
the time to compile.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import field

from mlci.backends.protocol import Cloud
from mlci.errors import CloudError
from mlci.flow.models import Json
from mlci.plan import Target
from mlci.plan.models import S3Uri
from mlci.plan.names import Names
from mlci_dataclasses import dataclass

_SCHEMA = 1
#: More than the largest definition that Step Functions accepts, as a JSON string, beside its key.
_MAX_BYTES = 8 << 20


@dataclass
class KeptDefinitions:
    """The kept definitions of a flow. A new one is written by `write_new`, and not before: a plan changes nothing."""

    flow: str
    target: Target
    cloud: Cloud
    log: Callable[[str], None]
    _new: dict[S3Uri, bytes] = field(default_factory=dict)
    _damaged: set[S3Uri] = field(default_factory=set)
    _is_unreadable: bool = False

    def get(self, key: Json, compute: Callable[[], str]) -> str:
        """Returns the definition that is kept for this key, else the one that `compute` returns.

        The key holds all that a definition is made of: the structure, and the version of what compiles it.
        """
        uris = [self._uri(names, key) for names in self._readable()]
        for uri in uris:
            kept = self._read(uri, key)
            if kept is not None:
                return kept
        definition = compute()
        self._new[uris[-1]] = render_definition(key, definition)
        return definition

    def write_new(self) -> None:
        """Keeps the definitions that were compiled. One that another build has kept meanwhile stays."""
        while self._new:
            uri, data = self._new.popitem()
            try:
                if uri in self._damaged:
                    self.cloud.write(uri, data)
                else:
                    self.cloud.replace(uri, data, None)
            except CloudError as error:
                self.log(f"the compiled definition was not kept for later builds: {error}")

    def _readable(self) -> list[Names]:
        """The names that this run reads definitions under; the last are its own."""
        protected = Names(self.flow, is_protected=True)
        return [protected] if self.target.is_protected else [protected, Names(self.flow)]

    def _uri(self, names: Names, key: Json) -> S3Uri:
        return S3Uri(f"s3://{self.target.bucket}/{names.definition(key_digest(key))}")

    def _read(self, uri: S3Uri, key: Json) -> str | None:
        try:
            data = self.cloud.read(uri, _MAX_BYTES)
        except CloudError as error:
            if not self._is_unreadable:
                self.log(f"compiled definitions of earlier builds can't be read: {error}")
            self._is_unreadable = True
            return None
        found = parse_definition(data, key) if data is not None else None
        if data is not None and found is None:
            self._damaged.add(uri)
        return found


def key_digest(key: Json) -> str:
    """Returns the hash by which a definition is kept.

    >>> key_digest(["definition", {"b": 1, "a": 2}]) == key_digest(["definition", {"a": 2, "b": 1}])
    True
    """
    return hashlib.sha256(_canonical(key).encode()).hexdigest()


def render_definition(key: Json, definition: str) -> bytes:
    """Returns the document of a definition: with its key, and the hash of its text."""
    document = {"schema": _SCHEMA, "key": key, "sha256": _sha256(definition), "definition": definition}
    return json.dumps(document, sort_keys=True).encode()


def parse_definition(data: bytes, key: Json) -> str | None:
    """Returns the definition of a document; None if the document is damaged, or of another key."""
    try:
        document = json.loads(data)
        if not isinstance(document, dict) or document.get("schema") != _SCHEMA:
            return None
        definition = document.get("definition")
        is_whole = isinstance(definition, str) and document.get("sha256") == _sha256(definition)
        return definition if is_whole and _canonical(document.get("key")) == _canonical(key) else None
    except (ValueError, RecursionError):
        return None


def _canonical(key: Json) -> str:
    return json.dumps(key, sort_keys=True)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
