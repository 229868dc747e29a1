"""The hyperparameters that SageMaker's built-in XGBoost takes, with their values. Pure.

The algorithm rejects any other name and any value outside of these, once its job has started.

Source: sagemaker-xgboost-container at v1.7-1-1 and v3.0-5, src/sagemaker_xgboost_container/algorithm_mode/
hyperparameter_validation.py and constants/xgb_constants.py; the page of the documentation lists a part of them:
https://docs.aws.amazon.com/sagemaker/latest/dg/xgboost_hyperparameters.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial

from mlci.step_types.keys import Scalar

_OBJECTIVES = (
    "binary:logistic",
    "binary:logitraw",
    "binary:hinge",
    "count:poisson",
    "multi:softmax",
    "multi:softprob",
    "rank:pairwise",
    "rank:ndcg",
    "rank:map",
    "reg:linear",
    "reg:squarederror",
    "reg:logistic",
    "reg:gamma",
    "reg:pseudohubererror",
    "reg:squaredlogerror",
    "reg:absoluteerror",
    "reg:tweedie",
    "survival:aft",
    "survival:cox",
)
METRICS = (
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
)
_UPDATERS = (
    "grow_colmaker",
    "distcol",
    "grow_histmaker",
    "grow_skmaker",
    "grow_quantile_histmaker",
    "sync",
    "refresh",
    "prune",
    "shotgun",
    "coord_descent",
)
_BOOLEAN = ("true", "false")


def _number(text: str, integer: bool, least: float, most: float, is_open: bool = False) -> str:
    """Return what a number must be, if a text is none of these; "" if it is right."""
    kind = "an integer" if integer else "a number"
    try:
        value = float(int(text)) if integer else float(text)
    except (ValueError, OverflowError):
        return f"must be {kind}"
    if least <= value <= most and not (is_open and value == least):
        return ""
    if is_open:
        return f"must be greater than {least:g}" + ("" if most == _MAX else f", and at most {most:g}")
    return f"must be at least {least:g}" if most == _MAX else f"must be from {least:g} to {most:g}"


def _choice(text: str, *choices: str) -> str:
    return "" if text in choices else f"must be {', '.join(choices[:-1])} or {choices[-1]}"


def _list(text: str, *choices: str) -> str:
    wrong = next((word for word in text.split(",") if word not in choices), None)
    if wrong is None:
        return ""
    return f"must be one or more of {', '.join(choices)}" + (
        "" if wrong == text else f'; "{wrong[:80]}" is none of them'
    )


def _metrics(text: str) -> str:
    return _list(",".join(re.sub(r"^(error|ndcg|map)@[0-9.]+$", r"\1", word) for word in text.split(",")), *METRICS)


def _any(text: str) -> str:
    return ""


_MAX = float("inf")
_count = partial(_number, integer=True, least=1, most=_MAX)
_size = partial(_number, integer=True, least=0, most=_MAX)
_flag = partial(_number, integer=True, least=0, most=1)
_positive = partial(_number, integer=False, least=0, most=_MAX, is_open=True)
_amount = partial(_number, integer=False, least=0, most=_MAX)
_share = partial(_number, integer=False, least=0, most=1)
_part = partial(_number, integer=False, least=0, most=1, is_open=True)


def _one_of(*choices: str) -> Callable[[str], str]:
    return lambda text: _choice(text, *choices)


#: What each hyperparameter must be: a function that returns it where a value is not.
_VALUES: Mapping[str, Callable[[str], str]] = {
    "num_round": _count,
    "aft_loss_distribution": _one_of("normal", "logistic", "extreme"),
    "aft_loss_distribution_scale": _amount,
    "alpha": _amount,
    "base_score": _amount,
    "booster": _one_of("gbtree", "gblinear", "dart"),
    "colsample_bylevel": _part,
    "colsample_bynode": _part,
    "colsample_bytree": _part,
    "csv_weights": _flag,
    "deterministic_histogram": _one_of(*_BOOLEAN),
    "dsplit": _one_of("row", "col"),
    "early_stopping_rounds": _count,
    "eta": _share,
    "eval_metric": _metrics,
    "gamma": _amount,
    "grow_policy": _one_of("depthwise", "lossguide"),
    "interaction_constraints": _any,
    "lambda": _amount,
    "lambda_bias": _share,
    "max_bin": _size,
    "max_delta_step": _amount,
    "max_depth": _size,
    "max_leaves": _size,
    "min_child_weight": _amount,
    "monotone_constraints": _any,
    "normalize_type": _one_of("tree", "forest"),
    "nthread": _count,
    "num_class": partial(_number, integer=True, least=2, most=_MAX),
    "num_parallel_tree": _count,
    "objective": _one_of(*_OBJECTIVES),
    "one_drop": _flag,
    "predictor": _one_of("auto", "cpu_predictor", "gpu_predictor"),
    "prob_buffer_row": _positive,
    "process_type": _one_of("default", "update"),
    "rate_drop": _share,
    "refresh_leaf": _flag,
    "sample_type": _one_of("uniform", "weighted"),
    "sampling_method": _one_of("uniform", "gradient_based"),
    "save_model_on_termination": _one_of(*_BOOLEAN),
    "scale_pos_weight": _positive,
    "seed": partial(_number, integer=True, least=-(2**31) + 1, most=2**31 - 2),
    "sketch_eps": _part,
    "skip_drop": _share,
    "subsample": _part,
    "tree_method": _one_of("auto", "exact", "approx", "hist", "gpu_hist"),
    "tweedie_variance_power": partial(_number, integer=False, least=1, most=2, is_open=True),
    "updater": lambda text: _list(text, *_UPDATERS),
    "use_dask_gpu_training": _one_of(*_BOOLEAN),
    "verbosity": partial(_number, integer=True, least=0, most=3),
    "_kfold": partial(_number, integer=True, least=2, most=_MAX),
    "_num_cv_round": _count,
    "_tuning_objective_metric": _any,
}
_ALIASES = {"learning_rate": "eta", "min_split_loss": "gamma", "reg_lambda": "lambda", "reg_alpha": "alpha"}


def value_text(value: Scalar) -> str:
    """Return a value as it is sent to an image that runs no script of the flow's: as text, and not as JSON.

    >>> value_text(True), value_text(0.1), value_text("binary:logistic")
    ('true', '0.1', 'binary:logistic')
    """
    return str(value).lower() if isinstance(value, bool) else str(value)


def hyperparameter_problems(hyperparameters: Mapping[str, Scalar]) -> Iterator[tuple[str, str, str]]:
    """Yield each name that the algorithm lacks, or has with another value, a sentence and a remedy.

    A value that holds a reference is not known yet.

    >>> [found[1] for found in hyperparameter_problems({"num_round": 10, "objective": "binary:logistik"})][0][:46]
    '"objective" is "binary:logistik", and must be '
    """
    known = {_ALIASES.get(name, name): value_text(value) for name, value in hyperparameters.items()}
    if "num_round" not in known:
        yield "num_round", 'xgboost needs the hyperparameter "num_round"', "Add num_round: 100"
    if known.get("objective") in ("multi:softmax", "multi:softprob") and "num_class" not in known:
        yield "objective", f'the objective {known["objective"]} needs the hyperparameter "num_class"', ""
    for name, value in hyperparameters.items():
        meaning = _VALUES.get(_ALIASES.get(name, name))
        text = value_text(value)
        if meaning is None:
            yield name, f'xgboost has no hyperparameter "{name[:80]}"', _nearest(name)
        elif "${{" not in text and (must := meaning(text)):
            yield name, f'"{name}" is "{text[:80]}", and {must}', ""


def _nearest(name: str) -> str:
    from difflib import get_close_matches  # only an error needs it

    names = sorted([*_VALUES, *_ALIASES])
    near = get_close_matches(name.lower(), names, 1)
    if near:
        return f'Did you mean "{near[0]}"?'
    return f"It has: {', '.join(name for name in names if not name.startswith('_'))}"
