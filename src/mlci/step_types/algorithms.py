"""SageMaker's built-in algorithms: their names, and what each takes as far as it is known. Pure.

The image of an algorithm trains by itself. SageMaker finds its metrics by definitions of its own, which a request can't
override; the service says of one that tries: "You can't override the metric definitions for Amazon SageMaker
algorithms. Please retry the request without specifying metric definitions."

Sources: https://docs.aws.amazon.com/sagemaker/latest/dg/common-info-all-im-models.html; sagemaker-python-sdk,
doc/algorithms; the message: awslabs/mlspace, backend/test, which records it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping

from mlci.step_types.keys import Json, Scalar
from mlci.step_types.xgboost_values import hyperparameter_problems as xgboost_problems

#: The algorithms whose images run no script of a user's.
CLOSED_ALGORITHMS = frozenset(
    [
        "blazingtext",
        "factorization-machines",
        "forecasting-deepar",
        "image-classification",
        "ipinsights",
        "kmeans",
        "knn",
        "lda",
        "linear-learner",
        "ntm",
        "object-detection",
        "object2vec",
        "pca",
        "randomcutforest",
        "semantic-segmentation",
        "seq2seq",
    ]
)
#: XGBoost is both: its versions from 0.90-1 run scripts as well.
XGBOOST = "xgboost"
ALGORITHMS = frozenset([*CLOSED_ALGORITHMS, XGBOOST])
#: The channels of XGBoost. Source: sagemaker-xgboost-container, algorithm_mode/channel_validation.py
_XGBOOST_CHANNELS = ("train", "validation")
_XGBOOST_CONTENT_TYPES = (
    "text/csv",
    "text/libsvm",
    "text/x-libsvm",
    "application/x-parquet",
    "application/x-recordio-protobuf",
    "csv",
    "libsvm",
    "parquet",
    "recordio-protobuf",
)
_ALGORITHM = r"([a-z0-9-]+):([A-Za-z0-9][\w.-]*)"
#: The repository of the image that runs XGBoost, and scripts as well: SageMaker has metric definitions for it.
_XGBOOST_IMAGE = r"(.*/)?sagemaker-xgboost[:@].*"

Problem = tuple[tuple[str | int, ...], str, str]


def algorithm_name(algorithm: str) -> str:
    """Return the name of an algorithm that is written with its version.

    >>> algorithm_name("xgboost:1.7-1")
    'xgboost'
    """
    return algorithm.partition(":")[0]


def is_algorithm(image: Json) -> bool:
    """Return True if an image is written as an algorithm is.

    >>> is_algorithm("xgboost:1.7-1"), is_algorithm("pytorch:2.1"), is_algorithm(None)
    (True, False, False)
    """
    return isinstance(image, str) and ":" in image and algorithm_name(image) in ALGORITHMS


def defines_metrics(image: str) -> bool:
    """Return True if SageMaker has metric definitions of its own for an image, and takes none in a request.

    >>> defines_metrics("683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1")
    True
    """
    return re.fullmatch(_XGBOOST_IMAGE, image) is not None


def algorithm_problems(value: Json) -> Iterator[Problem]:
    """Yield what is wrong with the name of an algorithm."""
    text = str(value)
    match = re.fullmatch(_ALGORITHM, text)
    name = match[1] if match else algorithm_name(text)
    if name not in ALGORITHMS:
        hint = _nearest(name, ALGORITHMS) or f"There are: {', '.join(sorted(ALGORITHMS))}"
        yield (), f'SageMaker has no built-in algorithm "{name[:80]}"', hint
    elif match is None:
        version = "1.7-1" if name == XGBOOST else "1"
        yield (), f'"{text[:80]}" has no version', f"Write {name}:{version}"


def input_problems(
    algorithm: str, hyperparameters: Mapping[str, Scalar], inputs: Mapping[str, str]
) -> Iterator[Problem]:
    """Yield what an algorithm does not take of hyperparameters and channels: a path in the step, a sentence, a remedy.

    `inputs` maps the channels to their content types. Only XGBoost's are known. References are texts with `${{`.

    >>> [found[1] for found in input_problems("xgboost:1.7-1", {"max_dept": 3}, {"train": "text/csv"})]
    ['xgboost needs the hyperparameter "num_round"', 'xgboost has no hyperparameter "max_dept"']
    """
    if algorithm_name(algorithm) != XGBOOST:
        return
    for name, what, hint in xgboost_problems(hyperparameters):
        yield ("hyperparameters", name) if name in hyperparameters else ("hyperparameters",), what, hint
    if _XGBOOST_CHANNELS[0] not in inputs:
        yield ("inputs",), 'xgboost needs the channel "train"', "Name the input with the training data: train"
    for name, content_type in inputs.items():
        if name not in _XGBOOST_CHANNELS:
            yield ("inputs", name), f'xgboost has no channel "{name}"', "Its channels are train and validation"
        kind, _, options = content_type.lower().partition(";")
        if kind and "${{" not in content_type and kind.strip() not in _XGBOOST_CONTENT_TYPES:
            hint = _nearest(kind, _XGBOOST_CONTENT_TYPES) or f"There are: {', '.join(_XGBOOST_CONTENT_TYPES[:5])}"
            yield ("inputs", name, "content_type"), f'xgboost does not read "{content_type[:80]}"', hint
        elif "label_size" in options and not re.search(r"label_size\s*=\s*1\s*(;|$)", options):
            yield ("inputs", name, "content_type"), "xgboost reads one label, in the first column", "Write text/csv"


def _nearest(word: str, words: Collection[str]) -> str:
    from difflib import get_close_matches  # only an error needs it

    near = get_close_matches(word.lower(), sorted(words), 1)
    return f'Did you mean "{near[0]}"?' if near else ""
