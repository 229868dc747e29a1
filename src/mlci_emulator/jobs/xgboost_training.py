"""Runs as the process of a training job: trains XGBoost as SageMaker's built-in algorithm does.

The project's interpreter starts this file by path, so it stays one file, and imports the standard library, xgboost and
what xgboost itself needs, numpy and scipy. It reads the job's folder as the algorithm's image does: the channels, the
hyperparameters, which are texts, and their content types. It writes the model as `xgboost-model`, prints the metrics of
each round as SageMaker's log shows them, and the reason of a failure to `output/failure`.

Source: sagemaker-xgboost-container at v1.7-1-1, src/sagemaker_xgboost_container: algorithm_mode/train.py,
train_utils.py, callback.py, checkpointing.py, data_utils.py and metrics/custom_metrics.py. That it reads no Parquet and
no recordIO, and does no cross validation, is for the caller to refuse.
"""

from __future__ import annotations

import csv
import json
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any  # xgboost, numpy and scipy are the project's: nothing is known of their types here

MODEL = "xgboost-model"
CHECKPOINT = "xgboost-checkpoint"
#: The metrics that grow: early stopping looks for their largest value.
GROWING = frozenset(
    [
        "accuracy",
        "auc",
        "aucpr",
        "balanced_accuracy",
        "f1",
        "f1_binary",
        "f1_macro",
        "map",
        "ndcg",
        "precision",
        "r2",
        "recall",
        "precision_macro",
        "precision_micro",
        "recall_macro",
        "recall_micro",
    ]
)
HYPERPARAMETERS = frozenset(
    [
        "_kfold",
        "_num_cv_round",
        "_tuning_objective_metric",
        "aft_loss_distribution",
        "aft_loss_distribution_scale",
        "alpha",
        "base_score",
        "booster",
        "colsample_bylevel",
        "colsample_bynode",
        "colsample_bytree",
        "csv_weights",
        "deterministic_histogram",
        "dsplit",
        "early_stopping_rounds",
        "eta",
        "eval_metric",
        "gamma",
        "grow_policy",
        "interaction_constraints",
        "lambda",
        "lambda_bias",
        "max_bin",
        "max_delta_step",
        "max_depth",
        "max_leaves",
        "min_child_weight",
        "monotone_constraints",
        "normalize_type",
        "nthread",
        "num_class",
        "num_parallel_tree",
        "num_round",
        "objective",
        "one_drop",
        "predictor",
        "prob_buffer_row",
        "process_type",
        "rate_drop",
        "refresh_leaf",
        "sample_type",
        "sampling_method",
        "save_model_on_termination",
        "scale_pos_weight",
        "seed",
        "sketch_eps",
        "skip_drop",
        "subsample",
        "tree_method",
        "tweedie_variance_power",
        "updater",
        "use_dask_gpu_training",
        "verbosity",
    ]
)
ALIASES = {"learning_rate": "eta", "min_split_loss": "gamma", "reg_lambda": "lambda", "reg_alpha": "alpha"}
#: Hyperparameters that are the image's own, and none of XGBoost's.
OWN = ("csv_weights", "early_stopping_rounds", "num_round", "save_model_on_termination", "use_dask_gpu_training")


class UserError(Exception):
    """The data or the hyperparameters are wrong."""


def main(base: str) -> int:
    """Train in the job's folder, and return the exit code."""
    sys.path.pop(0)  # the folder of this file, whose modules have names of others
    root = Path(base)
    try:
        train(root)
    except ImportError as error:
        return failed(root, f"the Python of this job lacks what xgboost needs: {error}. Install xgboost in it.")
    except UserError as error:
        return failed(root, str(error))
    except Exception as error:  # noqa: BLE001 - as the image does: xgboost may raise anything about the data
        message = str(error).partition("Stack trace:")[0].strip()
        return failed(root, f"XGB train call failed with exception: {message}")
    return 0


def failed(root: Path, reason: str) -> int:
    """Write the reason of a failure, and return the exit code."""
    (root / "output").mkdir(parents=True, exist_ok=True)
    (root / "output" / "failure").write_text(reason, encoding="utf-8")
    print(f"ERROR:root:{reason}", file=sys.stderr)
    return 1


def train(root: Path) -> None:
    """Train a model, and save it."""
    import xgboost

    values = hyperparameters(read_json(root / "input/config/hyperparameters.json"))
    channels = read_json(root / "input/config/inputdataconfig.json")
    for name in channels:
        if name not in ("train", "validation"):
            raise UserError(f"Extraneous channel found: {name}")
    if "train" not in channels:
        raise UserError("Missing required channel: train")
    has_weights = values.get("csv_weights") == "1"
    data = {name: Table.read(root / "input/data" / name, channels["train"], name, has_weights) for name in channels}
    width = data["train"].width
    matrices = {name: table.matrix(xgboost, width) for name, table in data.items()}
    print(f"INFO:root:Train matrix has {matrices['train'].num_row()} rows and {matrices['train'].num_col()} columns")
    if "validation" in matrices:
        print(f"INFO:root:Validation matrix has {matrices['validation'].num_row()} rows")
    booster = Training(xgboost, values, matrices, root).run()
    (root / "model").mkdir(exist_ok=True)
    save(booster, root / "model" / MODEL)


def save(model: Any, file: Path) -> None:
    """Save a model under a name of the image's; XGBoost would rather see the format in it, and warns."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.save_model(str(file))


def read_json(file: Path) -> dict[str, Any]:
    """Return the content of a configuration file; {} if there is none."""
    content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return content


def hyperparameters(sent: Mapping[str, str]) -> dict[str, str]:
    """Return the hyperparameters by the names that the algorithm has for them.

    >>> hyperparameters({"num_round": "5", "learning_rate": "0.1"})
    {'num_round': '5', 'eta': '0.1'}
    """
    values = {ALIASES.get(name, name): value for name, value in sent.items() if not name.startswith("sagemaker_")}
    if "num_round" not in values:
        raise UserError("Missing required hyperparameter: num_round")
    for name in values:
        if name not in HYPERPARAMETERS:
            raise UserError(f"Extraneous hyperparameter found: {name}")
    return values


# --- Data -------------------------------------------------------------------------------------------------------------


class Table:
    """The rows of a channel: `features` is a matrix, dense for CSV and sparse for libsvm."""

    def __init__(self, features: Any, labels: Any, weights: Any) -> None:
        self.features, self.labels, self.weights = features, labels, weights

    @property
    def width(self) -> int:
        return int(self.features.shape[1])

    @classmethod
    def read(cls, folder: Path, config: Mapping[str, str], channel: str, has_weights: bool) -> Table:
        """Return the rows of all files of a channel, in the order of their paths.

        As the image does, it takes the content type of the channel train for each.
        """
        files = sorted(file for file in folder.rglob("*") if file.is_file() and not file.name.startswith((".", "_")))
        if not files:
            raise UserError(f"No data in {'training' if channel == 'train' else channel} channel path {folder}")
        kind = content_type(config.get("ContentType") or "text/libsvm")
        return read_csv(files, has_weights) if kind == "csv" else read_libsvm(files)

    def matrix(self, xgboost: Any, width: int) -> Any:
        """Return the rows as XGBoost takes them, with at least as many columns as those of the channel train have."""
        features = self.features
        if self.width < width:
            features = widened(features, width)
        return xgboost.DMatrix(features, label=self.labels, weight=self.weights)


def content_type(text: str) -> str:
    """Return "csv" or "libsvm".

    >>> content_type("text/csv; label_size=1"), content_type("text/x-libsvm")
    ('csv', 'libsvm')
    """
    kind, *options = [part.strip().lower() for part in text.split(";")]
    if kind in ("csv", "text/csv"):
        for option in options:
            if option.startswith("label_size") and option.replace(" ", "") != "label_size=1":
                raise UserError(f"{text} is not an accepted csv ContentType: label_size must be equal to 1")
        return "csv"
    if kind in ("libsvm", "text/libsvm", "text/x-libsvm"):
        return "libsvm"
    raise UserError(f"{text} is not an accepted ContentType: csv, libsvm, text/csv, text/libsvm, text/x-libsvm.")


def read_csv(files: list[Path], has_weights: bool) -> Table:
    """Return the rows of CSV files: the label first, a weight behind it if there are weights, and no head.

    An empty field is a missing value.
    """
    import numpy

    with files[0].open(encoding="utf-8", errors="ignore") as stream:
        line = stream.readline()
    try:
        delimiter = csv.Sniffer().sniff(line).delimiter
    except csv.Error as error:
        raise UserError(f"Could not determine delimiter on line {line[:50]}:\n{error}") from error
    tables = [numpy.genfromtxt(file, delimiter=delimiter, ndmin=2, dtype="float64") for file in files]
    for file, table in zip(files, tables, strict=True):
        wrong = numpy.flatnonzero(numpy.isnan(table[:, 0]))
        if len(wrong):
            what = f"the first column of {file.name} has no number in row {wrong[0] + 1}"
            raise UserError(f"{what}: CSV has the label there, and no head")
    if len({table.shape[1] for table in tables}) > 1:
        raise UserError("the files of a channel have different numbers of columns")
    table = numpy.vstack(tables)
    first = 2 if has_weights else 1
    return Table(table[:, first:], table[:, 0], table[:, 1] if has_weights else None)


def read_libsvm(files: list[Path]) -> Table:
    """Return the rows of libsvm files: `<label>[:<weight>] <index>:<value> …`, whose indexes begin with 0."""
    import numpy
    from scipy.sparse import csr_matrix  # type: ignore[import-untyped, unused-ignore]

    labels: list[float] = []
    weights: list[float] = []
    starts, indexes, numbers = [0], [], []
    for file, line in lines_of(files):
        label, *entries = line.split()
        try:
            number, _, weight = label.partition(":")
            labels.append(float(number))
            weights.append(float(weight or 1))
            for entry in entries:
                index, _, value = entry.partition(":")
                indexes.append(int(index))
                numbers.append(float(value))
        except ValueError:
            what = f"line '{line[:50]}...' of file '{file.name}' is not 'LIBSVM' format"
            raise UserError(f"{what}. Please ensure the file is in 'LIBSVM' format.") from None
        starts.append(len(indexes))
    shape = (len(labels), max(indexes, default=-1) + 1)
    features = csr_matrix((numpy.array(numbers), numpy.array(indexes, dtype="int64"), numpy.array(starts)), shape)
    return Table(features, numpy.array(labels), numpy.array(weights))


def lines_of(files: list[Path]) -> Iterator[tuple[Path, str]]:
    """Yield the lines of files that have something in them."""
    for file in files:
        with file.open(encoding="utf-8", errors="replace") as stream:
            for line in stream:
                text = line.partition("#")[0].strip()
                if text:
                    yield file, text


def widened(features: Any, width: int) -> Any:
    """Return a matrix with further columns, in which nothing is known."""
    if hasattr(features, "resize") and hasattr(features, "tocsr"):
        wide = features.copy()
        wide.resize((features.shape[0], width))
        return wide
    raise UserError("the channel validation has fewer columns than the channel train")


# --- Training ---------------------------------------------------------------------------------------------------------


class Training:
    """One call of xgboost.train."""

    def __init__(self, xgboost: Any, values: Mapping[str, str], matrices: Mapping[str, Any], root: Path) -> None:
        self.xgboost, self.values, self.matrices, self.root = xgboost, values, matrices, root
        self.checkpoints = checkpoint_folder(root)

    def run(self) -> Any:
        asked = self.metrics()
        own = [name for name in asked if name in METRICS]
        native = [name for name in asked if name not in METRICS]
        params: dict[str, Any] = {
            name: value
            for name, value in self.values.items()
            if name not in OWN and name not in ("eval_metric", "_tuning_objective_metric")
        }
        if native:
            params["eval_metric"] = native
        model, done = last_checkpoint(self.checkpoints)
        return self.xgboost.train(
            params,
            self.matrices["train"],
            num_boost_round=whole(self.values, "num_round") - done,
            evals=[(matrix, name) for name, matrix in self.matrices.items()],
            custom_metric=evaluation(own, self.values.get("objective", "")) if own else None,
            callbacks=self.callbacks(done),
            xgb_model=model,
            verbose_eval=False,
        )

    def metrics(self) -> list[str]:
        """Return the metrics that are asked for, with the objective of a tuning job."""
        asked = list(filter(None, self.values.get("eval_metric", "").split(",")))
        tuned = self.tuned()
        return sorted({*asked, *tuned}) if asked and tuned else asked or tuned

    def tuned(self) -> list[str]:
        """Return the metric of a tuning job's objective: `auc` of `validation:auc`."""
        return list(filter(None, self.values.get("_tuning_objective_metric", "").partition(":")[2].split(",")))

    def callbacks(self, done: int) -> list[Any]:
        """Return what happens after each round. Without a metric that is asked for, nothing stops early."""
        model = self.root / "model" / MODEL if self.values.get("save_model_on_termination") == "true" else None
        found = [rounds_callback(self.xgboost, done, self.checkpoints, model)]
        asked = self.tuned() or list(filter(None, self.values.get("eval_metric", "").split(",")))
        if "early_stopping_rounds" in self.values and "validation" in self.matrices and asked:
            stop = self.xgboost.callback.EarlyStopping(
                rounds=whole(self.values, "early_stopping_rounds"),
                data_name="validation",
                metric_name=asked[-1],
                maximize=asked[-1].partition("@")[0] in GROWING,
                save_best=True,
            )
            found.append(stop)
        return found


def whole(values: Mapping[str, str], name: str) -> int:
    """Return a hyperparameter that is an integer of at least 1."""
    try:
        number = int(values[name])
    except ValueError as error:
        raise UserError(f"Hyperparameter {name}: could not parse value") from error
    if number < 1:
        raise UserError(f"Hyperparameter {name}: {number} is not at least 1")
    return number


def rounds_callback(xgboost: Any, done: int, checkpoints: Path | None, model_file: Path | None) -> Any:
    """Return the callback that prints the metrics of each round, and saves what is to be saved after each.

    SageMaker's log shows the tabs that the image prints as `#011`.
    """

    class Rounds(xgboost.callback.TrainingCallback):  # type: ignore[misc, name-defined, unused-ignore]
        def after_iteration(self, model: Any, epoch: int, evals_log: Mapping[str, Mapping[str, list[Any]]]) -> bool:
            print(round_line(epoch + done, evals_log), flush=True)
            if checkpoints is not None:
                save_checkpoint(model, checkpoints, epoch + done)
            if model_file is not None:
                save(model, model_file)
            return False

    return Rounds()


def round_line(number: int, log: Mapping[str, Mapping[str, list[Any]]]) -> str:
    """Return the line of a round.

    >>> round_line(3, {"train": {"rmse": [2.0, 1.5]}, "validation": {"rmse": [2.5, 2.25]}})
    '[3]#011train-rmse:1.50000#011validation-rmse:2.25000'
    """
    metrics = [(data, name, values[-1]) for data, found in log.items() for name, values in found.items()]
    return f"[{number}]" + "".join(f"#011{data}-{name}:{value:.5f}" for data, name, value in metrics)


def checkpoint_folder(root: Path) -> Path | None:
    """Return the folder that the request has for checkpoints."""
    path = read_json(root / "input/config/checkpointconfig.json").get("LocalPath")
    return root / os.path.relpath(str(path), "/opt/ml") if path else None


def last_checkpoint(folder: Path | None) -> tuple[str | None, int]:
    """Return the file of the last checkpoint, and the number of rounds in it."""
    if folder is None or not folder.is_dir():
        return None, 0
    names = (re.fullmatch(rf"{CHECKPOINT}\.(\d+)", name) for name in os.listdir(folder))
    numbers = sorted(int(match[1]) for match in names if match)
    return (str(folder / f"{CHECKPOINT}.{numbers[-1]}"), numbers[-1] + 1) if numbers else (None, 0)


def save_checkpoint(model: Any, folder: Path, number: int) -> None:
    """Save a checkpoint whole or not at all, and keep the last five."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{CHECKPOINT}.{number}"
    partial = folder / f".{file.name}.sagemaker-ignore"
    save(model, partial)
    partial.replace(file)
    (folder / f"{CHECKPOINT}.{number - 5}").unlink(missing_ok=True)


# --- Metrics of the image's own ---------------------------------------------------------------------------------------


def evaluation(names: list[str], objective: str) -> Callable[[Any, Any], list[tuple[str, float]]]:
    """Return the function that XGBoost calls with its predictions after each round."""

    def evaluate(predictions: Any, matrix: Any) -> list[tuple[str, float]]:
        labels = matrix.get_label()
        return [(name, METRICS[name](labels, predictions, objective)) for name in names]

    return evaluate


def classes(predictions: Any, objective: str) -> Any:
    """Return the class of each prediction."""
    if predictions.ndim > 1:
        return predictions.argmax(axis=-1)
    if objective == "multi:softmax":
        return predictions
    return (predictions > (0.0 if objective == "binary:logitraw" else 0.5)).astype(int)


def counts(labels: Any, predicted: Any) -> tuple[list[float], Any, Any, Any]:
    """Return the classes; and of each the numbers of true positives, false positives and false negatives."""
    import numpy

    found = numpy.unique(numpy.concatenate([labels, predicted]))
    hits = numpy.array([((predicted == each) & (labels == each)).sum() for each in found], dtype=float)
    claimed = numpy.array([(predicted == each).sum() for each in found], dtype=float)
    there = numpy.array([(labels == each).sum() for each in found], dtype=float)
    return list(found), hits, claimed - hits, there - hits


def ratio(above: Any, below: Any) -> Any:
    """Return a ratio, and 0 where nothing is below."""
    import numpy

    return numpy.divide(above, below, out=numpy.zeros_like(above), where=below > 0)


def precision(hits: Any, wrong: Any, missed: Any) -> Any:
    return ratio(hits, hits + wrong)


def recall(hits: Any, wrong: Any, missed: Any) -> Any:
    return ratio(hits, hits + missed)


def f1(hits: Any, wrong: Any, missed: Any) -> Any:
    return ratio(2 * hits, 2 * hits + wrong + missed)


Score = Callable[[Any, Any, Any], Any]


def averaged(score: Score, average: str) -> Callable[[Any, Any, str], float]:
    """Return the metric of classes by a score of each: of the positive class, of all alike, or of all rows alike."""

    def metric(labels: Any, predictions: Any, objective: str) -> float:
        found, *numbers = counts(labels, classes(predictions, objective))
        if average == "micro":
            return float(score(*(each.sum(keepdims=True) for each in numbers))[0])
        each = score(*numbers)
        if average == "macro":
            return float(each.mean())
        if any(name not in (0, 1) for name in found):
            raise UserError("Target is multiclass but average='binary'. Please choose another average setting.")
        return float(each[found.index(1)]) if 1 in found else 0.0

    return metric


def accuracy(labels: Any, predictions: Any, objective: str) -> float:
    return float((classes(predictions, objective) == labels).mean())


def balanced_accuracy(labels: Any, predictions: Any, objective: str) -> float:
    _, hits, _, missed = counts(labels, classes(predictions, objective))
    there = hits + missed > 0
    return float(ratio(hits, hits + missed)[there].mean())


def mse(labels: Any, predictions: Any, objective: str) -> float:
    return float(((labels - predictions) ** 2).mean())


def r2(labels: Any, predictions: Any, objective: str) -> float:
    spread = float(((labels - labels.mean()) ** 2).sum())
    return 1.0 - float(((labels - predictions) ** 2).sum()) / spread if spread else 0.0


METRICS: Mapping[str, Callable[[Any, Any, str], float]] = {
    "accuracy": accuracy,
    "balanced_accuracy": balanced_accuracy,
    "f1": averaged(f1, "macro"),
    "f1_binary": averaged(f1, "binary"),
    "f1_macro": averaged(f1, "macro"),
    "mse": mse,
    "precision": averaged(precision, "binary"),
    "precision_macro": averaged(precision, "macro"),
    "precision_micro": averaged(precision, "micro"),
    "r2": r2,
    "recall": averaged(recall, "binary"),
    "recall_macro": averaged(recall, "macro"),
    "recall_micro": averaged(recall, "micro"),
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
