"""Trains gradient-boosted trees on the UCI Adult census data, or evaluates a model that was trained before.

python train.py --mode train --cv-iterations 20
python train.py --mode evaluate --model-output-path gs://BUCKET/runs/RUN/output
"""

from __future__ import annotations

import argparse
import io
import json
import os
import time

# The threads of xgboost wait for each other thousands of times a second. Asleep they leave the processor to whatever
# else runs there; on a machine with other work a training takes a tenth of the time. Read when the library is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import joblib
from scipy.stats import loguniform, randint, uniform
from sklearn.compose import ColumnTransformer
from sklearn.metrics import accuracy_score, roc_auc_score
from sklearn.model_selection import RandomizedSearchCV, StratifiedKFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder
from xgboost import XGBClassifier

import data
import files

SEARCHED = {
    "trees__n_estimators": randint(150, 350),
    "trees__max_depth": randint(4, 7),
    "trees__learning_rate": loguniform(0.07, 0.2),
    "trees__subsample": uniform(0.75, 0.25),
    "trees__colsample_bytree": uniform(0.5, 0.4),
    "trees__min_child_weight": randint(1, 4),
}


def pipeline() -> Pipeline:
    """Raw rows in, class out: whoever loads the model needs no preparation of their own."""
    columns = ColumnTransformer(
        [
            ("numbers", "passthrough", data.NUMERIC),
            ("words", OneHotEncoder(handle_unknown="ignore", min_frequency=20), data.CATEGORICAL),
        ]
    )
    # All cores in one fit: on the small machines of this example that beats a process for each fold.
    trees = XGBClassifier(tree_method="hist", max_bin=128, n_jobs=-1, random_state=0)
    return Pipeline([("columns", columns), ("trees", trees)])


def train(census: data.Census, iterations: int, rows: int | None) -> RandomizedSearchCV:
    folds = StratifiedKFold(3, shuffle=True, random_state=0)
    search = RandomizedSearchCV(
        pipeline(), SEARCHED, n_iter=iterations, cv=folds, scoring="accuracy", random_state=0, verbose=3
    )
    search.fit(census.train_x[:rows], census.train_y[:rows])
    return search


def evaluate(model: Pipeline, census: data.Census) -> dict[str, object]:
    chance = model.predict_proba(census.test_x)[:, 1]
    return {
        "test_accuracy": round(float(accuracy_score(census.test_y, chance >= 0.5)), 5),
        "test_auc": round(float(roc_auc_score(census.test_y, chance)), 5),
        "test_rows": len(census.test_y),
        "synthetic": census.synthetic,
        "data": census.origin,
    }


def model_file(path: str) -> str:
    return path if path.endswith(".joblib") else files.join(path, "model.joblib")


def main() -> None:
    output = os.environ.get("OUTPUT_DIR", "output")
    parser = argparse.ArgumentParser(description="Gradient-boosted trees on the UCI Adult census data")
    parser.add_argument("--mode", choices=("train", "evaluate"), default="train")
    parser.add_argument("--census-data-path", help="folder of adult.data and adult.test, local or gs://")
    parser.add_argument(
        "--model-output-path", default=output, help="folder or .joblib file of the model, local or gs://"
    )
    parser.add_argument("--cv-iterations", type=int, default=4, help="parameter sets to try, each on three folds")
    parser.add_argument("--train-rows", type=int, help="train on the first so many rows only")
    options = parser.parse_args()
    if options.cv_iterations < 1:
        parser.error(f"--cv-iterations must be 1 or more; got {options.cv_iterations}")

    started = time.monotonic()
    census = data.load(options.census_data_path)
    kind = "SYNTHETIC rows" if census.synthetic else "rows"
    print(f"{len(census.train_y)} {kind} to train on, {len(census.test_y)} to test with, from {census.origin}")
    path = model_file(options.model_output_path)
    metrics: dict[str, object] = {}
    if options.mode == "train":
        search = train(census, options.cv_iterations, options.train_rows)
        model = search.best_estimator_
        best = {name.split("__")[1]: round(float(value), 4) for name, value in search.best_params_.items()}
        print(f"Best of {options.cv_iterations}: {best}, accuracy {search.best_score_:.4f} in cross-validation")
        metrics = {
            "cv_accuracy": round(float(search.best_score_), 5),
            "cv_iterations": options.cv_iterations,
            "best": best,
        }
        contents = io.BytesIO()
        joblib.dump(model, contents, compress=3)
        files.write(path, contents.getvalue())
        print(f"Saved {path} ({contents.tell()} bytes)")
    else:
        # joblib runs code from the file that it loads: only load models from buckets that you trust.
        model = joblib.load(io.BytesIO(files.read(path)))
        print(f"Loaded {path}")
    metrics = {
        **evaluate(model, census),
        **metrics,
        "mode": options.mode,
        "seconds": round(time.monotonic() - started, 1),
    }
    files.write(files.join(output, "metrics.json"), json.dumps(metrics, indent=2).encode() + b"\n")
    what = "synthetic rows" if census.synthetic else "rows"
    print(f"Test accuracy {metrics['test_accuracy']} on {metrics['test_rows']} {what}")


if __name__ == "__main__":
    main()
