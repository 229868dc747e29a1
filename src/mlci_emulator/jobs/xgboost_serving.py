"""Serves a model as the image of SageMaker's XGBoost does where it has no script, or where a script lacks a function.

`inference.py` loads this file by its path into the process of a job, so it imports the standard library, and where a
function uses it xgboost, and what xgboost itself needs. The functions are called as those of a script.

Source: sagemaker-xgboost-container, src/sagemaker_xgboost_container: algorithm_mode/serve_utils.py and
handler_service.py (without a script); handler_service.py and encoder.py (with one).
"""

from __future__ import annotations

import json
import os
import pickle
import warnings
from pathlib import Path
from typing import Any  # xgboost, numpy and scipy are the project's: nothing is known of their types here

_CSV, _JSON = "text/csv", "application/json"
_LIBSVM = ("text/libsvm", "text/x-libsvm")


class UnusableContent(Exception):
    """The request or its data are wrong. `inference.py` puts its ClientError in the place of this class."""


def model_fn(model_dir: str) -> Any:
    """Return the models in the files at the top of the model's folder: one, or several that predict together."""
    files = sorted(file for file in Path(model_dir).iterdir() if file.is_file())
    if not files:
        raise UnusableContent("Unable to load model: the archive has no file at its top, where xgboost-model would be")
    return [_booster(file) for file in files]


def _booster(file: Path) -> Any:
    import xgboost

    try:
        with file.open("rb") as stream:
            return pickle.load(stream)
    except Exception:  # noqa: BLE001 - pickle raises anything about what is no pickle
        booster = xgboost.Booster()
        try:
            with warnings.catch_warnings():  # the algorithm's model has no ending that tells its format
                warnings.simplefilter("ignore")
                booster.load_model(str(file))
        except xgboost.core.XGBoostError as error:
            raise UnusableContent(
                f"Unable to load model: {file.name} is none of XGBoost's: {_first_line(error)}"
            ) from None
        return booster


def input_fn(data: Any, content_type: str | None) -> Any:
    """Return the rows of CSV without labels, or of libsvm, as XGBoost takes them."""
    import numpy
    import xgboost

    text = data.decode("utf-8") if isinstance(data, bytes) else data
    kind = (content_type or _CSV).partition(";")[0].strip().lower()
    lines = text.strip().split("\n")
    if lines == [""]:
        raise UnusableContent("there is no content")
    try:
        if kind == _CSV:
            rows = [[cell if cell.strip() else "nan" for cell in line.split(",")] for line in lines]
            return xgboost.DMatrix(numpy.array(rows).astype(float))
        if kind in _LIBSVM:
            return xgboost.DMatrix(_sparse(lines))
    except ValueError as error:
        raise UnusableContent(f"Loading {kind.partition('/')[2]} data failed: {_first_line(error)}") from error
    raise UnusableContent(f"Content-type {content_type} is not supported here: write {_CSV} or {_LIBSVM[0]}")


def _sparse(lines: list[str]) -> Any:
    """Return the matrix of libsvm rows: entries of an index and a value; a label in front has no colon."""
    from scipy.sparse import csr_matrix  # type: ignore[import-untyped, unused-ignore]

    rows: list[int] = []
    columns: list[int] = []
    values: list[float] = []
    for row, line in enumerate(lines):
        for index, _, value in (entry.partition(":") for entry in line.split() if ":" in entry):
            rows.append(row)
            columns.append(int(index))
            values.append(float(value))
    return csr_matrix((values, (rows, columns)), (len(lines), max(columns, default=-1) + 1))


def predict_fn(rows: Any, models: Any) -> Any:
    """Return the predictions; of several models, their mean. A single model of a script is no list."""
    import numpy

    if not isinstance(models, list):
        return models.predict(rows, validate_features=False)
    ensemble = [_prediction(booster, rows) for booster in models]
    return ensemble[0] if len(ensemble) == 1 else numpy.mean(ensemble, axis=0)


def _prediction(booster: Any, rows: Any) -> Any:
    """Return a model's prediction: of its best round, where training stopped early."""
    best = booster.attr("best_iteration") if hasattr(booster, "attr") else None
    rounds = (0, int(best) + 1) if best is not None and int(best) < booster.num_boosted_rounds() else (0, 0)
    try:
        return booster.predict(rows, iteration_range=rounds, validate_features=False)
    except Exception as error:  # as the image does: whatever XGBoost says of the data
        raise UnusableContent(_first_line(error)) from error


def output_fn(prediction: Any, accept: str) -> Any:
    """Return the predictions as CSV or JSON. Only batches have a line for each."""
    kind = accept.lower()
    if kind in (_CSV, "csv"):
        texts = [str(value) for value in prediction.tolist()]
        return "\n".join(texts) + "\n" if os.environ.get("SAGEMAKER_BATCH") else ",".join(texts)
    if kind in (_JSON, "json"):
        return json.dumps(prediction.tolist())
    raise UnusableContent(f"{accept} is not an accepted Accept type. Write {_CSV} or {_JSON}")


def _first_line(error: Exception) -> str:
    return str(error).partition("Stack trace")[0].strip().splitlines()[0] if str(error).strip() else repr(error)
