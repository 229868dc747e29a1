"""Reads measurements: used in training, and by the script that serves the model."""

import csv

import numpy as np


def read_rows(text):
    """Return the measurements in the lines of a CSV text, one row for each line."""
    return np.array([[float(value) for value in row] for row in csv.reader(text.splitlines())])
