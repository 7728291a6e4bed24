"""A machine's life as far as checkpoints go, in a process of its own that can be killed at any point."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Callable

from supervisor import folder
from supervisor.checkpoints import Checkpoints
from supervisor.errors import NotOurs
from supervisor.metadata import Assignment
from supervisor.paths import Paths
from supervisor.restore import Restore
from supervisor.snapshot import take
from supervisor.stop import Stop

from .bucket import FolderBucket

RUN = "demo-20261121080000-00ff"
# Local calls after which the disk is another than before: a kill may come before each of them.
LOCAL = {
    *("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.symlink", "os.chmod", "os.utime", "os.truncate"),
    "shutil.rmtree",
}


class Points:
    """Counts the points at which a kill may come, and kills (or stops) at the one that was chosen."""

    def __init__(self, at: int | None, how: int = signal.SIGKILL) -> None:
        self._at = at
        self.how = how
        self._lock = threading.Lock()
        self.count = 0
        self._on = False

    def watch(self, root: str) -> None:
        def hook(event: str, arguments: tuple[object, ...]) -> None:
            writes = event == "open" and isinstance(arguments[1], str) and arguments[1][:1] in "wxa+"
            if not (event in LOCAL or writes) or not arguments:
                return
            path = arguments[0]
            path = os.fsdecode(path) if isinstance(path, (str, bytes, os.PathLike)) else ""
            if path.startswith(root) or event == "shutil.rmtree":
                self(f"{event} {path}")

        sys.addaudithook(hook)
        self._on = True

    def __call__(self, what: str) -> None:
        with self._lock:
            self.count += 1
            if self.count != self._at:
                return
        # To this thread: sent to the process, another one might take it while this one goes on.
        signal.pthread_kill(threading.get_ident(), self.how)


class Life:
    """Restore, then train: steps whose files are written in place, one after the other, and saved in between."""

    def __init__(self, root: str, bucket: str, attempt: int, points: Points) -> None:
        os.environ["ML_TRAINING_ROOT"] = root
        self.points = points
        self.paths = Paths.of(RUN)
        self.paths.create(None)
        self.assignment = Assignment(RUN, attempt, "data")
        # A machine that is held must not be held while another of its threads has the bucket's lock.
        self.workers = ThreadPoolExecutor(1 if points.how == signal.SIGSTOP else 4)
        self.storage = FolderBucket(bucket, points)
        owner = f"machine-{os.getpid()}-{os.urandom(4).hex()}"
        self.checkpoints = Checkpoints(self.storage, "scratch", self.assignment, owner, self.workers)
        self.said: list[str] = []
        self.restore = Restore(
            self.paths, self.checkpoints, self.assignment, None, self.workers, Stop(), self.said.append
        )

    def run(self, first: bool, steps: int, clean: bool, loaded: Callable[[int], None], saved: Callable[[int], None]) -> str:
        """`loaded` and `saved` are told the step: what a trainer found, what is safe from now on."""
        try:
            self.restore.prepare(first)
            step = read_state(self.paths.checkpoints)
            loaded(step)
            for number in range(step + 1, step + 1 + steps):
                write_state(self.paths.checkpoints, number, self.points)
                with take(self.paths.checkpoints, None, self.checkpoints.known, 2) as snapshot:
                    self.checkpoints.commit(snapshot)
                saved(number)
            if clean:
                # One more step, which nobody saves: the trainer's last words before the power button.
                write_state(self.paths.checkpoints, step + steps + 1, self.points)
                self.restore.close(True)
                saved(-(step + steps + 1))
            return "done"
        except NotOurs as error:
            return f"not ours: {error}"


def payload(step: int, name: str, length: int) -> bytes:
    return hashlib.shake_256(f"{step}/{name}".encode()).digest(length)


def expected(step: int) -> dict[str, bytes]:
    """The files of a step. One never changes, one is the last step's under another name, one has an odd name."""
    return {
        "model.bin": payload(step, "model", 5000),
        "sub/optimizer.bin": payload(step, "optimizer", 3000),
        f"old/step-{step}": payload(step, "old", 10),
        "constant": payload(0, "constant", 700),
        os.fsdecode(b"odd \n\xff\xc3\xbc.bin"): payload(step, "odd", 20),
        "step": str(step).encode(),
    }


def write_state(place: str, step: int, point: Callable[[str], None]) -> None:
    """In place, file by file, half by half, the number first: the worst kind of trainer."""
    for name, data in sorted(expected(step).items(), key=lambda entry: entry[0] != "step"):
        path = os.path.join(place, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(data[: len(data) // 2])
            file.flush()
            point(f"trainer writes {name}: half")
            file.write(data[len(data) // 2 :])
    old = os.path.join(place, "old", f"step-{step - 1}")
    if os.path.exists(old):
        os.unlink(old)
    link = os.path.join(place, "last")
    if os.path.lexists(link):
        os.unlink(link)
    os.symlink(f"old/step-{step}", link)
    os.makedirs(os.path.join(place, "empty"), exist_ok=True)


def read_state(place: str) -> int:
    """The step that lies there, 0 for an empty folder; AssertionError if it is no whole step."""
    found = folder.scan(place)
    if not found.files and not found.links and not found.folders:
        return 0
    assert os.path.exists(os.path.join(place, "step")), f"TORN: {[file.path for file in found.files]!r}"
    with open(os.path.join(place, "step"), encoding="ascii") as file:
        step = int(file.read())
    contents = {}
    for file in found.files:
        with open(os.path.join(place, file.path), "rb") as stream:
            contents[file.path] = stream.read()
    assert contents == expected(step), f"TORN: step {step}, {sorted(map(repr, contents))}"
    assert found.links == (("last", f"old/step-{step}"),), f"TORN: links {found.links}"
    assert found.folders == ("empty",), f"TORN: folders {found.folders}"
    return step


def live(report: str, root: str, bucket: str, attempt: int, first: bool, steps: int, clean: bool, points: Points) -> None:
    """Runs a life in this process and writes what it says to `report`, line by line."""
    with open(report, "ab", buffering=0) as out:

        def tell(**what: object) -> None:
            out.write(json.dumps(what).encode() + b"\n")

        try:
            life = Life(root, bucket, attempt, points)
            points.watch(root)
            end = life.run(first, steps, clean, lambda step: tell(loaded=step), lambda step: tell(saved=step))
            tell(end=end, points=points.count)
        except BaseException as error:
            tell(end=f"{type(error).__name__}: {error}", points=points.count)
