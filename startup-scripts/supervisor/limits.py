"""Times and sizes, in one place. Those that a slow or a test machine may want to change come from the environment."""

from __future__ import annotations

import os


def _seconds(name: str, default: float) -> float:
    text = os.environ.get(name, "")
    try:
        value = float(text)
    except ValueError:
        return default
    return value if value > 0 else default


# The heartbeat in status.json; readers call a machine lost when it is 60 s old.
HEARTBEAT_SECONDS = _seconds("ML_TRAINING_HEARTBEAT_SECONDS", 10)
# The log is never more than 10 s behind.
LOG_SECONDS = _seconds("ML_TRAINING_LOG_SECONDS", 5)
# A new IAM binding needs minutes to reach every server: 403 is retried as long as this, like 429 and 5xx.
RETRY_SECONDS = _seconds("ML_TRAINING_RETRY_SECONDS", 600)
# First boot: unattended upgrades may hold apt's locks for minutes.
APT_LOCK_SECONDS = _seconds("ML_TRAINING_APT_LOCK_SECONDS", 300)
# What a trainer has between SIGTERM and SIGKILL when the deadline came or the run was cancelled.
GRACE_SECONDS = _seconds("ML_TRAINING_GRACE_SECONDS", 10)
# From the power button to the power cut Google gives 30 s; systemd stops us after TimeoutStopSec=24.
SHUTDOWN_SECONDS = _seconds("ML_TRAINING_SHUTDOWN_SECONDS", 20)
SHUTDOWN_GRACE_SECONDS = 5.0
# How long before the deadline the trainer is stopped, so that its outputs are saved before the machine is deleted.
SAVING_RESERVE_SECONDS = 60.0
SAVING_RESERVE_SHARE = 0.1
# pip and apt end in minutes or never.
INSTALL_SECONDS = _seconds("ML_TRAINING_INSTALL_SECONDS", 1800)

# Two checkpoints are at least this far apart, unless spec.json says otherwise.
CHECKPOINT_SECONDS = _seconds("ML_TRAINING_CHECKPOINT_SECONDS", 30)
# A folder in which nothing changed for this long is at rest; after PATIENCE without that, a shorter rest will do.
SETTLE_SECONDS = _seconds("ML_TRAINING_SETTLE_SECONDS", 1)
SHORT_SETTLE_SECONDS = 0.05
PATIENCE_SECONDS = _seconds("ML_TRAINING_PATIENCE_SECONDS", 30)
# How long one request for a checkpoint is retried; the whole checkpoint is tried again after that.
CHECKPOINT_RETRY_SECONDS = _seconds("ML_TRAINING_CHECKPOINT_RETRY_SECONDS", 20)
# What the last checkpoint of a run that was cancelled, failed or met its deadline may take.
LAST_CHECKPOINT_SECONDS = _seconds("ML_TRAINING_LAST_CHECKPOINT_SECONDS", 30)
# Kept free for the status when the machine is switched off.
STATUS_RESERVE_SECONDS = 5.0
# The scratch bucket deletes what is 14 days old: what a checkpoint names is stored again before that.
REFRESH_SECONDS = _seconds("ML_TRAINING_REFRESH_SECONDS", 5 * 86400)
# After the deadline Google needs up to 30 s to delete the machine: what the supervisor still may use of that.
AFTER_DEADLINE_SECONDS = 25.0
KEPT_CHECKPOINTS = 2
MAX_CHECKPOINT_FILES = 100_000

# How often systemd's watchdog is fed, and how long the supervisor's parts may stand still. A request that gets no
# answer ends after a minute, and only then its thread can move again.
WATCHDOG_SECONDS = _seconds("ML_TRAINING_WATCHDOG_SECONDS", 5)
MAIN_STILL_SECONDS = _seconds("ML_TRAINING_MAIN_STILL_SECONDS", 120)
JOB_STILL_SECONDS = _seconds("ML_TRAINING_JOB_STILL_SECONDS", 240)
# systemd ends what still runs so long after the deadline.
RUNTIME_GRACE_SECONDS = _seconds("ML_TRAINING_RUNTIME_GRACE_SECONDS", 60)

MAX_LOG_BYTES = 256 * 1024 * 1024
MAX_METRICS_BYTES = 16 * 1024
MAX_PACKAGE_BYTES = 100 * 1024 * 1024
MAX_UNPACKED_BYTES = 1024 * 1024 * 1024
MAX_PACKAGE_FILES = 20_000
CHUNK_BYTES = 16 * 1024 * 1024  # resumable uploads; a multiple of 256 KiB, as Google asks
PARALLEL = 8


def saving_reserve(start: float, deadline: float) -> float:
    """Seconds kept free before `deadline` for saving, for a run that began at `start` (both seconds since 1970)."""
    return max(0.0, min(SAVING_RESERVE_SECONDS, SAVING_RESERVE_SHARE * (deadline - start)))
