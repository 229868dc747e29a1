"""Evaluate a forest on the wines that it has not seen."""

from pathlib import Path

import click
import joblib
import mlflow
from sklearn.metrics import accuracy_score, f1_score

from wine_classifier.data import load


@click.command()
@click.argument("wines", type=click.Path(exists=True))
@click.option("--model", default="models", show_default=True, type=click.Path(exists=True, path_type=Path))
def main(wines, model):
    forest = joblib.load(model / "forest.joblib")
    _, x_test, _, y_test = load(wines)
    predicted = forest.predict(x_test)
    with mlflow.start_run():
        for name, value in (
            ("accuracy", accuracy_score(y_test, predicted)),
            ("f1", f1_score(y_test, predicted, average="macro")),
        ):
            mlflow.log_metric(name, value)
            print(f"{name}={value:.4f}")


if __name__ == "__main__":
    main()
