"""What the fields of a state are evaluated against, whichever query language they are in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from mlci_asl.jsontext import Json, Text, dump

NO_VARIABLES: Mapping[str, Json] = {}
_NOTHING: Mapping[str, Json] = {}


class Data(NamedTuple):
    """`given` is what `$` means in JSONPath, and the state's input in JSONata; `context` is the context object.

    `more` has what `$states` shows beside input and context: `result`, or `errorOutput`. `texts` has the values whose
    text is known: the state's input and its result, as they were given.
    """

    given: Json
    context: Json
    variables: Mapping[str, Json] = NO_VARIABLES
    more: Mapping[str, Json] = _NOTHING
    texts: tuple[Text, ...] = ()

    def about(self, given: Json) -> Data:
        """The same with another `$`."""
        return self._replace(given=given)

    def quoted(self, value: Json) -> str:
        """A value as causes quote it: with its own white space where it is the whole input, else compact.

        Source: an "Execution Status Change" event of AWS's, published in a test of others (LambdaSnsHandlerTest.kt):
        the cause of the second state quotes the input with the line breaks that the execution was started with.
        """
        return next((text.text for text in self.texts if text.value is value), None) or dump(value)

    def names(self) -> dict[str, Json]:
        """What a JSONata expression can name, without the `$`."""
        return {**self.variables, "states": {"input": self.given, "context": self.context, **self.more}}
