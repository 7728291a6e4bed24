"""The set-up, at every boot: step after step, each of which changes nothing if it is done already.

A step that fails is named and leaves the others working.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from typing import Callable

from . import account, bucket, config, disk, environments, gpu, places, servers
from .cloud import Cloud, CloudError, Metadata
from .state import State, log_line
from .status import Publisher
from .tools import StepFailed, capture, words_of

# How long the first mount is waited for; the unit goes on trying after that.
MOUNT_SECONDS = 15.0
# Pauses before what failed is tried again: for about an hour.
AGAIN_SECONDS = (15, 30, 60, 120, *(300,) * 11)

Note = Callable[[str], None]
Work = Callable[[Note], None]
Step = tuple[str, Work]


def main() -> int:
    # The machine may go down before all is done.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(farewell()))
    metadata = Metadata()
    settings = config.read(metadata)
    machine = (metadata.get("instance/name") or "").strip()
    cloud = Cloud(metadata, patience=20)
    os.makedirs(places.STATE, mode=0o755, exist_ok=True)
    os.makedirs(places.RUNTIME, mode=0o755, exist_ok=True)
    rotate_log()
    steps = plan(settings, cloud)
    state = State.begin(machine, settings.bucket, len(steps))
    publisher = Publisher(cloud, state)
    for problem in settings.problems:
        state.problem("metadata", problem)
        log_line(problem)
    install_static_files()
    # From now on the heartbeat tells what goes on, also in a step that takes minutes.
    capture(["systemctl", "start", "mlt-workstation-tick.timer"])
    for number, (name, work) in enumerate(steps, 1):
        state.step(number, name)
        publisher.tell()
        log_line(f"step {number} of {len(steps)}: {name}")

        def note(text: str) -> None:
            state.note(text)
            publisher.tell()
            if text:
                log_line(text)

        problem = problem_of(name, work, note)
        if problem:
            state.problem(name, problem)
    state.end()
    log_line("ready" if state.value["phase"] == "ready" else f"not all of it works: {state.value['reason']}")
    publisher.tell()
    try_again(state, steps, publisher)
    publisher.close(30)
    return 0


def problem_of(name: str, work: Work, note: Note) -> str:
    """What keeps a step from being done; empty: nothing."""
    try:
        work(note)
        return ""
    except (StepFailed, CloudError, OSError) as failure:
        log_line(f"{name} failed: {failure}")
        return str(failure)


def try_again(state: State, steps: list[Step], publisher: Publisher) -> None:
    """What failed for want of a network, a right or a file may work later, and nobody has to restart anything for it."""
    for pause in AGAIN_SECONDS:
        state.reload()
        failed = {each["step"] for each in state.value["problems"]}
        if not failed & {name for name, _ in steps}:
            return
        time.sleep(pause)
        for name, work in steps:
            if name not in failed:
                continue
            problem = problem_of(name, work, lambda text: log_line(text) if text else None)
            # The heartbeat may have seen something work meanwhile, or be stopping the machine.
            state.reload()
            if state.value["phase"] == "stopping":
                return
            if problem:
                state.problem(name, problem)
            else:
                log_line(f"{name} works now")
                state.solved(name)
        publisher.tell()


def plan(settings: config.Config, cloud: Cloud) -> list[Step]:
    """JupyterLab as early as it can be; the driver last, because it only waits."""
    steps: list[Step] = []
    has_gpu = gpu.present()
    if settings.data_disk:
        steps.append(("data disk", lambda _: disk.prepare(settings.data_disk)))

    def user(_: Note) -> None:
        if has_gpu:
            gpu.hold_upgrades()
        account.prepare()

    steps.append(("user ml", user))
    steps.append(("Python", environments.prepare))
    steps.append(("JupyterLab", lambda _: servers.start_jupyter()))
    steps.append(("TensorBoard", lambda _: servers.start_tensorboard()))
    steps.append(("gcsfuse", bucket.ensure_gcsfuse))
    steps.append(("bucket", lambda note: mount(settings.bucket, note)))
    where = settings.requirements_object()
    if where is not None:
        name = "your requirements"
        steps.append((name, lambda note: environments.install_user_requirements(cloud, where, note)))
    if has_gpu:
        steps.append(("GPU driver", driver))
    return steps


def mount(name: str, note: Note) -> None:
    """The unit is started whatever happens: a bucket that cannot be reached now is mounted when it can."""
    changed = bucket.configure(name)
    if not bucket.start(changed, MOUNT_SECONDS):
        raise StepFailed(f"gs://{name} is not mounted yet, and is tried again every few seconds: {words_of(bucket.UNIT)}")


def driver(note: Note) -> None:
    try:
        log_line(gpu.wait(note))
    finally:
        gpu.release_upgrades()


def install_static_files() -> None:
    """What other programs look for in places of their own."""
    here = os.path.join(places.INSTALLED, "workstation")
    for source, target, mode in (
        ("ml", "/usr/local/bin/ml", 0o755),
        ("mlt-exec", "/usr/local/bin/mlt-exec", 0o755),
        ("profile.sh", "/etc/profile.d/ml-workstation.sh", 0o644),
    ):
        with open(os.path.join(here, source), "rb") as file:
            places.write(places.root(target), file.read(), mode)


def rotate_log() -> None:
    """One log for each boot, and the one before."""
    if os.path.exists(places.LOG):
        shutil.move(places.LOG, places.LOG + ".1")
    log_line(f"boot of {os.uname().nodename}, Python {sys.version.split()[0]}")


def farewell() -> int:
    """The machine goes down, whoever asked for it: the bucket says so."""
    from .status import compose, parts, publish

    state = State.load()
    if state is None:
        return 0
    if state.value["phase"] != "stopping":
        state.stopping("the machine is being shut down")
    try:
        publish(Cloud(Metadata(patience=2), patience=5), compose(state, parts()))
    except (CloudError, OSError):
        pass
    return 0
