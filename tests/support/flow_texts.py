"""The flow that the tests start from, the example of the design, and small changes to it."""

from __future__ import annotations

import pytest

from mlci.errors import InputError
from mlci.flow import Flow, load
from mlci.step_types import STEP_TYPES


def either(words: list[str]) -> str:
    """The words as a message lists choices: a, b or c."""
    return f"{', '.join(words[:-1])} or {words[-1]}"


#: The step types as a message lists them.
STEP_TYPE_CHOICES = either([f'"{name}"' for name in STEP_TYPES])

EXAMPLE = """\
flow: breast-cancer
params:                       # typed by their default; --param max_depth=7 or MLCI_PARAM_MAX_DEPTH override
  max_depth: 4
  min_auc: 0.97
defaults:
  image: xgboost:1.7-1        # framework:version by sagemaker.image_uris, or a full image URI
  instance: ml.m5.xlarge
  timeout: 30m
steps:
  preprocess:
    uses: processing
    run: src/breast_cancer/preprocess.py
    args: ["--test-size", "0.2"]
    inputs:
      raw: data/breast_cancer.csv               # a path in the repository, an s3:// URI, or a reference
    outputs: [train, test]
  train:
    uses: training
    run: src/breast_cancer/train.py
    inputs:
      train: ${{ steps.preprocess.outputs.train }}
    hyperparameters:
      max_depth: ${{ params.max_depth }}
  evaluate:
    uses: processing
    run: src/breast_cancer/evaluate.py
    inputs:
      model: ${{ steps.train.outputs.model }}
      test: ${{ steps.preprocess.outputs.test }}
    outputs: [evaluation]
    metrics: evaluation/metrics.json            # a JSON file in an output; its numbers are `evaluate.<dotted path>`
gate:
  - metric: evaluate.auc
    min: ${{ params.min_auc }}
  - metric: evaluate.recall
    min: 0.9
    max_drop: 0.02                              # against the baseline; "2%" is relative
"""

#: What a change of the example replaces, to add lines to a step or a section. The line that they follow.
IN_PREPROCESS = "    run: src/breast_cancer/preprocess.py\n"  # line 12
IN_TRAIN = "    run: src/breast_cancer/train.py\n"  # line 19
IN_EVALUATE = "    run: src/breast_cancer/evaluate.py\n"  # line 26
IN_DEFAULTS = "  timeout: 30m\n"  # line 8
AT_TOP = "flow: breast-cancer\n"  # line 1


def changed(old: str, new: str) -> str:
    """The example with the first occurrence of one text replaced."""
    assert old in EXAMPLE
    return EXAMPLE.replace(old, new, 1)


def with_lines(after: str, *lines: str) -> str:
    """The example with lines added after this one."""
    return changed(after, after + "".join(f"{line}\n" for line in lines))


def loaded(text: str) -> Flow:
    return load(text.encode(), "flow.yaml")


def problems_of(text: str | bytes) -> list[str]:
    """The problems of this flow as the user reads them, without the file's name."""
    with pytest.raises(InputError) as caught:
        load(text if isinstance(text, bytes) else text.encode(), "flow.yaml")
    return [str(problem).removeprefix("flow.yaml:") for problem in caught.value.problems]
