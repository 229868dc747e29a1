"""Splits the samples: some to train on, and a batch of two files, with a number for each sample and no header."""

import csv
import sys
from pathlib import Path

wine, train, batch, labels = map(Path, sys.argv[1:])
with wine.open(newline="") as file:
    header, *samples = csv.reader(file)
held_out = [(number, sample) for number, sample in enumerate(samples) if number % 4 == 0]
with (train / "train.csv").open("w", newline="") as file:
    csv.writer(file).writerows([header, *(sample for number, sample in enumerate(samples) if number % 4)])
for part in (0, 1):
    with (batch / f"part-{part}.csv").open("w", newline="") as file:
        csv.writer(file).writerows([number, *sample[:-1]] for number, sample in held_out[part::2])
with (labels / "labels.csv").open("w", newline="") as file:
    csv.writer(file).writerows([number, sample[-1]] for number, sample in held_out)
