"""Scale the measures of the patients, and add their products up to a degree."""

import os
import sys
from itertools import combinations_with_replacement

import numpy as np
import yaml

with open("params.yaml") as file:
    degree = yaml.safe_load(file)["featurize"]["degree"]

source, target = sys.argv[1:]
train = np.loadtxt(os.path.join(source, "train.csv"), delimiter=",", skiprows=1)
mean, deviation = train[:, :-1].mean(axis=0), train[:, :-1].std(axis=0)

os.makedirs(target, exist_ok=True)
for name in ("train", "test"):
    table = np.loadtxt(os.path.join(source, f"{name}.csv"), delimiter=",", skiprows=1)
    measures, progression = (table[:, :-1] - mean) / deviation, table[:, -1]
    columns = [
        np.prod(measures[:, list(chosen)], axis=1)
        for size in range(1, degree + 1)
        for chosen in combinations_with_replacement(range(measures.shape[1]), size)
    ]
    np.savez(os.path.join(target, f"{name}.npz"), x=np.column_stack(columns), y=progression)
    print(f"{name}: {len(columns)} features of {len(table)} patients")
