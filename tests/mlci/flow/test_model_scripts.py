"""The notes on models whose training step names no script that serves them."""

from __future__ import annotations

import pytest

from mlci.flow import load
from mlci.flow.model_scripts import model_notes

FLOW = """flow: small
defaults: {image: xgboost:1.7-1, instance: ml.m5.large}
steps:
  train:
    uses: training
    run: train.py
    inputs: {train: data.csv}
  score:
    uses: transform
    model: ${{ steps.train.outputs.model }}
    input: data.csv
"""


def notes(text: str) -> list[str]:
    return list(map(str, model_notes(load(text.encode(), "flow.yaml"))))


def test_a_model_that_nothing_serves_is_noted_where_it_is_read() -> None:
    [note] = notes(FLOW)
    assert note.startswith(
        'flow.yaml:10:12: step "score" needs a script that serves the model of "train", and "train" names none'
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("    run: train.py\n", "    run: train.py\n    inference: inference.py\n"),
        ("    input: data.csv\n", "    input: data.csv\n    program: none\n"),
        ("    input: data.csv\n", "    input: data.csv\n    program: serve.py\n"),
        ("    run: train.py\n", "    algorithm: xgboost:1.7-1\n    hyperparameters: {num_round: 10}\n"),
        ("${{ steps.train.outputs.model }}", "s3://mine/model.tar.gz"),
    ],
)
def test_a_model_that_something_serves_is_not(old: str, new: str) -> None:
    assert notes(FLOW.replace(old, new)) == []
