"""Outputs of the baseline as inputs, in flow.yaml."""

from __future__ import annotations

import pytest

from mlci.errors import InputError
from mlci.flow import BaselineOutput, dependencies, load

FLOW = """\
flow: small
defaults: {image: "mine.example/image:7"}
steps:
  fit: {uses: training, run: fit.py, inputs: {own: "${{ baseline.steps.fit.outputs.model }}"}}
  score:
    uses: processing
    run: score.py
    args: ["${{ inputs.previous }}"]
    inputs:
      model: "${{ steps.fit.outputs.model }}"
      previous: "${{ baseline.steps.fit.outputs.model }}"
    outputs: [scores]
  fold: {uses: processing, run: a.py, matrix: {k: [1, 2]}, outputs: [rows],
    inputs: {was: {from: "${{ baseline.steps.score.outputs.scores }}", shard: true}}, instance_count: 2}
  price: {uses: lambda, function: price}
"""


def problems(old: str, new: str) -> str:
    assert old in FLOW
    with pytest.raises(InputError) as caught:
        load(FLOW.replace(old, new, 1).encode(), "flow.yaml", {}, {})
    return str(caught.value)


def test_an_output_of_the_baseline_is_the_source_of_an_input_and_no_dependency() -> None:
    """A step may read what it made itself then."""
    flow = load(FLOW.encode(), "flow.yaml", {}, {})
    model = BaselineOutput("fit", "model")
    assert (flow.steps["fit"].inputs["own"], flow.steps["score"].inputs["previous"]) == (model, model)
    assert [flow.steps[f"fold(k={k})"].inputs["was"] for k in (1, 2)] == [BaselineOutput("score", "scores")] * 2
    assert dependencies(flow)["score"] == {"fit"}
    assert dependencies(flow)["fit"] == dependencies(flow)["fold(k=1)"] == frozenset()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            'previous: "${{ baseline.steps.fit.outputs.model }}"',
            'previous: "${{ baseline.steps.fitt.outputs.model }}"',
            (
                'flow.yaml:11:18: step "score" reads an output of the baseline, of step "fitt", which does not exist. '
                'Did you mean "fit"?'
            ),
        ),
        (
            'previous: "${{ baseline.steps.fit.outputs.model }}"',
            'previous: "${{ baseline.steps.fit.outputs.weights }}"',
            'flow.yaml:11:18: step "fit" has no output "weights". Its only output is "model"',
        ),
        (
            'previous: "${{ baseline.steps.fit.outputs.model }}"',
            'previous: "${{ baseline.steps.fold.outputs.rows }}"',
            (
                'step "score" reads an output of the baseline, of step "fold", which has a matrix, and so an output '
                "for each of its cells. Name a step without a matrix that reads these cells"
            ),
        ),
        (
            'previous: "${{ baseline.steps.fit.outputs.model }}"',
            'previous: "${{ baseline.steps.fit.outputs.model }}/a"',
            (
                'input "previous" adds a text to a reference. Read the output whole, and add the path in args: '
                "${{ inputs.<name> }}/<path>"
            ),
        ),
        (
            "${{ inputs.previous }}",
            "${{ baseline.steps.fit.outputs.model }}",
            (
                '"${{ baseline.steps.fit.outputs.model }}" cannot stand here: it is the source of an input. Write it '
                "in the inputs of a step, and in args ${{ inputs.<name> }}"
            ),
        ),
        (
            "${{ baseline.steps.score.outputs.scores }}",
            "${{ baselin.steps.score.outputs.scores }}",
            'is not a reference. Did you mean "baseline.steps.score.outputs.scores"?',
        ),
        (
            'previous: "${{ baseline.steps.fit.outputs.model }}"',
            'previous: {from: "${{ baseline.steps.fit.outputs.model }}", select: {metric: fold.auc, best: max}}',
            '"select" chooses a cell of a matrix, and input "previous" is no output of a step that has one',
        ),
    ],
)
def test_what_names_no_output_or_stands_elsewhere_is_told(old: str, new: str, message: str) -> None:
    assert message in problems(old, new)


def test_a_step_whose_script_gets_no_folder_can_not_read_it() -> None:
    """It could not see that there is none yet."""
    glue = "{uses: glue, run: a.py, outputs: [o], inputs: {m: '${{ baseline.steps.fit.outputs.model }}'}}"
    assert 'input "m" is an output of the baseline, which a glue step can\'t read' in problems(
        "{uses: lambda, function: price}", glue
    )
    transform = "{uses: transform, model: fit, input: '${{ baseline.steps.fit.outputs.model }}', outputs: [o]}"
    assert "cannot stand here: it is the source of an input" in problems("{uses: lambda, function: price}", transform)
