"""Serve the model: measurements of wines in, one wine a line; the cultivar of each out."""

import os

import numpy as np

CULTIVARS = ("barolo", "grignolino", "barbera")


def model_fn(model_dir):
    with np.load(os.path.join(model_dir, "model.npz")) as arrays:
        return dict(arrays)


def input_fn(body, content_type):
    if not content_type.startswith("text/csv"):
        raise ValueError(f"text/csv is served, and not {content_type}")
    text = body if isinstance(body, str) else body.decode()
    return np.loadtxt(text.splitlines(), delimiter=",", ndmin=2)


def predict_fn(wines, model):
    scaled = (wines - model["mean"]) / model["deviation"]
    return (scaled @ model["weights"]).argmax(axis=1)


def output_fn(kinds, accept):
    return "\n".join(CULTIVARS[kind] for kind in kinds), "text/csv"
