"""Trains a small neural network on scikit-learn's bundled digits, with a checkpoint after every epoch.

Started again with the same CHECKPOINT_DIR it goes on after the last whole epoch, and ends with the same weights as a
training that was never interrupted.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

import joblib
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier


def load() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    digits = load_digits()
    return train_test_split(digits.data / 16, digits.target, test_size=0.25, random_state=0, stratify=digits.target)


def save(checkpoints: Path, epoch: int, model: MLPClassifier) -> None:
    """Whole or not at all: written beside, then renamed over the last one."""
    new = checkpoints / "checkpoint.joblib.new"
    joblib.dump({"epoch": epoch, "model": model}, new)
    new.replace(checkpoints / "checkpoint.joblib")


def restore(checkpoints: Path) -> tuple[int, MLPClassifier]:
    file = checkpoints / "checkpoint.joblib"
    if not file.exists():
        return 0, MLPClassifier(hidden_layer_sizes=(64,), learning_rate_init=0.005, random_state=0)
    found = joblib.load(file)
    print(f"Going on after epoch {found['epoch']}")
    return found["epoch"], found["model"]


def main() -> None:
    parser = argparse.ArgumentParser(description="A small neural network on scikit-learn's handwritten digits")
    parser.add_argument("--epochs", type=int, default=30)
    options = parser.parse_args()
    if options.epochs < 1:
        parser.error(f"--epochs must be 1 or more; got {options.epochs}")
    output = Path(os.environ.get("OUTPUT_DIR", "output"))
    checkpoints = Path(os.environ.get("CHECKPOINT_DIR", "checkpoints"))
    for folder in (output, checkpoints):
        folder.mkdir(parents=True, exist_ok=True)

    train_x, test_x, train_y, test_y = load()
    classes = np.unique(train_y)
    done, model = restore(checkpoints)
    resumed = done
    for epoch in range(done + 1, options.epochs + 1):
        # The order depends on the epoch alone, so that a resumed training sees the same batches.
        order = np.random.default_rng(epoch).permutation(len(train_y))
        for batch in np.array_split(order, len(order) // 64):
            model.partial_fit(train_x[batch], train_y[batch], classes=classes)
        save(checkpoints, epoch, model)
        print(
            f"Epoch {epoch}/{options.epochs}: loss {model.loss_:.4f}, test accuracy {model.score(test_x, test_y):.4f}"
        )

    joblib.dump(model, output / "model.joblib")
    metrics = {
        "test_accuracy": round(float(model.score(test_x, test_y)), 5),
        "test_rows": len(test_y),
        "epochs": options.epochs,
        "resumed_from_epoch": resumed,
        "synthetic": False,
    }
    (output / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")
    print(f"Test accuracy {metrics['test_accuracy']} on {metrics['test_rows']} digits")


if __name__ == "__main__":
    main()
