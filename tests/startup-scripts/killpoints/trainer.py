"""A seeded training on the CPU, killed k times with its machine: its weights must not show it."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

from supervisor.checkpoints import Checkpoints
from supervisor.metadata import Assignment
from supervisor.paths import Paths
from supervisor.restore import Restore
from supervisor.stop import Stop
from supervisor.sync import Sync
from supervisor.trainer import HELPERS

from .bucket import FolderBucket
from .machine import RUN

PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "network.py")
INTERVAL = 0.05
EPOCHS = 240


def live(root: str, bucket: str, attempt: int, output: str) -> None:
    """One machine: restores, keeps the bucket up to date, trains to the end. Killed as a process group."""
    os.setsid()
    os.environ["ML_TRAINING_ROOT"] = root
    paths, assignment, workers, stop = Paths.of(RUN), Assignment(RUN, attempt, "data"), ThreadPoolExecutor(4), Stop()
    paths.create(None)
    checkpoints = Checkpoints(FolderBucket(bucket), "scratch", assignment, f"machine-{attempt}", workers)
    Restore(paths, checkpoints, assignment, None, workers, stop, lambda line: None).prepare(attempt == 1)
    sync = Sync(paths.checkpoints, checkpoints, INTERVAL, None, stop, lambda line: None, lambda made: None)
    sync.begin()
    environment = {
        **os.environ,
        "CHECKPOINT_DIR": paths.checkpoints,
        "OUTPUT_DIR": output,
        "PYTHONPATH": HELPERS,
        "EPOCHS": str(EPOCHS),
    }
    code = subprocess.run([sys.executable, "-B", PROGRAM], env=environment, check=False).returncode
    sync.finish(True, code != 0, 10)
    os._exit(code)


def train(kills: int, seed: int) -> tuple[bytes, int, int]:
    """The weights, how many kills came before the end, and the epochs that were trained again."""
    chance = random.Random(seed * 1000 + kills)
    base = tempfile.mkdtemp(prefix="mlt-train-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
    output = os.path.join(base, "output")
    os.makedirs(output)
    done = 0
    try:
        for attempt in range(1, kills + 2):
            root = os.path.join(base, f"machine-{attempt}")
            os.makedirs(root)
            process = os.fork()
            if process == 0:
                try:
                    live(root, os.path.join(base, "bucket"), attempt, output)
                finally:
                    os._exit(70)
            if attempt <= kills:
                # So that it is not killed while Python starts, nor always at the same place.
                goal = _epochs(output) + chance.randint(2, max(3, EPOCHS // (kills + 3)))
                while _epochs(output) < goal and os.waitpid(process, os.WNOHANG)[0] == 0:
                    time.sleep(0.002)
                time.sleep(chance.random() * 0.02)
                os.killpg(process, signal.SIGKILL)
                done += 1
            status = os.waitpid(process, 0)[1]
            if attempt > kills and status != 0:
                raise RuntimeError(f"the last attempt ended with {status}")
            shutil.rmtree(root)
        with open(os.path.join(output, "weights.bin"), "rb") as file:
            return file.read(), done, _epochs(output) - EPOCHS
    finally:
        shutil.rmtree(base, ignore_errors=True)


def _epochs(output: str) -> int:
    """How many epochs were begun, all attempts together."""
    try:
        return os.path.getsize(os.path.join(output, "epochs"))
    except OSError:
        return 0


def run(kills: list[int], seed: int) -> dict[str, object]:
    began = time.monotonic()
    weights, _, _ = train(0, seed)
    problems = []
    identical = total = again = 0
    for count in kills:
        found, done, repeated = train(count, seed)
        total += done
        again += repeated
        if found == weights and done == count:
            identical += 1
        else:
            problems.append(f"{count} kills ({done} came): {'the same' if found == weights else 'other'} weights")
    return {
        "trainings": len(kills),
        "identical": identical,
        "kills": total,
        "epochs": EPOCHS,
        "epochsTrainedAgain": again,
        "problems": problems,
        "seconds": round(time.monotonic() - began, 1),
    }
