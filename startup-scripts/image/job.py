"""One boot of a machine that builds or tests an image, from metadata to marker."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import shutil
import signal
import traceback

from supervisor.errors import MachineUnusable, RunFailed, Stopped, one_line
from supervisor.metadata import Metadata
from supervisor.paths import root
from supervisor.rest import Client
from supervisor.stop import Stop
from supervisor.storage import Storage

from . import assignment as assignments
from . import recipe, smoke
from .assignment import Assignment
from .build import Builder
from .joblog import JobLog

WORK = "/var/lib/ml-training-image"
MARKERS = {"build": "marker.json", "test": "test.json"}


def main() -> int:
    """0: the marker is written, whatever it says."""
    metadata = Metadata()
    try:
        assignment = assignments.read(metadata)
    except MachineUnusable as error:
        print(f"[ml-training] this machine cannot work: {error}", flush=True)
        return 1
    work = root(WORK)
    os.makedirs(work, mode=0o755, exist_ok=True)
    storage = Storage(Client(metadata.token))
    stop = Stop()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda code, _frame: stop.ask("shutdown", signal.Signals(code).name))
    log = JobLog(os.path.join(work, "log.txt"), storage, assignment)
    said: dict[str, object] = {"ok": True}
    try:
        said.update(_work(storage, assignment, log, stop, work))
    except RunFailed as error:
        said = _failure(log, str(error))
    except Stopped:
        said = {**_failure(log, "the machine was switched off before its work was done"), "interrupted": True}
    except Exception as error:  # whatever it is, it must be told: a machine without a word costs its whole time limit
        log.say(traceback.format_exc().rstrip())
        said = _failure(log, f"{type(error).__name__}: {error}")
    log.finish()
    if assignment.role == "build":
        # The last traces of the build itself: from here on nothing is written to the disk.
        shutil.rmtree(work, ignore_errors=True)
        shutil.rmtree(os.environ.get("MLT_INSTALL_DIR", ""), ignore_errors=True)
    try:
        _mark(storage, assignment, said)
    except Exception as error:
        print(f"[ml-training] the marker could not be written: {error}", flush=True)
        return 1
    os.sync()
    print(f"[ml-training] {assignment.role} ended: {said.get('reason', 'ok')}", flush=True)
    return 0


def _work(storage: Storage, assignment: Assignment, log: JobLog, stop: Stop, work: str) -> dict[str, object]:
    build = assignments.fetch(storage, assignment)
    log.follow(build.scratch)
    folder = recipe.fetch(storage, assignment, build, work)
    if assignment.role == "build":
        return Builder(folder, assignment, build, log, stop).run()
    smoke.run(folder, assignment, build, log, stop)
    return {}


def _failure(log: JobLog, reason: str) -> dict[str, object]:
    line = one_line(reason)
    log.say(f"failed: {line}")
    return {"ok": False, "reason": line}


def _mark(storage: Storage, assignment: Assignment, said: dict[str, object]) -> None:
    """Says how it went, with a proof that only this machine can give."""
    payload = json.dumps({"build": assignment.build, "role": assignment.role, **said})
    proof = hmac.new(assignment.nonce.encode(), payload.encode(), hashlib.sha256).hexdigest()
    document = json.dumps({"schema": 1, "payload": payload, "proof": proof})
    storage.write(
        assignment.bucket, assignment.object(MARKERS[assignment.role]), document.encode(), "application/json"
    )
