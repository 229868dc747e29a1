"""Splits a CSV file into a training and a test part, the same way each time, also where rows come or go.

The first column is the id of a row, whose hash decides. So two runs have test cases in common, and are compared by
them.
"""

import argparse
import csv
import hashlib
import os

parser = argparse.ArgumentParser()
parser.add_argument("--data", required=True)
parser.add_argument("--train", required=True)
parser.add_argument("--test", required=True)
parser.add_argument("--test-share", type=float, default=0.25)
args = parser.parse_args()

with open(args.data, newline="") as file:
    head, *rows = csv.reader(file)
rows.sort(key=lambda row: hashlib.sha256(row[0].encode()).digest())
cut = round(len(rows) * args.test_share)
for folder, part in ((args.test, rows[:cut]), (args.train, rows[cut:])):
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "rows.csv"), "w", newline="") as file:
        csv.writer(file).writerows([head, *part])
print(f"{len(rows) - cut} rows to train on, {cut} to test")
