"""A state machine, typed: the result of `load`, which `execute` runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple, TypeAlias

from mlci_asl.choices import ChoiceCondition
from mlci_asl.dataflow import DataFlow
from mlci_asl.jsontext import Json
from mlci_asl.templates import PayloadTemplate
from mlci_asl.variables import referenced_names
from mlci_dataclasses import dataclass


class Retrier(NamedTuple):
    """One entry of Retry. `max_delay_s` is None if there is no maximum."""

    error_equals: tuple[str, ...]
    interval_s: int = 1
    max_attempts: int = 3
    backoff_rate: float = 2.0
    max_delay_s: int | None = None
    is_jittered: bool = False


class Catcher(NamedTuple):
    """One entry of Catch; `flow` processes the error output."""

    error_equals: tuple[str, ...]
    next: str
    flow: DataFlow


class Task(NamedTuple):
    """Work done by a handler; `next` is None in a terminal state."""

    name: str
    resource: str
    flow: DataFlow
    next: str | None
    timeout: PayloadTemplate | None = None
    heartbeat: PayloadTemplate | None = None
    credentials: PayloadTemplate | None = None
    retry: tuple[Retrier, ...] = ()
    catch: tuple[Catcher, ...] = ()
    type: Literal["Task"] = "Task"


class Pass(NamedTuple):
    """Passes its input on, or `result` if `has_result`."""

    name: str
    flow: DataFlow
    next: str | None
    result: Json = None
    has_result: bool = False
    type: Literal["Pass"] = "Pass"


class ChoiceRule(NamedTuple):
    """A condition, with the next state and the data flow if it holds."""

    condition: ChoiceCondition
    next: str
    flow: DataFlow


class Choice(NamedTuple):
    """Goes on with the first rule whose condition holds; `flow` is for `default`."""

    name: str
    flow: DataFlow
    choices: tuple[ChoiceRule, ...]
    default: str | None = None
    type: Literal["Choice"] = "Choice"


class Wait(NamedTuple):
    """Waits for seconds, or until a timestamp."""

    name: str
    flow: DataFlow
    next: str | None
    seconds: PayloadTemplate | None = None
    timestamp: PayloadTemplate | None = None
    type: Literal["Wait"] = "Wait"


class Succeed(NamedTuple):
    """Ends its machine or branch successfully."""

    name: str
    flow: DataFlow
    type: Literal["Succeed"] = "Succeed"


class Fail(NamedTuple):
    """Ends its machine or branch with an error."""

    name: str
    error: PayloadTemplate | None = None
    cause: PayloadTemplate | None = None
    type: Literal["Fail"] = "Fail"


class Parallel(NamedTuple):
    """Runs its branches at the same time; its result is the list of theirs."""

    name: str
    flow: DataFlow
    next: str | None
    branches: tuple[Branch, ...]
    retry: tuple[Retrier, ...] = ()
    catch: tuple[Catcher, ...] = ()
    type: Literal["Parallel"] = "Parallel"


class Map(NamedTuple):
    """Runs its processor once for each item; its result is the list of the iterations' outputs.

    `items` is None if JSONata's Items is missing; then the input has to be an array.
    """

    name: str
    flow: DataFlow
    next: str | None
    processor: Branch
    items: PayloadTemplate | None
    selector: PayloadTemplate | None
    max_concurrency: PayloadTemplate
    retry: tuple[Retrier, ...] = ()
    catch: tuple[Catcher, ...] = ()
    type: Literal["Map"] = "Map"


State: TypeAlias = "Task | Pass | Choice | Wait | Succeed | Fail | Parallel | Map"
RetryableState: TypeAlias = "Task | Parallel | Map"


class Branch(NamedTuple):
    """States with a start: those of a whole machine, of a Parallel's branch, or of a Map's processor."""

    start_at: str
    states: Mapping[str, State]


@dataclass(frozen=True)
class Machine:
    """A definition that can be executed. `timeout_s` is None if there is no timeout."""

    definition: str
    root: Branch
    timeout_s: int | None = None


def inner_branches(state: State) -> tuple[tuple[str, Branch], ...]:
    """The branches inside a state, each with its location relative to the state's."""
    if isinstance(state, Parallel):
        return tuple((f"/Branches[{index}]", branch) for index, branch in enumerate(state.branches))
    return (("/ItemProcessor", state.processor),) if isinstance(state, Map) else ()


def all_states(branch: Branch, location: str = "") -> Iterator[tuple[str, State]]:
    """Every state of a branch and of its inner branches, with its location."""
    for name, state in branch.states.items():
        state_location = f"{location}/States/{name}"
        yield state_location, state
        for branch_location, inner_branch in inner_branches(state):
            yield from all_states(inner_branch, f"{state_location}{branch_location}")


def variable_references(machine: Machine) -> dict[str, list[str]]:
    """The variables that each state reads, sorted, by the state's name, as in DescribeStateMachine."""
    names = {state.name: sorted(set(referenced_names(state))) for _, state in all_states(machine.root)}
    return {name: variables for name, variables in names.items() if variables}


def next_states(state: State) -> tuple[tuple[str, str], ...]:
    """The states that may follow, each with the location of its name relative to the state's."""
    if isinstance(state, Choice):
        rules = [(f"/Choices[{index}]/Next", rule.next) for index, rule in enumerate(state.choices)]
        return (*rules, ("/Default", state.default)) if state.default is not None else tuple(rules)
    if isinstance(state, (Succeed, Fail)):
        return ()
    catch = state.catch if isinstance(state, (Task, Parallel, Map)) else ()
    caught = tuple((f"/Catch[{index}]/Next", catcher.next) for index, catcher in enumerate(catch))
    return caught if state.next is None else (("/Next", state.next), *caught)


def is_terminal(state: State) -> bool:
    """True if the machine or branch can end in this state."""
    return isinstance(state, (Succeed, Fail)) or (not isinstance(state, Choice) and state.next is None)
