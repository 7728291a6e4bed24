"""What systemd is told: ready, alive, and how long the unit may run. Without systemd all of this does nothing."""

from __future__ import annotations

import os
import socket
import subprocess
import time

from . import limits
from .paths import root

UNIT = "ml-training.service"
STARTED = time.monotonic()


def notify(state: str) -> None:
    """Sends `READY=1`, `WATCHDOG=1`, … if systemd asked for it."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        try:
            channel.connect("\0" + address[1:] if address.startswith("@") else address)
            channel.send(state.encode())
        except OSError:
            return  # systemd's watchdog notices, if it matters


def limit_runtime(seconds_left: float) -> bool:
    """Sets the running unit's RuntimeMaxSec, counted by systemd from the unit's start. Whether it was set."""
    if not os.environ.get("NOTIFY_SOCKET"):
        return False
    # The supervisor itself stops the trainer before the deadline and saves; systemd ends what hangs after it.
    seconds = int(time.monotonic() - STARTED + max(0.0, seconds_left) + limits.RUNTIME_GRACE_SECONDS)
    folder = root(f"/run/systemd/system/{UNIT}.d")
    try:
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, "50-deadline.conf"), "w", encoding="ascii") as file:
            file.write(f"[Service]\nRuntimeMaxSec={seconds}\n")
        subprocess.run(["systemctl", "daemon-reload"], check=True, capture_output=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return False
    return True


def shutting_down() -> bool:
    """Whether the whole machine is going down (and not only this unit)."""
    try:
        answer = subprocess.run(
            ["systemctl", "is-system-running"], capture_output=True, text=True, timeout=5, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return answer.stdout.strip() == "stopping"


def start_deletion() -> None:
    """Starts the unit that deletes the machine; it has time to retry, which ExecStopPost has not."""
    command = ["systemctl", "start", "--no-block", "ml-training-delete.service"]
    subprocess.run(command, capture_output=True, timeout=10, check=False)
