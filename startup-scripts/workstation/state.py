"""What this boot has come to: a file on the machine, from which status.json and the login message are made."""

from __future__ import annotations

import os
import threading
import time
from typing import Any

from . import places
from .login import login_text
from .places import now_text, read_json, write, write_json

# Steps whose work goes on by itself: what they failed at is forgotten once it works.
HEALED_BY = {
    "JupyterLab": ("jupyter", "running"),
    "TensorBoard": ("tensorboard", "running"),
    "bucket": ("mount", "mounted"),
}


def boot_id() -> str:
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


class State:
    """Phase (`installing`, `ready`, `failed`, `stopping`), step, problems. Safe for several threads."""

    def __init__(self, value: dict[str, Any]) -> None:
        self._lock = threading.Lock()
        self.value = value

    @staticmethod
    def begin(machine: str, bucket: str, steps: int) -> "State":
        return State(
            {
                "phase": "installing",
                "machine": machine,
                "bucket": bucket,
                "step": 0,
                "steps": steps,
                "name": "start",
                "problems": [],
                "bootedAt": now_text(time.time()),
            }
        )

    @staticmethod
    def load() -> "State | None":
        """The state of this machine's set-up; `None` if it has not begun yet."""
        value = read_json(places.STATE_FILE)
        return State(value) if isinstance(value, dict) and "phase" in value else None

    def reload(self) -> None:
        """Another process may have changed it."""
        value = read_json(places.STATE_FILE)
        if isinstance(value, dict) and "phase" in value:
            self.value = value

    def save(self) -> None:
        with self._lock:
            write_json(places.STATE_FILE, self.value)
            self.tell()

    def tell(self, stops_at: float | None = None) -> None:
        """The login message lies ready, so that a login waits for nothing."""
        write(places.LOGIN_TEXT, login_text(self.value, stops_at))

    def step(self, number: int, name: str) -> None:
        self.value.update(step=number, name=name)
        self.value.pop("reason", None)
        self.save()

    def note(self, text: str) -> None:
        """What takes long in this step; empty: nothing does."""
        if text:
            self.value["reason"] = text
        else:
            self.value.pop("reason", None)
        self.save()

    def problem(self, step: str, reason: str) -> None:
        self.value["problems"] = [each for each in self.value["problems"] if each["step"] != step]
        self.value["problems"].append({"step": step, "reason": reason})
        self.save()

    def heal(self, parts: dict[str, str]) -> bool:
        """Forgets the problems of what works now. Whether anything changed."""
        def works(step: str) -> bool:
            part, good = HEALED_BY.get(step, ("", ""))
            return part != "" and parts.get(part) == good

        kept = [each for each in self.value["problems"] if not works(each["step"])]
        if len(kept) == len(self.value["problems"]):
            return False
        self.value["problems"] = kept
        if self.value["phase"] == "failed":
            self.end()
        else:
            self.save()
        return True

    def solved(self, step: str) -> None:
        """A step that had failed is done."""
        self.value["problems"] = [each for each in self.value["problems"] if each["step"] != step]
        self.end()

    def end(self) -> None:
        """All steps were tried."""
        problems = self.value["problems"]
        self.value["phase"] = "failed" if problems else "ready"
        self.value.setdefault("readyAt", now_text(time.time()))
        if problems:
            self.value["reason"] = f"{problems[0]['step']}: {problems[0]['reason']}"
        else:
            self.value.pop("reason", None)
        self.save()

    def stopping(self, reason: str) -> None:
        self.value.update(phase="stopping", reason=reason)
        self.value.setdefault("stoppingAt", now_text(time.time()))
        self.save()


def log_line(text: str) -> None:
    """One line in the log that goes to the bucket, and on the console."""
    line = f"[workstation {time.strftime('%H:%M:%S', time.gmtime())}] {text}"
    print(line, flush=True)
    try:
        os.makedirs(places.STATE, mode=0o755, exist_ok=True)
        with open(places.LOG, "a", encoding="utf-8") as file:
            file.write(line + "\n")
    except OSError:
        pass
