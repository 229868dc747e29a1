"""Serves the model: the probability of each cultivar for each sample."""

from pathlib import Path

import xgboost
from measurements import read_rows


def model_fn(model_dir):
    return xgboost.Booster(model_file=Path(model_dir, "model.json"))


def input_fn(data, content_type):
    if content_type != "text/csv":
        raise ValueError(f"{content_type} is not text/csv")
    return xgboost.DMatrix(read_rows(data))


def predict_fn(samples, model):
    return model.predict(samples)


def output_fn(probabilities, accept):
    return "".join(",".join(map(repr, row)) + "\n" for row in probabilities.tolist())
