"""The run's phases as the machine sees them: pure tables, tested without a machine."""

from __future__ import annotations

from typing import Any

TERMINAL = frozenset({"succeeded", "failed", "timedOut", "cancelled", "lost"})
BEFORE_GUEST = frozenset({"submitted", "queued", "provisioning"})

# What the machine may write over what it finds. Another phase over these is a mistake in this program.
NEXT: dict[str, frozenset[str]] = {
    "submitted": frozenset({"booting"}),
    "queued": frozenset({"booting"}),
    "provisioning": frozenset({"booting"}),
    "booting": frozenset({"booting", "installing", "saving"}),
    # A machine that was switched off and on again begins anew: `booting` over any of its own phases.
    "installing": frozenset({"booting", "running", "saving"}),
    "running": frozenset({"booting", "saving"}),
    "saving": frozenset({"booting", "saving"}),
}
# Every phase of the machine may end so; `succeeded` only after saving.
ENDS = frozenset({"failed", "timedOut", "cancelled", "preempted"})


def may_write(found: str, phase: str) -> bool:
    """Whether the machine may write `phase` over the phase that it finds."""
    if found in TERMINAL or found == "preempted" or found not in NEXT:
        return False
    if phase == found or phase in NEXT[found]:
        return True
    return phase in ENDS or (phase == "succeeded" and found == "saving")


def boot(status: dict[str, Any], attempt: int) -> str:
    """What a boot does: `leave`, `start`, `resume` (the trainer ran before) or `save` (it had ended before)."""
    phase = status.get("phase")
    if status.get("attempt") != attempt or phase in TERMINAL or phase == "preempted" or phase not in NEXT:
        return "leave"
    if phase == "running":
        return "resume"
    if phase == "saving":
        return "save" if isinstance(status.get("exitCode"), int) else "resume"
    return "start"


def outcome(
    *,
    stop: str | None,
    exit_code: int | None,
    failure: str | None,
    preempted: bool = False,
    cancel_requested: bool = False,
    past_deadline: bool = False,
) -> tuple[str, str] | None:
    """The final phase and its reason; `None`: write nothing, the next boot or the reconciler will.

    `stop` is why the work was broken off: `shutdown`, `deadline`, `cancel`, `notOurs`, or `None` if it was not.
    `exit_code` is known only if the trainer ended by itself; then a stop that came while saving changes nothing.
    """
    if stop == "notOurs":
        return None
    if stop is None or exit_code is not None:
        if failure is not None:
            return "failed", failure
        if exit_code == 0:
            return "succeeded", ""
        return "failed", exit_reason(exit_code) if exit_code is not None else "the trainer was never started"
    if stop == "deadline" or past_deadline:
        return "timedOut", "time limit reached"
    if stop == "cancel" or cancel_requested:
        return "cancelled", "cancelled on request"
    if preempted:
        return "preempted", "Google took the Spot machine back"
    return None


def exit_reason(code: int) -> str:
    if code == 137:
        return "trainer was killed (SIGKILL, exit 137): most often the machine's memory was full"
    if code > 128:
        return f"trainer was killed by signal {code - 128} (exit {code})"
    return f"trainer failed: exit {code}"
