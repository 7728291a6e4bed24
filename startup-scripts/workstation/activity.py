"""Signs of work on this machine. An open tab, a tunnel and an idle kernel are none."""

from __future__ import annotations

import datetime
import glob
import os
from dataclasses import dataclass
from typing import Any

from .places import root
from .tools import capture

# Of one core, on average since the last look: more than a browser tab, TensorBoard or a mount cost, less than any work.
CPU_PERCENT = 30.0
GPU_PERCENT = 5.0
# Their own work is done for others, who show it themselves.
NOT_PEOPLE = ("mlt-tensorboard.service", "mlt-bucket.service")
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Sign:
    """The last work of one kind: what, and when (seconds since 1970)."""

    what: str
    at: float


def look(now: float, memory: dict[str, Any], kernels: list[dict[str, Any]] | None) -> list[Sign]:
    """All signs. `memory` is kept from look to look; `kernels` is Jupyter's list."""
    signs = [*of_kernels(now, kernels), *of_terminals(now), *of_commands(now), *of_cpu(now, memory)]
    # The GPU's own program costs the most: it is asked only if nothing else decides.
    if not any(sign.at >= now for sign in signs):
        signs += of_gpu(now)
    return signs


def of_kernels(now: float, listed: list[dict[str, Any]] | None) -> list[Sign]:
    """A kernel that is busy works now; one that is idle worked when it last executed."""
    signs = []
    for kernel in listed or []:
        if kernel.get("execution_state") == "busy":
            signs.append(Sign("a notebook's kernel is busy", now))
            continue
        at = seconds_of(str(kernel.get("last_activity", "")))
        if at is not None:
            signs.append(Sign("a notebook's kernel worked", min(at, now)))
    return signs


def seconds_of(text: str) -> float | None:
    try:
        return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
    except ValueError:
        return None


def of_terminals(now: float) -> list[Sign]:
    """The kernel notes when a terminal is read from, which is when somebody types; output changes another time."""
    signs = []
    for path in glob.glob(root("/dev/pts/[0-9]*")):
        try:
            signs.append(Sign("somebody typed on a terminal", min(os.stat(path).st_atime, now)))
        except OSError:
            continue
    return signs


def of_commands(now: float) -> list[Sign]:
    """Commands in the background (`mlt exec`)."""
    states = "--state=active,activating,deactivating,reloading"
    code, said = capture(["systemctl", "list-units", "--type=service", states, "--plain", "--no-legend", "mlt-exec-*.service"])
    return [Sign("a background command runs", now)] if code == 0 and said else []


def of_cpu(now: float, memory: dict[str, Any]) -> list[Sign]:
    """What people's processes used since the last look, their ended children included."""
    used = people_seconds()
    before, at = memory.get("cpuSeconds"), memory.get("cpuAt")
    memory.update(cpuSeconds=used, cpuAt=now)
    if not isinstance(before, (int, float)) or not isinstance(at, (int, float)) or now <= at:
        return []
    percent = 100 * (used - before) / (now - at)
    memory["cpuPercent"] = round(max(0.0, percent), 1)
    return [Sign(f"processes use {percent:.0f} % of a core", now)] if percent >= CPU_PERCENT else []


def people_seconds() -> float:
    """CPU time of all living processes of people and of their ended children.

    A child that is waited for adds its time to its parent's, so the sum only grows by what is really used.
    """
    total = 0
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            owner = os.stat(f"/proc/{pid}").st_uid
            if owner < 1000 or owner == 65534:
                continue
            with open(f"/proc/{pid}/stat", "rb") as file:
                # The program's name may hold anything; the fields follow its last parenthesis.
                fields = file.read().rpartition(b")")[2].split()
            with open(f"/proc/{pid}/cgroup", encoding="utf-8", errors="replace") as file:
                group = file.read()
        except (OSError, IndexError):
            continue
        if not any(unit in group for unit in NOT_PEOPLE):
            total += sum(int(fields[index]) for index in (11, 12, 13, 14))
    return total / TICKS


def of_gpu(now: float) -> list[Sign]:
    if not os.path.exists("/usr/bin/nvidia-smi") and not os.environ.get("ML_TRAINING_NVIDIA_SMI"):
        return []
    program = os.environ.get("ML_TRAINING_NVIDIA_SMI") or "nvidia-smi"
    code, said = capture([program, "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"], 20)
    used = [float(line) for line in said.split("\n") if line.strip().replace(".", "", 1).isdigit()] if code == 0 else []
    return [Sign(f"the GPU is used by {max(used):.0f} %", now)] if used and max(used) >= GPU_PERCENT else []


