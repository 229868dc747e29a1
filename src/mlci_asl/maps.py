"""One attempt at a Map: its processor for each item, in a bounded number of threads.

Source: https://docs.aws.amazon.com/step-functions/latest/dg/state-map-inline.html
"""

from __future__ import annotations

from collections.abc import Sequence

from mlci_asl.branch import BranchExecution
from mlci_asl.branch_group import BranchGroup, ConcurrentBranch
from mlci_asl.dynamic_fields import integer, items
from mlci_asl.events import Event, EventChain
from mlci_asl.jsontext import Json, JsonText, text_of
from mlci_asl.model import Map
from mlci_asl.parallel import RunBranch, completed_outputs, group_output, resumed_after
from mlci_asl.redrive import BranchHistory, iteration_histories
from mlci_asl.state_data import StateData
from mlci_asl.templates import fill

#: Iterations at the same time: "up to 40 concurrent iterations" where MaxConcurrency is 0, "you might see" less above.
MAX_CONCURRENT_ITERATIONS = 40


def attempt(
    execution: BranchExecution, state: Map, data: StateData, run: RunBranch, past_events: Sequence[Event] = ()
) -> JsonText:
    """The iterations' outputs, in the order of the items. When this returns or raises, every iteration has ended.

    `past_events` happened in the state before the execution was redriven.

    Raises: StateError of the iteration that failed first, EvaluationError; Stopped.
    """
    values = items(state.items, data)
    max_concurrency = integer(state.max_concurrency, data, 0) or MAX_CONCURRENT_ITERATIONS
    details: dict[str, Json] = {"length": len(values)}
    inputs = [selected_item(state, data, index, value) for index, value in enumerate(values)]
    histories = iteration_histories(state, past_events)
    if not histories:
        execution.chain.add("MapStateStarted", "mapStateStartedEventDetails", details)
    completed = completed_outputs(histories)
    iterations = [
        _iteration(state, index, value, inputs[index], run, histories.get(index))
        for index, value in enumerate(values)
        if index not in completed
    ]
    group = BranchGroup(execution, iterations, min(max_concurrency, MAX_CONCURRENT_ITERATIONS))
    return group_output(group, len(values), "MapStateSucceeded", completed)


def item_context(index: int, item: Json) -> dict[str, Json]:
    """The members that the context object has in an iteration, and in ItemSelector."""
    return {"Map": {"Item": {"Index": index, "Value": item}}}


def selected_item(state: Map, data: StateData, index: int, item: Json) -> Json:
    """The input of an iteration.

    Raises: EvaluationError.
    """
    if state.selector is None:
        return item
    assert isinstance(data.context, dict)
    return fill(state.selector, data._replace(context={**data.context, **item_context(index, item)}))


def _iteration(
    state: Map, index: int, item: Json, input: Json, run: RunBranch, history: BranchHistory | None
) -> ConcurrentBranch:
    def run_processor(execution: BranchExecution) -> JsonText:
        return run(state.processor, text_of(input), execution.with_map_item(item_context(index, item)), history)

    def add_event(event_name: str, chain: EventChain) -> None:
        details: dict[str, Json] = {"name": state.name, "index": index}
        chain.add(f"MapIteration{event_name}", f"mapIteration{event_name}EventDetails", details)

    return ConcurrentBranch(index, run_processor, add_event, resumed_after(history))
