"""What the fields of a state are evaluated against, whichever query language they are in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from mlci_asl.jsontext import Json

NO_VARIABLES: Mapping[str, Json] = {}
_NOTHING: Mapping[str, Json] = {}


class Data(NamedTuple):
    """`given` is what `$` means in JSONPath, and the state's input in JSONata; `context` is the context object.

    `more` has what `$states` shows beside input and context: `result`, or `errorOutput`.
    """

    given: Json
    context: Json
    variables: Mapping[str, Json] = NO_VARIABLES
    more: Mapping[str, Json] = _NOTHING

    def about(self, given: Json) -> Data:
        """The same with another `$`."""
        return self._replace(given=given)

    def names(self) -> dict[str, Json]:
        """What a JSONata expression can name, without the `$`."""
        return {**self.variables, "states": {"input": self.given, "context": self.context, **self.more}}
