"""The keys that say how a script starts: each refusal with its place, and its twin that is accepted."""

from __future__ import annotations

import pytest

from mlci.errors import InputError
from mlci.flow import load
from mlci.flow.models import RepositoryPath, Step, StepOutput

HEAD = "flow: x\ndefaults: {image: 'mine/i:1'DEFAULTS}\nsteps:\n"


def step(body: str, defaults: str = "", name: str = "a") -> Step:
    return load((HEAD.replace("DEFAULTS", defaults) + body).encode(), "flow.yaml", {}, {}).steps[name]


def problems(body: str, defaults: str = "") -> list[str]:
    with pytest.raises(InputError) as caught:
        step(body, defaults)
    return str(caught.value).splitlines()


PROCESSING = "  a:\n    uses: processing\n    run: a.py\n"
TRAINING = "  a:\n    uses: training\n    run: a.py\n"


@pytest.mark.parametrize(
    ("wrong", "right", "message"),
    [
        (
            "  a: {uses: processing, run: -m a.b --x}\n",
            "  a: {uses: processing, run: -m a.b, args: [--x]}\n",
            'flow.yaml:4:30: "-m a.b --x" does not name one module. Write run: -m a.b, and the rest under args',
        ),
        (
            "  a: {uses: processing, run: -m}\n",
            "  a: {uses: processing, run: -m a}\n",
            'flow.yaml:4:30: "-m" does not name one module. Write -m <package>.<module>',
        ),
        (
            PROCESSING + "    source: job\n    working_dir: .\n",
            PROCESSING + "    source: job\n",
            'flow.yaml:8:5: step "a" has both "source" and "working_dir", and it starts in its source. Remove one',
        ),
        (
            PROCESSING + "    working_dir: /tmp\n",
            PROCESSING + "    working_dir: tmp\n",
            'flow.yaml:7:18: "/tmp" lies outside of the repository. Paths are relative to the flow file\'s folder',
        ),
        (
            PROCESSING + "    outputs: {a: ../x}\n",
            PROCESSING + "    outputs: {a: x}\n",
            'flow.yaml:7:18: "../x" is not a path below the working folder. Write one such as data/raw.csv',
        ),
        (
            PROCESSING + "    outputs: {a: /opt/x, b: y}\n",
            PROCESSING + "    outputs: {a: x, b: y}\n",
            'flow.yaml:7:18: "/opt/x" lies outside of the repository. Paths are relative to the flow file\'s folder',
        ),
        (
            PROCESSING + "    outputs: {a: x, b: x/y}\n",
            PROCESSING + "    outputs: {a: x, b: y}\n",
            'flow.yaml:7:24: output "b" is at "x/y", and output "a" at "x". Neither may lie in the other',
        ),
        (
            PROCESSING + "    inputs: {i: {from: d, path: d}}\n    outputs: {o: d/e}\n",
            PROCESSING + "    inputs: {i: {from: d, path: d}}\n    outputs: {o: e}\n",
            'flow.yaml:8:18: output "o" is at "d/e", and input "i" at "d". Neither may lie in the other',
        ),
        (
            PROCESSING + "    inputs: {i: {path: d}}\n",
            PROCESSING + "    inputs: {i: {from: d}}\n",
            'flow.yaml:7:14: input "i" lacks "from". Add from: <path, s3:// URI or another step\'s output>',
        ),
        (
            PROCESSING + "    inputs: {i: {from: d, paht: d}}\n",
            PROCESSING + "    inputs: {i: {from: d, path: d}}\n",
            'flow.yaml:7:27: unknown key "paht" in input "i". Did you mean "path"?',
        ),
        (
            PROCESSING + "    inputs: {i: {from: d, path: 1}}\n",
            PROCESSING + "    inputs: {i: {from: d, path: '1'}}\n",
            'flow.yaml:7:33: "path" must be text, but is the integer 1. Put it in quotes',
        ),
        (
            PROCESSING + "    outputs: {a: 1}\n",
            PROCESSING + "    outputs: {a: '1'}\n",
            'flow.yaml:7:18: "a" must be text, but is the integer 1. Put it in quotes',
        ),
        (
            PROCESSING + '    args: ["a\\nb"]\n',
            TRAINING + '    args: ["a\\nb"]\n',
            "flow.yaml:7:12: argument 1 holds a line break, which AWS does not allow",
        ),
        (
            TRAINING + f"    args: [{'x' * 2500}]\n",
            TRAINING + f"    args: [{'x' * 2480}]\n",
            (
                "flow.yaml:7:11: the arguments have 2514 characters, as they are sent in JSON; SageMaker allows 2500. "
                "Put some of them into a file that is sent along, or into hyperparameters"
            ),
        ),
        (
            TRAINING + "    outputs: [modle]\n",
            TRAINING + "    outputs: [model]\n",
            'flow.yaml:7:15: "modle" is no output of a training step. Its only output is "model"',
        ),
    ],
)
def test_what_is_wrong_is_said_where_it_is(wrong: str, right: str, message: str) -> None:
    assert problems(wrong) == [message]
    step(right)


def test_an_output_of_another_step_is_an_input_with_a_path() -> None:
    body = (
        "  b: {uses: processing, run: b.py, outputs: [o]}\n"
        + PROCESSING
        + "    inputs: {i: {from: '${{ steps.b.outputs.o }}', path: data/x}, plain: data}\n"
    )
    found = step(body)
    assert found.inputs == {"i": StepOutput("b", "o"), "plain": RepositoryPath("data")}
    assert found.input_paths == {"i": "data/x"}
    wrong = body.replace("path: data/x", "path: '${{ steps.b.outputs.o }}'")
    assert problems(wrong) == [
        'flow.yaml:8:58: the path of "i" holds what is known only while the flow runs. Write a path'
    ]


def test_a_steps_own_folder_wins_over_that_of_defaults() -> None:
    assert step(PROCESSING, ", working_dir: conf").working_dir == "conf"
    own = step(PROCESSING + "    source: job\n", ", working_dir: conf")
    assert (own.source, own.working_dir) == ("job", None)
    other = step(PROCESSING + "    working_dir: job\n", ", source: conf")
    assert (other.source, other.working_dir) == (None, "job")
    assert problems(PROCESSING, ", working_dir: a, source: b") == [
        'flow.yaml:2:31: "defaults" has both "source" and "working_dir", and steps start in their source. Remove one'
    ]


def test_the_same_names_give_outputs_in_both_forms() -> None:
    assert step(PROCESSING + "    outputs: {a: x, b: y}\n").outputs == ("a", "b")
    assert step(PROCESSING + "    outputs: {a: x, b: y}\n").output_paths == {"a": "x", "b": "y"}
    assert step(TRAINING + "    outputs: {model: m.pkl}\n").outputs == ("model",)
