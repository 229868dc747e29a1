"""The matrix of a step: its cells by GitHub's rules, what they mean to other steps, and what is refused."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlci.flow.matrix_cells import cells, combinations
from mlci.flow.models import Flow, StepOutput
from support.examples import examples
from support.flow_texts import loaded, problems_of

_VALUES = st.sampled_from(["a", "b", 1, 2, True])
_ITEM = st.dictionaries(st.sampled_from(["x", "y", "z"]), _VALUES, min_size=1)


def _github(axes: dict[str, list[Any]], include: list[dict[str, Any]], exclude: list[dict[str, Any]]) -> list[Any]:
    """The combinations as GitHub's documentation describes them, read independently.

    Source: https://docs.github.com/actions/how-tos/write-workflows/choose-what-workflows-do/run-job-variations
    """
    originals: list[dict[str, Any]] = [{}] if axes else []
    for key, values in axes.items():
        originals = [{**original, key: value} for original in originals for value in values]
    originals = [
        original
        for original in originals
        if not any(all(str(original.get(key)) == str(item[key]) for key in item) for item in exclude)
    ]
    jobs = [(original, dict(original)) for original in originals]
    extra = []
    for item in include:
        added = False
        for original, job in jobs:
            if not any(key in original and str(original[key]) != str(value) for key, value in item.items()):
                job |= item
                added = True
        if not added:
            extra.append(dict(item))
    return [job for _, job in jobs] + extra


@given(
    axes=st.dictionaries(st.sampled_from(["x", "y"]), st.lists(_VALUES, min_size=1, max_size=3, unique_by=str)),
    include=st.lists(_ITEM, max_size=4),
    exclude=st.lists(_ITEM, max_size=3),
)
@settings(max_examples=examples(200))
def test_the_combinations_are_github_s(
    axes: dict[str, list[Any]], include: list[dict[str, Any]], exclude: list[dict[str, Any]]
) -> None:
    exclude = [item for item in exclude if item.keys() <= axes.keys()]
    found = combinations(axes, include, exclude)
    assert [dict(combination.values) for combination in found] == _github(axes, include, exclude)
    names = [cell.name for cell in cells("s", tuple(axes), found)]
    folders = [cell.folder for cell in cells("s", tuple(axes), found)]
    distinct = {tuple(sorted((k, str(v)) for k, v in c.values.items())) for c in found if c.is_added}
    if len(distinct) == sum(c.is_added for c in found):
        assert len(set(names)) == len(names)
        assert len(set(folders)) == len(folders)
    for one, other in itertools.permutations(folders, 2):
        assert one == other or not other.startswith(f"{one}/"), "a cell's folder lies in that of another"


def test_the_example_of_github_s_documentation() -> None:
    axes = {"fruit": ["apple", "pear"], "animal": ["cat", "dog"]}
    include: list[dict[str, Any]] = [
        {"color": "green"},
        {"color": "pink", "animal": "cat"},
        {"fruit": "apple", "shape": "circle"},
        {"fruit": "banana"},
        {"fruit": "banana", "animal": "cat"},
    ]
    assert [found.values for found in combinations(axes, include)] == [
        {"fruit": "apple", "animal": "cat", "color": "pink", "shape": "circle"},
        {"fruit": "apple", "animal": "dog", "color": "green", "shape": "circle"},
        {"fruit": "pear", "animal": "cat", "color": "pink"},
        {"fruit": "pear", "animal": "dog", "color": "green"},
        {"fruit": "banana"},
        {"fruit": "banana", "animal": "cat"},
    ]


FLOW = """\
flow: folds
x-step: &step
  uses: processing
  image: xgboost:1.7-1
steps:
  split: {<<: *step, run: split.py, outputs: [folds]}
  train:
    uses: training
    image: xgboost:1.7-1
    run: train.py
    matrix: {fold: [1, 2], depth: [3, 6]}
    inputs: {data: "${{ steps.split.outputs.folds }}"}
    hyperparameters: {fold: "${{ matrix.fold }}", name: "depth-${{ matrix.depth }}"}
  score:
    <<: *step
    run: score.py
    matrix: {depth: [3, 6], fold: [1, 2]}
    inputs: {model: "${{ steps.train.outputs.model }}"}
    args: [--fold, "${{ matrix.fold }}", --all, "${{ steps.train.outputs.model }}"]
    outputs: [evaluation]
    metrics: evaluation/metrics.json
  by_fold:
    <<: *step
    run: fold.py
    matrix: {fold: [1, 2]}
    inputs: {models: "${{ steps.train.outputs.model }}"}
    after: score
  summary:
    <<: *step
    run: summary.py
    inputs: {scores: "${{ steps.score.outputs.evaluation }}"}
gate:
  - {metric: score.r2, min: 0.3}
"""


def _edited(*changes: tuple[str, str]) -> str:
    text = FLOW
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    return text


def _flow(*changes: tuple[str, str]) -> Flow:
    return loaded(_edited(*changes))


def test_each_cell_is_a_step_with_its_own_values() -> None:
    flow = _flow()
    assert flow.matrices["train"].cells == (
        "train(fold=1,depth=3)",
        "train(fold=1,depth=6)",
        "train(fold=2,depth=3)",
        "train(fold=2,depth=6)",
    )
    assert flow.steps["train(fold=2,depth=6)"].hyperparameters == {"fold": 2, "name": "depth-6"}
    assert flow.position("steps", "train(fold=2,depth=6)", "run").line == 10


def test_a_step_with_the_same_keys_reads_its_own_cell() -> None:
    step = _flow().steps["score(depth=6,fold=2)"]
    assert step.inputs == {"model": StepOutput("train(fold=2,depth=6)", "model")}
    assert step.args[3] == (StepOutput("train(fold=2,depth=6)", "model"),)


def test_a_step_with_some_of_the_keys_reads_the_cells_that_agree() -> None:
    step = _flow().steps["by_fold(fold=2)"]
    cells = ("train(fold=2,depth=3)", "train(fold=2,depth=6)")
    assert step.inputs == {"models": StepOutput("train", "model", cells, "fold=2/")}
    assert step.after == ("score(depth=3,fold=2)", "score(depth=6,fold=2)")


def test_a_step_without_a_matrix_reads_all_cells_and_a_rule_holds_for_each() -> None:
    flow = _flow()
    output = flow.steps["summary"].inputs["scores"]
    assert isinstance(output, StepOutput)
    assert output.cells == flow.matrices["score"].cells
    assert [rule.metric for rule in flow.gate] == [f"{name}.r2" for name in flow.matrices["score"].cells]


def test_templates_and_anchors_are_left_alone() -> None:
    assert _flow(("x-step: &step", "x-more: {a: '${{ nothing.at.all }}', b: [null]}\nx-step: &step")).steps["split"].run


def test_a_reference_keeps_the_type_of_its_value() -> None:
    flow = _flow(
        ("    hyperparameters:", "    instance_count: ${{ matrix.fold }}\n    hyperparameters:"),
    )
    assert [flow.steps[name].instance_count for name in flow.matrices["train"].cells] == [1, 1, 2, 2]


_MATRIX = "matrix: {fold: [1, 2], depth: [3, 6]}"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (_MATRIX, "matrix: [1, 2]", '11:13: "matrix" must be a mapping of keys to lists of values'),
        (_MATRIX, "matrix: {}", '11:13: "matrix" has no keys. Such as matrix: {fold: [1, 2, 3]}'),
        (
            _MATRIX,
            "matrix: {fold: 1, depth: [3]}",
            '"fold" in "matrix" must be a list of values, but is the integer 1. Write fold:',
        ),
        (_MATRIX, "matrix: {fold: [], depth: [3]}", '"fold" in "matrix" has no values'),
        (_MATRIX, "matrix: {fold: [1, 1], depth: [3]}", '11:24: "fold" has the value 1 twice. Remove one'),
        (_MATRIX, "matrix: {fold: [[1]], depth: [3]}", '11:21: item 1 of "fold" must be text, a number, or true or'),
        (
            _MATRIX,
            "matrix: {fold: [1, 2], depth: [3, 6], excldue: [{fold: 1}]}",
            'item 1 of "excldue" must be text, a number, or true or false, but is a mapping. Did you mean "exclude"?',
        ),
        (_MATRIX, "matrix: {1fold: [1], depth: [3]}", '11:14: "1fold" cannot be a key of a matrix'),
        (
            _MATRIX,
            "matrix: {fold: [1, 2], depth: [3, 6], exclude: [{dept: 3}]}",
            '11:54: "exclude" names "dept", which is no key of the matrix. Did you mean "depth"?',
        ),
        (
            _MATRIX,
            "matrix: {fold: [1], depth: [3], exclude: [{fold: 1}]}",
            'the matrix of step "train" has no cells: all are excluded',
        ),
        (_MATRIX, "matrix: {fold: [1, 2], depth: [3, 6], include: {a: 1}}", '"include" in "matrix" must be a list of'),
        (_MATRIX, "matrix: {fold: [a b, a-b], depth: [3]}", 'two cells of step "train" would be called'),
        (
            _MATRIX,
            "matrix: {fold: [1, 2], depth: [3, 6], include: [{fold: 3, depth: 3}, {fold: 3, depth: 3}]}",
            'the matrix gives the cell "train(fold=3,depth=3)" twice',
        ),
        (
            _MATRIX,
            f"matrix: {{fold: {list(range(20))}, depth: {list(range(20))}}}",
            'the matrix of step "train" has 400 combinations. At most 256 are allowed',
        ),
        (
            'matrix.fold }}", name',
            'matrix.fodl }}", name',
            '13:30: the matrix of step "train" has no key "fodl". Did you mean "fold"?',
        ),
        (
            _MATRIX,
            "matrix: {depth: [3, 6], include: [{depth: 3, fold: 1}]}",
            'the cell "train(depth=6)" has no value for "fold". Give every cell one: begin "include" with',
        ),
        ("run: split.py", 'run: "${{ matrix.fold }}.py"', '6:28: "${{ matrix.fold }}" cannot stand here: it is known'),
        (
            "outputs: [evaluation]",
            'outputs: ["${{ matrix.fold }}"]',
            '"outputs" takes no value of the matrix: it holds for all cells of the step',
        ),
        ("run: split.py", "run: split.py, max_parallel: 2", '"max_parallel" limits the cells of a matrix, and step'),
        (
            _MATRIX,
            f"{_MATRIX}\n    max_parallel: 41",
            '12:19: "max_parallel" must be at most 40, but is the integer 41',
        ),
        (_MATRIX, f"{_MATRIX}\n    fail_fast: 0", '12:16: "fail_fast" must be true or false, but is the integer 0'),
        (
            "matrix: {depth: [3, 6], fold: [1, 2]}",
            "matrix: {depth: [3, 9], fold: [1, 2]}",
            '"score(depth=9,fold=1)" needs a cell of "train" for {depth: 9, fold: 1}, which its matrix does not have',
        ),
        (
            "matrix: {fold: [1, 2]}",
            "matrix: {depth: [3, 6]}",
            'the cells of "train" that agree in "depth" do not lie in one folder. Put "depth" first in the matrix',
        ),
        ("after: score", "after: [score, summary, sumary]", 'step "by_fold" runs after step "sumary", which does not'),
        ("    after: score", "    frobnicate: 1", 'unknown key "frobnicate" in step "by_fold"'),
    ],
)
def test_what_is_wrong_is_refused_with_its_cure(old: str, new: str, expected: str) -> None:
    problems = problems_of(_edited((old, new)))
    assert any(expected in problem for problem in problems), problems
    assert len(problems) <= 4, problems


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (_MATRIX, "matrix: {fold: [1, 2], depth: [3, 6], exclude: [{depth: 3, fold: 3}]}"),
        (_MATRIX, "matrix: {fold: [1, 2], depth: [3, 6], include: [{depth: 3, note: a}]}"),
        (_MATRIX, f"{_MATRIX}\n    max_parallel: 40\n    fail_fast: false"),
        ("x-step", "defaults: {fail_fast: false}\nx-step"),
        ("outputs: [evaluation]", "outputs: [evaluation]\n    include: ['${{ matrix.fold }}.json']"),
        (
            'hyperparameters: {fold: "${{ matrix.fold }}"',
            'env: {FOLD: "${{ matrix.fold }}"}\n    instance: ml.${{ matrix.depth }}.large\n    hyperparameters: {a: b',
        ),
    ],
)
def test_what_is_right_is_accepted(old: str, new: str) -> None:
    assert _flow((old, new)).steps


def test_a_circle_of_steps_with_a_matrix_is_told_once() -> None:
    problems = problems_of(
        _edited(('{data: "${{ steps.split', '{own: "${{ steps.score.outputs.evaluation }}", data: "${{ steps.split'))
    )
    assert problems == [
        '7:3: "train" needs "score" and "score" needs "train". Steps cannot wait for each other in a circle'
    ]


def test_a_rule_may_judge_one_number_of_all_cells() -> None:
    flow = _flow(("min: 0.3}", "min: 0.3, aggregate: mean}"))
    (rule,) = flow.gate
    assert (rule.metric, rule.step, rule.cells) == ("mean(score.r2)", "score", flow.matrices["score"].cells)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("min: 0.3}", "min: 0.3, aggregate: median}", '"aggregate" must be "mean", "min", "max" or "std"'),
        (
            "by_fold:\n",
            (
                "single: {<<: *step, run: a.py, outputs: [o], metrics: o/m.json}\n  by_fold:\n    "
                "if: [{metric: single.x, min: 1, aggregate: mean}]\n"
            ),
            '"aggregate" makes one number of all cells of a matrix, and step "single" has none. Remove it',
        ),
    ],
)
def test_a_wrong_aggregate_is_refused(old: str, new: str, expected: str) -> None:
    problems = problems_of(_edited((old, new)))
    assert len(problems) == 1
    assert expected in problems[0]


_BEST = 'inputs: {scores: "${{ steps.score.outputs.evaluation }}"}'
_SELECT = 'inputs: {m: {from: "${{ steps.train.outputs.model }}", select: {metric: score.r2, best: max}}}'


def test_an_input_may_be_of_the_best_cell() -> None:
    step = _flow((_BEST, _SELECT)).steps["summary"]
    assert step.selections["m"].metric == "score.r2"
    assert step.selections["m"].cells == (
        "score(depth=3,fold=1)",
        "score(depth=6,fold=1)",
        "score(depth=3,fold=2)",
        "score(depth=6,fold=2)",
    )


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("best: max", "best: most", '"best" must be "max" or "min", but is the text "most"'),
        ("best: max", "bst: max", "Did you mean"),
        ("metric: score.r2", "metric: scor.r2", 'reads a metric of step "scor", which does not exist. Did you mean'),
        ("metric: score.r2", "metric: train.r2", 'reads a metric of step "train", which writes none'),
        ("metric: score.r2", "metric: score", '"score" does not name a metric'),
        (
            "steps.train.outputs.model",
            "steps.split.outputs.folds",
            '"select" chooses a cell of a matrix, and input "m"',
        ),
    ],
)
def test_a_wrong_selection_is_refused(old: str, new: str, expected: str) -> None:
    problems = problems_of(_edited((_BEST, _SELECT.replace(old, new))))
    assert any(expected in problem for problem in problems), problems
    assert len(problems) <= 2, problems


def test_a_cell_that_reads_one_cell_already_has_none_to_choose() -> None:
    own = 'inputs: {model: "${{ steps.train.outputs.model }}"}'
    selecting = 'inputs: {model: {from: "${{ steps.train.outputs.model }}", select: {metric: by_fold.x, best: max}}}'
    text = _edited((own, selecting), ("    after: score", "    outputs: [o]\n    metrics: o/m.json"))
    problems = problems_of(text)
    assert any('reads one cell of "train" already, so there is none to choose. Remove "select"' in p for p in problems)
