"""ExecStopPost: what is reported when the supervisor itself was ended, and the order to delete the machine."""

from __future__ import annotations

import os
import time

from . import clock, states, systemd
from . import spec as spec_file
from .errors import MachineUnusable, NotOurs
from .metadata import Metadata
from .rest import Client
from .status import Status
from .storage import Storage

# All of it must fit into TimeoutStopSec.
SECONDS = 12.0


def verdict(
    result: str, status: str, *, preempted: bool, shutting_down: bool, past_deadline: bool
) -> tuple[str, str] | None:
    """Final phase and reason by systemd's words for the unit's end; `None`: a later boot or the reconciler decides."""
    if preempted:
        return "preempted", "Google took the Spot machine back"
    if past_deadline:
        return "timedOut", "time limit reached"
    if shutting_down:
        return None
    words = {
        "success": "somebody stopped its unit",
        "watchdog": "it did not answer systemd's watchdog",
        "timeout": "it did not end in time",
        "protocol": "it ended before it was ready",
        "oom-kill": "the machine's memory was full",
    }
    return "failed", f"the supervisor was ended: {words.get(result, f'{result}, {status}')}"


def main() -> int:
    result = os.environ.get("SERVICE_RESULT", "success")
    going_down = systemd.shutting_down()
    if result == "success" and going_down:
        return 0
    try:
        report(result, os.environ.get("EXIT_STATUS", ""), going_down)
    except NotOurs as error:
        print(f"[ml-training] nothing to report: {error}", flush=True)
    except Exception as error:  # the machine must go all the same
        print(f"[ml-training] the end could not be reported: {error}", flush=True)
    # Also after an end in good order: then the machine is gone or going, and a second order changes nothing.
    if not going_down:
        systemd.start_deletion()
    return 0


def report(result: str, exit_status: str, going_down: bool) -> None:
    metadata = Metadata(patience=3)
    assignment = metadata.assignment()
    client = Client(metadata.token)
    client.hurry(time.monotonic() + SECONDS)
    storage = Storage(client)
    status = Status(storage, assignment)
    if states.boot(status.load(), assignment.attempt) == "leave":
        return
    try:
        deadline = spec_file.parse_time(str(status.get("deadline")))
    except ValueError:
        raise MachineUnusable("status.json has no deadline") from None
    decision = verdict(
        result,
        exit_status,
        preempted=going_down and metadata.preempted(),
        shutting_down=going_down,
        past_deadline=clock.now() >= deadline,
    )
    if decision is not None:
        status.phase(decision[0], reason=decision[1])
        print(f"[ml-training] {decision[0]}: {decision[1]}", flush=True)
