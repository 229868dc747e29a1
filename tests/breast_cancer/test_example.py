"""The example's scripts, each in a process of its own, as a job starts them."""

from __future__ import annotations

import csv
import importlib.util
import json
import os
import random
import subprocess
import sys
import tarfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "src" / "breast_cancer"
DATA = ROOT / "data" / "breast_cancer.csv"


def script(name: str, *args: object, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPTS / f"{name}.py"), *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **(env or {})}, check=False)


def succeeds(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout


def fails(done: subprocess.CompletedProcess[str]) -> str:
    """What a person reads, which is also what ends up as the job's failure reason."""
    assert done.returncode == 1, done.stdout
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
    return done.stderr.rstrip("\n")


@dataclass(frozen=True)
class Folders:
    """Where a run of the three scripts leaves what it makes."""

    root: Path

    @property
    def train(self) -> Path:
        return self.root / "train"

    @property
    def test(self) -> Path:
        return self.root / "test"

    @property
    def model(self) -> Path:
        return self.root / "model.tar.gz"

    def preprocess(self, *more: str, data: Path = DATA) -> subprocess.CompletedProcess[str]:
        return script("preprocess", "--input", data, "--train", self.train, "--test", self.test, *more)

    def fit(self, *more: str) -> subprocess.CompletedProcess[str]:
        folder = self.root / "model"
        env = {"SM_CHANNEL_TRAIN": str(self.train), "SM_MODEL_DIR": str(folder)}
        done = script("train", *more, env=env)
        if done.returncode == 0:
            with tarfile.open(self.model, "w:gz") as archive:
                archive.add(folder / "model.json", "model.json")
        return done

    def evaluate(self, *more: str, model: Path | None = None) -> subprocess.CompletedProcess[str]:
        output = self.root / "evaluation"
        return script("evaluate", "--model", model or self.model, "--test", self.test, "--output", output, *more)

    @property
    def metrics(self) -> dict[str, Any]:
        found = json.loads((self.root / "evaluation" / "metrics.json").read_text())
        assert isinstance(found, dict)
        return found


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """One run of all three, which the tests below only read."""
    return run_all(tmp_path_factory.mktemp("made"))


def run_all(root: Path) -> Folders:
    folders = Folders(root)
    succeeds(folders.preprocess("--test-size", "0.2"))
    succeeds(folders.fit("--max_depth", "4"))
    succeeds(folders.evaluate())
    return folders


def rows(file: Path) -> list[dict[str, str]]:
    with file.open(newline="") as lines:
        return list(csv.DictReader(lines))


def test_the_model_is_good(made: Folders) -> None:
    metrics = made.metrics
    assert metrics["auc"] > 0.97
    assert metrics["recall"] > 0.9
    assert set(metrics) == {"auc", "accuracy", "precision", "recall", "f1", "confusion", "n_test"}
    assert sum(metrics["confusion"].values()) == metrics["n_test"] == len(rows(made.test / "test.csv"))


def test_the_same_input_gives_the_same_bytes(made: Folders, tmp_path: Path) -> None:
    again = run_all(tmp_path)
    for name in (
        "train/train.csv",
        "test/test.csv",
        "model/model.json",
        "evaluation/metrics.json",
        "evaluation/cases.csv",
    ):
        assert (made.root / name).read_bytes() == (again.root / name).read_bytes(), name


def test_the_split_loses_no_row_and_keeps_the_share(made: Folders) -> None:
    whole, train, test = rows(DATA), rows(made.train / "train.csv"), rows(made.test / "test.csv")
    assert (len(whole), len(train), len(test)) == (569, 456, 113)
    assert sorted(map(_values, whole)) == sorted(map(_values, train + test))
    assert [sum(row["malignant"] == "1" for row in part) for part in (whole, train, test)] == [212, 170, 42]


def _values(row: Mapping[str, str]) -> list[float]:
    return [float(value) for name, value in row.items() if name != "id"]


def test_each_row_keeps_its_number_as_its_id(made: Folders) -> None:
    whole, parts = rows(DATA), [*rows(made.train / "train.csv"), *rows(made.test / "test.csv")]
    assert sorted(int(row["id"]) for row in parts) == list(range(1, len(whole) + 1))
    assert all(_values(row) == _values(whole[int(row["id"]) - 1]) for row in parts)


def test_ids_of_the_data_s_own_are_kept(made: Folders, tmp_path: Path) -> None:
    data = tmp_path / "named.csv"
    with data.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["id", *rows(DATA)[0]])
        writer.writeheader()
        writer.writerows({"id": f"case-{number}", **row} for number, row in enumerate(rows(DATA)))
    succeeds(Folders(tmp_path).preprocess(data=data))
    found = rows(tmp_path / "test" / "test.csv")
    assert [row["id"] for row in found] == [f"case-{int(row['id']) - 1}" for row in rows(made.test / "test.csv")]


def test_each_test_case_is_written_as_the_metrics_count_it(made: Folders) -> None:
    cases, tested = rows(made.root / "evaluation" / "cases.csv"), rows(made.test / "test.csv")
    assert [(each["id"], each["label"]) for each in cases] == [(row["id"], row["malignant"]) for row in tested]
    assert all((float(each["score"]) >= 0.5) == (each["predicted"] == "1") for each in cases)
    found = [each["predicted"] for each in cases if each["label"] == "1"]
    assert found.count("1") / len(found) == made.metrics["recall"]


def test_another_seed_gives_another_split(made: Folders, tmp_path: Path) -> None:
    succeeds(Folders(tmp_path).preprocess("--seed", "1"))
    assert (tmp_path / "test" / "test.csv").read_bytes() != (made.test / "test.csv").read_bytes()


def test_the_order_of_the_columns_does_not_matter(made: Folders, tmp_path: Path) -> None:
    data = tmp_path / "turned.csv"
    with data.open("w", newline="") as file:
        writer = csv.DictWriter(file, [*reversed(rows(DATA)[0]), "more"])
        writer.writeheader()
        writer.writerows({**row, "more": "x"} for row in rows(DATA))
    succeeds(Folders(tmp_path).preprocess(data=data))
    assert (tmp_path / "test" / "test.csv").read_bytes() == (made.test / "test.csv").read_bytes()


def test_folders_will_do_where_files_are_expected(made: Folders, tmp_path: Path) -> None:
    succeeds(Folders(tmp_path).preprocess(data=DATA.parent))
    succeeds(made.evaluate(model=made.root))


Spoil = Callable[[list[list[str]]], object]


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        pytest.param(lambda table: table[0].__setitem__(0, "x"), "no column mean_radius", id="column"),
        pytest.param(lambda table: table.__delitem__(slice(1, None)), "no rows", id="empty"),
        pytest.param(lambda table: table[3].__setitem__(1, "?"), "4: mean_texture is '?'; expected", id="text"),
        pytest.param(lambda table: table[3].__setitem__(1, "nan"), "mean_texture is 'nan'; expected", id="nan"),
        pytest.param(lambda table: table[2].pop(), "3: malignant is None; expected a number", id="short"),
        pytest.param(lambda table: table[2].__setitem__(-1, "2"), "malignant is 2; expected 0 or 1", id="label"),
        pytest.param(lambda table: table.__delitem__(slice(4, None)), "too few to split", id="few"),
    ],
)
def test_bad_data_is_refused_in_one_line(spoil: Spoil, says: str, tmp_path: Path) -> None:
    with DATA.open(newline="") as lines:
        table = list(csv.reader(lines))
    spoil(table)
    data = tmp_path / "bad.csv"
    with data.open("w", newline="") as file:
        csv.writer(file).writerows(table)
    line = fails(Folders(tmp_path).preprocess(data=data))
    assert "\n" not in line
    assert says in line


def test_data_that_is_not_there_is_named(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    assert fails(folders.preprocess(data=tmp_path / "x.csv")) == f"error: {tmp_path / 'x.csv'}: no such file or folder"
    assert fails(folders.preprocess(data=tmp_path)) == f"error: {tmp_path}: expected one CSV file, found none"
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    assert "not a CSV file in UTF-8" in fails(folders.preprocess(data=tmp_path / "binary.csv"))


@pytest.mark.parametrize("size", ["0", "1", "-0.1", "x"])
def test_a_share_outside_of_its_range_is_refused(size: str, tmp_path: Path) -> None:
    done = Folders(tmp_path).preprocess("--test-size", size)
    assert done.returncode == 2
    assert "--test-size" in done.stderr


def test_training_says_which_folder_it_misses() -> None:
    done = script("train")
    assert done.returncode == 2
    assert "required: --train, --model-dir" in done.stderr


def test_training_takes_its_folders_from_arguments_too(made: Folders, tmp_path: Path) -> None:
    succeeds(script("train", "--train", made.train, "--model-dir", tmp_path / "model", "--num_round", "2"))
    assert (tmp_path / "model" / "model.json").is_file()


def test_a_hyperparameter_out_of_range_is_refused(made: Folders, tmp_path: Path) -> None:
    done = script("train", "--train", made.train, "--model-dir", tmp_path, "--eta", "-1")
    assert "learning_rate" in fails(done)


def test_a_model_that_is_none_is_refused(made: Folders, tmp_path: Path) -> None:
    assert "model.tar.gz" in fails(made.evaluate(model=tmp_path))
    broken = tmp_path / "broken.tar.gz"
    broken.write_bytes(b"no archive")
    assert str(broken) in fails(made.evaluate(model=broken))
    other = tmp_path / "other.tar.gz"
    with tarfile.open(other, "w:gz") as archive:
        archive.add(DATA, "data.csv")
    assert fails(made.evaluate(model=other)) == f"error: {other}: no model.json in it"
    bad = tmp_path / "bad.tar.gz"
    with tarfile.open(bad, "w:gz") as archive:
        archive.add(DATA, "model.json")
    assert str(bad) in fails(made.evaluate(model=bad))


@pytest.fixture(scope="module")
def evaluate() -> ModuleType:
    """evaluate.py as a module, for its functions."""
    sys.path.insert(0, str(SCRIPTS))
    try:
        spec = importlib.util.spec_from_file_location("example_evaluate", SCRIPTS / "evaluate.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module
    finally:
        sys.path.remove(str(SCRIPTS))


def test_the_area_under_the_curve_is_the_share_of_pairs_in_order(evaluate: ModuleType) -> None:
    generator = random.Random(1)
    for size in range(2, 40):
        labels = [0, 1, *(generator.randint(0, 1) for _ in range(size))]
        scores = [generator.randint(0, 9) / 10 for _ in labels]
        assert evaluate.area_under_curve(labels, scores) == pytest.approx(_share_in_order(labels, scores))


def _share_in_order(labels: Sequence[int], scores: Sequence[float]) -> float:
    malignant = [score for label, score in zip(labels, scores, strict=True) if label]
    benign = [score for label, score in zip(labels, scores, strict=True) if not label]
    won = [(one > other) + (one == other) / 2 for one in malignant for other in benign]
    return sum(won) / len(won)


def test_a_metric_that_the_data_leaves_open_is_null(evaluate: ModuleType) -> None:
    metrics = evaluate.measure([0, 0], [0.1, 0.2], 0.5)
    assert {name for name, value in metrics.items() if value is None} == {"auc", "precision", "recall", "f1"}
    assert metrics["accuracy"] == 1.0
