"""Serve the model: a line of measures in, a line with the cultivar out."""

import io
import os

import numpy as np


def model_fn(model_dir):
    return dict(np.load(os.path.join(model_dir, "model.npz")))


def input_fn(body, content_type):
    if content_type != "text/csv":
        raise ValueError(f"{content_type} is not text/csv")
    text = body.decode() if isinstance(body, bytes) else body
    return np.loadtxt(io.StringIO(text), delimiter=",", ndmin=2)


def predict_fn(features, model):
    return ((features[:, : len(model["mean"])] - model["mean"]) / model["scale"] @ model["weights"]).argmax(axis=1)


def output_fn(cultivars, accept):
    return "\n".join(map(str, cultivars)) + "\n", "text/csv"
