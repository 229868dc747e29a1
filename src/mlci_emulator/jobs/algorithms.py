"""SageMaker's built-in algorithms, by the repositories of their images: which trains here, and its metrics. Pure.

Sources: sagemaker-python-sdk 2, src/sagemaker/image_uri_config; the description of a job of sagemaker-xgboost:1.5-1,
which has the regular expressions of its metrics; sagemaker-xgboost-container, constants/xgb_constants.py (their names).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from mlci_emulator.jobs.image_toolkits import repository_of

XGBOOST = "sagemaker-xgboost"
#: The repositories of algorithms that run on SageMaker alone.
_ELSEWHERE = frozenset(
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
        "xgboost",
    ]
)
_METRICS = [
    "accuracy",
    "auc",
    "aucpr",
    "balanced_accuracy",
    "f1",
    "f1_binary",
    "f1_macro",
    "map",
    "ndcg",
    "precision",
    "r2",
    "recall",
    "precision_macro",
    "precision_micro",
    "recall_macro",
    "recall_micro",
    "aft-nloglik",
    "cox-nloglik",
    "error",
    "gamma-deviance",
    "gamma-nloglik",
    "interval-regression-accuracy",
    "logloss",
    "mae",
    "mape",
    "merror",
    "mlogloss",
    "mphe",
    "mse",
    "poisson-nloglik",
    "rmse",
    "rmsle",
    "tweedie-nloglik",
]
_NUMBER = r"([-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?)"
#: Recorded (awslabs/mlspace, backend/test). SageMaker has the definitions of an image's metrics, whatever it runs.
OVERRIDE = (
    "You can't override the metric definitions for Amazon SageMaker algorithms. Please retry the request without "
    "specifying metric definitions."
)
#: What to do about an image that starts by itself.
WAYS_OUT = "Give the step a script by `run:`, use --isolation container where a runtime is, or use --cloud aws."


def is_algorithm(image: str) -> bool:
    """Return True if an image is that of a built-in algorithm, which SageMaker has metric definitions for.

    >>> is_algorithm("382416733822.dkr.ecr.us-east-1.amazonaws.com/kmeans:1"), is_algorithm("mine.example/kmeans:1")
    (True, False)
    """
    return repository_of(image) in (XGBOOST, *_ELSEWHERE) and _REGISTRY.match(image) is not None


_REGISTRY = re.compile(r"\d{12}\.dkr\.ecr\.")


def metric_definitions(image: str) -> list[dict[str, str]]:
    """Return the MetricDefinitions of an algorithm that trains here.

    >>> metric_definitions("683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1")[1]["Name"]
    'train:auc'
    """
    if repository_of(image) != XGBOOST:
        return []
    names = [(data, name) for data in ("train", "validation") for name in _METRICS]
    return [
        {"Name": f"{data}:{name}", "Regex": rf".*\[[0-9]+\].*#011{data}-{name}:{_NUMBER}.*"} for data, name in names
    ]


def refusal(
    image: str,
    has_command: bool,
    hyperparameters: Mapping[str, str],
    content_types: Mapping[str, str],
    instances: int,
) -> str:
    """Return why an image that starts by itself can't train here, or "".

    `has_command`: the request starts it otherwise than the image does. `content_types` are those of the channels.
    """
    repository = repository_of(image)
    if is_algorithm(image) and repository != XGBOOST:
        return (
            f"it runs the built-in algorithm {repository}, which trains on AWS alone. Use --cloud aws, or "
            "algorithm: xgboost:1.7-1, which the local cloud has."
        )
    if repository != XGBOOST or has_command:
        return (
            "it is not in script mode (by the hyperparameters sagemaker_program and sagemaker_submit_directory), so "
            f"its image {image} starts by itself, and that needs a container runtime. {WAYS_OUT}"
        )
    for name, is_meant in _ELSEWHERE_ONLY.items():
        if name in hyperparameters and is_meant(hyperparameters[name]):
            return f"{name} of the built-in XGBoost is not done by the local cloud. Drop it for local runs."
    for channel, text in content_types.items():
        if text.partition(";")[0].strip().lower() in _OTHER_FORMATS:
            return f'the channel "{channel}" has {text}, and the local XGBoost reads text/csv and text/libsvm alone.'
    if instances > 1:
        return f"the built-in XGBoost trains across {instances} instances, and the local one on one. Use one instance."
    return ""


#: The hyperparameters of XGBoost that only the image does, with the values that ask for it.
_ELSEWHERE_ONLY: Mapping[str, Callable[[str], bool]] = {
    "_kfold": lambda value: True,
    "use_dask_gpu_training": lambda value: value == "true",
    "tree_method": lambda value: value == "gpu_hist",
}
_OTHER_FORMATS = ("parquet", "application/x-parquet", "recordio-protobuf", "application/x-recordio-protobuf")
