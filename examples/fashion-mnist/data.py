"""Fashion-MNIST: 60,000 images of clothes to train on, 10,000 to test with (H. Xiao, K. Rasul, R. Vollgraf, 2017, MIT).

The files are the four of the data set, as they are or unpacked: {train,t10k}-{images-idx3,labels-idx1}-ubyte[.gz].
"""

from __future__ import annotations

import gzip
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

CLASSES = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
SIDE = 28
# http://yann.lecun.com/exdb/mnist: two zero bytes, the type (8: unsigned byte), the number of dimensions.
IMAGES, LABELS = 0x00000803, 0x00000801


@dataclass
class Images:
    """Grey values from 0 to 1 as (rows, 28, 28, 1) and labels from 0 to 9."""

    train_x: np.ndarray
    train_y: np.ndarray
    test_x: np.ndarray
    test_y: np.ndarray
    classes: tuple[str, ...]
    origin: str
    # True: scikit-learn's digits stand in.
    stand_in: bool


def find(folder: Path, name: str) -> Path | None:
    for candidate in (folder / f"{name}.gz", folder / name):
        if candidate.exists():
            return candidate
    return None


def open_idx(path: Path, magic: int) -> tuple[BinaryIO, int]:
    """The file after its header, and its number of rows."""
    stream = gzip.open(path, "rb") if path.suffix == ".gz" else open(path, "rb")
    head = stream.read(8)
    if len(head) < 8 or struct.unpack(">I", head[:4])[0] != magic:
        raise SystemExit(f"{path} is no idx file of {'images' if magic == IMAGES else 'labels'}")
    rows = struct.unpack(">I", head[4:])[0]
    if magic == IMAGES:
        sides = struct.unpack(">II", stream.read(8))
        if sides != (SIDE, SIDE):
            raise SystemExit(f"{path} has images of {sides[0]} x {sides[1]} pixels; {SIDE} x {SIDE} are expected")
    return stream, rows


def batches(path: Path, size: int, limit: int | None = None) -> Iterator[np.ndarray]:
    """A file of images, `size` at a time: it may be larger than memory."""
    stream, rows = open_idx(path, IMAGES)
    left = rows if limit is None else min(rows, limit)
    with stream:
        while left > 0:
            count = min(size, left)
            found = stream.read(count * SIDE * SIDE)
            if len(found) < count * SIDE * SIDE:
                raise SystemExit(f"{path} ends early: its header says {rows} images")
            yield scale(np.frombuffer(found, np.uint8).reshape(count, SIDE, SIDE))
            left -= count


def scale(images: np.ndarray) -> np.ndarray:
    return (images.astype(np.float32) / 255)[..., None]


def load(folder: str | None, sample: int | None) -> Images:
    """From `folder`, else $DATA_DIR/fashion-mnist, else the mounted bucket's; where none has them, the digits."""
    places = [folder] if folder else []
    if not folder:
        if os.environ.get("DATA_DIR"):
            places.append(os.path.join(os.environ["DATA_DIR"], "fashion-mnist"))
        places.append("/mnt/bucket/input/fashion-mnist")
    for place in places:
        if find(Path(place), "train-images-idx3-ubyte"):
            return read(Path(place), sample)
    if folder:
        raise SystemExit(f"There is no train-images-idx3-ubyte[.gz] in {folder}: --data-path is the folder of the four")
    print("STAND-IN DATA: no Fashion-MNIST here; scikit-learn's bundled digits take its place (mlt put FOLDER")
    print("input/fashion-mnist brings the real files). The accuracy says nothing about clothes.")
    return digits(sample)


def read(folder: Path, sample: int | None) -> Images:
    parts = []
    for part in ("train", "t10k"):
        images, labels = find(folder, f"{part}-images-idx3-ubyte"), find(folder, f"{part}-labels-idx1-ubyte")
        if images is None or labels is None:
            raise SystemExit(f"{folder} has no {part}-{'labels-idx1' if images else 'images-idx3'}-ubyte[.gz]")
        x = np.concatenate(list(batches(images, 10_000, sample)))
        stream, rows = open_idx(labels, LABELS)
        with stream:
            y = np.frombuffer(stream.read(len(x)), np.uint8)
        if len(y) != len(x):
            raise SystemExit(f"{labels} has {rows} labels for {len(x)} images")
        parts += [x, y]
    return Images(*parts, classes=CLASSES, origin=str(folder), stand_in=False)


def digits(sample: int | None) -> Images:
    """Handwritten digits of 8 x 8 pixels, each pixel three times as large, with a margin: 28 x 28."""
    from sklearn.datasets import load_digits

    found = load_digits()
    large = np.kron(found.images / 16, np.ones((1, 3, 3))).astype(np.float32)
    images = np.pad(large, ((0, 0), (2, 2), (2, 2)))[..., None]
    labels = found.target.astype(np.uint8)
    cut = len(images) * 3 // 4
    return Images(
        images[:cut][:sample],
        labels[:cut][:sample],
        images[cut:][:sample],
        labels[cut:][:sample],
        classes=tuple(str(digit) for digit in range(10)),
        origin="scikit-learn's bundled digits",
        stand_in=True,
    )
