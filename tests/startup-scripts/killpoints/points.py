"""Kills a machine at every point of the checkpoint protocol, starts the next one, and looks at what it loads."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import tempfile
import time
from dataclasses import dataclass, field

from .machine import Points, live

STEPS = 3
# What comes after the kill: another attempt on a new machine, the same machine again, or the same one killed again.
AFTER = ("new machine", "same machine", "killed again")
# What came before: nothing, one attempt that saved, one that was switched off in good order.
BEFORE = ("nothing", "one attempt", "switched off")


@dataclass
class Counts:
    points: int = 0
    lives: int = 0
    torn: int = 0
    lost: int = 0
    zombies: int = 0
    zombiesNotFenced: int = 0
    problems: list[str] = field(default_factory=list)


class World:
    """One run's bucket and machines."""

    def __init__(self, counts: Counts) -> None:
        self.base = tempfile.mkdtemp(prefix="mlt-kill-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
        self.bucket = os.path.join(self.base, "bucket")
        self.counts = counts
        self.attempt = 0
        self.root = ""
        self.first = True
        # The newest step that a `commit` reported, and one that only this machine's own folder may have.
        self.saved = 0
        self.own = 0

    def close(self) -> None:
        shutil.rmtree(self.base, ignore_errors=True)

    def new_machine(self) -> None:
        self.attempt += 1
        self.own = 0
        self.root = os.path.join(self.base, f"machine-{self.attempt}")
        os.makedirs(self.root)

    def start(self, at: int | None = None, how: int = signal.SIGKILL, clean: bool = False) -> tuple[int, str]:
        """The process, and the file of what it says."""
        report = os.path.join(self.base, f"report-{time.monotonic_ns()}")
        first, self.first = self.first, False
        process = os.fork()
        if process == 0:
            try:
                live(report, self.root, self.bucket, self.attempt, first, STEPS, clean, Points(at, how))
            finally:
                os._exit(0)
        self.counts.lives += 1
        return process, report

    def judge(self, report: str, where: str, zombie: bool = False) -> dict[str, object]:
        """What a life said; every broken promise is counted."""
        lines = []
        if os.path.exists(report):
            with open(report, encoding="utf-8") as file:
                lines = [json.loads(line) for line in file]
        said: dict[str, object] = {}
        for line in lines:
            if "loaded" in line and not zombie:
                # The own folder may be a step ahead of the bucket, if the machine went down in good order.
                if line["loaded"] < self.saved:
                    self.counts.lost += 1
                    self.problem(f"{where}: loaded step {line['loaded']}, but {self.saved} was saved")
                if self.own and line["loaded"] != self.own:
                    self.counts.lost += 1
                    self.problem(f"{where}: loaded step {line['loaded']}, but the machine's own folder had {self.own}")
                self.own = 0
            if "saved" in line and not zombie:
                if line["saved"] < 0:
                    self.own = -line["saved"]
                else:
                    self.saved = max(self.saved, line["saved"])
            if "end" in line and not str(line["end"]).startswith(("done", "not ours")):
                self.counts.torn += "TORN" in str(line["end"])
                self.problem(f"{where}: {line['end']}")
            said.update(line)
        return said

    def problem(self, text: str) -> None:
        if len(self.counts.problems) < 20:
            self.counts.problems.append(text)

    def live(self, where: str, at: int | None = None, clean: bool = False) -> dict[str, object]:
        process, report = self.start(at, clean=clean)
        wait(process)
        return self.judge(report, where)


def wait(process: int) -> None:
    """A life takes a moment; one that does not end is a mistake of its own, and must not outlive the test."""
    end = time.monotonic() + 120
    while os.waitpid(process, os.WNOHANG)[0] == 0:
        if time.monotonic() > end:
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
            raise RuntimeError("a machine of the test did not end within 120 s")
        time.sleep(0.001)


def prepare(world: World, before: str) -> None:
    world.new_machine()
    if before != "nothing":
        world.live(f"before ({before})", clean=before == "switched off")
        if before == "one attempt":
            world.new_machine()


def killed_at(counts: Counts, before: str, after: str, at: int, again: int) -> bool:
    """Kills at point `at`; whether there was such a point."""
    where = f"{before}, killed at {at}, then {after}"
    world = World(counts)
    try:
        prepare(world, before)
        said = world.live(where, at)
        if "end" in said and said.get("points", 0) < at:
            return False
        counts.points += 1
        if after == "killed again":
            world.live(f"{where} at {again}", again)
        if after != "same machine":
            world.new_machine()
        end = world.live(where)
        if end.get("end") != "done":
            world.problem(f"{where}: the next machine said {end}")
        world.new_machine()
        if world.live(f"{where}, one more").get("end") != "done":
            world.problem(f"{where}: the last machine did not end well")
        return True
    finally:
        world.close()


def zombie_at(counts: Counts, at: int) -> bool:
    """Holds a machine at point `at` while its successor trains, then lets it go on."""
    where = f"zombie held at {at}"
    world = World(counts)
    try:
        prepare(world, "one attempt")
        process, report = world.start(at, how=signal.SIGSTOP)
        _, status = os.waitpid(process, os.WUNTRACED)
        if not os.WIFSTOPPED(status):
            return False
        counts.points += 1
        counts.zombies += 1
        world.judge(report, where)
        os.unlink(report)
        world.new_machine()
        world.live(f"{where}: its successor")
        os.kill(process, signal.SIGCONT)
        wait(process)
        # The file was unlinked: what it says from here on goes nowhere; what counts is what it leaves behind.
        world.new_machine()
        end = world.live(f"{where}: after it")
        if end.get("end") != "done":
            counts.zombiesNotFenced += 1
            world.problem(f"{where}: after it {end}")
        return True
    finally:
        world.close()


def run(count: int, seed: int) -> dict[str, object]:
    """Kills at `count` points: every point in turn, in every situation, then pairs of them at random."""
    counts = Counts()
    began = time.monotonic()
    chance = random.Random(seed)
    situations = [(before, after) for before in BEFORE for after in AFTER[:2]] + ["zombie"]
    ends: dict[object, int] = {}
    # In every situation the points are spread evenly, so that a small count sees the whole protocol, too.
    share = max(1, count // (len(situations) + 1))
    for situation in situations:
        total = length(situation)
        ends[situation] = total
        chosen = range(1, total + 1) if total <= share else sorted(chance.sample(range(1, total + 1), share))
        for at in chosen:
            if counts.points < count:
                zombie_at(counts, at) if situation == "zombie" else killed_at(counts, *situation, at, 0)
    while counts.points < count:
        before = chance.choice(BEFORE)
        most = ends[(before, "new machine")]
        killed_at(counts, before, "killed again", chance.randint(1, most), chance.randint(1, most))
    return {**counts.__dict__, "situations": len(situations), "seconds": round(time.monotonic() - began, 1)}


def length(situation: object) -> int:
    """How many points the killed life has."""
    world = World(Counts())
    try:
        prepare(world, "one attempt" if situation == "zombie" else situation[0])  # type: ignore[index]
        return int(str(world.live("count").get("points", 0)))
    finally:
        world.close()
