"""A small convolutional network: trained by JAX, on a GPU where there is one; asked by numpy alone."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np

Weights = dict[str, np.ndarray]


def forward(weights, images, np):
    """Logits of images (n, 28, 28) between 0 and 1. `np` is numpy, or JAX's: the same lines train and serve."""
    x = images[..., None]
    for layer in ("1", "2"):
        x = np.maximum(convolution(x, weights["kernel" + layer], np) + weights["bias" + layer], 0)
        n, side, _, channels = x.shape
        x = x.reshape(n, side // 2, 2, side // 2, 2, channels).max(axis=(2, 4))
    return x.reshape(len(x), -1) @ weights["dense"] + weights["bias3"]


def convolution(x, kernel, np):
    """3 × 3, same size: the nine neighbours beside each other, then one product of matrices."""
    side = x.shape[1]
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    near = [padded[:, row : row + side, column : column + side] for row in range(3) for column in range(3)]
    return np.concatenate(near, axis=-1) @ kernel


def predict(weights: Weights, images: np.ndarray) -> np.ndarray:
    """Probabilities (n, 10) of images of bytes (n, 28, 28)."""
    logits = forward(weights, images.astype(np.float32) / 255, np)
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def confusion(weights: Weights, images: np.ndarray, labels: np.ndarray) -> list[list[int]]:
    """How often an image of one digit (line) was taken for another (column)."""
    counts = np.zeros((10, 10), np.int64)
    for at in range(0, len(labels), 500):
        np.add.at(counts, (labels[at : at + 500], predict(weights, images[at : at + 500]).argmax(axis=1)), 1)
    return counts.tolist()


def new(seed: int = 0) -> Weights:
    random = np.random.default_rng(seed)

    def normal(inputs: int, outputs: int) -> np.ndarray:
        return (random.standard_normal((inputs, outputs)) * np.sqrt(2 / inputs)).astype(np.float32)

    sizes = {"kernel1": (9, 16), "kernel2": (9 * 16, 32), "dense": (7 * 7 * 32, 10)}
    weights = {name: normal(*size) for name, size in sizes.items()}
    biases = {"bias1": 16, "bias2": 32, "bias3": 10}
    return weights | {name: np.zeros(size, np.float32) for name, size in biases.items()}


def train(images, labels, *, steps: int, learning_rate: float, batch_size: int, say=print) -> tuple[Weights, float]:
    """`steps` steps of Adam with `batch_size` images each, moved by up to two pixels; returns the last losses' mean."""
    import jax
    import jax.numpy as jnp

    @jax.jit
    def step(state, x, y):
        weights, first, second, count = state

        def loss(weights):
            logits = jax.nn.log_softmax(forward(weights, x.astype(jnp.float32) / 255, jnp))
            return -jnp.take_along_axis(logits, y[:, None], axis=1).mean()

        value, slope = jax.value_and_grad(loss)(weights)
        count = count + 1
        first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, first, slope)
        second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, second, slope)
        rate = learning_rate * jnp.sqrt(1 - 0.999**count) / (1 - 0.9**count)
        weights = jax.tree.map(lambda w, m, v: w - rate * m / (jnp.sqrt(v) + 1e-8), weights, first, second)
        return (weights, first, second, count), value

    say(f"training on {jax.devices()[0].device_kind}: {steps} steps of {batch_size} images")
    zeros = {name: np.zeros_like(value) for name, value in new().items()}
    state = (new(), zeros, zeros, 0)
    random = np.random.default_rng(0)
    losses: list[float] = []
    for number, chosen in enumerate(batches(random, len(labels), batch_size, steps), start=1):
        state, value = step(state, moved(random, images[chosen]), labels[chosen].astype(np.int32))
        losses.append(float(value))
        if number % 100 == 0 or number == steps:
            say(f"step {number}/{steps}: loss {np.mean(losses[-50:]):.4f}")
    return {name: np.asarray(value) for name, value in state[0].items()}, float(np.mean(losses[-50:]))


def batches(random: np.random.Generator, count: int, size: int, steps: int):
    """`steps` times the numbers of `size` images; each image is taken once before one is taken again."""
    order = np.empty(0, np.int64)
    for _ in range(steps):
        while len(order) < size:
            order = np.concatenate([order, random.permutation(count)])
        yield order[:size]
        order = order[size:]


def moved(random: np.random.Generator, images: np.ndarray) -> np.ndarray:
    """Each image moved by up to two pixels: nobody draws exactly where a data set does."""
    padded = np.pad(images, ((0, 0), (2, 2), (2, 2)))
    side = images.shape[1]
    return np.stack(
        [
            image[row : row + side, column : column + side]
            for image, (row, column) in zip(padded, random.integers(0, 5, (len(images), 2)))
        ]
    )


def packed(weights: Weights, about: dict[str, object]) -> bytes:
    """As `load` reads it."""
    file = io.BytesIO()
    np.savez(file, about=json.dumps(about), **weights)
    return file.getvalue()


def save(path: str, weights: Weights, about: dict[str, object]) -> None:
    Path(path).write_bytes(packed(weights, about))


def load(path: str) -> tuple[Weights, dict[str, object]]:
    with np.load(path, allow_pickle=False) as found:
        return {name: found[name] for name in found.files if name != "about"}, json.loads(str(found["about"]))
