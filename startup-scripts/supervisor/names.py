"""Host names to addresses, remembered: a name server that is away must not take the run with it."""

from __future__ import annotations

import socket
import threading
import time
from typing import Any

# Google's addresses stay for hours; one that no longer answers is asked for again.
FRESH_SECONDS = 600.0
# One address of several gets no more than this.
TRY_SECONDS = 15.0

_lock = threading.Lock()
_known: dict[tuple[str, int], tuple[float, list[tuple[str, int]]]] = {}


def resolve(host: str, port: int, again: bool = False) -> list[tuple[str, int]]:
    """Addresses of `host`; those of an earlier time if no name server answers."""
    now = time.monotonic()
    with _lock:
        found = _known.get((host, port))
    if found is not None and not again and now - found[0] < FRESH_SECONDS:
        return found[1]
    try:
        answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        if found is not None:
            return found[1]
        raise
    addresses = list(dict.fromkeys((str(answer[4][0]), int(answer[4][1])) for answer in answers))
    with _lock:
        _known[(host, port)] = (now, addresses)
    return addresses


def connect(address: tuple[str, int], timeout: Any = None, source_address: Any = None) -> socket.socket:
    """`socket.create_connection` with the remembered addresses."""
    problem: OSError = OSError(f"{address[0]} has no address")
    whole = float(timeout) if isinstance(timeout, (int, float)) else 60.0
    end = time.monotonic() + whole
    for again in (False, True):
        for found in resolve(*address, again=again):
            left = end - time.monotonic()
            if left <= 0:
                raise problem
            try:
                connection = socket.create_connection(found, min(left, TRY_SECONDS), source_address)
                connection.settimeout(whole)
                return connection
            except OSError as error:
                problem = error
    raise problem
