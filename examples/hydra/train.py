"""Fit and cross-validate a model of the disease's progression: `python train.py model.alpha=0.1 'data.folds=10'`."""

import json
import logging
import os

import hydra
import numpy as np

log = logging.getLogger(__name__)


def features(x, model):
    powers = [x**degree for degree in range(1, model.degree + 1)]
    columns = np.column_stack(powers)
    return (columns - columns.mean(axis=0)) / columns.std(axis=0)


def fit(x, y, model):
    """Return the weights of the columns, and the intercept."""
    if model.name == "mean":
        return np.zeros(x.shape[1]), y.mean()
    weights = np.linalg.solve(x.T @ x + model.alpha * np.eye(x.shape[1]), x.T @ (y - y.mean()))
    return weights, y.mean()


@hydra.main(version_base=None, config_path="conf", config_name="config")
def main(config):
    table = np.loadtxt(hydra.utils.to_absolute_path(config.data.path), delimiter=",", skiprows=1)
    table = np.random.default_rng(config.seed).permutation(table)
    x = features(table[:, :-1], config.model) if config.model.name == "ridge" else table[:, :-1]
    y = table[:, -1]
    scores = []
    for part in np.array_split(np.arange(len(y)), config.data.folds):
        rest = np.setdiff1d(np.arange(len(y)), part)
        weights, intercept = fit(x[rest], y[rest], config.model)
        errors = y[part] - (intercept + x[part] @ weights)
        scores.append(1 - (errors**2).mean() / y[part].var())
        log.info("fold r2=%.4f", scores[-1])
    weights, intercept = fit(x, y, config.model)
    os.makedirs("artifacts", exist_ok=True)
    with open("artifacts/model.json", "w") as file:
        json.dump({"weights": weights.tolist(), "intercept": intercept}, file)
    with open("artifacts/scores.csv", "w") as file:
        file.write(f"r2,folds\n{np.mean(scores)},{len(scores)}\n")


if __name__ == "__main__":
    main()
