"""Train a softmax regression on the wine data."""

import argparse
import os

import numpy as np
import wine

parser = argparse.ArgumentParser()
parser.add_argument("--measures", type=int, default=6)
arguments = parser.parse_args()

features, kinds, _, _ = wine.read(os.environ["SM_CHANNEL_WINE"])
features = features[:, : arguments.measures]
mean, scale = features.mean(axis=0), features.std(axis=0)
features = (features - mean) / scale

weights = np.zeros((features.shape[1], kinds.max() + 1))
target = np.eye(weights.shape[1])[kinds]
for _ in range(200):
    scores = np.exp(features @ weights)
    weights -= 0.1 * features.T @ (scores / scores.sum(axis=1, keepdims=True) - target) / len(features)
np.savez(os.path.join(os.environ["SM_MODEL_DIR"], "model.npz"), weights=weights, mean=mean, scale=scale)
