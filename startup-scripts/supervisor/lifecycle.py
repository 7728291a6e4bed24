"""One boot of a training machine, from metadata to deletion."""

from __future__ import annotations

import signal
import threading
import time
import traceback

from . import compute, inputs, limits, outputs, package, pythonenv, spec as spec_file, states, systemd, trainer
from .errors import MachineUnusable, NotOurs, RunFailed, Stopped, one_line
from .metadata import Assignment, Machine, Metadata
from .paths import Paths
from .pulse import Pulse
from .rest import Client
from .runlog import RunLog
from .spec import Spec
from .status import Status
from .stop import Stop
from .storage import Storage


class Job(threading.Thread):
    """Prepares and trains, in a thread of its own: the main thread must stay free to end it all."""

    def __init__(self, life: Life, spec: Spec) -> None:
        super().__init__(name="job", daemon=True)
        self._life = life
        self._spec = spec
        self.exit_code: int | None = None
        self.failure: str | None = None
        # The trainer's own last line: most often the error that ended it.
        self.last_line = ""

    def run(self) -> None:
        try:
            self._work()
        except (RunFailed, NotOurs, Stopped) as end:
            if isinstance(end, NotOurs):
                self._life.stop.ask("notOurs", str(end))
            elif isinstance(end, RunFailed):
                self.failure = str(end)
        except Exception as error:  # whatever it is, the machine must report it and go
            self._life.log.say(traceback.format_exc().rstrip())
            self.failure = one_line(f"{type(error).__name__}: {error}")

    def _work(self) -> None:
        life, spec, stop = self._life, self._spec, self._life.stop
        stop.check()
        life.status.phase("installing")
        life.log.say(f"fetching the package {spec.package_name} ({spec.package_sha256[:12]})")
        package.fetch(life.storage, spec, life.paths.archive)
        package.unpack(life.paths.archive, life.paths.package, trainer.user())
        stop.check()
        pythonenv.prepare(
            package=life.paths.package,
            venv=life.paths.venv,
            bound=spec.python,
            stop=stop,
            output=life.log.file,
            say=life.log.say,
            note=life.status.note,
        )
        inputs.download(life.storage, spec, life.paths.data, stop, life.log.say)
        stop.check()
        life.status.phase("running")
        life.log.say(f"training: {' '.join(spec.command)}")
        self.exit_code = trainer.run(spec, life.assignment, life.paths, stop, life.log.file)
        if self.exit_code != 0:
            self.last_line = life.log.last_line()
        life.log.say(f"the trainer ended: exit {self.exit_code}")


class Life:
    def __init__(self, metadata: Metadata, assignment: Assignment, machine: Machine) -> None:
        self.metadata = metadata
        self.assignment = assignment
        self.machine = machine
        self.stop = Stop()
        self.client = Client(metadata.token)
        self.storage = Storage(self.client)
        self.status = Status(self.storage, assignment)
        self.paths = Paths.of(assignment.run)
        self.paths.create(trainer.user())
        self.log = RunLog(self.paths.log, assignment)

    def run(self) -> bool:
        """Lives the boot to its end. Whether the machine should delete itself now."""
        signal.signal(signal.SIGTERM, self._power_button)
        signal.signal(signal.SIGINT, self._power_button)
        try:
            decision = states.boot(self.status.load(), self.assignment.attempt)
            if decision == "leave":
                raise NotOurs(f"phase {self.status.get('phase')}, attempt {self.status.get('attempt')}")
            return self._live(decision)
        except NotOurs as error:
            self.log.say(f"nothing to do here: {error}")
            return True
        except Exception as error:  # a mistake of ours must not keep the machine, nor hide
            self.log.say(traceback.format_exc().rstrip())
            self._finish("failed", one_line(f"supervisor: {type(error).__name__}: {error}"), None, None)
            return self.stop.power_off is None

    def _live(self, decision: str) -> bool:
        self.log.say(
            f"run {self.assignment.run}, attempt {self.assignment.attempt}, on {self.machine.name} "
            f"({self.machine.type}, {self.machine.zone}{', Spot' if self.machine.spot else ''}): {decision}"
        )
        if decision != "save":
            self.status.booting(self.machine, restart=decision == "resume")
        try:
            spec = self._spec()
        except RunFailed as error:
            self.log.say(str(error))
            self._finish("failed", str(error), None, None)
            return True
        systemd.limit_runtime(spec.deadline - time.time())
        self.log.resume(self.storage, spec.scratch_bucket)
        pulse = Pulse(self.status, self.log, self.storage, spec.scratch_bucket, self.stop)
        pulse.start()
        try:
            job = Job(self, spec)
            if decision == "save":
                job.exit_code = self.status.get("exitCode")
            else:
                self._direct(job, spec)
            return self._end(job, spec)
        finally:
            pulse.end()

    def _spec(self) -> Spec:
        name = f"runs/{self.assignment.run}/spec.json"
        found = self.storage.read(self.assignment.bucket, name)
        if found is None:
            raise RunFailed(f"spec.json is missing: gs://{self.assignment.bucket}/{name} does not exist")
        return spec_file.parse(found[0], self.assignment)

    def _direct(self, job: Job, spec: Spec) -> None:
        """Lets the job work until it ends or a stop is due."""
        # A later attempt or boot keeps the same reserve: it is a share of the run's whole time.
        end = spec.deadline - limits.saving_reserve(spec.created, spec.deadline)
        if time.time() >= end:
            self.stop.ask("deadline")
        if self.status.cancel_requested:
            self.stop.ask("cancel")
        job.start()
        while job.is_alive() and not self.stop.asked:
            if time.time() >= end:
                self.stop.ask("deadline")
            job.join(0.2)
        if job.is_alive():
            self.log.say(f"stopping: {self.stop.reason}{f' ({self.stop.detail})' if self.stop.detail else ''}")
            # Long enough for the trainer's grace; a request that hangs is left behind.
            job.join(self.stop.grace + 3)

    def _end(self, job: Job, spec: Spec) -> bool:
        """Saves what is there, writes the final phase. Whether the machine should delete itself now."""
        if self.stop.reason == "notOurs":
            self.log.say(f"this machine has nothing left to do: {self.stop.detail}")
            return True
        failure = job.failure
        if failure:
            self.log.say(f"failed: {failure}")
        ended = job.exit_code
        metrics = None
        try:
            # A machine that only goes down for a moment stays in `running`, so that its next boot resumes.
            if self.stop.power_off is None or ended is not None:
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
        result = states.outcome(
            stop=self.stop.reason,
            exit_code=ended,
            failure=failure,
            preempted=self.stop.power_off is not None and self.metadata.preempted(),
            cancel_requested=self.status.cancel_requested,
            past_deadline=time.time() >= spec.deadline,
        )
        if result is None:
            self.log.say("the machine is shut down before the run's end: nothing final to report")
            self._flush(spec, whole=False)
            return False
        phase, reason = result
        if phase == "failed" and ended and failure is None and job.last_line:
            reason = one_line(f"{reason} ({job.last_line})")
        self._finish(phase, reason, metrics, spec)
        if self.stop.power_off is not None:
            return False
        if phase == "failed" and spec.keep_minutes:
            self._keep(spec)
        return self.stop.power_off is None

    def _finish(self, phase: str, reason: str, metrics: dict[str, object] | None, spec: Spec | None) -> None:
        """The log first, so that whoever sees the final phase finds it whole; then the phase."""
        self.log.say(f"{phase}{f': {reason}' if reason else ''}")
        self._flush(spec, whole=True)
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
        seconds = min(spec.keep_minutes * 60, spec.deadline - time.time())
        if seconds <= 0:
            return
        self.log.say(f"kept for {seconds / 60:.0f} min for a look; then this machine deletes itself")
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.stop.power_off is None:
            systemd.notify("WATCHDOG=1")
            time.sleep(min(1.0, max(0.0, end - time.monotonic())))

    def _power_button(self, number: int, frame: object) -> None:
        self.stop.ask("shutdown", signal.Signals(number).name)
        if self.stop.power_off is not None:
            self.client.hurry(self.stop.power_off)


def delete_self(metadata: Metadata, machine: Machine) -> bool:
    return compute.delete_machine(
        Client(metadata.token), machine, lambda line: print(f"[ml-training] {line}", flush=True)
    )


def main() -> int:
    """0: the machine is gone or going, or stays because it is being shut down."""
    metadata = Metadata()
    systemd.notify("READY=1")
    try:
        machine = metadata.machine()
    except MachineUnusable as error:
        print(f"[ml-training] this is no Compute Engine machine: {error}", flush=True)
        return 1
    try:
        go = Life(metadata, metadata.assignment(), machine).run()
    except MachineUnusable as error:
        print(f"[ml-training] this machine cannot work: {error}", flush=True)
        go = True
    if not go:
        return 0
    return 0 if delete_self(metadata, machine) else 1
