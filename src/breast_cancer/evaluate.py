"""Measure a model on the test data, and write what came of it to metrics.json, and of each case to cases.csv."""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
import tarfile
from typing import Sequence

import numpy
import xgboost

from features import FEATURES, BadTable, read_table


class BadModel(Exception):
    """The model can't be read; the text says what is wrong, and where."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True, help="model.tar.gz, or the folder it is in")
    parser.add_argument("--test", required=True, help="folder with test.csv")
    parser.add_argument("--output", required=True, help="folder for metrics.json and cases.csv")
    parser.add_argument("--threshold", type=float, default=0.5, help="probability that counts as malignant (0.5)")
    args = parser.parse_args()

    booster = read_model(args.model)
    table = read_table(args.test)
    data = xgboost.DMatrix(numpy.array(table.rows), feature_names=list(FEATURES))
    scores = [float(each) for each in booster.predict(data)]
    metrics = measure(table.labels, scores, args.threshold)

    os.makedirs(args.output, exist_ok=True)
    with open(os.path.join(args.output, "metrics.json"), "w", encoding="utf-8") as file:
        json.dump(metrics, file, indent=2)
        file.write("\n")
    with open(os.path.join(args.output, "cases.csv"), "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("id", "label", "predicted", "score"))
        for each, label, score in zip(table.ids, table.labels, scores):
            writer.writerow((each, label, int(score >= args.threshold), score))
    print(json.dumps(metrics, indent=2))


def read_model(path: str) -> xgboost.Booster:
    """The booster in a `model.tar.gz` as a training job packs it. Nothing of the archive is written to disk."""
    archive = os.path.join(path, "model.tar.gz") if os.path.isdir(path) else path
    booster = xgboost.Booster()
    try:
        with tarfile.open(archive, "r:gz") as members:
            for member in members:
                file = members.extractfile(member)
                if file is not None and os.path.normpath(member.name) == "model.json":
                    booster.load_model(bytearray(file.read()))
                    return booster
    except (OSError, EOFError, tarfile.TarError, xgboost.core.XGBoostError) as error:
        raise BadModel(f"{archive}: {error}") from error
    raise BadModel(f"{archive}: no model.json in it")


def measure(labels: Sequence[int], scores: Sequence[float], threshold: float) -> dict[str, object]:
    """The usual numbers of a two-class classifier; malignant is the positive class.

    A number that the data leaves open, such as the precision where nothing was called malignant, is None.
    """
    pairs = [(label, score >= threshold) for label, score in zip(labels, scores)]
    counts = {
        "true_positive": pairs.count((1, True)),
        "false_positive": pairs.count((0, True)),
        "false_negative": pairs.count((1, False)),
        "true_negative": pairs.count((0, False)),
    }
    hits = counts["true_positive"]
    misses = counts["false_positive"] + counts["false_negative"]
    return {
        "auc": area_under_curve(labels, scores),
        "accuracy": ratio(len(pairs) - misses, len(pairs)),
        "precision": ratio(hits, hits + counts["false_positive"]),
        "recall": ratio(hits, hits + counts["false_negative"]),
        "f1": ratio(2 * hits, 2 * hits + misses),
        "confusion": counts,
        "n_test": len(pairs),
    }


def area_under_curve(labels: Sequence[int], scores: Sequence[float]) -> float | None:
    """The area under the ROC curve: how often a malignant case scores above a benign one, ties counting half."""
    malignant = numpy.array([score for label, score in zip(labels, scores) if label == 1])
    benign = numpy.sort([score for label, score in zip(labels, scores) if label == 0])
    below = numpy.searchsorted(benign, malignant, side="left").sum()
    ties = numpy.searchsorted(benign, malignant, side="right").sum() - below
    return ratio(float(below + ties / 2), len(malignant) * len(benign))


def ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None


if __name__ == "__main__":
    try:
        main()
    except (BadTable, BadModel) as error:
        sys.exit(f"error: {error}")
