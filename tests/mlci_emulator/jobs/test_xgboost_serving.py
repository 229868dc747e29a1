"""What the XGBoost image answers where it has no script, compared with XGBoost itself."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy
import pytest
import xgboost

from mlci_emulator.jobs.inference import ClientError, Handlers, responses

ROWS = numpy.array([[0.0, 1.0, 2.0], [3.0, float("nan"), 1.0], [1.0, 0.0, 5.0], [2.0, 2.0, 0.0]])
CSV = b"0,1,2\n3,,1\n1,0,5\n2,2,0\n"


def trained(objective: str = "reg:squarederror", rounds: int = 5, **parameters: Any) -> xgboost.Booster:
    return xgboost.train(
        {"objective": objective, "max_depth": 2, "min_child_weight": 0, **parameters},
        xgboost.DMatrix(ROWS, [0, 1, 2, 0]),
        rounds,
    )


def answer(folder: Path, data: bytes, content_type: str | None = "text/csv", accept: str = "text/csv") -> bytes:
    """The response of the image to one payload, as an endpoint gives it."""
    request = {
        "toolkit": "xgboost",
        "program": None,
        "code": "model/code",
        "content_type": content_type,
        "accept": accept,
        "timeout_s": 60,
    }
    return Handlers(request, folder).transform(data)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "model" / "code").mkdir(parents=True)  # folders are no models
    return tmp_path


def saved(root: Path, booster: xgboost.Booster, name: str = "xgboost-model") -> xgboost.Booster:
    booster.save_model(root / "model" / f"{name}.ubj")
    (root / "model" / f"{name}.ubj").rename(root / "model" / name)
    return booster


def test_predictions_are_those_of_the_model(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = saved(root, trained()).predict(xgboost.DMatrix(ROWS)).tolist()
    assert answer(root, CSV) == ",".join(map(str, expected)).encode()
    assert json.loads(answer(root, CSV, accept="application/json")) == expected
    monkeypatch.setenv("SAGEMAKER_BATCH", "true")
    assert answer(root, CSV) == "".join(f"{value}\n" for value in expected).encode()


def test_a_row_of_libsvm_is_read_with_a_label_or_without(root: Path) -> None:
    dense = saved(root, trained())
    rows = numpy.array([[float("nan"), 1.0, 2.0], [3.0, float("nan"), float("nan")]])
    expected = ",".join(map(str, dense.predict(xgboost.DMatrix(rows)).tolist())).encode()
    assert answer(root, b"1:1 2:2\n0:3\n", "text/libsvm") == expected
    assert answer(root, b"1 1:1 2:2\n0 0:3\n", "text/x-libsvm") == expected


def test_several_models_predict_together(root: Path) -> None:
    boosters = [saved(root, trained(rounds=rounds), f"xgboost-model-{rounds}") for rounds in (2, 7)]
    mean = numpy.mean([each.predict(xgboost.DMatrix(ROWS)) for each in boosters], axis=0)
    assert json.loads(answer(root, CSV, accept="application/json")) == pytest.approx(mean.tolist())


def test_a_pickled_model_is_read(root: Path) -> None:
    booster = trained("multi:softprob", num_class=3)
    (root / "model" / "xgboost-model").write_bytes(pickle.dumps(booster))
    expected = booster.predict(xgboost.DMatrix(ROWS)).tolist()
    assert json.loads(answer(root, CSV, accept="application/json")) == expected


def test_the_best_round_of_a_stopped_training_predicts(root: Path) -> None:
    booster = trained(rounds=9)
    booster.set_attr(best_iteration="1")
    saved(root, booster)
    expected = booster.predict(xgboost.DMatrix(ROWS), iteration_range=(0, 2)).tolist()
    assert json.loads(answer(root, CSV, accept="application/json")) == expected


@pytest.mark.parametrize(
    ("data", "content_type", "accept", "expected"),
    [
        (CSV, "application/x-recordio-protobuf", "text/csv", "is not supported here"),
        (CSV, "text/csv", "application/x-npy", "is not an accepted Accept type"),
        (b"a,b,c\n", "text/csv", "text/csv", "Loading csv data failed"),
        (b"1,2\n1,2,3\n", "text/csv", "text/csv", "Loading csv data failed"),
        (b"0:x\n", "text/libsvm", "text/csv", "Loading libsvm data failed"),
        (b"\n", "text/csv", "text/csv", "there is no content"),
        (b"1,2,3,4\n", "text/csv", "text/csv", "Number of columns"),
    ],
)
def test_what_the_image_cannot_read_is_the_clients_mistake(
    root: Path, data: bytes, content_type: str, accept: str, expected: str
) -> None:
    saved(root, trained())
    with pytest.raises(ClientError, match=expected):
        answer(root, data, content_type, accept)


def test_a_model_that_is_none_of_xgboosts_is_refused(root: Path) -> None:
    with pytest.raises(ClientError, match="the archive has no file at its top"):
        answer(root, CSV)
    (root / "model" / "weights.txt").write_text("2")
    with pytest.raises(ClientError, match=r"weights\.txt is none of XGBoost's"):
        answer(root, CSV)


def test_a_script_of_the_image_may_leave_the_reading_and_predicting_to_it(root: Path) -> None:
    booster = saved(root, trained())
    script = "import xgboost\ndef model_fn(d):\n    return xgboost.Booster(model_file=d + '/xgboost-model')\n"
    (root / "model" / "code" / "own_program.py").write_text(script)
    request = {
        "toolkit": "xgboost",
        "program": "own_program.py",
        "code": "model/code",
        "content_type": "text/csv",
        "accept": "text/csv",
        "timeout_s": 60,
        "filters": None,
        "split": "Line",
        "strategy": "MultiRecord",
        "assemble": "Line",
        "max_bytes": 0,
    }
    output = b"".join(responses(Handlers(request, root).transform, CSV, request)).decode()
    assert [float(line) for line in output.split()] == pytest.approx(booster.predict(xgboost.DMatrix(ROWS)).tolist())
