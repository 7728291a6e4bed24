"""Debian packages that stock images lack, with patience for the locks that upgrades hold at first boot."""

from __future__ import annotations

import fcntl
import os
import time
from typing import Callable, IO

from . import limits
from .child import run_child
from .errors import RunFailed
from .paths import root
from .stop import Stop

LOCKS = ("/var/lib/dpkg/lock-frontend", "/var/lib/dpkg/lock", "/var/lib/apt/lists/lock", "/var/cache/apt/archives/lock")


def locked() -> str | None:
    """The first of apt's lock files that another process holds."""
    for lock in LOCKS:
        try:
            with open(root(lock), "r+b") as file:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except FileNotFoundError:
            continue
        except OSError:
            return lock
    return None


def wait_for_locks(stop: Stop, say: Callable[[str], None]) -> None:
    """Returns when no lock is held; `RunFailed` after the limit."""
    end = time.monotonic() + limits.APT_LOCK_SECONDS
    said = ""
    while True:
        lock = locked()
        if lock is None:
            return
        if lock != said:
            say(f"waiting for another apt or dpkg to end (it holds {lock})")
            said = lock
        if time.monotonic() > end:
            raise RunFailed(f"apt was busy for {limits.APT_LOCK_SECONDS:.0f} s: another process holds {lock}")
        if stop.wait(1):
            stop.check()


def install(packages: list[str], stop: Stop, output: IO[bytes], say: Callable[[str], None]) -> None:
    if os.geteuid() != 0:
        raise RunFailed(
            f"{' '.join(packages)} is missing and only root can install it: apt-get install {' '.join(packages)}"
        )
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    env.setdefault("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
    wait = ["-o", "DPkg::Lock::Timeout=60"]
    code = 0
    # Between our look and apt's own an upgrade may take the lock again: a second and a third try.
    for _ in range(3):
        wait_for_locks(stop, say)
        for command in (
            ["apt-get", *wait, "update", "-q"],
            ["apt-get", *wait, "install", "-q", "-y", "--no-install-recommends", *packages],
        ):
            try:
                code = run_child(
                    command,
                    stop,
                    output=output,
                    env=env,
                    cwd="/",
                    seconds=limits.INSTALL_SECONDS,
                    what=" ".join(command),
                )
            except FileNotFoundError:
                raise RunFailed(
                    f"{' '.join(packages)} is missing and this image has no apt-get to install it"
                ) from None
            if code != 0:
                break
        if code == 0:
            return
        if stop.wait(2):
            stop.check()
    raise RunFailed(f"apt-get could not install {' '.join(packages)}: exit {code}")
