"""An interpreter of the Amazon States Language: exact, in both query languages, in process. Knows nothing of mlci.

    load(definition) -> Machine        or DefinitionError, with every problem and its location
    execute(machine, input, …) -> Outcome, in the calling thread; the caller's Handlers do the tasks

The map, in the order in which data goes through it:

    jsontext.py             JSON as AWS reads and writes it, and the sizes that it allows
    timestamps.py           timestamps of RFC 3339
    errors.py               problems of a definition, errors of a state, and the error names
    state_data.py           the data on which a state's fields are evaluated
    path_tokens.py          the tokens of a JSONPath, and its errors
    path_evaluation.py      the evaluation of a path's tokens on a value
    filters.py              the conditions of a path's filters
    path_parser.py          from the text of a path to its tokens
    paths.py                paths: JSONPath on the input, the context object and variables
    references.py           reference paths, which can be written to
    intrinsic_functions.py  the 18 intrinsic functions
    intrinsics.py           calls of intrinsic functions: parsing and evaluation
    jsonata/                JSONata expressions
    templates.py            payload templates, in either query language
    fields.py               the fields of one object of a definition, with the problems found in them
    dynamic_fields.py       fields that take a literal, a path or an expression
    choices.py              the conditions of choice rules
    variables.py            workflow variables, and Assign
    dataflow.py             input and output processing, in either query language
    model.py                a state machine, typed
    choice_rules.py         reads the choice rules of JSONPath
    query_languages.py      reads the fields that differ between the query languages
    retry_catch.py          reads Retry and Catch
    states.py               reads a state
    load.py                 reads a definition, and reports all of its problems
    stop_signal.py          the signal that stops an execution, a branch or a task
    callbacks.py            tasks that are completed from outside
    handlers.py             the protocol of the handlers that do tasks
    events.py               the history of an execution
    context.py              the context object
    branch.py               the execution of one branch, and deadlines
    retries.py              the attempts and delays of Retry
    task_events.py          the events of a task
    tasks.py                one attempt at a task
    redrive.py              where a redriven execution goes on
    branch_group.py         branches and iterations that run at the same time
    parallel.py             one attempt at a Parallel
    maps.py                 one attempt at a Map
    interpret.py            the execution of a state machine
    inspection.py           one state by itself, for TestState

The many small values that a definition is read into are named tuples: a frozen dataclass costs 1.5 ms to define, and
with fifty of them importing this package would take longer than running a flow.

Not covered, and refused by `load`: distributed Map. A further state type is a class in `model`, a reader in `states`
and a case in `interpret`. Only `query_languages` knows in which query language a state is; values are templates.
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
