"""Train a softmax regression on the wine data, and report its accuracy on the wines that it has not seen."""

import argparse
import json
import os

import numpy as np

parser = argparse.ArgumentParser()
parser.add_argument("--rounds", type=int, default=200)
arguments = parser.parse_args()

table = np.loadtxt(os.path.join(os.environ["SM_CHANNEL_WINE"], "wine.csv"), delimiter=",", skiprows=1)
table = np.random.default_rng(1).permutation(table)
features, kinds = table[:, :-1], table[:, -1].astype(int)
mean, deviation = features.mean(axis=0), features.std(axis=0)
scaled = (features - mean) / deviation
is_test = np.arange(len(table)) % 4 == 0

weights = np.zeros((features.shape[1], kinds.max() + 1))
target = np.eye(weights.shape[1])[kinds[~is_test]]
for _ in range(arguments.rounds):
    scores = np.exp(scaled[~is_test] @ weights)
    error = scores / scores.sum(axis=1, keepdims=True) - target
    weights -= 0.1 * scaled[~is_test].T @ error / len(error)

predicted = (scaled[is_test] @ weights).argmax(axis=1)
np.savez(os.path.join(os.environ["SM_MODEL_DIR"], "model.npz"), mean=mean, deviation=deviation, weights=weights)
with open("metrics.json", "w") as file:
    json.dump({"accuracy": float((predicted == kinds[is_test]).mean())}, file)
