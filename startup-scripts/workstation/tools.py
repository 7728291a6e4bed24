"""Commands of the set-up: their output goes to the log, their failure becomes one line."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from typing import Callable

from . import places

# How long a package is tried for.
APT_SECONDS = float(os.environ.get("ML_TRAINING_APT_SECONDS") or 300)
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class StepFailed(Exception):
    """A step of the set-up could not be done. The text is for the person who logs in."""


def environment() -> dict[str, str]:
    """Without what systemd tells its own child; with a PATH and a HOME, which a startup script lacks."""
    env = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "NOTIFY_", "WATCHDOG_"))}
    env.setdefault("PATH", PATH)
    env.setdefault("HOME", "/root" if os.geteuid() == 0 else "/tmp")
    env.update(LC_ALL="C.UTF-8", DEBIAN_FRONTEND="noninteractive")
    return env


def run(
    command: list[str], what: str, *, seconds: float = 1800, user: tuple[int, int] | None = None, cwd: str = "/"
) -> None:
    """Runs to its end; `StepFailed` with the last line that it said."""
    with open(places.LOG, "ab") as log:
        began = log.tell()
        env = environment()
        options = {}
        if user is not None:
            env["HOME"] = places.HOME
            options = {"user": user[0], "group": user[1], "extra_groups": []}
        try:
            child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env, cwd=cwd, start_new_session=True, **options
            )
        except FileNotFoundError:
            raise StepFailed(f"{what} failed: this machine has no {command[0]}") from None
        try:
            code = child.wait(seconds)
        except subprocess.TimeoutExpired:
            raise StepFailed(f"{what} did not end within {seconds:.0f} s") from None
        finally:
            # Also what the command left behind.
            try:
                os.killpg(child.pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                pass
            child.wait()
    if code != 0:
        raise StepFailed(f"{what} failed: exit {code} ({last_line(said_since(began))})")


def said_since(position: int) -> str:
    with open(places.LOG, "rb") as file:
        file.seek(position)
        return file.read(1024 * 1024).decode("utf-8", "replace")


def last_line(text: str) -> str:
    lines = [line.strip() for line in text.replace("\r", "\n").split("\n") if line.strip()]
    # apt and pip say the cause in lines of their own and then talk on.
    marked = [line for line in lines if line.startswith(("E:", "ERROR:"))]
    return one_line((marked or lines or ["it said nothing"])[-1], 200)


def words_of(unit: str) -> str:
    """What a unit's program said last of its trouble, without what systemd says of it."""
    code, said = capture(["journalctl", f"_SYSTEMD_UNIT={unit}", "--lines", "30", "--output", "cat", "--no-pager", "--quiet"])
    lines = [line for line in said.split("\n") if line.strip()] if code == 0 else []
    blaming = [line for line in lines if re.search(r"\b\w*Error\b|\berror\b", line)]
    return one_line((blaming or lines or ["it has not said why"])[-1], 300)


def capture(command: list[str], seconds: float = 30) -> tuple[int, str]:
    """Exit code and output of a short command; 127 if it is not there, 124 if it took too long."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=seconds,
            env=environment(), check=False,
        )
    except FileNotFoundError:
        return 127, f"no {command[0]}"
    except subprocess.TimeoutExpired:
        return 124, f"no answer within {seconds:.0f} s"
    return done.returncode, (done.stdout + done.stderr).strip()


def install(packages: list[str], note: Callable[[str], None], lists: str | None = None) -> None:
    """Debian packages. `lists`: first only this file of sources is read anew, which is faster than all.

    Tries again: at a first boot unattended upgrades hold apt's locks for minutes, and a mirror may be away.
    """
    wait = ["-o", "DPkg::Lock::Timeout=60", "-o", "Acquire::Retries=3"]
    only = ["-o", f"Dir::Etc::sourcelist={lists}", "-o", "Dir::Etc::sourceparts=-", "-o", "APT::Get::List-Cleanup=0"]
    narrow = lists is not None
    end = time.monotonic() + APT_SECONDS
    while True:
        try:
            run(["apt-get", *wait, *(only if narrow else []), "update", "-q"], "apt-get update")
            command = ["apt-get", *wait, "install", "-q", "-y", "--no-install-recommends", *packages]
            run(command, f"apt-get install {' '.join(packages)}")
            return
        except StepFailed as failure:
            if not narrow and time.monotonic() > end:
                raise
            if not narrow:
                note(f"trying again: {failure}")
                time.sleep(5)
            narrow = False


def one_line(text: object, limit: int = 300) -> str:
    """`text` as one printable line of at most `limit` characters."""
    line = " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"
