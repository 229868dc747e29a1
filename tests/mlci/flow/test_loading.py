"""Valid flows, as `load` returns them."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from mlci.flow import (
    Flow,
    InputPath,
    MetricsFiles,
    OutputPath,
    Position,
    RepositoryPath,
    Rule,
    S3Location,
    Scalar,
    Source,
    Step,
    StepOutput,
    Text,
    dependencies,
)
from support.flow_texts import AT_TOP, EXAMPLE, IN_DEFAULTS, IN_EVALUATE, IN_TRAIN, changed, loaded, with_lines

_EXPECTED = Flow(
    name="breast-cancer",
    file="flow.yaml",
    params={"max_depth": 4, "min_auc": 0.97},
    steps={
        "preprocess": Step(
            name="preprocess",
            uses="processing",
            run="src/breast_cancer/preprocess.py",
            image="xgboost:1.7-1",
            instance="ml.m5.xlarge",
            instance_count=1,
            volume_gb=30,
            timeout_s=1800,
            inputs={"raw": RepositoryPath("data/breast_cancer.csv")},
            outputs=("train", "test"),
            args=(("--test-size",), ("0.2",)),
        ),
        "train": Step(
            name="train",
            uses="training",
            run="src/breast_cancer/train.py",
            image="xgboost:1.7-1",
            instance="ml.m5.xlarge",
            instance_count=1,
            volume_gb=30,
            timeout_s=1800,
            inputs={"train": StepOutput("preprocess", "train")},
            outputs=("model",),
            hyperparameters={"max_depth": 4},
        ),
        "evaluate": Step(
            name="evaluate",
            uses="processing",
            run="src/breast_cancer/evaluate.py",
            image="xgboost:1.7-1",
            instance="ml.m5.xlarge",
            instance_count=1,
            volume_gb=30,
            timeout_s=1800,
            inputs={"model": StepOutput("train", "model"), "test": StepOutput("preprocess", "test")},
            outputs=("evaluation",),
            metrics=(MetricsFiles("evaluation/metrics.json", "outputs"),),
        ),
    },
    gate=(
        Rule("evaluate", ("auc",), "min", 0.97),
        Rule("evaluate", ("recall",), "min", 0.9),
        Rule("evaluate", ("recall",), "max_drop", 0.02),
    ),
)


def test_the_example_of_the_design_loads_whole() -> None:
    assert loaded(EXAMPLE) == _EXPECTED


def test_line_ends_of_windows_and_a_byte_order_mark_change_nothing() -> None:
    assert loaded("\ufeff" + EXAMPLE.replace("\n", "\r\n")) == _EXPECTED


def test_positions_are_those_of_the_file() -> None:
    flow = loaded(EXAMPLE)
    assert flow.position("steps", "train", "run") == Position("flow.yaml", 19, 10)
    assert flow.position("gate", 1, "max_drop") == Position("flow.yaml", 37, 15)
    assert flow.position("steps", "preprocess", "outputs", 1) == Position("flow.yaml", 16, 22)
    assert flow.position("steps", "train", "nothing") == flow.position("steps", "train")


def test_positions_count_characters_and_not_bytes() -> None:
    flow = loaded(changed('["--test-size", "0.2"]', '["é😀", x]'))
    assert flow.position("steps", "preprocess", "args", 1) == Position("flow.yaml", 13, 18)


def _step(text: str, name: str) -> Step:
    return loaded(text).steps[name]


@pytest.mark.parametrize(
    ("line", "source"),
    [
        ("data/x.csv", RepositoryPath("data/x.csv")),
        ("./data//y/../x.csv", RepositoryPath("data/x.csv")),
        ("../shared/x.csv", RepositoryPath("../shared/x.csv")),
        (".", RepositoryPath(".")),
        ("s3://my-bucket", S3Location("s3://my-bucket")),
        ("s3://my-bucket/a/b.csv", S3Location("s3://my-bucket/a/b.csv")),
        ("${{ steps.train.outputs.model }}", StepOutput("train", "model")),
        ('"${{steps.train.outputs.model}}"', StepOutput("train", "model")),
        ("2024-01-01", RepositoryPath("2024-01-01")),
        ('"no"', RepositoryPath("no")),
        ("!!str 5", RepositoryPath("5")),
        ("data-${{ params.max_depth }}.csv", RepositoryPath("data-4.csv")),
    ],
)
def test_inputs(line: str, source: Source) -> None:
    text = with_lines("      model: ${{ steps.train.outputs.model }}\n", f"      extra: {line}")
    assert _step(text, "evaluate").inputs["extra"] == source


@pytest.mark.parametrize(
    ("written", "args"),
    [
        ("[--size, 0.20, 3, true]", (("--size",), ("0.20",), ("3",), ("true",))),
        ("[012345678901, 2024-01-01, 1e3]", (("012345678901",), ("2024-01-01",), ("1e3",))),
        (
            '["${{ inputs.raw }}/x", "--to=${{ outputs.train }}"]',
            ((InputPath("raw"), "/x"), ("--to=", OutputPath("train"))),
        ),
        (
            '["${{ params.max_depth }}", "a${{ params.min_auc }}b${{ inputs.raw }}"]',
            (("4",), ("a0.97b", InputPath("raw"))),
        ),
        ('[""]', (("",),)),
        ('["{{ x }} ${ y } }}"]', (("{{ x }} ${ y } }}",),)),
        ("[]", ()),
    ],
)
def test_args(written: str, args: tuple[Text, ...]) -> None:
    assert _step(changed('["--test-size", "0.2"]', written), "preprocess").args == args


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("3", 3),
        ("0.1", 0.1),
        ("1e-3", 0.001),
        ("true", True),
        ("abc", "abc"),
        ('"3"', "3"),
        ("010", "010"),
        ("0x1F", 31),
        ("${{ params.min_auc }}", 0.97),
        ("a-${{ params.min_auc }}", "a-0.97"),
        ("${{ steps.preprocess.outputs.test }}", (StepOutput("preprocess", "test"),)),
        ("${{ steps.preprocess.outputs.test }}/x", (StepOutput("preprocess", "test"), "/x")),
    ],
)
def test_hyperparameters(written: str, value: Scalar | Text) -> None:
    found = _step(changed("${{ params.max_depth }}", written), "train").hyperparameters["max_depth"]
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("written", "after", "is_after_gate"),
    [
        ("train", ("train",), False),
        ("[train, preprocess, train]", ("train", "preprocess"), False),
        ("gate", (), True),
        ("[gate, train]", ("train",), True),
        ("[]", (), False),
    ],
)
def test_after(written: str, after: tuple[str, ...], is_after_gate: bool) -> None:
    text = with_lines(
        "steps:\n",
        "  register:",
        "    uses: processing",
        "    run: register.py",
        f"    after: {written}",
    )
    step = _step(text, "register")
    assert (step.after, step.is_after_gate) == (after, is_after_gate)


def test_a_step_wins_over_defaults_and_adds_to_env_and_include() -> None:
    text = with_lines(IN_DEFAULTS, "  env: {A: 1, B: x}", '  include: ["*.json"]', "  volume_gb: 50").replace(
        IN_TRAIN,
        IN_TRAIN
        + "    env: {B: '${{ steps.preprocess.outputs.test }}', C: off-line}\n    include: ['*.txt', '*.json']\n"
        + "    image: mine.example/train:2\n    instance: ml.p4d.24xlarge\n    instance_count: 2\n    timeout: 1d2h\n",
    )
    flow = loaded(text)
    train, evaluate = flow.steps["train"], flow.steps["evaluate"]
    assert train.env == {"A": ("1",), "B": (StepOutput("preprocess", "test"),), "C": ("off-line",)}
    assert evaluate.env == {"A": ("1",), "B": ("x",)}
    assert (train.include, evaluate.include) == (("*.json", "*.txt"), ("*.json",))
    assert (train.image, train.instance, train.instance_count) == ("mine.example/train:2", "ml.p4d.24xlarge", 2)
    assert (train.timeout_s, train.volume_gb) == (93_600, 50)


def test_what_a_step_takes_where_nothing_is_said() -> None:
    step = loaded("flow: x\nsteps: {only: {uses: processing, run: x.py, image: 'python:3.11'}}\n").steps["only"]
    assert step == Step("only", "processing", "x.py", "python:3.11", "ml.m5.xlarge", 1, 30, 3600)


@pytest.mark.parametrize(
    ("written", "rules"),
    [
        ("{metric: evaluate.a.b, max: 1}", [Rule("evaluate", ("a", "b"), "max", 1.0)]),
        ("{metric: evaluate.a, max_rise: 2%}", [Rule("evaluate", ("a",), "max_rise", 0.02, True)]),
        ('{metric: evaluate.a, max_drop: "2.5 %"}', [Rule("evaluate", ("a",), "max_drop", 0.025, True)]),
        ("{metric: evaluate.a, max_drop: 0}", [Rule("evaluate", ("a",), "max_drop", 0.0)]),
        (
            "{metric: evaluate.a, min: -1, max: -1}",
            [Rule("evaluate", ("a",), "min", -1.0), Rule("evaluate", ("a",), "max", -1.0)],
        ),
        ('{metric: evaluate.a, min: "${{ params.max_depth }}"}', [Rule("evaluate", ("a",), "min", 4.0)]),
    ],
)
def test_rules_of_the_gate_and_of_if(written: str, rules: list[Rule]) -> None:
    gate, _, _ = EXAMPLE.partition("gate:")
    assert list(loaded(f"{gate}gate: [{written}]\n").gate) == rules
    register = f"\n  register: {{uses: processing, run: x.py, if: [{written}]}}"
    assert list(_step(EXAMPLE.replace("\nsteps:", f"\nsteps:{register}"), "register").when) == rules


def test_settings() -> None:
    flow = loaded(
        with_lines(AT_TOP, "local: {python: .venv/bin/python}", "aws: {bucket: my-bucket, region: eu-west-1}")
    )
    assert flow.python == ".venv/bin/python"
    assert flow.aws == {"bucket": "my-bucket", "region": "eu-west-1"}


def test_request_is_handed_on_as_it_is_with_params_filled_in() -> None:
    text = with_lines(IN_TRAIN, "    request: {A: [null, {b: '${{ params.max_depth }}'}], C: 1.5}")
    assert _step(text, "train").request == {"A": [None, {"b": 4}], "C": 1.5}


def test_aliases_and_merge_keys_are_followed() -> None:
    text = with_lines(IN_EVALUATE, "    <<: &common {volume_gb: 40, timeout: 2h}", "    env: &env {A: 1}")
    again = "  again: {<<: *common, uses: processing, run: again.py, timeout: 5m, env: *env}\n"
    steps = loaded(text.replace("gate:\n", f"{again}gate:\n")).steps
    assert (steps["evaluate"].volume_gb, steps["evaluate"].timeout_s) == (40, 7200)
    assert (steps["again"].volume_gb, steps["again"].timeout_s) == (40, 300)
    assert steps["again"].env == {"A": ("1",)}


def test_a_flow_needs_no_gate_and_no_params() -> None:
    flow = loaded("flow: x\ndefaults: {image: 'a:b'}\nsteps: {only: {uses: training, run: x.py}}\n")
    assert (flow.gate, flow.params, flow.steps["only"].outputs) == ((), {}, ("model",))


def _needs(text: str) -> Mapping[str, frozenset[str]]:
    return dependencies(loaded(text))


def test_dependencies_come_from_references() -> None:
    assert _needs(EXAMPLE) == {
        "preprocess": frozenset(),
        "train": frozenset({"preprocess"}),
        "evaluate": frozenset({"train", "preprocess"}),
    }


@pytest.mark.parametrize(
    ("line", "needed"),
    [
        ("after: train", {"train"}),
        ("after: gate", {"evaluate"}),
        ("if: [{metric: evaluate.auc, min: 0.5}]", {"evaluate"}),
        ('args: ["--x=${{ steps.train.outputs.model }}"]', {"train"}),
        ('env: {X: "${{ steps.train.outputs.model }}"}', {"train"}),
        ('inputs: {x: "${{ steps.train.outputs.model }}"}', {"train"}),
        ("args: [x]", set()),
    ],
)
def test_dependencies_of_one_step(line: str, needed: set[str]) -> None:
    text = with_lines("steps:\n", "  register:", "    uses: processing", "    run: x.py", f"    {line}")
    assert _needs(text)["register"] == needed


def test_hyperparameters_make_dependencies_too() -> None:
    text = changed("      train: ${{ steps.preprocess.outputs.train }}\n", "      train: data\n")
    assert _needs(text)["train"] == frozenset()
    assert _needs(text.replace("${{ params.max_depth }}", "${{ steps.preprocess.outputs.test }}"))["train"] == {
        "preprocess"
    }
