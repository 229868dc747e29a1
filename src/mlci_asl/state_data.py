"""The data on which the fields of a state are evaluated, in either query language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from mlci_asl.jsontext import Json, JsonText, dump

NO_VARIABLES: Mapping[str, Json] = {}
_NO_FIELDS: Mapping[str, Json] = {}


class StateData(NamedTuple):
    """`input` is `$` in JSONPath, and the state's input in JSONata. `context` is the context object.

    `states_fields` has the members of `$states` besides input and context: `result`, or `errorOutput`. `texts` has the
    values whose text is known: the state's input and its result.
    """

    input: Json
    context: Json
    variables: Mapping[str, Json] = NO_VARIABLES
    states_fields: Mapping[str, Json] = _NO_FIELDS
    texts: tuple[JsonText, ...] = ()

    def with_input(self, input: Json) -> StateData:
        """The same data with another `$`."""
        return self._replace(input=input)

    def quoted(self, value: Json) -> str:
        """A value as causes quote it: with its own white space if it is the whole input, else compact.

        Source: an "Execution Status Change" event of AWS's, published in a test of others (LambdaSnsHandlerTest.kt):
        the cause of the second state quotes the input with the line breaks that the execution was started with.
        """
        return next((text.text for text in self.texts if text.value is value), None) or dump(value)

    def jsonata_variables(self) -> dict[str, Json]:
        """The variables of a JSONata expression, without the `$`."""
        states = {"input": self.input, "context": self.context, **self.states_fields}
        return {**self.variables, "states": states}
