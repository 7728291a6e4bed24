"""Why the work is broken off, and when: the one thing that every thread of the supervisor looks at."""

from __future__ import annotations

import threading
import time

from . import limits
from .errors import Stopped


class Stop:
    """`reason` is the first that was asked for; a shutdown that comes later only shortens the time."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._lock = threading.RLock()
        self.reason: str | None = None
        self.detail = ""
        # When the machine is switched off (monotonic seconds); None: it is not being switched off.
        self.power_off: float | None = None
        # The power button was pressed (SIGTERM), and: Google takes the machine back.
        self.pressed = False
        self.preempted = False

    def ask(self, reason: str, detail: str = "") -> None:
        """`shutdown`, `deadline`, `cancel` or `notOurs`."""
        with self._lock:
            if reason == "shutdown" and self.power_off is None:
                self.power_off = time.monotonic() + limits.SHUTDOWN_SECONDS
            if self.reason is None:
                self.reason, self.detail = reason, detail
        self._event.set()

    @property
    def words(self) -> str:
        """The reason, for a person."""
        if self.preempted:
            return "Google takes this machine back"
        words = {
            "shutdown": "the machine is being switched off",
            "deadline": "the time limit is near",
            "cancel": "cancelled on request",
            "notOurs": "the run goes on elsewhere, or has ended",
        }
        return f"{words.get(self.reason or '', self.reason)}{f' ({self.detail})' if self.detail else ''}"

    def taken_back(self) -> None:
        """Google takes the machine back: the power button follows, or was pressed already."""
        self.preempted = True
        self.ask("shutdown", "preempted")

    @property
    def asked(self) -> bool:
        return self._event.is_set()

    def check(self) -> None:
        """Raises `Stopped` if a stop was asked for: called between the steps of longer work."""
        if self.asked:
            raise Stopped(self.reason)

    def wait(self, seconds: float) -> bool:
        return self._event.wait(seconds)

    @property
    def grace(self) -> float:
        """Seconds that a child has between SIGTERM and SIGKILL."""
        return limits.GRACE_SECONDS if self.power_off is None else limits.SHUTDOWN_GRACE_SECONDS
