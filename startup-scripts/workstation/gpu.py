"""A machine with a GPU: its driver may still be on its way at the first boot."""

from __future__ import annotations

import glob
import os
import time
from typing import Callable

from .places import root
from .tools import StepFailed, capture, one_line

NVIDIA = "0x10de"
WAIT_SECONDS = float(os.environ.get("ML_TRAINING_GPU_SECONDS") or 600)
# A driver's installation and unattended upgrades fight for apt's locks, and an upgraded kernel lacks the driver.
UPGRADES = ("unattended-upgrades.service", "apt-daily.timer", "apt-daily-upgrade.timer", "apt-daily.service", "apt-daily-upgrade.service")


def present() -> bool:
    for path in glob.glob(root("/sys/bus/pci/devices/*/vendor")):
        try:
            with open(path, encoding="ascii") as file:
                if file.read().strip() == NVIDIA:
                    return True
        except OSError:
            continue
    return False


def hold_upgrades() -> None:
    """Until the driver works. In a way that the next boot forgets."""
    capture(["systemctl", "mask", "--runtime", "--now", *UPGRADES], 120)


def release_upgrades() -> None:
    capture(["systemctl", "unmask", "--runtime", *UPGRADES], 60)
    capture(["systemctl", "start", *(unit for unit in UPGRADES if not unit.startswith("apt-daily") or unit.endswith(".timer"))], 60)


def wait(note: Callable[[str], None]) -> str:
    """What `nvidia-smi` lists, once it answers; `StepFailed` after the limit."""
    end = time.monotonic() + WAIT_SECONDS
    note("waiting for the NVIDIA driver")
    while True:
        code, said = capture(["nvidia-smi", "-L"], 60)
        if code == 0 and said:
            note("")
            return one_line(said)
        if time.monotonic() > end:
            raise StepFailed(
                f"the NVIDIA driver did not come up within {WAIT_SECONDS:.0f} s (nvidia-smi: exit {code}, {one_line(said, 120)}); "
                "choose a current GPU image, or see its own log: journalctl -b"
            )
        time.sleep(5 if WAIT_SECONDS > 30 else 0.2)
