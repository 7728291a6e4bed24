"""One boot of a training machine, from metadata to deletion."""

from __future__ import annotations

import _thread
import errno
import fcntl
import os
import signal
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from typing import IO

from . import alive, clock, compute, limits, outputs, spec as spec_file, states, systemd, trainer
from .errors import MachineUnusable, NotOurs, RunFailed, one_line, told_as
from .job import Job
from .metadata import Assignment, Machine, Metadata
from .paths import Paths
from .preemption import Preemption
from .pulse import Pulse
from .rest import Client
from .runlog import RunLog
from .spec import Spec
from .status import Status
from .stop import Stop
from .storage import Storage


class AlreadyHere(Exception):
    """Another supervisor of this run works on this machine: the same script was started twice."""


class Life:
    def __init__(self, metadata: Metadata, assignment: Assignment, machine: Machine) -> None:
        self.metadata = metadata
        self.assignment = assignment
        self.machine = machine
        self.stop = Stop()
        self.client = Client(metadata.token)
        self.storage = Storage(self.client)
        self.status = Status(self.storage, assignment, machine)
        # Tells this process from every other that might work on the same attempt.
        self.owner = f"{machine.name}-{os.urandom(6).hex()}"
        self.workers = ThreadPoolExecutor(limits.PARALLEL, thread_name_prefix="worker")
        self.paths = Paths.of(assignment.run)
        self.paths.create(trainer.user())
        self._lock = self._alone()
        self.log = RunLog(self.paths.log, assignment)

    def _alone(self) -> IO[bytes]:
        file = open(self.paths.lock, "ab")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            raise AlreadyHere from None
        return file

    def run(self) -> bool:
        """Lives the boot to its end. Whether the machine should delete itself now."""
        signal.signal(signal.SIGTERM, self._power_button)
        signal.signal(signal.SIGINT, self._power_button)
        try:
            with told_as("status.json could not be read"):
                decision = states.boot(self.status.load(), self.assignment.attempt)
            if decision == "leave":
                raise NotOurs(f"phase {self.status.get('phase')}, attempt {self.status.get('attempt')}")
            return self._live(decision)
        except NotOurs as error:
            self.log.say(f"nothing to do here: {error}")
            return True
        except RunFailed as error:
            self.log.say(str(error))
            self._finish("failed", str(error), None, None)
            return not self.stop.pressed
        except Exception as error:  # a mistake of ours must not keep the machine, nor hide
            self.log.say(traceback.format_exc().rstrip())
            self._finish("failed", one_line(f"supervisor: {type(error).__name__}: {error}"), None, None)
            return not self.stop.pressed

    def _live(self, decision: str) -> bool:
        self.log.say(
            f"run {self.assignment.run}, attempt {self.assignment.attempt}, on {self.machine.name} "
            f"({self.machine.type}, {self.machine.zone}{', Spot' if self.machine.spot else ''}): {decision}"
        )
        Preemption(self.metadata, self.stop, self.client).start()
        if decision != "save":
            with told_as("status.json could not be written"):
                self.status.booting(self.machine, restart=decision == "resume")
        try:
            spec = self._spec()
        except RunFailed as error:
            self.log.say(str(error))
            self._finish("failed", str(error), None, None)
            return True
        left = spec.deadline - clock.now()
        systemd.limit_runtime(left)
        # Google deletes the machine at the deadline: whatever is not done soon after it will never be.
        self.client.limit(time.monotonic() + max(0.0, left) + limits.AFTER_DEADLINE_SECONDS)
        self.log.resume(self.storage, spec.scratch_bucket)
        pulse = Pulse(self.status, self.log, self.storage, spec.scratch_bucket, self.stop)
        pulse.start()
        try:
            job = Job(self, spec, first=decision == "start" and self.assignment.attempt == 1)
            if decision == "save":
                job.exit_code = self.status.get("exitCode")
            else:
                self._direct(job, spec)
                self._last_checkpoint(job)
            return self._end(job, spec)
        finally:
            pulse.end()

    def _spec(self) -> Spec:
        name = f"runs/{self.assignment.run}/spec.json"
        with told_as("spec.json could not be read"):
            found = self.storage.read(self.assignment.bucket, name)
        if found is None:
            raise RunFailed(f"spec.json is missing: gs://{self.assignment.bucket}/{name} does not exist")
        return spec_file.parse(found[0], self.assignment)

    def _direct(self, job: Job, spec: Spec) -> None:
        """Lets the job work until it ends or a stop is due."""
        # A later attempt or boot keeps the same reserve: it is a share of the run's whole time.
        end = spec.deadline - limits.saving_reserve(spec.created, spec.deadline)
        if clock.now() >= end:
            self.stop.ask("deadline")
        if self.status.cancel_requested:
            self.stop.ask("cancel")
        job.start()
        while job.is_alive() and not self.stop.asked:
            alive.beat()
            if clock.now() >= end:
                self.stop.ask("deadline")
            job.join(0.2)
        if self.stop.asked and job.exit_code is None:
            self.log.say(f"stopping: {self.stop.words}")
        if job.is_alive():
            # Long enough for the trainer's grace; a request that hangs is left behind.
            job.join(self.stop.grace + 3)

    def _last_checkpoint(self, job: Job) -> None:
        """What the trainer left, unless the run succeeded: then nobody goes on from it."""
        sync = job.sync
        if sync is None:
            return
        seconds = limits.LAST_CHECKPOINT_SECONDS
        if self.stop.power_off is not None:
            seconds = self.stop.power_off - time.monotonic() - limits.STATUS_RESERVE_SECONDS
        wanted = job.exit_code != 0 and self.stop.reason != "notOurs"
        # Whoever still runs may still write.
        sync.finish(job.by_itself and not job.is_alive(), wanted, seconds)
        if job.restore is not None and wanted:
            try:
                job.restore.close(sync.at_rest and not job.is_alive())
            except OSError as error:
                # Most often the disk is full. Without the mark the folder is not trusted, which is right then.
                self.log.say(f"CHECKPOINT_DIR could not be marked as whole: {error.strerror or error}")

    def _end(self, job: Job, spec: Spec) -> bool:
        """Saves what is there, writes the final phase. Whether the machine should delete itself now."""
        if self.stop.reason == "notOurs":
            self.log.say(f"this machine has nothing left to do: {self.stop.detail}")
            return True
        if job.failure:
            self.log.say(f"failed: {job.failure}")
        if self.stop.power_off is not None and job.exit_code is None:
            return self._end_without_power(job, spec)
        return self._end_in_order(job, spec)

    def _end_without_power(self, job: Job, spec: Spec) -> bool:
        """The power goes in seconds: the status first, then the log, then as much of the outputs as there is time."""
        result = self._outcome(job.failure, None, spec)
        if result is None:
            # A machine that only goes down for a moment stays in its phase, so that its next boot resumes.
            self.log.say("the machine is shut down before the run's end: nothing final to report")
            self._flush(spec, whole=False)
        else:
            self.log.say(f"{result[0]}: {result[1]}")
            self._write_end(*result, None)
            self._flush(spec, whole=True)
        try:
            outputs.upload(self.storage, spec, self.paths.output, self.log.say)
        except Exception as error:
            self.log.say(f"outputs could not be saved: {error}")
        # Google's notice may come before the power button, which then never comes if nobody waits for it.
        return self.stop.preempted and not self.stop.pressed

    def _end_in_order(self, job: Job, spec: Spec) -> bool:
        failure, ended = job.failure, job.exit_code
        metrics = None
        try:
            self.status.phase("saving", exit_code=ended)
            metrics = outputs.metrics(self.paths.output, self.log.say)
            outputs.upload(self.storage, spec, self.paths.output, self.log.say)
        except NotOurs as error:
            self.log.say(f"this machine has nothing left to do: {error}")
            return True
        except Exception as error:
            self.log.say(f"outputs could not be saved: {error}")
            if self.stop.power_off is not None:
                # The next boot or attempt saves again; without one the reconciler reports the loss.
                ended = None
            elif failure is None and ended in (0, None):
                failure = one_line(f"outputs could not be saved: {error}")
        result = self._outcome(failure, ended, spec)
        if result is None:
            self.log.say("the machine is shut down before the run's end: nothing final to report")
            self._flush(spec, whole=False)
            return False
        phase, reason = result
        if phase == "failed" and ended and failure is None and job.last_line:
            reason = one_line(f"{reason} ({job.last_line})")
        self._finish(phase, reason, metrics, spec)
        if self.stop.pressed:
            return False
        if phase == "failed" and spec.keep_minutes:
            self._keep(spec)
        return not self.stop.pressed

    def _outcome(self, failure: str | None, ended: int | None, spec: Spec) -> tuple[str, str] | None:
        return states.outcome(
            stop=self.stop.reason,
            exit_code=ended,
            failure=failure,
            preempted=self.stop.preempted or (self.stop.power_off is not None and self.metadata.preempted()),
            cancel_requested=self.status.cancel_requested,
            past_deadline=clock.now() >= spec.deadline,
        )

    def _finish(self, phase: str, reason: str, metrics: dict[str, object] | None, spec: Spec | None) -> None:
        """The log first, so that whoever sees the final phase finds it whole; then the phase."""
        self.log.say(f"{phase}{f': {reason}' if reason else ''}")
        self._flush(spec, whole=True)
        self._write_end(phase, reason, metrics)

    def _write_end(self, phase: str, reason: str, metrics: dict[str, object] | None) -> None:
        try:
            self.status.phase(phase, reason=reason, metrics=metrics)
        except NotOurs as error:
            self.log.say(f"the final phase is not ours to write: {error}")
        except Exception as error:
            self.log.say(f"the final phase {phase} could not be written: {error}")

    def _flush(self, spec: Spec | None, whole: bool) -> None:
        scratch = spec.scratch_bucket if spec else ""
        try:
            if scratch:
                self.log.flush(self.storage, scratch, last=True)
            if whole:
                self.log.compose(self.storage, self.assignment.bucket, scratch)
        except Exception as error:
            self.log.say(f"the log could not be saved whole: {error}")

    def _keep(self, spec: Spec) -> None:
        """A failed machine stays for its owner to look at, within the deadline."""
        seconds = min(spec.keep_minutes * 60, spec.deadline - clock.now())
        if seconds <= 0:
            return
        self.log.say(f"kept for {seconds / 60:.0f} min for a look; then this machine deletes itself")
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.stop.power_off is None:
            alive.beat()
            time.sleep(min(1.0, max(0.0, end - time.monotonic())))

    def _power_button(self, number: int, frame: object) -> None:
        # A signal comes in the middle of anything, also while a lock is held that `ask` needs: not here, then.
        _thread.start_new_thread(self._pressed, (signal.Signals(number).name,))

    def _pressed(self, name: str) -> None:
        self.stop.pressed = True
        self.stop.ask("shutdown", name)
        self.client.hurry(self.stop.power_off or 0.0)


def delete_self(metadata: Metadata, machine: Machine) -> bool:
    return compute.delete_machine(Client(metadata.token), machine, say)


def say(line: str) -> None:
    print(f"[ml-training] {line}", flush=True)


def main() -> int:
    """0: the machine is gone or going, or stays because it is being shut down."""
    alive.begin(alive.current(), limits.MAIN_STILL_SECONDS)
    metadata = Metadata()
    systemd.notify("READY=1")
    alive.Watchdog(say).start()
    try:
        machine = metadata.machine()
    except MachineUnusable as error:
        say(f"this is no Compute Engine machine: {error}")
        return 1
    go = True
    try:
        assignment = metadata.assignment()
        try:
            go = Life(metadata, assignment, machine).run()
        except AlreadyHere:
            say("another supervisor of this run is at work on this machine: nothing to do")
            return 0
        except Exception as error:  # not even a log could be begun
            give_up(metadata, assignment, machine, error)
    except MachineUnusable as error:
        say(f"this machine cannot work: {error}")
    if not go:
        return 0
    return 0 if delete_self(metadata, machine) else 1


def give_up(metadata: Metadata, assignment: Assignment, machine: Machine, error: Exception) -> None:
    """Reports a machine on which nothing can be begun."""
    full = isinstance(error, OSError) and error.errno == errno.ENOSPC
    reason = "the disk is full: ask for a larger disk" if full else one_line(f"supervisor: {type(error).__name__}: {error}")
    say(f"failed: {reason}")
    try:
        status = Status(Storage(Client(metadata.token)), assignment, machine)
        if states.boot(status.load(), assignment.attempt) != "leave":
            status.phase("failed", reason=reason)
    except Exception as problem:
        say(f"this could not be reported: {problem}")
