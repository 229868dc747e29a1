"""Hyperparameters under names that keep their values exact, and what the starter makes of them: a round trip."""

from __future__ import annotations

import json
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlci.stage.starter import mlci_start
from mlci.step_types import hyperparameters
from mlci_emulator.jobs import training_toolkit
from support.examples import examples

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))
)
#: Objects in lists are sorted here: the toolkits keep their order in arguments and lose it in variables.
JSON_TEXTS = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(string.ascii_letters), inner, max_size=3),
).map(lambda value: json.dumps(value, sort_keys=True))
NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="="), min_size=1, max_size=30).filter(
    lambda name: not name.startswith("sagemaker_") and name not in training_toolkit.TOOLKIT_HYPERPARAMETERS
)
SENT = st.dictionaries(NAMES, JSON_TEXTS | st.text(string.printable), max_size=8)


def job(values: dict[str, str], program: str) -> training_toolkit.ToolkitJob:
    sent = {**values, "sagemaker_program": json.dumps(program), "sagemaker_container_log_level": "20"}
    return training_toolkit.ToolkitJob(
        "job",
        "/opt/ml",
        program,
        "s3://b/k",
        sent,
        {"train": {}},
        "ml.m5.large",
        training_toolkit.Processors(cpus=1, gpus=0),
    )


@settings(max_examples=examples(100))
@given(SENT, st.sampled_from(["train.py", "src/my train.py", "x.sh"]), st.lists(st.text(string.printable), max_size=4))
def test_the_starter_makes_arguments_and_variables_as_if_there_were_none(
    values: dict[str, str], script: str, args: list[str]
) -> None:
    sent = hyperparameters.encode_hyperparameters(values, args)
    by_toolkit = training_toolkit.environment(job(sent, "mlci_start.py"))
    parameters = json.loads(by_toolkit["SM_FRAMEWORK_PARAMS"])
    arguments, changes = mlci_start.training(parameters, by_toolkit, script)
    assert arguments == args + training_toolkit.script_arguments(training_toolkit.user_hyperparameters(values))
    exact = training_toolkit.environment(job(values, script))
    exact["SM_USER_ARGS"] = json.dumps(arguments, separators=(",", ":"))
    seen = {**by_toolkit, **changes}
    if len({name.upper() for name in values}) == len(values):  # else two names share a variable
        assert seen == exact


@settings(max_examples=examples(100))
@given(SENT)
def test_no_argument_of_the_toolkits_means_anything_to_a_shell(values: dict[str, str]) -> None:
    sent = hyperparameters.encode_hyperparameters(values, ["$(x)"])
    for argument in training_toolkit.script_arguments(training_toolkit.user_hyperparameters(sent)):
        assert argument
        assert set(argument) <= set(string.ascii_letters + string.digits + "_@%+=:,./-")


def test_the_starter_and_the_runner_use_the_same_names() -> None:
    assert (mlci_start.START, mlci_start.VALUE) == (hyperparameters.START, hyperparameters.VALUE)


@pytest.mark.parametrize("name", sorted(hyperparameters.DISTRIBUTED))
def test_several_processes_are_refused_and_none_is_not(name: str) -> None:
    assert [problem[0] for problem in hyperparameters.problems({name: "true"})] == [name]
    assert not list(hyperparameters.problems({name: "false"}))


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"x": '"a\\u0000b"'}, "the value holds a character that no argument can hold: U+0000"),
        ({"x": '"\\ud800"'}, "the value holds a character that no argument can hold: U+D800"),
        ({"x\x00": "1"}, "the name holds a character that no argument can hold: U+0000"),
        ({"x" * 236: '"a b"'}, "the name has 236 characters; with this value it can have 235"),
        ({"x" * 257: "1"}, "the name has 257 characters; with this value it can have 256"),
        ({"x": '"' + "y" * 2499 + '"'}, "the value has 2501 characters; SageMaker allows 2500"),
        ({"sagemaker_mlci_start": "1"}, "names that begin with sagemaker_mlci_ are mlci's own"),
        (
            {f"x{number}": '"' + "y" * 2498 + '"' for number in range(50)},
            "all hyperparameters have 125340 characters; a training image can take 114688",
        ),
    ],
)
def test_what_cannot_be_sent_is_refused(values: dict[str, str], sentence: str) -> None:
    assert [problem[1] for problem in hyperparameters.problems(values)] == [sentence]


@pytest.mark.parametrize(
    "values",
    [
        {"x": '"\\u00e9\\ud83d\\ude00"'},
        {"x" * 235: '"a b"'},
        {"x" * 256: "1"},
        {"x": '"' + "y" * 2498 + '"'},
        {"sagemaker_container_log_level": "10"},
        {f"x{number}": '"' + "y" * 2498 + '"' for number in range(45)},
    ],
)
def test_what_can_be_sent_is_accepted(values: dict[str, str]) -> None:
    assert not list(hyperparameters.problems(values))
