"""An interpreter of the Amazon States Language: JSONPath mode, exact, in process. Knows nothing of mlci.

    load(definition) -> Machine        or DefinitionError, with every problem and its place
    execute(machine, input, …) -> Outcome, in the calling thread; tasks are done by the caller's Handlers

The map, in the order in which data goes through it:

    jsontext, timestamps, errors       the ground: JSON as AWS has it, times, error names
    paths, filters, references         JSONPath (Jayway's dialect), and paths that can be written to
    functions, intrinsics, templates   intrinsic functions, and the payloads made with them
    choices                            when choice rules hold
    model                              a machine, typed
    fields, rules, states, load        reading a definition into the model, with all problems noted
    signals, handlers, events, context, scope   what a running branch has at hand
    dataflow, retries, tasks, parallel, interpret   running it

The many small values that a definition is read into are named tuples: a frozen dataclass costs 1.5 ms to define, and
with fifty of them importing this package would take longer than running a flow.

Not covered, and refused by `load`: Map, JSONata, Assign. A further state type is a class in
`model`, a reader in `states`, and a case in `interpret`; a further query language is a sibling of `templates`.
"""

from __future__ import annotations

from mlci.asl.callbacks import Callback
from mlci.asl.context import Context
from mlci.asl.errors import DefinitionError, Problem, TaskError
from mlci.asl.events import Event
from mlci.asl.handlers import Handlers, TaskCall
from mlci.asl.interpret import Outcome, execute
from mlci.asl.jsontext import Json
from mlci.asl.load import load, unsupported_resources
from mlci.asl.model import Machine
from mlci.asl.signals import StopSignal

__all__ = [
    "Callback",
    "Context",
    "DefinitionError",
    "Event",
    "Handlers",
    "Json",
    "Machine",
    "Outcome",
    "Problem",
    "StopSignal",
    "TaskCall",
    "TaskError",
    "execute",
    "load",
    "unsupported_resources",
]
