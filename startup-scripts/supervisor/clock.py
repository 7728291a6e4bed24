"""What time it is, by Google's clock: a machine's own may jump, and the deadline is an absolute time."""

from __future__ import annotations

import threading
import time
from email.utils import parsedate_to_datetime

# An answer's Date may be this far from what is believed and is still an ordinary correction.
NEAR_SECONDS = 300.0

_lock = threading.Lock()
# Google's time minus the monotonic clock; `None` until the first answer: the machine's own clock counts.
_offset: float | None = None
_doubt: float | None = None


def monotonic() -> float:
    """Seconds that only go forward, also while the machine is suspended."""
    boot = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boot is None else time.clock_gettime(boot)


def now() -> float:
    """Seconds since 1970: the last answer's Date and the time since then."""
    offset = _offset
    return time.time() if offset is None else monotonic() + offset


def observe(date: str | None) -> None:
    """Takes the Date header of an answer. One that is far off counts only when the next one agrees with it."""
    global _offset, _doubt
    if not date:
        return
    try:
        # A Date has whole seconds: on average half a second has passed.
        offset = parsedate_to_datetime(date).timestamp() + 0.5 - monotonic()
    except (TypeError, ValueError, OverflowError):
        return
    with _lock:
        if _offset is None or (_doubt is not None and abs(offset - _doubt) <= NEAR_SECONDS):
            _offset, _doubt = offset, None
        elif abs(offset - _offset) <= NEAR_SECONDS:
            _offset, _doubt = (_offset if abs(offset - _offset) < 1 else offset), None
        else:
            _doubt = offset


def forget() -> None:
    """As if no answer had come yet."""
    global _offset, _doubt
    with _lock:
        _offset = _doubt = None
