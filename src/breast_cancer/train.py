"""Train a classifier with XGBoost.

A SageMaker training script: hyperparameters come in as arguments, folders as `SM_*` variables, and what is left in
the model folder becomes `model.tar.gz`. By hand: `python train.py --train FOLDER --model-dir FOLDER`.
"""

from __future__ import annotations

import argparse
import os
import sys

import numpy
import xgboost

from features import FEATURES, BadTable, read_table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_folder(parser, "--train", "SM_CHANNEL_TRAIN", "folder with train.csv")
    add_folder(parser, "--model-dir", "SM_MODEL_DIR", "folder for the model")
    # Named as the hyperparameters of SageMaker's own XGBoost algorithm.
    parser.add_argument("--max_depth", type=int, default=4, help="depth of a tree (default: 4)")
    parser.add_argument("--eta", type=float, default=0.2, help="learning rate (default: 0.2)")
    parser.add_argument("--num_round", type=int, default=100, help="number of trees (default: 100)")
    parser.add_argument("--seed", type=int, default=2026, help="seed of the booster (default: 2026)")
    args = parser.parse_args()

    table = read_table(args.train)
    data = xgboost.DMatrix(numpy.array(table.rows), label=numpy.array(table.labels), feature_names=list(FEATURES))
    settings = {
        "objective": "binary:logistic",
        "eval_metric": "logloss",
        # Given, and not estimated from the data as newer versions do: so every version starts at the same place.
        "base_score": 0.5,
        "tree_method": "hist",
        "max_depth": args.max_depth,
        "eta": args.eta,
        "seed": args.seed,
    }
    booster = xgboost.train(
        settings, data, num_boost_round=args.num_round, evals=[(data, "train")], verbose_eval=args.num_round // 4 or 1
    )

    os.makedirs(args.model_dir, exist_ok=True)
    # JSON is the format that stays readable from version to version; the ending is what tells XGBoost so.
    booster.save_model(os.path.join(args.model_dir, "model.json"))
    print(f"trained {args.num_round} trees on {len(table)} rows")


def add_folder(parser: argparse.ArgumentParser, option: str, variable: str, text: str) -> None:
    """A folder that SageMaker names in the environment, and a person gives as an option."""
    value = os.environ.get(variable)
    parser.add_argument(option, default=value, required=value is None, help=f"{text} (default: ${variable})")


if __name__ == "__main__":
    try:
        main()
    except (BadTable, xgboost.core.XGBoostError) as error:
        sys.exit(f"error: {error}")
