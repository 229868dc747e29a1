"""The program that trains as the built-in XGBoost does: its model predicts what a script's does."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy
import pytest
import xgboost

from mlci_emulator.jobs import xgboost_training as program
from mlci_emulator.jobs.xgboost_training import UserError

ROUNDS = {"num_round": "6", "max_depth": "3", "eta": "0.5", "seed": "7"}
RNG = numpy.random.default_rng(7)
FEATURES = RNG.normal(size=(120, 4))
LABELS = (FEATURES[:, 0] + FEATURES[:, 1] ** 2 > 0.7).astype(int)
WEIGHTS = RNG.uniform(0.5, 2, size=120)


def job(
    root: Path, hyperparameters: dict[str, str], content_type: str | None = "text/csv", **channels: dict[str, str]
) -> Path:
    """Return the folder of a job, which has a file in each channel for each of its texts."""
    config = root / "input" / "config"
    config.mkdir(parents=True)
    (root / "model").mkdir()
    (config / "hyperparameters.json").write_text(json.dumps(hyperparameters))
    described = {"ContentType": content_type} if content_type else {}
    (config / "inputdataconfig.json").write_text(json.dumps(dict.fromkeys(channels, described)))
    for channel, files in channels.items():
        for name, text in files.items():
            file = root / "input" / "data" / channel / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
    return root


def rows_of(*columns: Any) -> str:
    return "".join(",".join(map(str, row)) + "\n" for row in numpy.column_stack(columns))


def model_of(root: Path) -> xgboost.Booster:
    return xgboost.Booster(model_file=str(root / "model" / "xgboost-model"))


def predictions(root: Path, features: Any = FEATURES) -> Any:
    return model_of(root).predict(xgboost.DMatrix(features))


def script(params: dict[str, Any], rounds: int = 6, weight: Any = None, features: Any = FEATURES) -> Any:
    """Return what the model of a script predicts, which was trained with the same parameters."""
    data = xgboost.DMatrix(features, label=LABELS, weight=weight)
    booster = xgboost.train(params, data, rounds)
    return booster.predict(xgboost.DMatrix(features))


def test_a_model_of_csv_predicts_what_that_of_a_script_does(tmp_path: Path) -> None:
    root = job(tmp_path, {**ROUNDS, "objective": "binary:logistic"}, train={"a.csv": rows_of(LABELS, FEATURES)})
    program.train(root)
    expected = script({"max_depth": 3, "eta": 0.5, "seed": 7, "objective": "binary:logistic"})
    assert numpy.array_equal(predictions(root), expected)


def test_the_second_column_has_weights_where_they_are_asked_for(tmp_path: Path) -> None:
    values = {**ROUNDS, "csv_weights": "1", "learning_rate": "0.3"}
    del values["eta"]
    root = job(tmp_path, values, train={"a.csv": rows_of(LABELS, WEIGHTS, FEATURES)})
    program.train(root)
    expected = script({"max_depth": 3, "eta": 0.3, "seed": 7}, weight=WEIGHTS)
    assert numpy.array_equal(predictions(root), expected)


def test_an_empty_field_is_a_missing_value(tmp_path: Path) -> None:
    holes = FEATURES.copy()
    holes[::3, 0] = math.nan
    text = rows_of(LABELS, holes).replace("nan", "")
    root = job(tmp_path, ROUNDS, train={"a.csv": text[: len(text) // 2].rpartition("\n")[0] + "\n"})
    head = (root / "input/data/train/a.csv").read_text()
    (root / "input/data/train/b.csv").write_text(text[len(head) :])
    program.train(root)
    assert numpy.array_equal(predictions(root, holes), script({"max_depth": 3, "eta": 0.5, "seed": 7}, features=holes))


def test_a_model_of_libsvm_predicts_what_that_of_a_script_does(tmp_path: Path) -> None:
    lines = [
        " ".join([str(label), *(f"{index}:{value!r}" for index, value in enumerate(row.tolist()) if index != 2)])
        for label, row in zip(LABELS, FEATURES, strict=True)
    ]
    root = job(tmp_path, ROUNDS, None, train={"a.libsvm": "\n".join(lines)}, validation={"b": lines[0]})
    program.train(root)
    without = FEATURES.copy()
    without[:, 2] = math.nan
    expected = script({"max_depth": 3, "eta": 0.5, "seed": 7}, features=without)
    assert numpy.allclose(predictions(root, without), expected, atol=1e-6)


def test_the_log_has_the_metrics_of_each_round(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values = {**ROUNDS, "objective": "binary:logistic", "eval_metric": "auc,accuracy"}
    rows = rows_of(LABELS, FEATURES)
    root = job(tmp_path, values, train={"a.csv": rows}, validation={"b.csv": rows})
    program.train(root)
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("[")]
    assert len(lines) == 6
    name, *metrics = lines[-1].split("#011")
    found = dict(metric.rsplit(":", 1) for metric in metrics)
    assert name == "[5]"
    assert list(found) == ["train-auc", "train-accuracy", "validation-auc", "validation-accuracy"]
    right = (predictions(root) > 0.5).astype(int) == LABELS
    assert float(found["train-accuracy"]) == pytest.approx(right.mean(), abs=1e-5)


@pytest.mark.parametrize(("metric", "stops"), [({"eval_metric": "logloss"}, True), ({}, False)])
def test_training_stops_early_by_a_metric_that_is_asked_for(
    tmp_path: Path, metric: dict[str, str], stops: bool
) -> None:
    noise = numpy.random.default_rng(1).integers(0, 2, size=120)
    values = {"num_round": "40", "objective": "binary:logistic", "early_stopping_rounds": "3", **metric}
    root = job(
        tmp_path, values, train={"a.csv": rows_of(LABELS, FEATURES)}, validation={"b.csv": rows_of(noise, FEATURES)}
    )
    program.train(root)
    assert (model_of(root).num_boosted_rounds() < 40) is stops


def test_a_tuning_job_adds_the_metric_of_its_objective(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values = {**ROUNDS, "objective": "reg:squarederror", "_tuning_objective_metric": "validation:mae"}
    rows = rows_of(LABELS, FEATURES)
    program.train(job(tmp_path, values, train={"a.csv": rows}, validation={"b.csv": rows}))
    assert "#011validation-mae:" in capsys.readouterr().out


def test_training_goes_on_at_the_last_checkpoint(tmp_path: Path) -> None:
    rows = rows_of(LABELS, FEATURES)
    root = job(tmp_path / "job", ROUNDS, train={"a.csv": rows})
    config = root / "input" / "config"
    (config / "checkpointconfig.json").write_text(json.dumps({"LocalPath": "/opt/ml/checkpoints/"}))
    (config / "hyperparameters.json").write_text(json.dumps({**ROUNDS, "num_round": "4"}))
    program.train(root)
    assert sorted(file.name for file in (root / "checkpoints").iterdir()) == [
        f"xgboost-checkpoint.{number}" for number in range(4)
    ]
    (config / "hyperparameters.json").write_text(json.dumps(ROUNDS))
    program.train(root)
    assert model_of(root).num_boosted_rounds() == 6
    assert numpy.allclose(predictions(root), script({"max_depth": 3, "eta": 0.5, "seed": 7}), atol=1e-6)


@pytest.mark.parametrize(
    ("values", "content_type", "text", "problem"),
    [
        ({}, "text/csv", "1,2\n", "Missing required hyperparameter: num_round"),
        ({"num_round": "x"}, "text/csv", "1,2\n0,1\n", "num_round: could not parse value"),
        ({"num_round": "2", "depth": "1"}, "text/csv", "1,2\n", "Extraneous hyperparameter found: depth"),
        ({"num_round": "2"}, "text/csv", "label,a\n1,2\n", "no number in row 1: CSV has the label there, and no head"),
        ({"num_round": "2"}, "text/plain", "1,2\n", "text/plain is not an accepted ContentType"),
        ({"num_round": "2"}, "text/csv; label_size=2", "1,2\n", "label_size must be equal to 1"),
        ({"num_round": "2"}, "libsvm", "1,2\n", "line '1,2...' of file 'a' is not 'LIBSVM' format"),
    ],
)
def test_what_the_algorithm_rejects(
    tmp_path: Path, values: dict[str, str], content_type: str, text: str, problem: str
) -> None:
    with pytest.raises(UserError, match=problem.replace("(", "\\(")):
        program.train(job(tmp_path, values, content_type, train={"a": text}))


def test_a_channel_without_files_fails(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No data in training channel path"):
        program.train(job(tmp_path, {"num_round": "1"}, train={}))


def test_the_process_says_why_it_failed(tmp_path: Path) -> None:
    """xgboost's own error, of labels that the objective can't take."""
    root = job(tmp_path, {"num_round": "1", "objective": "binary:logistic"}, train={"a": "7,1\n8,2\n"})
    done = subprocess.run(
        [sys.executable, program.__file__, str(root)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    reason = (root / "output" / "failure").read_text()
    assert reason.startswith("XGB train call failed with exception: ")
    assert "Stack trace" not in reason


def scores(name: str, labels: list[int], predicted: list[float], objective: str = "binary:logistic") -> float:
    return program.METRICS[name](numpy.array(labels), numpy.array(predicted), objective)


def test_the_metrics_of_the_image() -> None:
    labels, predicted = [1, 1, 1, 0, 0, 0, 0, 0], [0.9, 0.8, 0.1, 0.7, 0.1, 0.2, 0.3, 0.4]
    assert scores("accuracy", labels, predicted) == pytest.approx(6 / 8)
    assert scores("precision", labels, predicted) == pytest.approx(2 / 3)
    assert scores("recall", labels, predicted) == pytest.approx(2 / 3)
    assert scores("f1_binary", labels, predicted) == pytest.approx(2 / 3)
    assert scores("balanced_accuracy", labels, predicted) == pytest.approx((2 / 3 + 4 / 5) / 2)
    assert scores("f1", labels, predicted) == pytest.approx((2 / 3 + 4 / 5) / 2)
    assert scores("recall_micro", labels, predicted) == pytest.approx(6 / 8)
    assert scores("accuracy", [0, 1, 2], [0.0, 2.0, 2.0], "multi:softmax") == pytest.approx(2 / 3)
    assert scores("mse", [1, 2], [1.0, 4.0]) == 2.0
    assert scores("r2", [1, 3], [1.0, 3.0]) == 1.0
    with pytest.raises(UserError, match="Target is multiclass"):
        scores("precision", [0, 1, 2], [0.0, 2.0, 2.0], "multi:softmax")
