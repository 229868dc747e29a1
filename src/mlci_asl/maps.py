"""One attempt at a Map: its processor for each item, in a bounded number of threads.

Source: https://docs.aws.amazon.com/step-functions/latest/dg/state-map-inline.html
"""

from __future__ import annotations

from collections.abc import Sequence

from mlci_asl.branch import Scope
from mlci_asl.dynamic_fields import items, whole_number
from mlci_asl.events import Event, Trail
from mlci_asl.jsontext import Json, Text, text_of
from mlci_asl.model import Map
from mlci_asl.parallel import RunBranch, follows, outputs, settled
from mlci_asl.redrive import Past, iterations
from mlci_asl.state_data import Data
from mlci_asl.task_group import Group, Job
from mlci_asl.templates import fill

#: Iterations at the same time: "up to 40 concurrent iterations" where MaxConcurrency is 0, "you might see" less above.
MAX_CONCURRENT = 40


def attempt(scope: Scope, state: Map, seen: Data, run: RunBranch, inside: Sequence[Event] = ()) -> Text:
    """What came of the items, in their order. When this returns or raises, every iteration has ended.

    `inside` is what happened in the state before the execution was redriven.

    Raises: StateError of the iteration that failed first, EvaluationError; Stopped.
    """
    found = items(state.items, seen)
    wanted = whole_number(state.max_concurrency, seen, 0)
    details: dict[str, Json] = {"length": len(found)}
    given = [selected_item(state, seen, index, item) for index, item in enumerate(found)]
    pasts = iterations(state, inside)
    if not pasts:
        scope.trail.add("MapStateStarted", "mapStateStartedEventDetails", details)
    done = outputs(pasts)
    jobs = [
        _iteration(state, index, item, given[index], run, pasts.get(index))
        for index, item in enumerate(found)
        if index not in done
    ]
    group = Group(scope, jobs, min(wanted or MAX_CONCURRENT, MAX_CONCURRENT))
    return settled(group, len(found), "MapStateSucceeded", done)


def item_context(index: int, item: Json) -> dict[str, Json]:
    """What the context object has in an iteration, and in ItemSelector."""
    return {"Map": {"Item": {"Index": index, "Value": item}}}


def selected_item(state: Map, seen: Data, index: int, item: Json) -> Json:
    """The iteration's input."""
    if state.selector is None:
        return item
    assert isinstance(seen.context, dict)
    return fill(state.selector, seen._replace(context={**seen.context, **item_context(index, item)}))


def _iteration(state: Map, index: int, item: Json, given: Json, run: RunBranch, past: Past | None) -> Job:
    def work(scope: Scope) -> Text:
        return run(state.processor, text_of(given), scope.with_item(item_context(index, item)), past)

    def tell(what: str, trail: Trail) -> None:
        trail.add(f"MapIteration{what}", f"mapIteration{what}EventDetails", {"name": state.name, "index": index})

    return Job(index, work, tell, follows(past))
