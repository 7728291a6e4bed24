"""Signs of life: who has to move, how long it may stand still, and the thread that tells systemd's watchdog."""

from __future__ import annotations

import threading
import time
from typing import Callable

from . import limits, systemd

_lock = threading.Lock()
_local = threading.local()
_parts: dict[str, tuple[float, float]] = {}


def current() -> str:
    """The part that the calling thread moves for: its own name, or what `act_for` said."""
    return getattr(_local, "part", threading.current_thread().name)


def act_for(part: str) -> None:
    """The calling thread works for `part` from now on."""
    _local.part = part


def begin(part: str, seconds: float) -> None:
    """From now on `part` (a thread's name) may stand still for at most `seconds`."""
    with _lock:
        _parts[part] = (seconds, time.monotonic())


def beat() -> None:
    """The calling thread moves."""
    part = current()
    with _lock:
        if part in _parts:
            _parts[part] = (_parts[part][0], time.monotonic())


def end(part: str) -> None:
    """`part` has nothing more to do."""
    with _lock:
        _parts.pop(part, None)


def stuck() -> list[str]:
    """What stands still for longer than it may, with the seconds."""
    now = time.monotonic()
    with _lock:
        return [f"{part} ({now - last:.0f} s)" for part, (seconds, last) in _parts.items() if now - last > seconds]


class Watchdog(threading.Thread):
    """Feeds systemd's watchdog as long as everything moves: a supervisor that hangs is ended, and the machine goes."""

    def __init__(self, say: Callable[[str], None]) -> None:
        super().__init__(name="watchdog", daemon=True)
        self._say = say

    def run(self) -> None:
        said = False
        while True:
            still = stuck()
            if not still:
                systemd.notify("WATCHDOG=1")
            elif not said:
                self._say(f"this supervisor hangs: {', '.join(still)} stands still; systemd's watchdog will end it")
            said = bool(still)
            time.sleep(limits.WATCHDOG_SECONDS)
