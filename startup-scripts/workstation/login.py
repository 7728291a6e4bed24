"""What a person reads who logs in."""

from __future__ import annotations

import time
from typing import Any

from . import places


def login_text(state: dict[str, Any], stops_at: float | None = None) -> str:
    """Ready, still installing, failed or stopping, in a few lines."""
    phase = state["phase"]
    lines = []
    if phase == "installing":
        doing = f" ({state['reason']})" if state.get("reason") else ""
        lines.append(f"This workstation is still being installed: step {state['step']} of {state['steps']}, {state['name']}{doing}.")
    elif phase == "stopping":
        lines.append(f"This workstation is stopping: {state.get('reason', 'it was asked to')}.")
    elif phase == "failed":
        lines.append("This workstation runs, but not all of it works:")
    else:
        lines.append("This workstation is ready.")
    lines += [f"  {each['step']} failed: {each['reason']}" for each in state.get("problems", [])]
    if phase in ("installing", "failed"):
        lines.append(f"The log is {places.LOG}.")
    if phase in ("ready", "failed"):
        lines.append(f"gs://{state['bucket']} is {places.MOUNT}; `ml` opens a shell of the user who owns it and the notebooks.")
        if stops_at is not None:
            at = time.strftime("%H:%M UTC", time.gmtime(stops_at))
            lines.append(f"It stops by itself at {at} unless somebody works: a kernel, a terminal, mlt exec, CPU or GPU.")
    return "\n".join(lines) + "\n"
