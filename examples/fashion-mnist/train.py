"""Trains a small convolutional network on Fashion-MNIST, evaluates one, or lets it predict.

python train.py --epochs 5
python train.py --mode evaluate
python train.py --mode predict --predict-path images-idx3-ubyte.gz

Started again with the same CHECKPOINT_DIR it goes on after the last whole epoch, and ends with the same weights as a
training that was never interrupted. TensorBoard finds its curves in OUTPUT_DIR/logs.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

import data


def main() -> None:
    parser = argparse.ArgumentParser(description="A small convolutional network on Fashion-MNIST")
    parser.add_argument("--mode", choices=("train", "evaluate", "predict"), default="train")
    parser.add_argument("--epochs", type=int, default=5, help="passes over the training images")
    parser.add_argument("--sample", type=int, help="use the first so many images of each set only")
    parser.add_argument("--data-path", help="folder of the four Fashion-MNIST files (default: $DATA_DIR/fashion-mnist)")
    parser.add_argument("--output", type=Path, default=Path(os.environ.get("OUTPUT_DIR", "output")), help="folder")
    parser.add_argument("--logs", type=Path, help="folder for TensorBoard (default: OUTPUT/logs/fashion-mnist)")
    parser.add_argument("--predict-path", type=Path, help="idx file of images (default: the test images)")
    options = parser.parse_args()
    for name in ("epochs", "sample"):
        value = getattr(options, name)
        if value is not None and value < 1:
            parser.error(f"--{name} must be 1 or more; got {value}")

    model_file = options.output / "model.keras"
    if options.mode != "train" and not model_file.exists():
        parser.error(f"there is no {model_file}: train first, or name the folder of a model with --output")
    source = options.predict_path or data.find(
        Path(options.data_path or Path(os.environ.get("DATA_DIR", "data")) / "fashion-mnist"), "t10k-images-idx3-ubyte"
    )
    if options.mode == "predict" and (source is None or not source.exists()):
        parser.error(f"--predict-path names no file; got {options.predict_path or 'nothing, and no test images'}")

    started = time.monotonic()
    images = None if options.mode == "predict" else data.load(options.data_path, options.sample)
    # Only now, so that a mistake is told at once.
    import network

    metrics: dict[str, object] = {"mode": options.mode}
    if images is None:
        target = options.output / "predictions.csv"
        metrics["rows"] = network.predict(network.load_model(options.output), source, target, options.sample)
        print(f"{metrics['rows']} predictions in {target}")
    else:
        print(f"{len(images.train_y)} images to train on, {len(images.test_y)} to test with, from {images.origin}")
        if options.mode == "train":
            logs = options.logs or options.output / "logs" / "fashion-mnist"
            model, told = network.train(images, options.epochs, options.output, logs)
            metrics.update(told)
        else:
            model = network.load_model(options.output)
        metrics.update(network.evaluate(model, images))
        what = "stand-in images" if images.stand_in else "images"
        print(f"Test accuracy {metrics['test_accuracy']} on {metrics['test_rows']} {what}")
    metrics["seconds"] = round(time.monotonic() - started, 1)
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")


if __name__ == "__main__":
    main()
