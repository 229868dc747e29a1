"""The wines: a quarter of them is for testing."""

import os

import numpy as np


def read(folder):
    """Return the measures and the cultivars of the wines, for training and for testing."""
    table = np.loadtxt(os.path.join(folder, "wine.csv"), delimiter=",", skiprows=1)
    table = np.random.default_rng(1).permutation(table)
    is_test = np.arange(len(table)) % 4 == 0
    return table[~is_test, :-1], table[~is_test, -1].astype(int), table[is_test, :-1], table[is_test, -1].astype(int)
