"""The network, and what is done with it. Importing this loads Keras, which takes some seconds."""

from __future__ import annotations

import csv
import os
from pathlib import Path

# Read when Keras is loaded. On TensorFlow's or PyTorch's images: KERAS_BACKEND=tensorflow or torch.
os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np
from tensorboardX import SummaryWriter

import data

BATCH = 128


def build() -> keras.Model:
    keras.utils.set_random_seed(0)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((data.SIDE, data.SIDE, 1)),
            layers.Conv2D(16, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def save(model: keras.Model, checkpoints: Path, epoch: int) -> None:
    """Whole or not at all: written beside, then renamed. Its name says the epoch; older ones go afterwards."""
    new = checkpoints / "new.keras"
    model.save(new)
    kept = checkpoints / f"epoch-{epoch:04d}.keras"
    new.replace(kept)
    for old in checkpoints.glob("epoch-*.keras"):
        if old != kept:
            old.unlink()


def restore(checkpoints: Path) -> tuple[int, keras.Model]:
    found = sorted(checkpoints.glob("epoch-*.keras"))
    if not found:
        return 0, build()
    epoch = int(found[-1].stem.removeprefix("epoch-"))
    print(f"Going on after epoch {epoch}", flush=True)
    return epoch, keras.saving.load_model(found[-1])


def train(images: data.Images, epochs: int, output: Path, logs: Path) -> tuple[keras.Model, dict[str, object]]:
    checkpoints = Path(os.environ.get("CHECKPOINT_DIR", "checkpoints"))
    checkpoints.mkdir(parents=True, exist_ok=True)
    done, model = restore(checkpoints)
    resumed = done
    with SummaryWriter(str(logs)) as board:
        for epoch in range(done + 1, epochs + 1):
            # The order depends on the epoch alone, so that a resumed training sees the same batches.
            order = np.random.default_rng(epoch).permutation(len(images.train_y))
            fitted = model.fit(
                images.train_x[order], images.train_y[order], batch_size=BATCH, shuffle=False, verbose=0
            ).history
            loss, accuracy = model.evaluate(images.test_x, images.test_y, batch_size=1024, verbose=0)
            for name, value in {
                "loss/train": fitted["loss"][0],
                "loss/test": loss,
                "accuracy/train": fitted["accuracy"][0],
                "accuracy/test": accuracy,
            }.items():
                board.add_scalar(name, value, epoch)
            board.flush()
            save(model, checkpoints, epoch)
            print(f"Epoch {epoch}/{epochs}: loss {fitted['loss'][0]:.4f}, test accuracy {accuracy:.4f}", flush=True)
    output.mkdir(parents=True, exist_ok=True)
    model.save(output / "model.keras")
    print(f"Saved {output / 'model.keras'}")
    return model, {"epochs": epochs, "resumed_from_epoch": resumed}


def evaluate(model: keras.Model, images: data.Images) -> dict[str, object]:
    loss, accuracy = model.evaluate(images.test_x, images.test_y, batch_size=1024, verbose=0)
    return {
        "test_accuracy": round(float(accuracy), 5),
        "test_loss": round(float(loss), 5),
        "test_rows": len(images.test_y),
        "stand_in_data": images.stand_in,
        "data": images.origin,
    }


def predict(model: keras.Model, images: Path, target: Path, sample: int | None) -> int:
    """Batch by batch from file to file: neither has to fit into memory. Returns the number of images."""
    rows = 0
    target.parent.mkdir(parents=True, exist_ok=True)
    with open(target, "w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["image", "class", "probability"])
        for batch in data.batches(images, 1000, sample):
            chances = np.asarray(model.predict_on_batch(batch))
            for chance in chances:
                best = int(chance.argmax())
                table.writerow([rows, data.CLASSES[best], f"{chance[best]:.4f}"])
                rows += 1
    return rows


def load_model(output: Path) -> keras.Model:
    return keras.saving.load_model(output / "model.keras")
