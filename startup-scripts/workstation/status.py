"""`workstation/status.json` and `workstation/log.txt` in the data bucket."""

from __future__ import annotations

import json
import os
import threading
import time
from typing import Any

from . import bucket, places, servers
from .cloud import Cloud, CloudError
from .disk import mounted
from .places import now_text
from .ports import answers
from .state import State, boot_id
from .tools import capture

SCHEMA = 1
OBJECT = "workstation/status.json"
LOG_OBJECT = "workstation/log.txt"
MAX_LOG_BYTES = 1024 * 1024
UNITS = {
    "jupyter": (servers.JUPYTER_UNIT, places.JUPYTER_PORT),
    "tensorboard": (servers.TENSORBOARD_UNIT, places.TENSORBOARD_PORT),
}


def parts(jupyter: bool | None = None) -> dict[str, str]:
    """`running`, `starting` or `stopped` of each server, `mounted`, `waiting` or `stopped` of the bucket.

    `jupyter`: whether it answered just now, if that is known.
    """
    units = [bucket.UNIT, *(unit for unit, _ in UNITS.values())]
    states = capture(["systemctl", "is-active", *units])[1].split("\n")
    found = dict(zip(units, states))
    result = {}
    for name, (unit, port) in UNITS.items():
        active = found.get(unit) in ("active", "activating", "reloading")
        good = found.get(unit) == "active" and (jupyter if name == "jupyter" and jupyter is not None else answers(port))
        result[name] = "running" if good else "starting" if active else "stopped"
    waits = found.get(bucket.UNIT) in ("active", "activating")
    result["mount"] = "mounted" if mounted(places.MOUNT) else "waiting" if waits else "stopped"
    return result


def compose(state: State, seen: dict[str, str], more: dict[str, Any] | None = None) -> dict[str, Any]:
    """The status as readers get it (schemas/workstation.json)."""
    return {"schema": SCHEMA, **state.value, "bootId": boot_id(), "heartbeat": now_text(time.time()), **seen, **(more or {})}


def publish(cloud: Cloud, status: dict[str, Any]) -> None:
    data = json.dumps(status, indent=1).encode() + b"\n"
    cloud.write(str(status["bucket"]), OBJECT, data, "application/json")


def publish_log(cloud: Cloud, bucket_name: str) -> None:
    """If it grew since it was last sent; its end, if it is long."""
    size = os.path.getsize(places.LOG)
    mark = os.path.join(places.RUNTIME, "log-sent")
    try:
        with open(mark, encoding="ascii") as file:
            if file.read() == str(size):
                return
    except OSError:
        pass
    with open(places.LOG, "rb") as file:
        file.seek(max(0, size - MAX_LOG_BYTES))
        data = file.read()
    cloud.write(bucket_name, LOG_OBJECT, data, "text/plain; charset=utf-8")
    places.write(mark, str(size))


class Publisher:
    """Sends the newest status from a thread of its own: the set-up waits for no bucket."""

    def __init__(self, cloud: Cloud, state: State) -> None:
        self._cloud = cloud
        self._state = state
        self._wake = threading.Event()
        self._done = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def tell(self) -> None:
        self._wake.set()

    def close(self, seconds: float) -> None:
        """Waits until the last status is sent, but not for ever."""
        self._done = True
        self._wake.set()
        self._thread.join(seconds)

    def _run(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            last = self._done
            try:
                publish(self._cloud, compose(self._state, parts()))
                publish_log(self._cloud, self._state.value["bucket"])
            except (CloudError, OSError):
                pass  # the heartbeat comes again in a minute
            if last:
                return
