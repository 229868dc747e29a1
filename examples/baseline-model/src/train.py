"""Train a softmax regression on the first measures of the wines."""

import argparse
import os

import numpy as np

parser = argparse.ArgumentParser()
parser.add_argument("--measures", type=int, default=13)
measures = parser.parse_args().measures

table = np.genfromtxt(os.path.join(os.environ["SM_CHANNEL_TRAIN"], "wine.csv"), delimiter=",", skip_header=1)
features, kinds = table[:, 1 : 1 + measures], table[:, -1].astype(int)
mean, scale = features.mean(axis=0), features.std(axis=0)
features = (features - mean) / scale
weights = np.zeros((measures, kinds.max() + 1))
target = np.eye(weights.shape[1])[kinds]
for _ in range(200):
    scores = np.exp(features @ weights)
    weights -= 0.1 * features.T @ (scores / scores.sum(axis=1, keepdims=True) - target) / len(features)
np.savez(os.path.join(os.environ["SM_MODEL_DIR"], "model.npz"), weights=weights, mean=mean, scale=scale)
