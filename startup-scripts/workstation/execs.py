"""Commands in the background (`mlt exec`): each a systemd unit of its own as `ml`, its log and exit code in the bucket."""

from __future__ import annotations

import argparse
import json
import os
import re
import secrets
import signal
import subprocess
import sys
import time
from typing import Any

from . import places
from .cloud import Cloud, CloudError, Metadata
from .places import EXECS, HOME, JUPYTER, UID, USER, VENV, now_text, read_json, write_json
from .state import State
from .tools import PATH, capture

ID = re.compile(r"[0-9]{14}-[0-9a-f]{4}")
# A growing log is sent whole each time: the longer it is, the more seldom.
SEND_SECONDS = 5.0
BYTES_PER_SECOND = 100_000
MAX_LOG_BYTES = 64 * 1024 * 1024
STOP_GRACE_SECONDS = 10.0


def folder(identity: str) -> str:
    return os.path.join(EXECS, identity)


def unit(identity: str) -> str:
    return f"mlt-exec-{identity}.service"


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="mlt-exec", description="Commands in the background of this workstation, as ml.")
    actions = parser.add_subparsers(dest="action", required=True)
    starting = actions.add_parser("start", help="start a command; prints its record as JSON")
    starting.add_argument("--cwd", default=HOME, help="folder to start it in (default: %(default)s)")
    starting.add_argument("command", nargs="+", metavar="COMMAND", help="after --, program and arguments; run without a shell")
    listing = actions.add_parser("list", help="all commands of this machine, the newest first, as JSON")
    listing.add_argument("--limit", type=int, default=50)
    log = actions.add_parser("log", help="what a command has said; --follow: until it ends, with its exit code")
    log.add_argument("id")
    log.add_argument("--follow", action="store_true")
    stopping = actions.add_parser("stop", help="end a command: SIGTERM, SIGKILL 10 s later")
    stopping.add_argument("id")
    given = parser.parse_args(arguments)
    if given.action == "start":
        return start(given.command, given.cwd)
    if given.action == "list":
        print(json.dumps(listed()[: given.limit], indent=1))
        return 0
    if not ID.fullmatch(given.id) or not os.path.isdir(folder(given.id)):
        print(f"mlt-exec: there is no command {given.id[:40]!r}; mlt-exec list names those there are", file=sys.stderr)
        return 66
    if given.action == "stop":
        return capture(["systemctl", "stop", unit(given.id)], 60)[0]
    return follow(given.id) if given.follow else show(given.id)


def start(command: list[str], cwd: str) -> int:
    """As root: makes the record and starts the unit, which outlives the session that asked for it."""
    if not os.path.isdir(cwd):
        print(f"mlt-exec: there is no folder {cwd}", file=sys.stderr)
        return 66
    identity = f"{time.strftime('%Y%m%d%H%M%S', time.gmtime())}-{secrets.token_hex(2)}"
    record = {
        "schema": 1,
        "id": identity,
        "command": command,
        "cwd": cwd,
        "by": os.environ.get("SUDO_USER") or "root",
        "machine": os.uname().nodename,
        "startedAt": now_text(time.time()),
    }
    os.makedirs(folder(identity), mode=0o755)
    write_json(os.path.join(folder(identity), "command.json"), record)
    os.chown(folder(identity), UID, UID)
    here = f"PYTHONPATH={places.INSTALLED}"
    run = [sys.executable, "-B", "-m", "workstation"]
    properties = [
        f"User={USER}",
        "KillMode=mixed",
        f"TimeoutStopSec={int(STOP_GRACE_SECONDS) + 10}",
        f"ExecStopPost=/usr/bin/env {here} {' '.join(run)} exec-ended {identity}",
        # The network is there until its last word is said.
        "After=network-online.target",
    ]
    code, said = capture(
        ["systemd-run", "--quiet", "--collect", f"--unit={unit(identity)}", f"--description=mlt exec: {command[0]}",
         *(f"--property={each}" for each in properties), f"--setenv={here}", *run, "exec-run", identity]
    )
    if code != 0:
        print(f"mlt-exec: the command could not be started: {said}", file=sys.stderr)
        return 70
    print(json.dumps(record))
    return 0


def listed() -> list[dict[str, Any]]:
    """The records with `state`: running, ended (with `exitCode`) or lost (the machine went away under it)."""
    found = []
    try:
        names = sorted((name for name in os.listdir(EXECS) if ID.fullmatch(name)), reverse=True)
    except FileNotFoundError:
        return []
    states = "--state=active,activating,deactivating"
    running = capture(["systemctl", "list-units", "--type=service", states, "--plain", "--no-legend", "mlt-exec-*.service"])[1]
    for name in names:
        record = read_json(os.path.join(folder(name), "command.json"))
        if record is None:
            continue
        end = read_json(os.path.join(folder(name), "exit.json"))
        state = "ended" if end else "running" if unit(name) in running else "lost"
        found.append({**record, "state": state, **(end or {})})
    return found


def show(identity: str) -> int:
    with open(os.path.join(folder(identity), "log.txt"), "rb") as file:
        sys.stdout.buffer.write(file.read())
    return 0


def follow(identity: str) -> int:
    path = os.path.join(folder(identity), "log.txt")
    position = 0
    while True:
        # Asked first: what was said before the end is then all there.
        end = read_json(os.path.join(folder(identity), "exit.json"))
        alive = end is None and capture(["systemctl", "is-active", unit(identity)])[1] in ("active", "activating")
        try:
            with open(path, "rb") as file:
                file.seek(position)
                data = file.read()
        except FileNotFoundError:
            data = b""
        position += len(data)
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        if end is not None:
            code = end.get("exitCode")
            return code if isinstance(code, int) else 75
        if not alive and not data:
            print("mlt-exec: the command is gone without an exit code", file=sys.stderr)
            return 75
        time.sleep(0.3)


def environment(identity: str) -> dict[str, str]:
    """What the command sees: the user's Python first, and where the bucket is."""
    state = State.load()
    bucket = str(state.value["bucket"]) if state else ""
    return {
        "PATH": f"{VENV}/bin:{JUPYTER}/bin:{PATH}",
        "VIRTUAL_ENV": VENV,
        "HOME": HOME,
        "USER": USER,
        "LOGNAME": USER,
        "SHELL": "/bin/bash",
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        "ML_TRAINING_BUCKET": bucket,
        "MLT_EXEC_ID": identity,
    }


def run(identity: str) -> int:
    """Inside the unit, as `ml`: runs the command, sends its log as it grows, and at the end its exit code."""
    here = folder(identity)
    record = read_json(os.path.join(here, "command.json"))
    state = State.load()
    bucket = str(state.value["bucket"]) if state else ""
    sender = Sender(identity, bucket)
    sender.send_file("command.json")
    asked: list[int] = []
    with open(os.path.join(here, "log.txt"), "ab", buffering=0) as log:
        try:
            child = subprocess.Popen(
                record["command"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=record["cwd"],
                env=environment(identity), start_new_session=True,
            )
        except OSError as error:
            log.write(f"mlt-exec: {record['command'][0]} cannot be started: {error.strerror}\n".encode())
            finish(sender, identity, 127, f"{record['command'][0]} cannot be started: {error.strerror}")
            return 127

        def forward(number: int, _frame: object) -> None:
            asked.append(number)
            signal_group(child.pid, signal.SIGTERM)
            signal.signal(signal.SIGALRM, lambda *_: signal_group(child.pid, signal.SIGKILL))
            signal.alarm(int(STOP_GRACE_SECONDS))

        signal.signal(signal.SIGTERM, forward)
        while True:
            try:
                code = child.wait(0.5)
                break
            except subprocess.TimeoutExpired:
                sender.send_log()
        signal_group(child.pid, signal.SIGKILL)
    reason = ""
    if asked:
        reason = "it was stopped" if not shutting_down() else "the machine was shut down"
    elif code < 0:
        reason = f"it was ended by signal {signal.Signals(-code).name}"
    finish(sender, identity, code if code >= 0 else 128 - code, reason)
    return 0


def shutting_down() -> bool:
    return capture(["systemctl", "is-system-running"], 5)[1] == "stopping"


def signal_group(group: int, number: int) -> None:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        pass


def finish(sender: "Sender", identity: str, code: int | None, reason: str = "") -> None:
    end: dict[str, Any] = {"schema": 1, "id": identity, "exitCode": code, "endedAt": now_text(time.time())}
    if reason:
        end["reason"] = reason
    write_json(os.path.join(folder(identity), "exit.json"), end)
    sender.send_log(last=True)
    sender.send_file("exit.json")


def ended(identity: str) -> int:
    """After the unit, however it ended: a command whose keeper was killed has an end too."""
    if not ID.fullmatch(identity) or os.path.exists(os.path.join(folder(identity), "exit.json")):
        return 0
    state = State.load()
    sender = Sender(identity, str(state.value["bucket"]) if state else "")
    result, status = (os.environ.get(name, "unknown") for name in ("SERVICE_RESULT", "EXIT_STATUS"))
    if (result, status) == ("success", "TERM"):
        # Stopped so early that its keeper did not yet listen.
        finish(sender, identity, 128 + signal.SIGTERM, "it was stopped")
    else:
        finish(sender, identity, None, f"it was ended from outside ({result}, {status})")
    return 0


class Sender:
    """Copies of the command's files in the bucket."""

    def __init__(self, identity: str, bucket: str) -> None:
        self._identity = identity
        self._bucket = bucket
        self._cloud = Cloud(Metadata(patience=10), patience=10)
        self._sent = 0
        self._next = 0.0

    def send_file(self, name: str) -> None:
        self._send(name, "application/json")

    def send_log(self, last: bool = False) -> None:
        """If it grew, and not too often; at the end in any case."""
        try:
            size = os.path.getsize(os.path.join(folder(self._identity), "log.txt"))
        except OSError:
            return
        if size == self._sent or (not last and time.monotonic() < self._next):
            return
        self._next = time.monotonic() + max(SEND_SECONDS, min(300.0, size / BYTES_PER_SECOND))
        if self._send("log.txt", "text/plain; charset=utf-8"):
            self._sent = size

    def _send(self, name: str, content_type: str) -> bool:
        try:
            with open(os.path.join(folder(self._identity), name), "rb") as file:
                data = file.read(MAX_LOG_BYTES)
            self._cloud.write(self._bucket, f"workstation/exec/{self._identity}/{name}", data, content_type)
        except (CloudError, OSError) as problem:
            print(f"{name} could not be sent to the bucket: {problem}", flush=True)
            return False
        return True
