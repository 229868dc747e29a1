"""Reads the text of a definition into a Machine, and reports all problems for which AWS would refuse it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator

from mlci_asl.errors import DefinitionError, Problem
from mlci_asl.fields import Fields
from mlci_asl.handlers import Handlers
from mlci_asl.jsontext import Json, parse
from mlci_asl.model import Branch, Machine, State, Task, all_states, inner_branches, is_terminal, next_states
from mlci_asl.query_languages import QUERY_LANGUAGES, QueryLanguage, read_query_language
from mlci_asl.states import read_state
from mlci_asl.task_events import is_activity
from mlci_asl.variables import assigned_names

#: Source: https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
MAX_DEFINITION_BYTES = 1_048_576
MAX_NAME_CHARS = 80

#: AWS's codes for problems of the graph, and of the text.
MISSING_TARGET = "MISSING_TRANSITION_TARGET"
NO_JSON = "INVALID_JSON_DESCRIPTION"

_MACHINE_FIELDS = ("Comment", "StartAt", "States", "Version", "TimeoutSeconds", "QueryLanguage")
_BRANCH_FIELDS = ("Comment", "StartAt", "States")


def load(definition: str, *, is_express: bool = False) -> Machine:
    """The state machine of a definition. An express workflow (`is_express`) can't wait for jobs or callbacks.

    Raises: DefinitionError with every problem.
    """
    problems: list[Problem] = []
    fields = Fields(_parsed(definition, problems), "", problems)
    try:
        root = _DefinitionReader(problems, read_query_language(fields, QUERY_LANGUAGES["JSONPath"])).machine(fields)
    except RecursionError:
        raise DefinitionError([Problem("", "the definition is nested too deeply")]) from None
    if fields.string("Version", "1.0") != "1.0":
        fields.add_problem('the only version is "1.0"', "Version")
    if root is not None:
        problems.extend(_shadowed_variables(root, frozenset()))
    timeout = fields.integer("TimeoutSeconds", 1, 1) if "TimeoutSeconds" in fields else None
    if root is not None and is_express:
        problems.extend(_express_problems(root))
    if problems or root is None:
        raise DefinitionError(dict.fromkeys(problems))
    return Machine(definition, root, timeout)


def _parsed(definition: str, problems: list[Problem]) -> dict[str, Json]:
    if len(definition.encode("utf-8", "surrogatepass")) > MAX_DEFINITION_BYTES:
        raise DefinitionError([Problem("", "the definition is larger than 1 MB")])
    try:
        value = parse(definition, lambda name: problems.append(Problem("", f'the name "{name}" is repeated')))
    except json.JSONDecodeError as error:
        location = f"line {error.lineno}, column {error.colno}"
        raise DefinitionError([Problem(location, f"the definition is not JSON: {error.msg}", NO_JSON)]) from error
    except ValueError as error:
        raise DefinitionError([Problem("", f"the definition is not JSON: {error}", NO_JSON)]) from error
    if not isinstance(value, dict):
        raise DefinitionError([Problem("", "Definition must be a valid JSON object")])
    return value


class _DefinitionReader:
    """Reads branches, and checks that the names of all states differ across the whole machine."""

    def __init__(self, problems: list[Problem], language: QueryLanguage) -> None:
        self.problems, self.language = problems, language
        self.locations: dict[str, str] = {}

    def machine(self, fields: Fields) -> Branch | None:
        """The states of the whole machine; None if it has none."""
        fields.check_known(_MACHINE_FIELDS)
        return self._states(fields)

    def branch(self, fields: Fields, extra_fields: tuple[str, ...] = ()) -> Branch | None:
        """The states of a branch or of a Map's processor, which may have `extra_fields`; None if it has none."""
        fields.check_known((*_BRANCH_FIELDS, *extra_fields))
        return self._states(fields)

    def _states(self, fields: Fields) -> Branch | None:
        if not fields.require("States", "StartAt"):
            return None
        start, members = fields.string("StartAt"), fields.children_by_name("States")
        if not members:
            if fields.members["States"] == {}:
                fields.add_problem("Value cannot be empty", "States")
            return None
        states: dict[str, State] = {}
        for name, child in members.items():
            self._check_name(name, child)
            state = read_state(name, child, self.language, self.branch)
            if state is not None:
                states[name] = state
        branch = Branch(start, states)
        _check_graph(branch, set(members), fields)
        return branch

    def _check_name(self, name: str, fields: Fields) -> None:
        if not 1 <= len(name) <= MAX_NAME_CHARS:
            fields.add_problem(f"a state's name has 1 to {MAX_NAME_CHARS} characters, this one has {len(name)}")
        if name in self.locations:
            fields.add_problem(f"state names must differ in the whole machine; there is one at {self.locations[name]}")
        self.locations.setdefault(name, fields.location)


def _check_graph(branch: Branch, names: set[str], fields: Fields) -> None:
    """Checks that every target exists, every state is reachable, and one is terminal.

    `names` also has the states that could not be read.
    """
    if branch.start_at not in names:
        fields.add_problem_at(f"{fields.location}/StartAt", _missing_target(branch.start_at), MISSING_TARGET)
    dangling = [
        (f"{fields.location}/States/{name}{location}", target)
        for name, state in branch.states.items()
        for location, target in next_states(state)
        if target not in names
    ]
    for location, target in dangling:
        fields.add_problem_at(location, _missing_target(target), MISSING_TARGET)
    if set(branch.states) != names or branch.start_at not in names or dangling:
        return  # a state that could not be read, or is misspelt, may lead to any other
    if not any(is_terminal(state) for state in branch.states.values()):
        fields.add_problem_at("", "Workflow has no terminal state", "MISSING_END_STATE")
        return
    reached = _reached(branch)
    for name in branch.states:
        if name not in reached:
            fields.add_problem_at(
                f"{fields.location}/States/{name}", f'State "{name}" is not reachable.', MISSING_TARGET
            )


def _missing_target(name: str) -> str:
    """AWS's message, which has Next for any field."""
    return f"Missing 'Next' target: {name}"


def _reached(branch: Branch) -> set[str]:
    reached: set[str] = set()
    to_visit = [branch.start_at]
    while to_visit:
        name = to_visit.pop()
        if name in branch.states and name not in reached:
            reached.add(name)
            to_visit.extend(target for _, target in next_states(branch.states[name]))
    return reached


def _shadowed_variables(branch: Branch, outer: frozenset[str], location: str = "") -> Iterator[Problem]:
    """A problem for each variable that is set inside a Parallel or Map, and by a state next to it.

    The Parallel or Map itself may set the same variable, for it does so later, as recorded from AWS.
    """
    assigned = {name: frozenset(assigned_names(state)) for name, state in branch.states.items()}
    assigning_states = Counter(variable for variables in assigned.values() for variable in variables)
    for name, state in branch.states.items():
        for variable in sorted(outer & assigned[name]):
            message = f"the variable ${variable} is one of an outer scope, which an inner scope can't set"
            yield Problem(f"{location}/States/{name}/Assign", message)
        for branch_location, inner_branch in inner_branches(state):
            siblings = {
                variable for variable, count in assigning_states.items() if count > (variable in assigned[name])
            }
            yield from _shadowed_variables(inner_branch, outer | siblings, f"{location}/States/{name}{branch_location}")


def _express_problems(root: Branch) -> Iterator[Problem]:
    """The problems that only an express workflow has.

    Source: https://docs.aws.amazon.com/step-functions/latest/dg/choosing-workflow-type.html
    """
    for location, task in _tasks(root):
        pattern = task.resource.partition(".")[2].partition(":")[0]
        if is_activity(task.resource):
            yield Problem(f"{location}/Resource", "Express state machine does not support Activity ARN")
        elif pattern in ("sync", "waitForTaskToken"):
            message = f"Express state machine does not support '.{pattern}' service integration"
            message += " " if pattern == "waitForTaskToken" else ""  # AWS's message ends with a blank
            yield Problem(f"{location}/Resource", message)


def unsupported_resources(machine: Machine, handlers: Handlers) -> tuple[Problem, ...]:
    """A problem for each task whose resource the handlers do not support. `load` knows no handlers."""
    return tuple(
        Problem(f"{location}/Resource", f'the resource "{task.resource}" is not supported here')
        for location, task in _tasks(machine.root)
        if not handlers.supports(task.resource)
    )


def _tasks(branch: Branch) -> Iterator[tuple[str, Task]]:
    return ((location, state) for location, state in all_states(branch) if isinstance(state, Task))
