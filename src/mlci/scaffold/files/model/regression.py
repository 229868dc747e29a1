"""A linear regression: the last column of a CSV file, predicted from those between it and the first, the id."""

import csv
import operator


def read(path):
    """The rows of a CSV file as (id, features with a leading 1, target)."""
    with open(path, newline="") as file:
        _, *rows = csv.reader(file)
    return [(row[0], [1.0, *map(float, row[1:-1])], float(row[-1])) for row in rows]


def fit(rows, ridge):
    """The weights that minimise the squared error: the normal equations, solved by Gaussian elimination."""
    size = len(rows[0][1])
    table = [
        [sum(x[i] * x[j] for _, x, _ in rows) + (ridge if i == j else 0.0) for j in range(size)]
        + [sum(x[i] * y for _, x, y in rows)]
        for i in range(size)
    ]
    for i in range(size):
        pivot = max(range(i, size), key=lambda row: abs(table[row][i]))
        table[i], table[pivot] = table[pivot], table[i]
        for row in range(size):
            if row != i:
                factor = table[row][i] / table[i][i]
                table[row] = [table[row][j] - factor * table[i][j] for j in range(size + 1)]
    return [table[i][size] / table[i][i] for i in range(size)]


def predict(weights, features):
    return sum(map(operator.mul, weights, features))
