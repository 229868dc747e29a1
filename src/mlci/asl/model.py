"""A state machine, read and checked: what `load` makes of a definition and `execute` runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple, TypeAlias

from mlci.asl.choices import Rule
from mlci.asl.jsontext import Json
from mlci.asl.paths import Path
from mlci.asl.templates import Expression, Template

WHOLE = Path("$", False, ())


class DataFlow(NamedTuple):
    """What a state does with data on its way in and out. A path that is None was `null` in the definition."""

    input_path: Path | None = WHOLE
    parameters: Template | None = None
    result_selector: Template | None = None
    result_path: Path | None = WHOLE
    output_path: Path | None = WHOLE


class Retrier(NamedTuple):
    """One entry of Retry. `max_delay_s` is None where there is no ceiling."""

    error_equals: tuple[str, ...]
    interval_s: int = 1
    max_attempts: int = 3
    backoff_rate: float = 2.0
    max_delay_s: int | None = None
    is_jittered: bool = False


class Catcher(NamedTuple):
    """One entry of Catch."""

    error_equals: tuple[str, ...]
    next: str
    result_path: Path | None = WHOLE


class Task(NamedTuple):
    """Work done by a handler. `timeout` and `heartbeat` are seconds, or a path to them; `next` is None at the end."""

    name: str
    resource: str
    flow: DataFlow
    next: str | None
    timeout: int | Path | None = None
    heartbeat: int | Path | None = None
    credentials: Template | None = None
    retry: tuple[Retrier, ...] = ()
    catch: tuple[Catcher, ...] = ()
    type: Literal["Task"] = "Task"


class Pass(NamedTuple):
    """Hands its input on, or `result` where `has_result`."""

    name: str
    flow: DataFlow
    next: str | None
    result: Json = None
    has_result: bool = False
    type: Literal["Pass"] = "Pass"


class ChoiceBranch(NamedTuple):
    """A rule with the state that follows where it holds."""

    rule: Rule
    next: str


class Choice(NamedTuple):
    """Goes on with the first rule that holds."""

    name: str
    flow: DataFlow
    choices: tuple[ChoiceBranch, ...]
    default: str | None = None
    type: Literal["Choice"] = "Choice"


class Wait(NamedTuple):
    """Waits for seconds, or until a moment; each as given, or as a path to it."""

    name: str
    flow: DataFlow
    next: str | None
    seconds: int | Path | None = None
    timestamp: datetime | Path | None = None
    type: Literal["Wait"] = "Wait"


class Succeed(NamedTuple):
    """Ends its machine or branch well."""

    name: str
    flow: DataFlow
    type: Literal["Succeed"] = "Succeed"


class Fail(NamedTuple):
    """Ends its machine or branch with an error; each as a text, or as a path or function that gives it."""

    name: str
    error: str | Expression | None = None
    cause: str | Expression | None = None
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


State: TypeAlias = "Task | Pass | Choice | Wait | Succeed | Fail | Parallel"


class Branch(NamedTuple):
    """States with a start: a whole machine's, or a Parallel branch's."""

    start_at: str
    states: Mapping[str, State]


@dataclass(frozen=True)
class Machine:
    """A definition that can be executed. `timeout_s` is None where there is no limit."""

    definition: str
    root: Branch
    timeout_s: int | None = None


def targets(state: State) -> tuple[tuple[str, str], ...]:
    """The states that may follow, each with the place that says so, below the state's own."""
    if isinstance(state, Choice):
        found = [(f"/Choices[{index}]/Next", choice.next) for index, choice in enumerate(state.choices)]
        return (*found, ("/Default", state.default)) if state.default is not None else tuple(found)
    if isinstance(state, (Succeed, Fail)):
        return ()
    catch = state.catch if isinstance(state, (Task, Parallel)) else ()
    caught = tuple((f"/Catch[{index}]/Next", catcher.next) for index, catcher in enumerate(catch))
    return caught if state.next is None else (("/Next", state.next), *caught)


def is_terminal(state: State) -> bool:
    """Whether the machine or branch can end in this state."""
    return isinstance(state, (Succeed, Fail)) or (not isinstance(state, Choice) and state.next is None)
