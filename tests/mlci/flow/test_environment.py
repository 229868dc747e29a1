"""`${{ env.NAME }}`: a value from outside of the flow, which must be there and must be no secret."""

from __future__ import annotations

import pytest

from mlci.errors import InputError
from mlci.flow import Flow, load
from mlci.flow.environment import is_like_secret
from support.flow_texts import AT_TOP, IN_TRAIN, changed, problems_of, with_lines


def loaded(text: str, **environment: str) -> Flow:
    return load(text.encode(), "flow.yaml", environment=environment)


def test_a_variable_is_filled_in_where_a_param_may_stand() -> None:
    text = changed("data/breast_cancer.csv", "data/${{ env.DATA_VERSION }}/x.csv")
    text = text.replace(IN_TRAIN, IN_TRAIN + "    env: {COMMIT: '${{ env.GIT_SHA }}', TWO: '${{env.GIT_SHA}}-1'}\n")
    text = text.replace("max_depth: ${{ params.max_depth }}", "commit: ${{ env.GIT_SHA }}")
    flow = loaded(text, DATA_VERSION="v2", GIT_SHA="0123", OTHER="x")
    assert flow.steps["preprocess"].inputs["raw"].path == "data/v2/x.csv"  # type: ignore[union-attr]
    assert flow.steps["train"].env == {"COMMIT": ("0123",), "TWO": ("0123-1",)}
    assert flow.steps["train"].hyperparameters == {"commit": "0123"}
    assert flow.env == {"DATA_VERSION": "v2", "GIT_SHA": "0123"}


def test_a_value_stays_text() -> None:
    """A commit such as 12e4567 is no number."""
    text = changed("max_depth: ${{ params.max_depth }}", "a: ${{ env.A }}")
    assert loaded(text, A="12e4567").steps["train"].hyperparameters == {"a": "12e4567"}
    assert loaded(text, A="").steps["train"].hyperparameters == {"a": ""}


@pytest.mark.parametrize(
    ("reference", "problem"),
    [
        (
            "${{ env.GIT_SHA }}",
            (
                '20:20: the environment variable "GIT_SHA" is not set. '
                "Set it, or use a param, which has a default and is overridden by MLCI_PARAM_<NAME>"
            ),
        ),
        (
            "${{ env.API_TOKEN }}",
            (
                '20:20: the variable "API_TOKEN" looks like a secret, and its value would stand in requests and '
                'reports. Declare it in "secrets", and write ${{ secrets.<name> }} in "env"; or give the variable '
                "another name"
            ),
        ),
        ("a ${{ envs.X }}", '20:22: "${{ envs.X }}" is not a reference. Did you mean "env.X"?'),
    ],
)
def test_what_cannot_be_read_is_refused(reference: str, problem: str) -> None:
    assert problems_of(with_lines(IN_TRAIN, f"    env: {{COMMIT: '{reference}'}}")) == [problem]


@pytest.mark.parametrize("value", ["${{ params.x }}", "\udcff", "a\0b"])
def test_a_value_that_is_no_text_is_refused(value: str) -> None:
    with pytest.raises(InputError, match='the value of the environment variable "GIT_SHA"'):
        loaded(with_lines(IN_TRAIN, "    env: {COMMIT: '${{ env.GIT_SHA }}'}"), GIT_SHA=value)


def test_a_number_is_no_variable() -> None:
    text = changed("min: ${{ params.min_auc }}", "min: ${{ env.MIN_AUC }}")
    with pytest.raises(InputError) as caught:
        loaded(text, MIN_AUC="0.9")
    assert [str(problem) for problem in caught.value.problems] == [
        (
            'flow.yaml:34:10: "min" must be a number, but is the text "0.9". '
            "A variable's value is text: use a param, which MLCI_PARAM_<NAME> overrides"
        )
    ]


def test_secrets_take_no_variables() -> None:
    text = with_lines(AT_TOP, "secrets: {wandb: 'ssm:/${{ env.STAGE }}/wandb'}")
    assert problems_of(text) == ['2:24: "secrets" takes no references: rights in AWS are derived from it']


@pytest.mark.parametrize(
    "name",
    ["TOKEN", "GITHUB_TOKEN", "githubToken", "AWS_SECRET_ACCESS_KEY", "DB_PASSWORD", "API_KEYS", "MLCI_SECRET_X"],
)
def test_a_secret_is_told_by_its_name(name: str) -> None:
    assert is_like_secret(name)


@pytest.mark.parametrize("name", ["PATH", "GIT_SHA", "MONKEY", "KEYBOARD", "HF_HOME", "TOKENIZER", "DATA_VERSION"])
def test_other_names_are_no_secrets(name: str) -> None:
    assert not is_like_secret(name)
