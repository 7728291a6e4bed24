"""Child processes in groups of their own, ended when a stop is asked for."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from typing import IO, Any, Callable

from . import alive
from .errors import RunFailed, Stopped
from .stop import Stop


def run_child(
    command: list[str],
    stop: Stop,
    *,
    output: IO[bytes],
    env: dict[str, str],
    cwd: str,
    user: tuple[int, int] | None = None,
    seconds: float | None = None,
    what: str = "",
    tick: Callable[[], None] | None = None,
    started: Callable[[int], None] | None = None,
) -> int:
    """Runs `command` (no shell), both its outputs to `output`; its exit code, 128 + n for signal n.

    `Stopped` if a stop came first; `RunFailed` after `seconds`. Its whole process group is gone when this returns.
    """
    options: dict[str, Any] = {}
    if user is not None:
        options = {"user": user[0], "group": user[1], "extra_groups": []}
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        env=env,
        cwd=cwd,
        start_new_session=True,
        **options,
    )
    _expendable(process.pid)
    handle = _handle(process.pid)
    end = None if seconds is None else time.monotonic() + seconds
    try:
        if started is not None:
            started(process.pid)
        while True:
            alive.beat()
            code = _wait(process, handle, 0.2)
            if code is not None:
                return code if code >= 0 else 128 - code
            if tick is not None:
                tick()
            if stop.asked:
                _end(process, stop)
                raise Stopped(stop.reason, by_itself=process.returncode is not None and process.returncode >= 0)
            if end is not None and time.monotonic() > end:
                raise RunFailed(f"{what or command[0]} did not end within {seconds:.0f} s")
    finally:
        # What the command left behind in its group would go on using the machine.
        _signal(process.pid, signal.SIGKILL)
        process.wait()
        if handle is not None:
            os.close(handle)


def _end(process: subprocess.Popen[bytes], stop: Stop) -> None:
    """SIGTERM, then time to save (less if the power goes), before the caller's SIGKILL."""
    _signal(process.pid, signal.SIGTERM)
    began = time.monotonic()
    while process.poll() is None and time.monotonic() < began + stop.grace:
        alive.beat()
        time.sleep(0.05)


def _handle(process: int) -> int | None:
    """A file descriptor that becomes readable when the process ends; `None` where there is no such thing."""
    try:
        return os.pidfd_open(process)  # type: ignore[attr-defined,no-any-return]
    except (AttributeError, OSError):
        return None


def _wait(process: subprocess.Popen[bytes], handle: int | None, seconds: float) -> int | None:
    """The process's exit code, if it ends within `seconds`."""
    if handle is None:
        # Looks twenty times a second, which a machine notices.
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    poll.poll(seconds * 1000)
    return process.poll()


def _expendable(process: int) -> None:
    """When memory runs out this process goes, and not the supervisor, whose score it would have inherited."""
    try:
        with open(f"/proc/{process}/oom_score_adj", "w", encoding="ascii") as file:
            file.write("500")
    except OSError:
        pass  # no Linux, or the process is gone


def _signal(group: int, number: int) -> None:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        pass
