"""Train and score a nearest-neighbour classifier on one of five folds."""

import argparse
import json
import os

import numpy as np

parser = argparse.ArgumentParser()
parser.add_argument("data")
parser.add_argument("scores")
parser.add_argument("--fold", type=int, required=True)
parser.add_argument("--folds", type=int, default=5)
parser.add_argument("--neighbours", type=int, default=5)
arguments = parser.parse_args()

table = np.loadtxt(arguments.data, delimiter=",", skiprows=1)
table = np.random.default_rng(1).permutation(table)
is_test = np.arange(len(table)) % arguments.folds == arguments.fold
train, test = table[~is_test], table[is_test]

distances = ((test[:, None, :-1] - train[None, :, :-1]) ** 2).sum(axis=2)
nearest = np.argsort(distances, axis=1)[:, : arguments.neighbours]
votes = train[nearest, -1].astype(int)
predicted = np.array([np.bincount(row).argmax() for row in votes])

os.makedirs(arguments.scores, exist_ok=True)
with open(os.path.join(arguments.scores, "scores.json"), "w") as file:
    json.dump({"accuracy": float((predicted == test[:, -1]).mean()), "cases": len(test)}, file)
