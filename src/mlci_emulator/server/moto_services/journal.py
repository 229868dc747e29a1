"""The requests that changed something in moto, so that they can be repeated when the server starts again.

Each request is one JSON line, written before its response is sent: a kill loses no acknowledged request. moto draws its
ids from one random generator, which is seeded for each request with a number that the line holds, so a repeated request
gets the same ids. Dates are those of the repetition.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple


class JournalEntry(NamedTuple):
    """One request: WSGI's variables that say what it is, its body, and the seed of its ids.

    `failures` are the resources of stacks that the request could not create, with their reasons.
    """

    environ: Mapping[str, str]
    body: bytes
    seed: int
    failures: Mapping[str, str] = MappingProxyType({})


#: The variables of a request; the others are the server's.
_VARIABLES = ("REQUEST_METHOD", "PATH_INFO", "QUERY_STRING", "REQUEST_URI", "CONTENT_TYPE")


def new_entry(environ: Mapping[str, Any], body: bytes, seed: int) -> JournalEntry:
    variables = {name: str(environ[name]) for name in environ if name in _VARIABLES or name.startswith("HTTP_")}
    return JournalEntry(variables, body, seed)


class Journal:
    """The lines of one file."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def is_empty(self) -> bool:
        return not self._file.exists() or self._file.stat().st_size == 0

    def entries(self) -> Iterator[JournalEntry]:
        """Yield all entries in order. An incomplete last line, which a kill leaves, is cut off."""
        if self.is_empty():
            return
        with self._file.open("rb+") as stream:
            whole = 0
            for line in stream:
                if not line.endswith(b"\n"):
                    stream.truncate(whole)
                    return
                whole += len(line)
                fields = json.loads(line)
                yield JournalEntry(
                    fields["environ"], base64.b64decode(fields["body"]), fields["seed"], fields.get("failures", {})
                )

    def append(self, entry: JournalEntry) -> None:
        body = base64.b64encode(entry.body).decode()
        fields = {"environ": entry.environ, "body": body, "seed": entry.seed}
        if entry.failures:
            fields["failures"] = dict(entry.failures)
        line = json.dumps(fields).encode() + b"\n"
        self._file.parent.mkdir(parents=True, exist_ok=True)
        # One write: the line is whole or the incomplete last one. Mode 0600, as requests hold secrets.
        file = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.write(file, line)
        finally:
            os.close(file)
