"""Models of the example, trained in this process on splits of its data: what `benchmarks/gate.py` compares."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import xgboost

from mlci.gate.statistics import Outcomes

_ROOT = Path(__file__).resolve().parents[1]
_SCRIPTS = _ROOT / "src" / "breast_cancer"
#: As flow.yaml and train.py have them.
_ROUNDS, _TEST_SIZE, _THRESHOLD = 100, 0.2, 0.5
_SETTINGS = {"objective": "binary:logistic", "base_score": 0.5, "tree_method": "hist", "max_depth": 4, "eta": 0.2}


@dataclass(frozen=True)
class Model:
    """The outcomes of a model on its test cases; the ids are the rows of the data."""

    ids: tuple[int, ...]
    classes: Outcomes
    #: The probability as a number that is to be 0 or 1: for rmse.
    numbers: Outcomes


class Example:
    """The example's data, and the functions of its scripts."""

    def __init__(self) -> None:
        self._preprocess = _script("preprocess")
        self._table = _script("features").read_table(str(_ROOT / "data" / "breast_cancer.csv"))

    def model(self, split_seed: int, booster_seed: int = 2026, subsample: float = 1.0) -> Model:
        """Train a model on one part of a split, and return its outcomes on the other."""
        train, test = self._preprocess.split(self._table, _TEST_SIZE, split_seed)
        settings = {**_SETTINGS, "seed": booster_seed, "subsample": subsample, "nthread": 1}
        data = xgboost.DMatrix(np.array(train.rows), label=np.array(train.labels))
        booster = xgboost.train(settings, data, num_boost_round=_ROUNDS)
        scores = tuple(float(score) for score in booster.predict(xgboost.DMatrix(np.array(test.rows))))
        labels = tuple(bool(label) for label in test.labels)
        return Model(
            tuple(map(int, test.ids)),
            Outcomes(labels, tuple(score >= _THRESHOLD for score in scores), scores),
            Outcomes(labels, scores),
        )


def _script(name: str) -> ModuleType:
    """Import a script of the example, which finds its neighbours by their folder."""
    if str(_SCRIPTS) not in sys.path:
        sys.path.insert(0, str(_SCRIPTS))
    return __import__(name)
