"""Split the data into a part to train on and a part to test on, with the same share of malignant cases in both."""

from __future__ import annotations

import argparse
import os
import random
import sys

from features import BadTable, Table, read_table, write_table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--input", required=True, help="the CSV file, or the folder it is in")
    parser.add_argument("--train", required=True, help="folder for train.csv")
    parser.add_argument("--test", required=True, help="folder for test.csv")
    parser.add_argument("--test-size", type=share, default=0.2, help="share of the rows to test on (default: 0.2)")
    parser.add_argument("--seed", type=int, default=2026, help="the same seed gives the same split (default: 2026)")
    args = parser.parse_args()

    table = read_table(args.input)
    train, test = split(table, args.test_size, args.seed)
    for folder, name, part in ((args.train, "train.csv", train), (args.test, "test.csv", test)):
        os.makedirs(folder, exist_ok=True)
        write_table(os.path.join(folder, name), part)
        print(f"{name}: {len(part)} rows, {sum(part.labels)} of them malignant")


def split(table: Table, test_size: float, seed: int) -> tuple[Table, Table]:
    """The table as two, split at random within each class; the rows keep their order."""
    chosen: set[int] = set()
    generator = random.Random(seed)
    for label in (0, 1):
        numbers = [i for i, each in enumerate(table.labels) if each == label]
        count = round(len(numbers) * test_size)
        if not 0 < count < len(numbers):
            raise BadTable(f"{len(numbers)} rows with label {label} are too few to split at {test_size}")
        chosen.update(generator.sample(numbers, count))
    everything = range(len(table))
    return table.pick([i for i in everything if i not in chosen]), table.pick([i for i in everything if i in chosen])


def share(text: str) -> float:
    value = float(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return value


if __name__ == "__main__":
    try:
        main()
    except BadTable as error:
        sys.exit(f"error: {error}")
