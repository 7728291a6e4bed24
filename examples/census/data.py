"""The UCI Adult data: 32,561 rows to train on, 16,281 to test with (B. Becker and R. Kohavi, 1996, CC BY 4.0)."""

from __future__ import annotations

import csv
import hashlib
import io
import os
import urllib.request
import zipfile
from dataclasses import dataclass

import numpy as np

import files

COLUMNS = (
    "age",
    "workclass",
    "fnlwgt",
    "education",
    "education-num",
    "marital-status",
    "occupation",
    "relationship",
    "race",
    "sex",
    "capital-gain",
    "capital-loss",
    "hours-per-week",
    "native-country",
)
NUMERIC = [COLUMNS.index(name) for name in ("age", "education-num", "capital-gain", "capital-loss", "hours-per-week")]
CATEGORICAL = [
    COLUMNS.index(name)
    for name in (
        "workclass",
        "education",
        "marital-status",
        "occupation",
        "relationship",
        "race",
        "sex",
        "native-country",
    )
]
TRAIN, TEST = "adult.data", "adult.test"
SOURCE = "https://archive.ics.uci.edu/static/public/2/adult.zip"
SHA256 = {
    TRAIN: "5b00264637dbfec36bdeaab5676b0b309ff9eb788d63554ca0a249491c86603d",
    TEST: "a2a9044bc167a35b2361efbabec64e89d69ce82d9790d2980119aac5fd7e9c05",
}


@dataclass
class Census:
    """Features (one object array per part, columns as in COLUMNS) and labels (1: over 50,000 a year)."""

    train_x: np.ndarray
    train_y: np.ndarray
    test_x: np.ndarray
    test_y: np.ndarray
    origin: str
    synthetic: bool


def load(path: str | None) -> Census:
    """From `path` if given; else from the run's inputs, ML_TRAINING_DATA, a checked download, or made up."""
    if path is not None:
        return _read(path)
    for folder in (os.environ.get("DATA_DIR"), os.environ.get("ML_TRAINING_DATA")):
        if folder and files.exists(files.join(folder, f"census/{TRAIN}")):
            return _read(files.join(folder, "census"))
    try:
        return _download()
    except OSError as error:
        print(f"The census data cannot be downloaded ({error}).")
        return synthetic()


def _read(folder: str) -> Census:
    folder = folder[: -len(TRAIN)] if folder.endswith(f"/{TRAIN}") else folder
    parts = {}
    for name in (TRAIN, TEST):
        path = files.join(folder, name)
        if not files.exists(path):
            raise SystemExit(f"There is no {path}: --census-data-path is the folder of {TRAIN} and {TEST}")
        parts[name] = files.read(path)
    return _census(parts, folder)


def _download() -> Census:
    print(f"Downloading {SOURCE}")
    with urllib.request.urlopen(SOURCE, timeout=15) as answer:
        archive = zipfile.ZipFile(io.BytesIO(answer.read()))
    parts = {name: archive.read(name) for name in (TRAIN, TEST)}
    for name, data in parts.items():
        if hashlib.sha256(data).hexdigest() != SHA256[name]:
            raise SystemExit(f"The downloaded {name} is not the known file: its SHA-256 differs")
    return _census(parts, SOURCE)


def _census(parts: dict[str, bytes], origin: str) -> Census:
    train_x, train_y = parse(parts[TRAIN])
    test_x, test_y = parse(parts[TEST])
    return Census(train_x, train_y, test_x, test_y, origin, synthetic=False)


def parse(data: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Rows of 15 values; adult.test begins with a comment line, and its labels end in a full stop."""
    rows = []
    labels = []
    for number, row in enumerate(csv.reader(io.StringIO(data.decode("utf-8")), skipinitialspace=True), 1):
        if not row or row[0].startswith("|"):
            continue
        if len(row) != len(COLUMNS) + 1:
            raise SystemExit(f"Line {number} of the census data has {len(row)} values; {len(COLUMNS) + 1} are expected")
        rows.append(row[:-1])
        labels.append(row[-1].rstrip(".") == ">50K")
    features = np.array(rows, dtype=object)
    for column in NUMERIC:
        features[:, column] = features[:, column].astype(float)
    return features, np.array(labels, dtype=int)


def synthetic(rows: int = 4000) -> Census:
    """Rows in the census data's form with a made-up rule: to try the program without the data, nothing more."""
    print("SYNTHETIC DATA: generated rows stand in for the census; the accuracy says nothing about it.")
    random = np.random.default_rng(1996)
    features = np.empty((rows, len(COLUMNS)), dtype=object)
    ages = random.integers(17, 90, rows)
    years = random.integers(1, 17, rows)
    hours = random.integers(10, 80, rows)
    for column, name in enumerate(COLUMNS):
        features[:, column] = random.choice([f"{name}-{letter}" for letter in "abcd"], rows)
    for name, values in (("age", ages), ("education-num", years), ("hours-per-week", hours)):
        features[:, COLUMNS.index(name)] = values.astype(float)
    for name in ("fnlwgt", "capital-gain", "capital-loss"):
        features[:, COLUMNS.index(name)] = random.integers(0, 5000, rows).astype(float)
    chance = 1 / (1 + np.exp(-(0.04 * (ages - 45) + 0.4 * (years - 11) + 0.03 * (hours - 40))))
    labels = (random.random(rows) < chance).astype(int)
    cut = rows * 2 // 3
    return Census(features[:cut], labels[:cut], features[cut:], labels[cut:], "synthetic", synthetic=True)
