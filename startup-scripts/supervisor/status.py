"""status.json: read, changed and written under a precondition, so that no writer undoes another's words."""

from __future__ import annotations

import json
import threading
from typing import Any, Callable

from . import clock, states
from .errors import NotOurs, one_line
from .metadata import Assignment, Machine
from .rest import HttpError
from .spec import format_time
from .storage import Storage

# 412 again and again means a bug somewhere; a real race ends after a try or two.
RACES = 20


class Status:
    """The run's status as last seen, and the only way in which this machine changes it."""

    def __init__(self, storage: Storage, assignment: Assignment, machine: Machine | None = None) -> None:
        self._storage = storage
        self._assignment = assignment
        self._machine = machine
        self._more: dict[str, Any] = {}
        self._lock = threading.RLock()
        self._generation = ""
        self._document: dict[str, Any] = {}

    @property
    def name(self) -> str:
        return f"runs/{self._assignment.run}/status.json"

    def load(self) -> dict[str, Any]:
        """Reads the object; `NotOurs` if there is none."""
        with self._lock:
            found = self._storage.read(self._assignment.bucket, self.name)
            if found is None:
                raise NotOurs(f"gs://{self._assignment.bucket}/{self.name} does not exist: nobody waits for this run")
            document = json.loads(found[0])
            if not isinstance(document, dict):
                raise NotOurs(f"{self.name} is no JSON object")
            self._document, self._generation = document, found[1]
            return document

    @property
    def cancel_requested(self) -> bool:
        return self._document.get("cancelRequested") is True

    def get(self, key: str) -> Any:
        return self._document.get(key)

    def remember(self, **more: Any) -> None:
        """Goes into the status with whatever is written next, the heartbeat at the latest; `None` takes a key out."""
        with self._lock:
            self._more = {**self._more, **more}

    def booting(self, machine: Machine, restart: bool) -> None:
        def change(document: dict[str, Any]) -> None:
            document.setdefault(
                "machine", {"name": machine.name, "zone": machine.zone, "type": machine.type, "spot": machine.spot}
            )
            if machine.image:
                document["machine"].setdefault("image", machine.image)
            if restart:
                document["restarts"] = int(document.get("restarts", 0)) + 1

        self.phase("booting", change=change)

    def phase(
        self,
        phase: str,
        *,
        reason: str = "",
        exit_code: int | None = None,
        metrics: dict[str, Any] | None = None,
        change: Callable[[dict[str, Any]], None] | None = None,
        retry_seconds: float | None = None,
    ) -> None:
        """Moves the run to `phase`; `NotOurs` if it is no longer this machine's to move."""

        def apply(document: dict[str, Any]) -> None:
            if not states.may_write(document["phase"], phase):
                raise ValueError(f"phase {phase} may not follow {document['phase']}")
            now = format_time(clock.now())
            document["phase"] = phase
            times = document.setdefault("times", {})
            if phase in states.TERMINAL or phase == "preempted":
                times["ended"] = now
            else:
                times[phase] = now
            _set(document, "reason", one_line(reason) or None)
            if exit_code is not None:
                document["exitCode"] = exit_code
            if metrics is not None:
                document["metrics"] = metrics
            if change is not None:
                change(document)

        self._write(apply, retry_seconds)

    def note(self, reason: str) -> None:
        """Says what takes long, without a change of phase."""
        self._write(lambda document: _set(document, "reason", one_line(reason) or None), None)

    def beat(self) -> None:
        """The heartbeat; it does not wait long for a storage service that is away, the next one follows."""
        self._write(lambda document: None, 5)

    def _write(self, change: Callable[[dict[str, Any]], None], retry_seconds: float | None) -> None:
        with self._lock:
            for _ in range(RACES):
                self._check()
                document = json.loads(json.dumps(self._document))
                change(document)
                for key, value in self._more.items():
                    _set(document, key, value)
                document["heartbeat"] = format_time(clock.now())
                text = json.dumps(document, indent=2, allow_nan=False).encode() + b"\n"
                try:
                    self._generation = self._storage.write(
                        self._assignment.bucket,
                        self.name,
                        text,
                        "application/json",
                        if_generation_match=self._generation,
                        retry_seconds=retry_seconds,
                    )
                    self._document = document
                    return
                except HttpError as error:
                    if error.status != 412:
                        raise
                # Either somebody else wrote, or our own write arrived although its answer was lost.
                if self.load() == document:
                    return
            raise RuntimeError(f"{self.name} changes faster than it can be written")

    def _check(self) -> None:
        attempt = self._document.get("attempt")
        if attempt != self._assignment.attempt:
            raise NotOurs(f"the run is at attempt {attempt}; this machine is attempt {self._assignment.attempt}")
        there, mine = self._document.get("machine"), self._machine
        if mine is not None and isinstance(there, dict):
            place = (there.get("name"), there.get("zone"))
            if place != (mine.name, mine.zone):
                raise NotOurs(
                    f"attempt {attempt} is on {place[0]} in {place[1]}; this machine is {mine.name} in {mine.zone}"
                )
        phase = self._document.get("phase")
        if phase in states.TERMINAL or phase == "preempted" or phase not in states.NEXT:
            raise NotOurs(f"the run has ended: {phase}")


def _set(document: dict[str, Any], key: str, value: Any) -> None:
    if value is None:
        document.pop(key, None)
    else:
        document[key] = value
