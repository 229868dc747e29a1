"""An interpreter of the Amazon States Language: exact, in both query languages, in process. Knows nothing of mlci.

    load(definition) -> Machine        or DefinitionError, with every problem and its place
    execute(machine, input, …) -> Outcome, in the calling thread; tasks are done by the caller's Handlers

The map, in the order in which data goes through it:

    jsontext, timestamps, errors       the ground: JSON as AWS has it, times, error names
    data                               what a state's fields are evaluated against
    path_tokens, path_evaluation, filters, path_parser, paths, references   JSONPath, and paths that can be written to
    functions, intrinsics              intrinsic functions
    jsonata/                           JSONata, a package of its own
    templates, settings                payloads and single fields, in either language
    choices, variables, dataflow       rules, Assign, and the way of the data through a state, in either language
    model                              a machine, typed
    fields, rules, language, policies, states, load   reading a definition into the model, with all problems noted
    signals, callbacks, handlers, events, context, scope   what a running branch has at hand
    retries, taskevents, tasks, resume, group, parallel, maps, interpret   running it
    trial                              one state by itself, and what its data is on the way

The many small values that a definition is read into are named tuples: a frozen dataclass costs 1.5 ms to define, and
with fifty of them importing this package would take longer than running a flow.

Not covered, and refused by `load`: distributed Map. A further state type is a class in `model`, a reader in `states`
and a case in `interpret`. Which query language a state is in is known to `language` alone: values are templates.
"""

from __future__ import annotations

from mlci_asl.callbacks import Callback
from mlci_asl.context import Context
from mlci_asl.errors import DefinitionError, Problem, TaskError
from mlci_asl.events import Event
from mlci_asl.handlers import Handlers, TaskCall
from mlci_asl.interpret import Outcome, execute
from mlci_asl.jsontext import Json
from mlci_asl.load import load, unsupported_resources
from mlci_asl.model import Machine, variable_references
from mlci_asl.redrive import Resume
from mlci_asl.stop_signal import StopSignal

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
    "Resume",
    "StopSignal",
    "TaskCall",
    "TaskError",
    "execute",
    "load",
    "unsupported_resources",
    "variable_references",
]
