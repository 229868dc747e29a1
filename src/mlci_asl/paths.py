"""JSONPath in the dialect of AWS, which is Jayway's (json-path for Java): a parsed path, and reading it.

`$$` starts at the context object, `$name` at a variable. Reference paths, which can be written to, are in `references`.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from mlci_asl.jsontext import Json
from mlci_asl.path_evaluation import read
from mlci_asl.path_parser import parse_tokens
from mlci_asl.path_tokens import PathNotFound, PathSyntaxError, Token
from mlci_asl.state_data import StateData

INPUT, CONTEXT = "$", "$$"
_VARIABLE = re.compile(r"[^\W\d]\w*")


class Path(NamedTuple):
    """A parsed path. `text` is its text in the definition; `root` is `$`, `$$` or the name of a variable."""

    text: str
    root: str
    tokens: tuple[Token, ...]

    def read(self, data: StateData) -> Json:
        """The value, or the list of values if the path is not definite.

        Raises: PathNotFound, InvalidPath.
        """
        return read(self.tokens, self.start(data))

    def start(self, data: StateData) -> Json:
        """The value that the path starts at.

        Raises: PathNotFound if it is a variable that has not been assigned.
        """
        if self.root == INPUT:
            return data.input
        if self.root == CONTEXT:
            return data.context
        if self.root not in data.variables:
            raise PathNotFound(f"Variable {self.root} is not assigned")
        return data.variables[self.root]

    @property
    def variable(self) -> str | None:
        """The variable that is read, if any."""
        return None if self.root in (INPUT, CONTEXT) else self.root


def parse_path(text: str) -> Path:
    """A path from its text.

    Raises: PathSyntaxError.
    """
    if not text.startswith("$"):
        raise PathSyntaxError("a path starts with $")
    if text.startswith(CONTEXT):
        return Path(text, CONTEXT, tuple(parse_tokens(text, 2)))
    variable = _VARIABLE.match(text, 1)
    if variable is None:
        return Path(text, INPUT, tuple(parse_tokens(text, 1)))
    return Path(text, variable[0], tuple(parse_tokens(text, variable.end())))
