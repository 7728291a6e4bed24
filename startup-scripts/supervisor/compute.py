"""The machine removes itself through the Compute Engine API: a power-off alone would leave a billed disk."""

from __future__ import annotations

import os
import signal
import time
from types import FrameType
from typing import Callable

from . import limits
from .metadata import Machine
from .rest import Client, HttpError, Response, endpoint


def delete_machine(client: Client, machine: Machine, log: Callable[[str], None]) -> bool:
    """Asks for the machine's deletion and waits for it, which ends this process. False: it could not be deleted.

    403 is retried: the right to delete may reach the API minutes after it was granted.
    """
    base = f"{endpoint('compute')}/compute/v1/projects/{machine.project}/zones/{machine.zone}"
    end = time.monotonic() + limits.RETRY_SECONDS
    log(f"deleting this machine ({machine.name})")
    before = signal.getsignal(signal.SIGTERM)
    pressed = False

    def remember(number: int, frame: FrameType | None) -> None:
        nonlocal pressed
        pressed = True
        if callable(before):
            before(number, frame)
        else:
            _go(number, frame)

    # The power button of the deletion may be pressed before the answer is here that accepts it.
    signal.signal(signal.SIGTERM, remember)
    while True:
        left = end - time.monotonic()
        try:
            _, operation, _ = client.send(
                "DELETE",
                f"{base}/instances/{machine.name}",
                consume=Response.json,
                retry_seconds=max(0.0, left),
            )
        except HttpError as error:
            if error.status == 404:
                return True
            log(f"this machine could not delete itself: {error}; its time limit (maxRunDuration) will")
            return False
        # Accepted: the power button that follows is the deletion itself. Waiting on would only make it wait for us.
        signal.signal(signal.SIGTERM, _go)
        if pressed:
            _go(signal.SIGTERM, None)
        problem = _wait(client, f"{base}/operations/{operation.get('name', '')}", end)
        if problem is None:
            return True
        if time.monotonic() > end:
            log(f"this machine could not delete itself: {problem}; its time limit (maxRunDuration) will")
            return False
        log(f"deletion failed, trying again: {problem}")
        time.sleep(2)


def _go(_number: int, _frame: FrameType | None) -> None:
    # Not sys.exit: it would wait for threads that still try to reach a service that is away.
    os._exit(0)


def _wait(client: Client, url: str, end: float) -> str | None:
    """`None` when the operation is done without error; else what went wrong."""
    while time.monotonic() < end:
        time.sleep(1)
        try:
            _, operation, _ = client.send(
                "GET", url, consume=Response.json, retry_seconds=max(0.0, end - time.monotonic())
            )
        except HttpError as error:
            return str(error)
        if operation.get("status") == "DONE":
            errors = operation.get("error", {}).get("errors", [])
            return "; ".join(str(e.get("message", e)) for e in errors) if errors else None
    return "the deletion did not end in time"
