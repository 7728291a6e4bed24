"""JupyterLab and TensorBoard: on loopback only, as services that restart."""

from __future__ import annotations

import json
import os
import secrets
import time
import urllib.request
from typing import Any

from . import places
from .places import JUPYTER_PORT, TENSORBOARD_PORT, UID, write
from .ports import answers, holder
from .tools import StepFailed, capture, run, words_of

JUPYTER_UNIT = "mlt-jupyter.service"
TENSORBOARD_UNIT = "mlt-tensorboard.service"
START_SECONDS = 90.0


def ensure_token() -> str:
    """Made here, once; nobody but `ml` and root can read it, and it is nowhere else."""
    try:
        with open(places.TOKEN, encoding="ascii") as file:
            token = file.read().strip()
        if len(token) >= 32:
            return token
    except OSError:
        pass
    token = secrets.token_urlsafe(32)
    write(places.TOKEN, token + "\n", 0o400, (UID, UID))
    return token


def start_jupyter() -> None:
    ensure_token()
    start(JUPYTER_UNIT, JUPYTER_PORT, "JupyterLab")


def start_tensorboard() -> None:
    start(TENSORBOARD_UNIT, TENSORBOARD_PORT, "TensorBoard")


def start(unit: str, port: int, name: str) -> None:
    """Starts the unit, which restarts by itself for ever, and waits until it answers; else says what keeps it."""
    if capture(["systemctl", "is-active", unit])[0] != 0:
        taken = holder(port)
        run(["systemctl", "start", "--no-block", unit], f"starting {unit}")
        if taken:
            raise StepFailed(f"port {port} is taken by {taken}; {name} starts by itself once it is free")
    end = time.monotonic() + START_SECONDS
    while not answers(port):
        if restarts(unit) > 1 or time.monotonic() > end:
            raise StepFailed(f"{name} does not answer on port {port}: {words_of(unit)}; see journalctl -u {unit}")
        time.sleep(0.1)


def restarts(unit: str) -> int:
    said = capture(["systemctl", "show", "--property", "NRestarts", "--value", unit])[1]
    return int(said) if said.isdigit() else 0


def kernels() -> list[dict[str, Any]] | None:
    """Jupyter's kernels, as it lists them; `None` if it does not answer."""
    try:
        with open(places.TOKEN, encoding="ascii") as file:
            token = file.read().strip()
        request = urllib.request.Request(f"http://127.0.0.1:{JUPYTER_PORT}/api/kernels")
        request.add_header("Authorization", f"token {token}")
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=10) as answer:
            listed = json.load(answer)
    except (OSError, ValueError):
        return None
    return listed if isinstance(listed, list) else None


