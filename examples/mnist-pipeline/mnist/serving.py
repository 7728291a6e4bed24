"""Serves a model: python -m mnist.serving MODEL PORT

GET /healthz, GET /v1/model (what it was trained with), POST /v1/predict {"pixels": [784 numbers from 0 to 255]}.
"""

from __future__ import annotations

import json
import sys

import numpy as np

from mnist import network
from mnist.server import Handler, Refused, serve

PIXELS = 28 * 28


def pixels_of(body: bytes) -> np.ndarray:
    try:
        sent = json.loads(body)
    except (ValueError, RecursionError):
        raise Refused(400, "the request is no JSON") from None
    pixels = sent.get("pixels") if isinstance(sent, dict) else None
    good = isinstance(pixels, list) and len(pixels) == PIXELS
    if not good or not all(type(value) is int and 0 <= value <= 255 for value in pixels):
        raise Refused(400, f"pixels must be {PIXELS} whole numbers from 0 (paper) to 255 (ink), line by line")
    return np.array(pixels, np.uint8).reshape(1, 28, 28)


def handler(weights: network.Weights, about: dict[str, object]) -> type[Handler]:
    def predict(request: Handler, body: bytes) -> None:
        chances = network.predict(weights, pixels_of(body))[0]
        answer = {"digit": int(chances.argmax()), "probabilities": [round(float(chance), 6) for chance in chances]}
        request.send_json(200, answer)

    class ModelHandler(Handler):
        get = {
            "/healthz": lambda request, _: request.send_json(200, {"ok": True}),
            "/v1/model": lambda request, _: request.send_json(200, about),
        }
        post = {"/v1/predict": predict}

    return ModelHandler


if __name__ == "__main__":
    serve(handler(*network.load(sys.argv[1])), int(sys.argv[2]))
