"""Scale the table, keep every fourth row for the test, write the rest in four files: `split.py TABLE TRAIN TEST`."""

import sys
from pathlib import Path

import numpy as np

table = np.loadtxt(sys.argv[1], delimiter=",", skiprows=1)
table = np.random.default_rng(1).permutation(table)
is_test = np.arange(len(table)) % 4 == 0
features = table[:, :-1]
mean, std = features[~is_test].mean(axis=0), features[~is_test].std(axis=0)
table[:, :-1] = (features - mean) / std

train, test = Path(sys.argv[2]), Path(sys.argv[3])
for folder in (train, test):
    folder.mkdir(parents=True, exist_ok=True)
for number, part in enumerate(np.array_split(table[~is_test], 4)):
    np.savetxt(train / f"part-{number}.csv", part, delimiter=",")
np.savetxt(test / "test.csv", table[is_test], delimiter=",")
