"""The package's command: no shell, its own process group, an unprivileged user, the contract's environment."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import time
from typing import IO

from .child import run_child
from .errors import RunFailed
from .metadata import Assignment
from .paths import Paths
from .spec import Spec, format_time
from .stop import Stop

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# `import ml_training_checkpoint` works in a package without a line in its requirements.txt.
HELPERS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "python")
# What belongs to the supervisor or to systemd and would mislead a trainer.
PRIVATE = (
    "NOTIFY_SOCKET",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
    "INVOCATION_ID",
    "JOURNAL_STREAM",
    "MLT_INIT",
    "PYTHONPATH",
)


def user() -> tuple[int, int] | None:
    """User and group of the trainer, if the machine's unit names one and we may change to it."""
    name = os.environ.get("ML_TRAINING_USER")
    if not name or os.geteuid() != 0:
        return None
    entry = pwd.getpwnam(name)
    return entry.pw_uid, entry.pw_gid


def environment(spec: Spec, assignment: Assignment, paths: Paths) -> dict[str, str]:
    """What the trainer sees: docs/run-contract.md, "The trainer's environment"."""
    inherited = {
        key: value
        for key, value in os.environ.items()
        if key not in PRIVATE and not key.startswith(("ML_TRAINING_", "SYSTEMD_", "BASH_FUNC_"))
    }
    return {
        "LANG": "C.UTF-8",
        **inherited,
        "PATH": f"{paths.venv}/bin:{inherited.get('PATH', PATH)}",
        "VIRTUAL_ENV": paths.venv,
        "HOME": paths.home,
        "PYTHONUNBUFFERED": "1",
        "DATA_DIR": paths.data,
        "OUTPUT_DIR": paths.output,
        "CHECKPOINT_DIR": paths.checkpoints,
        "PYTHONPATH": HELPERS,
        "RUN_ID": spec.id,
        "GOOGLE_CLOUD_PROJECT": spec.project,
        "ML_TRAINING_ENVIRONMENT": spec.environment,
        "ML_TRAINING_BUCKET": spec.data_bucket,
        "ML_TRAINING_SCRATCH_BUCKET": spec.scratch_bucket,
        "ML_TRAINING_ATTEMPT": str(assignment.attempt),
        "ML_TRAINING_DEADLINE": format_time(spec.deadline),
    }


def run(spec: Spec, assignment: Assignment, paths: Paths, stop: Stop, output: IO[bytes]) -> int:
    """The command's exit code."""
    env = environment(spec, assignment, paths)
    program = shutil.which(spec.command[0], path=env["PATH"])
    if program is None and "/" in spec.command[0]:
        program = shutil.which(os.path.join(paths.package, spec.command[0]))
    if program is None:
        raise RunFailed(f"command not found: {spec.command[0]}")

    def started(process: int) -> None:
        with open(paths.trainer, "w", encoding="ascii") as file:
            file.write(f"{process} {_start_time(process)}")

    try:
        return run_child(
            [program, *spec.command[1:]],
            stop,
            output=output,
            env=env,
            cwd=paths.package,
            user=user(),
            started=started,
        )
    except OSError as error:
        raise RunFailed(f"command cannot be started: {spec.command[0]}: {error.strerror}") from error


def end_leftover(paths: Paths) -> bool:
    """Ends the trainer of a supervisor that was killed, if it still runs: it would write where the next one reads."""
    try:
        with open(paths.trainer, encoding="ascii") as file:
            process, started = file.read().split()
        if _start_time(int(process)) != started:
            return False
        os.killpg(int(process), signal.SIGKILL)
    except (OSError, ValueError):
        return False
    for _ in range(100):
        if _start_time(int(process)) != started:
            break
        time.sleep(0.05)
    return True


def _start_time(process: int) -> str:
    """What tells a process from a later one with the same number; empty if there is none."""
    try:
        with open(f"/proc/{process}/stat", "rb") as file:
            fields = file.read().rsplit(b")", 1)[1].split()
    except (OSError, IndexError):
        return ""
    return "" if fields[0] in (b"Z", b"X") else fields[19].decode("ascii")
