"""The states before a step that reads the best cell of a matrix: they find it, and put its URI into the request."""

from __future__ import annotations

from typing import Any  # the SDK is untyped: Any stands for its states

from mlci.compile.metric_checks import CELL_RESULTS, MetricChecks, jsonata_path
from mlci.compile.states import path_of
from mlci.flow.metric_paths import MetricPath


class SelectionStates(MetricChecks):
    """Makes the states of selections."""

    def _select(self, step: str, name: str, path: MetricPath, best: str, request: str, failed: Any, after: Any) -> Any:
        """Return the states that choose the cell of an input, the first of those that are as good.

        A cell whose metric is no number is left out; if there is no other, they lead to `failed`.
        """
        title = f"{step}: choose {name}"
        candidates = path_of("$.steps", step, "select", name, "candidates")
        number = self._number_of_cell(title, path_of("$.metrics.found", *path), {"uri.$": "$.uri"})
        selector = {"found.$": "$", "values.$": "$[*].value"}
        cells = self._map_cells(f"{title}: read each cell", step, candidates, number, selector)
        chosen = self.sdk.Pass(self._name(f"{title}: the best"))
        output = f"{{% {chosen_input(step, name, best, request)} %}}"
        self.extra[chosen.state_id] = {"QueryLanguage": "JSONata", "Output": output}
        chosen.next(after)
        choice = self.sdk.Choice(self._name(f"{title}: is there one?"))
        choice.add_choice(self.sdk.ChoiceRule.IsPresent(f"{CELL_RESULTS}.values[0]", True), chosen)
        choice.default_choice(failed)
        cells.next(choice)
        return cells


def chosen_input(step: str, name: str, best: str, request: str) -> str:
    """Return the JSONata of the state's data with the URI of the best cell in the step's `request`."""
    own, placeholder = jsonata_path("steps", step), jsonata_path("steps", step, "select", name, "uri")
    return (
        f"($found := {jsonata_path(*CELL_RESULTS.split('.')[1:], 'found')}[$exists(value)]; "
        f"$uri := $found[value = ${best}($found.value)][0].uri; "
        f"$request := $parse($replace($string({request}), {placeholder}, $uri)); "
        f"$merge([$states.input, {{'steps': $merge([$states.input.steps, "
        f"{{'{step}': $merge([{own}, {{'request': $request}}])}}])}}]))"
    )
