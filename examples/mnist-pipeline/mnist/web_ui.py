"""Serves the page that shows what a model makes of a digit: python -m mnist.web_ui EXAMPLES SERVING-URL PORT

The page's own files, GET /api/example (a test image, another one each time), GET /api/model and POST /api/predict,
which it asks the model's server for.
"""

from __future__ import annotations

import json
import random
import sys
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np

from mnist.server import Handler, Refused, serve

PAGE = Path(__file__).with_name("page")
KINDS = {".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}
HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
# No proxy stands between the two servers, whatever the machine's variables say.
ASK = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def handler(examples: str, serving: str) -> type[Handler]:
    files = {f"/{path.name}": (KINDS[path.suffix], path.read_bytes()) for path in PAGE.iterdir() if path.suffix in KINDS}
    files["/"] = files.pop("/index.html")
    with np.load(examples, allow_pickle=False) as found:
        images, labels = found["x"], found["y"]

    def example(request: Handler, _: bytes) -> None:
        number = random.randrange(len(labels))
        pixels = images[number].reshape(-1).tolist()
        request.send_json(200, {"pixels": pixels, "label": int(labels[number]), "number": number})

    def asked(path: str):
        def ask(request: Handler, body: bytes) -> None:
            headers = {"content-type": "application/json"} if body else {}
            try:
                sent = urllib.request.Request(serving + path, data=body or None, headers=headers)
                with ASK.open(sent, timeout=10) as answer:
                    request.send_json(200, json.loads(answer.read(65_536)))
            except urllib.error.HTTPError as error:
                # Its sentence is for who sent the request.
                with error:
                    sentence = json.loads(error.read(4096)).get("error")
                raise Refused(error.code if error.code < 500 else 502, str(sentence)) from None
            except (OSError, ValueError):
                raise Refused(502, "the model's server does not answer") from None

        return ask

    def file(name: str):
        kind, data = files[name]
        return lambda request, _: request.send(200, kind, data, HEADERS)

    class PageHandler(Handler):
        get = {name: file(name) for name in files} | {
            "/healthz": lambda request, _: request.send_json(200, {"ok": True}),
            "/api/example": example,
            "/api/model": asked("/v1/model"),
        }
        post = {"/api/predict": asked("/v1/predict")}

        def check(self) -> None:
            # Reached through a tunnel to this computer: a name that leads there by some site's trick is refused.
            host = self.headers.get("host", "").rsplit(":", 1)[0]
            if host not in ("127.0.0.1", "localhost", "[::1]") and self.path != "/healthz":
                raise Refused(403, "open this page as 127.0.0.1 or localhost")

    return PageHandler


if __name__ == "__main__":
    serve(handler(sys.argv[1], sys.argv[2].rstrip("/")), int(sys.argv[3]))
