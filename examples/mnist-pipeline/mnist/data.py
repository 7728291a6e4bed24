"""Images of handwritten digits, 28 × 28 pixels from 0 (paper) to 255 (ink): MNIST's own files, or a stand-in."""

from __future__ import annotations

import gzip
import io
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

SIDE = 28
FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
STAND_IN = "scikit-learn's bundled digits, a stand-in for MNIST"


class Mistake(Exception):
    """Something that whoever started the pipeline can put right."""


@dataclass
class Digits:
    """A set of images; `x` is (n, 28, 28) of bytes, `y` their digits."""

    x: np.ndarray
    y: np.ndarray
    origin: str
    stand_in: bool = False

    def first(self, count: int) -> Digits:
        return Digits(self.x[:count], self.y[:count], self.origin, self.stand_in)

    def packed(self) -> bytes:
        file = io.BytesIO()
        np.savez_compressed(file, x=self.x, y=self.y, origin=self.origin, stand_in=self.stand_in)
        return file.getvalue()

    def save(self, path: str) -> None:
        Path(path).write_bytes(self.packed())

    @staticmethod
    def load(path: str) -> Digits:
        with np.load(path, allow_pickle=False) as found:
            return Digits(found["x"], found["y"], str(found["origin"]), bool(found["stand_in"]))


def load(bucket_path: str) -> tuple[Digits, Digits]:
    """Training and test images from `gs://BUCKET/PATH` or a folder; nothing given: the stand-in."""
    where = bucket_path.strip().rstrip("/")
    if not where:
        return stand_in()
    read = from_bucket(where) if where.startswith("gs://") else from_folder(Path(where))
    names = [name for pair in FILES.values() for name in pair]
    found = {name: read(name) for name in names}
    missing = [name for name, data in found.items() if data is None]
    if missing:
        raise Mistake(
            f"bucket-path must hold MNIST's four files, each as it is or with .gz; in {where} there is no "
            f"{', no '.join(missing)}. Put them there (npx mlt put FOLDER input/mnist), or leave bucket-path away for "
            "the stand-in."
        )
    sets = []
    for images, labels in FILES.values():
        x = images_of(found[images], f"{where}/{images}")
        y = labels_of(found[labels], f"{where}/{labels}")
        if len(x) != len(y):
            raise Mistake(f"{where}: {len(x)} images in {images}, but {len(y)} labels in {labels}")
        sets.append(Digits(x, y, where))
    return sets[0], sets[1]


def from_folder(folder: Path):
    def read(name: str) -> bytes | None:
        for path in (folder / name, folder / f"{name}.gz"):
            if path.is_file():
                return path.read_bytes()
        return None

    return read


def from_bucket(url: str):
    from google.cloud import storage

    bucket, _, prefix = url.removeprefix("gs://").partition("/")
    source = storage.Client().bucket(bucket)

    def read(name: str) -> bytes | None:
        for end in ("", ".gz"):
            blob = source.get_blob(f"{prefix}/{name}{end}" if prefix else f"{name}{end}")
            if blob is not None:
                return blob.download_as_bytes()
        return None

    return read


def numbers(data: bytes, where: str, magic: int, shape: tuple[int, ...]) -> np.ndarray:
    """The content of an idx file: 4 bytes that say what it is, a count, the shape of one, then bytes."""
    if data[:2] == b"\x1f\x8b":
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error):
            raise Mistake(f"{where}.gz cannot be unpacked: it is cut off or damaged") from None
    size = 4 * (2 + len(shape))
    head = np.frombuffer(data[:size], ">u4") if len(data) >= size else np.zeros(0)
    if len(head) == 0 or head[0] != magic or tuple(head[2:]) != shape:
        raise Mistake(f"{where} is no idx file of {'images of 28 × 28' if shape else 'labels'}")
    body = np.frombuffer(data, np.uint8, offset=size)
    if len(body) != head[1] * int(np.prod(shape)):
        raise Mistake(f"{where} is cut off or damaged: it says {head[1]} and has {len(body) // int(np.prod(shape))}")
    return body.reshape(int(head[1]), *shape)


def images_of(data: bytes, where: str) -> np.ndarray:
    return numbers(data, where, 0x803, (SIDE, SIDE))


def labels_of(data: bytes, where: str) -> np.ndarray:
    labels = numbers(data, where, 0x801, ())
    if len(labels) and labels.max() > 9:
        raise Mistake(f"{where} has the label {labels.max()}; digits end at 9")
    return labels


def stand_in() -> tuple[Digits, Digits]:
    """1,797 digits of 8 × 8, brought into MNIST's form: 20 pixels high, the middle of the ink in the middle."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    found = load_digits()
    scale = enlarging(8, 20)
    x = np.stack([centred(scale @ image @ scale.T * (255 / 16)) for image in found.images])
    parts = train_test_split(x, found.target.astype(np.uint8), test_size=0.25, random_state=0, stratify=found.target)
    return Digits(parts[0], parts[2], STAND_IN, True), Digits(parts[1], parts[3], STAND_IN, True)


def enlarging(small: int, large: int) -> np.ndarray:
    """The matrix that enlarges a line of pixels, linearly between their centres."""
    at = np.clip((np.arange(large) + 0.5) * small / large - 0.5, 0, small - 1)
    return np.maximum(0, 1 - np.abs(at[:, None] - np.arange(small)[None, :]))


def centred(image: np.ndarray) -> np.ndarray:
    """An image of up to 28 × 28, moved by whole pixels so that the centre of its ink is the centre; bytes."""
    height, width = image.shape
    ink = image.sum() or 1
    row = (image.sum(axis=1) @ np.arange(height)) / ink
    column = (image.sum(axis=0) @ np.arange(width)) / ink
    top = int(np.clip(round((SIDE - 1) / 2 - row), 0, SIDE - height))
    left = int(np.clip(round((SIDE - 1) / 2 - column), 0, SIDE - width))
    framed = np.zeros((SIDE, SIDE))
    framed[top : top + height, left : left + width] = image
    return np.clip(np.rint(framed), 0, 255).astype(np.uint8)
