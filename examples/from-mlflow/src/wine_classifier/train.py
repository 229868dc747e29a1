"""Train a random forest, and log it to MLflow."""

from pathlib import Path

import click
import joblib
import mlflow
from sklearn.ensemble import RandomForestClassifier

from wine_classifier.data import load

MODELS = Path("models")


@click.command()
@click.argument("wines", type=click.Path(exists=True))
@click.option("--trees", default=50, show_default=True)
@click.option("--depth", default=4, show_default=True)
def main(wines, trees, depth):
    x_train, _, y_train, _ = load(wines)
    forest = RandomForestClassifier(trees, max_depth=depth, oob_score=True, random_state=0)
    with mlflow.start_run():
        mlflow.log_params({"trees": trees, "depth": depth})
        forest.fit(x_train, y_train)
        mlflow.log_metric("oob_accuracy", forest.oob_score_)
    print(f"oob_accuracy={forest.oob_score_:.4f}")
    MODELS.mkdir(exist_ok=True)
    joblib.dump(forest, MODELS / "forest.joblib")


if __name__ == "__main__":
    main()
