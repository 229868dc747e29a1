"""A state machine, read and checked: what `load` makes of a definition and `execute` runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

from mlci_asl.choices import Rule
from mlci_asl.dataflow import Flow
from mlci_asl.jsontext import Json
from mlci_asl.templates import Template
from mlci_asl.variables import references


class Retrier(NamedTuple):
    """One entry of Retry. `max_delay_s` is None where there is no ceiling."""

    error_equals: tuple[str, ...]
    interval_s: int = 1
    max_attempts: int = 3
    backoff_rate: float = 2.0
    max_delay_s: int | None = None
    is_jittered: bool = False


class Catcher(NamedTuple):
    """One entry of Catch; `flow` says what becomes of the error."""

    error_equals: tuple[str, ...]
    next: str
    flow: Flow


class Task(NamedTuple):
    """Work done by a handler; `next` is None at the end."""

    name: str
    resource: str
    flow: Flow
    next: str | None
    timeout: Template | None = None
    heartbeat: Template | None = None
    credentials: Template | None = None
    retry: tuple[Retrier, ...] = ()
    catch: tuple[Catcher, ...] = ()
    type: Literal["Task"] = "Task"


class Pass(NamedTuple):
    """Hands its input on, or `result` where `has_result`."""

    name: str
    flow: Flow
    next: str | None
    result: Json = None
    has_result: bool = False
    type: Literal["Pass"] = "Pass"


class ChoiceBranch(NamedTuple):
    """A rule with the state that follows where it holds, and what is handed on then."""

    rule: Rule
    next: str
    flow: Flow


class Choice(NamedTuple):
    """Goes on with the first rule that holds; `flow` is for `default`."""

    name: str
    flow: Flow
    choices: tuple[ChoiceBranch, ...]
    default: str | None = None
    type: Literal["Choice"] = "Choice"


class Wait(NamedTuple):
    """Waits for seconds, or until a moment."""

    name: str
    flow: Flow
    next: str | None
    seconds: Template | None = None
    timestamp: Template | None = None
    type: Literal["Wait"] = "Wait"


class Succeed(NamedTuple):
    """Ends its machine or branch well."""

    name: str
    flow: Flow
    type: Literal["Succeed"] = "Succeed"


class Fail(NamedTuple):
    """Ends its machine or branch with an error."""

    name: str
    error: Template | None = None
    cause: Template | None = None
    type: Literal["Fail"] = "Fail"


class Parallel(NamedTuple):
    """Runs its branches at the same time; its result is the list of theirs."""

    name: str
    flow: Flow
    next: str | None
    branches: tuple[Branch, ...]
    retry: tuple[Retrier, ...] = ()
    catch: tuple[Catcher, ...] = ()
    type: Literal["Parallel"] = "Parallel"


class Map(NamedTuple):
    """Runs its processor once for each item; its result is the list of what came of them.

    `items` is None where JSONata's Items is missing: the input then has to be the list.
    """

    name: str
    flow: Flow
    next: str | None
    processor: Branch
    items: Template | None
    selector: Template | None
    max_concurrency: Template
    retry: tuple[Retrier, ...] = ()
    catch: tuple[Catcher, ...] = ()
    type: Literal["Map"] = "Map"


State: TypeAlias = "Task | Pass | Choice | Wait | Succeed | Fail | Parallel | Map"
Retried: TypeAlias = "Task | Parallel | Map"


class Branch(NamedTuple):
    """States with a start: a whole machine's, a Parallel branch's, or a Map's processor."""

    start_at: str
    states: Mapping[str, State]


@dataclass(frozen=True)
class Machine:
    """A definition that can be executed. `timeout_s` is None where there is no limit."""

    definition: str
    root: Branch
    timeout_s: int | None = None


def inner(state: State) -> tuple[tuple[str, Branch], ...]:
    """The branches inside a state, each with its place below the state's own."""
    if isinstance(state, Parallel):
        return tuple((f"/Branches[{index}]", branch) for index, branch in enumerate(state.branches))
    return (("/ItemProcessor", state.processor),) if isinstance(state, Map) else ()


def states_of(branch: Branch, place: str = "") -> Iterator[tuple[str, State]]:
    """Every state of a branch, also of those inside, with its place."""
    for name, state in branch.states.items():
        here = f"{place}/States/{name}"
        yield here, state
        for below, within in inner(state):
            yield from states_of(within, f"{here}{below}")


def variable_references(machine: Machine) -> dict[str, list[str]]:
    """The variables that each state reads, by the state's name, as DescribeStateMachine tells them; sorted."""
    found = {state.name: sorted(set(references(state))) for _, state in states_of(machine.root)}
    return {name: variables for name, variables in found.items() if variables}


def targets(state: State) -> tuple[tuple[str, str], ...]:
    """The states that may follow, each with the place that says so, below the state's own."""
    if isinstance(state, Choice):
        found = [(f"/Choices[{index}]/Next", choice.next) for index, choice in enumerate(state.choices)]
        return (*found, ("/Default", state.default)) if state.default is not None else tuple(found)
    if isinstance(state, (Succeed, Fail)):
        return ()
    catch = state.catch if isinstance(state, (Task, Parallel, Map)) else ()
    caught = tuple((f"/Catch[{index}]/Next", catcher.next) for index, catcher in enumerate(catch))
    return caught if state.next is None else (("/Next", state.next), *caught)


def is_terminal(state: State) -> bool:
    """Whether the machine or branch can end in this state."""
    return isinstance(state, (Succeed, Fail)) or (not isinstance(state, Choice) and state.next is None)
