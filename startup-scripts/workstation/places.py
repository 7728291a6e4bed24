"""Where things lie on a workstation. `ML_TRAINING_ROOT` puts a folder in front, for a machine that is only a folder."""

from __future__ import annotations

import json
import os
import time
from typing import Any


def root(path: str) -> str:
    """`path` (absolute) below ML_TRAINING_ROOT."""
    return os.path.join(os.environ.get("ML_TRAINING_ROOT") or "/", path.lstrip("/"))


# A user of its own, the same on every machine, so that a data disk's files keep their owner when the machine is new.
USER = "ml"
UID = 5000

INSTALLED = root("/opt/ml-training")
STATE = root("/var/lib/ml-workstation")
RUNTIME = root("/run/ml-workstation")
SETTINGS = root("/etc/ml-training")

STATE_FILE = os.path.join(STATE, "state.json")
LOG = os.path.join(STATE, "log.txt")
TOKEN = os.path.join(STATE, "jupyter-token")
EXECS = os.path.join(STATE, "exec")
ACTIVITY_FILE = os.path.join(RUNTIME, "activity.json")
LOGIN_TEXT = os.path.join(RUNTIME, "login.txt")

HOME = root("/home/ml")
# JupyterLab's own Python belongs to root: nothing that is installed for notebooks can break it.
JUPYTER = root("/opt/ml/jupyter")
VENV = root("/opt/ml/venv")
MOUNT = root("/mnt/bucket")
CACHE = root("/var/cache/gcsfuse")

JUPYTER_PORT = 8888
TENSORBOARD_PORT = 6006


def write(path: str, content: str | bytes, mode: int = 0o644, owner: tuple[int, int] | None = None) -> bool:
    """Writes the file in one step, with its mode and owner. False, and nothing is touched, if it is so already."""
    data = content.encode() if isinstance(content, str) else content
    try:
        with open(path, "rb") as file:
            if file.read() == data and os.stat(path).st_mode & 0o777 == mode:
                return False
    except FileNotFoundError:
        pass
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    new = f"{path}.new"
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        os.fchmod(file.fileno(), mode)
        if owner is not None:
            os.fchown(file.fileno(), *owner)
    os.replace(new, path)
    return True


def read_json(path: str) -> Any:
    """The file's value; `None` if it is missing or broken (a power cut)."""
    try:
        with open(path, "rb") as file:
            return json.loads(file.read())
    except (OSError, ValueError):
        return None


def write_json(path: str, value: Any) -> None:
    write(path, json.dumps(value, indent=1) + "\n")


def now_text(seconds: float) -> str:
    """RFC 3339, in UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
