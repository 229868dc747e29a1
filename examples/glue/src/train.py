"""Find the centre of each species, and report how many unseen flowers are nearest to that of their own."""

import json
import os

import numpy as np

table = np.loadtxt(os.path.join(os.environ["SM_CHANNEL_FLOWERS"], "flowers.csv"), delimiter=",", skiprows=1, ndmin=2)
table = np.random.default_rng(0).permutation(table)
features, species, is_test = table[:, :-1], table[:, -1].astype(int), np.arange(len(table)) % 4 == 0
centres = np.array([features[~is_test & (species == each)].mean(axis=0) for each in np.unique(species)])
nearest = ((features[is_test][:, None] - centres) ** 2).sum(axis=2).argmin(axis=1)

np.save(os.path.join(os.environ["SM_MODEL_DIR"], "centres.npy"), centres)
with open("metrics.json", "w") as file:
    json.dump({"accuracy": float((nearest == species[is_test]).mean())}, file)
