"""The wines, and the split that training and evaluation share."""

import csv

from sklearn.model_selection import train_test_split


def load(path):
    """Return the training and the test wines: x_train, x_test, y_train, y_test."""
    with open(path, newline="") as file:
        _, *rows = csv.reader(file)
    measures = [[float(value) for value in row[:-1]] for row in rows]
    cultivars = [int(row[-1]) for row in rows]
    return train_test_split(measures, cultivars, test_size=0.3, random_state=11, stratify=cultivars)
