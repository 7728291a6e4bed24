"""The thread that keeps the outside informed: log segments, the heartbeat; and that hears of a cancel."""

from __future__ import annotations

import http.client
import threading
import time
from typing import Callable

from . import alive, limits
from .errors import MachineUnusable, NotOurs, Stopped
from .rest import HttpError
from .runlog import RunLog
from .status import Status
from .stop import Stop
from .storage import Storage

TRANSIENT = (HttpError, OSError, http.client.HTTPException, MachineUnusable, Stopped, RuntimeError, ValueError)


class Pulse(threading.Thread):
    def __init__(self, status: Status, log: RunLog, storage: Storage, scratch_bucket: str, stop: Stop) -> None:
        super().__init__(name="pulse", daemon=True)
        self._status = status
        self._log = log
        self._storage = storage
        self._bucket = scratch_bucket
        self._halt = stop
        self._done = threading.Event()
        self._problems: dict[str, str] = {}

    def run(self) -> None:
        beat = time.monotonic()
        flush = 0.0
        alive.begin(self.name, limits.JOB_STILL_SECONDS)
        while not self._done.wait(0.2):
            alive.beat()
            now = time.monotonic()
            if now - flush >= limits.LOG_SECONDS:
                flush = now
                self._try("log", lambda: self._log.flush(self._storage, self._bucket))
            if now - beat >= limits.HEARTBEAT_SECONDS:
                beat = now
                self._try("status", self._status.beat)
            # The status may have been read again by whoever wrote a phase.
            if self._status.cancel_requested:
                self._halt.ask("cancel")
        alive.end(self.name)

    def _try(self, what: str, action: Callable[[], None]) -> None:
        """Does `action`; a problem is said once, and once that it is over."""
        try:
            action()
        except NotOurs as error:
            self._halt.ask("notOurs", str(error))
        except TRANSIENT as error:
            if what not in self._problems:
                self._log.say(f"the {what} cannot be written, trying again: {error}")
            self._problems[what] = str(error)
        else:
            if self._problems.pop(what, None) is not None:
                self._log.say(f"the {what} can be written again")

    def end(self) -> None:
        self._done.set()
        self.join(5)
