"""The patients of the data set in three parts, of which no two share a patient, and the model of their disease."""

import numpy as np


def read(path):
    """Return the features and the disease's progression of each part: to fit, to choose between fits, and to judge."""
    table = np.loadtxt(path, delimiter=",", skiprows=1)
    table = np.random.default_rng(0).permutation(table)
    train, validation, test = np.split(table, [len(table) // 2, len(table) * 3 // 4])
    parts = {"train": train, "validation": validation, "test": test}
    return {name: (part[:, :-1], part[:, -1]) for name, part in parts.items()}


def kernel(a, b, gamma):
    """Return how alike the rows of two tables are, from 0 to 1."""
    distances = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1)[None, :] - 2 * a @ b.T
    return np.exp(-gamma * distances)


def fit(x, y, gamma, alpha):
    """Return a kernel ridge regression, as arrays by their names."""
    mean, scale = x.mean(axis=0), x.std(axis=0)
    rows = (x - mean) / scale
    weights = np.linalg.solve(kernel(rows, rows, gamma) + alpha * np.eye(len(rows)), y - y.mean())
    return {"rows": rows, "weights": weights, "mean": mean, "scale": scale, "base": y.mean(), "gamma": gamma}


def predict(model, x):
    rows = (x - model["mean"]) / model["scale"]
    return model["base"] + kernel(rows, model["rows"], model["gamma"]) @ model["weights"]


def r2(model, x, y):
    """Return the share of the variance that the model explains."""
    return float(1 - ((y - predict(model, x)) ** 2).mean() / y.var())
