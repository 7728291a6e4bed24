"""The watcher on `instance/preempted`: hears that Google takes the machine back, with the notice or before it."""

from __future__ import annotations

import http.client
import threading
import time

from .metadata import Metadata
from .rest import Client
from .stop import Stop

KEY = "instance/preempted"
# A server that does not hold the request until something changes is not asked more often than this.
LEAST_SECONDS = 1.0
MOST_SECONDS = 10.0


class Preemption(threading.Thread):
    """Asks for a stop as soon as the metadata server says TRUE. A server that is away or talks nonsense is asked on."""

    def __init__(self, metadata: Metadata, stop: Stop, client: Client) -> None:
        super().__init__(name="preemption", daemon=True)
        self._metadata = metadata
        self._halt = stop
        self._client = client

    def run(self) -> None:
        etag: str | None = None
        wait = LEAST_SECONDS
        while True:
            began = time.monotonic()
            try:
                status, text, etag = self._metadata.watch(KEY, etag)
                good = status == 200
            except (OSError, http.client.HTTPException):
                good = False
            if good and text.strip().upper() == "TRUE":
                self._halt.taken_back()
                self._client.hurry(self._halt.power_off or 0.0)
                return
            if good:
                wait = LEAST_SECONDS
            else:
                # The answer to come is compared with nothing: what changed meanwhile is seen at once.
                etag, wait = None, min(MOST_SECONDS, wait * 1.5)
            time.sleep(max(0.0, wait - (time.monotonic() - began)) if good else wait)
