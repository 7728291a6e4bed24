"""Once a minute: the heartbeat, and whether the machine stops because nobody works on it."""

from __future__ import annotations

import os
import time
from typing import Any

from . import activity, config, places, servers
from .cloud import Cloud, CloudError, Metadata
from .idle import decide
from .places import now_text, read_json, write_json
from .state import State, log_line
from .status import compose, parts, publish, publish_log
from .tools import capture, one_line

# A shutdown takes effect within this; if it has not, services are no longer waited for.
STOP_SECONDS = float(os.environ.get("ML_TRAINING_STOP_SECONDS") or 120)


def main() -> int:
    state = State.load()
    metadata = Metadata(patience=5)
    cloud = Cloud(metadata, patience=5)
    if state is None:
        return 0
    now = time.time()
    memory: dict[str, Any] = read_json(places.ACTIVITY_FILE) or {}
    # The first look of this boot is its first sign of work: a machine that was started is given its whole time.
    memory.setdefault("at", now)
    memory.setdefault("what", "the machine started")
    limit = idle_seconds(metadata, memory)
    listed = servers.kernels()
    signs = [activity.Sign(memory["what"], memory["at"]), *activity.look(now, memory, listed)]
    decision = decide(now, signs, limit, state.value["phase"] == "installing")
    memory.update(at=decision.last.at, what=decision.last.what)
    write_json(places.ACTIVITY_FILE, memory)

    seen = parts(jupyter=listed is not None)
    if state.value["phase"] in ("ready", "failed") and not state.heal(seen):
        state.tell(decision.stops_at)
    more: dict[str, Any] = {
        "activity": decision.last.what,
        "idleSince": now_text(decision.last.at),
        "idleMinutes": limit / 60,
    }
    if decision.stops_at is not None:
        more["stopsAt"] = now_text(decision.stops_at)
    if not decision.stop and state.value["phase"] == "stopping":
        # Somebody came back before the machine went.
        memory.pop("stopAskedAt", None)
        write_json(places.ACTIVITY_FILE, memory)
        state.value.pop("stoppingAt", None)
        state.end()
    if decision.stop and state.value["phase"] != "stopping":
        state.stopping(f"nobody has worked here for {duration(now - decision.last.at)} (the last: {decision.last.what})")
        log_line(f"stopping: {state.value['reason']}")
    try:
        publish(cloud, compose(state, seen, more))
        publish_log(cloud, state.value["bucket"])
    except (CloudError, OSError) as problem:
        log_problem(memory, problem)
    if decision.stop:
        stop(memory, now)
    return 0


def idle_seconds(metadata: Metadata, memory: dict[str, Any]) -> float:
    """As the metadata says now: it may be changed while the machine runs. Without an answer, as it said last."""
    try:
        memory["idleSeconds"] = config.read(metadata).idle_seconds
    except CloudError:
        pass
    return float(memory.get("idleSeconds", config.IDLE_MINUTES * 60))


def stop(memory: dict[str, Any], now: float) -> None:
    """Switches this machine off: that needs no right and no network. Compute Engine lists it as stopped and keeps its disks."""
    asked = memory.get("stopAskedAt")
    if isinstance(asked, (int, float)):
        if now - asked <= STOP_SECONDS:
            return
        log_line("this machine has not gone off: its services are no longer waited for")
        capture(["systemctl", "poweroff", "--force"])
        return
    code, said = capture(["systemctl", "poweroff"])
    if code != 0:
        log_line(f"this machine could not be switched off (exit {code}, {one_line(said)}); it is tried again in a minute")
        return
    memory["stopAskedAt"] = now
    write_json(places.ACTIVITY_FILE, memory)


def log_problem(memory: dict[str, Any], problem: Exception) -> None:
    """Once, and not every minute."""
    text = one_line(problem)
    if memory.get("problem") != text:
        log_line(f"the status could not be written: {text}")
        memory["problem"] = text
        write_json(places.ACTIVITY_FILE, memory)


def duration(seconds: float) -> str:
    minutes = int(seconds // 60)
    return f"{minutes} minutes" if minutes > 1 else f"{int(seconds)} seconds"
