"""What was asked of moto and changed something, so that it can be asked again when the server starts the next time.

One JSON line for each request, written before its answer goes out: a kill loses no answered request. moto draws its ids
from one source of chance, which is seeded for each request with a number that the line holds, so asking again gives the
same ids. Dates are those of the asking.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple


class Entry(NamedTuple):
    """One request: WSGI's variables that say what it is, its body, and the seed of its ids."""

    environ: Mapping[str, str]
    body: bytes
    seed: int


#: The rest of a request's environment is the server's.
_KEPT = ("REQUEST_METHOD", "PATH_INFO", "QUERY_STRING", "REQUEST_URI", "CONTENT_TYPE")


def entry(environ: Mapping[str, Any], body: bytes, seed: int) -> Entry:
    kept = {name: str(environ[name]) for name in environ if name in _KEPT or name.startswith("HTTP_")}
    return Entry(kept, body, seed)


class Journal:
    """The lines of one file."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def is_empty(self) -> bool:
        return not self._file.exists() or self._file.stat().st_size == 0

    def entries(self) -> Iterator[Entry]:
        """All of them, in order. What a kill left of a last line is cut off, so that the next one stands by itself."""
        if self.is_empty():
            return
        with self._file.open("rb+") as stream:
            whole = 0
            for line in stream:
                if not line.endswith(b"\n"):
                    stream.truncate(whole)
                    return
                whole += len(line)
                given = json.loads(line)
                yield Entry(given["environ"], base64.b64decode(given["body"]), given["seed"])

    def append(self, made: Entry) -> None:
        body = base64.b64encode(made.body).decode()
        line = json.dumps({"environ": made.environ, "body": body, "seed": made.seed}).encode() + b"\n"
        self._file.parent.mkdir(parents=True, exist_ok=True)
        # One write, so that it is there whole or as a last line without an end; 0600, as there are secrets among them.
        file = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.write(file, line)
        finally:
            os.close(file)
