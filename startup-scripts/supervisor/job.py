"""What a run does between boot and end: fetch, restore, install, download, train."""

from __future__ import annotations

import errno
import shutil
import threading
import traceback
from typing import TYPE_CHECKING

from . import alive, inputs, limits, package, pythonenv, trainer
from .checkpoints import Checkpoints
from .errors import NotOurs, RunFailed, Stopped, one_line, told_as
from .manifest import Manifest
from .restore import Restore
from .spec import Spec
from .sync import Sync

if TYPE_CHECKING:
    from .lifecycle import Life

# Less than this is called a full disk.
FULL_BYTES = 8 * 1024 * 1024


class Job(threading.Thread):
    """Prepares and trains, in a thread of its own: the main thread must stay free to end it all."""

    def __init__(self, life: Life, spec: Spec, first: bool) -> None:
        super().__init__(name="job", daemon=True)
        self._life = life
        self._spec = spec
        # Nothing of this run has trained before, on this machine or another.
        self._first = first
        self.exit_code: int | None = None
        self.failure: str | None = None
        # The trainer's own last line: most often the error that ended it.
        self.last_line = ""
        # Whether the trainer ended in its own way: well, or after it was asked to.
        self.by_itself = False
        self.sync: Sync | None = None
        self.restore: Restore | None = None

    def run(self) -> None:
        alive.begin(self.name, limits.JOB_STILL_SECONDS)
        try:
            self._work()
        except NotOurs as end:
            self._life.stop.ask("notOurs", str(end))
        except Stopped as end:
            self.by_itself = end.by_itself
        except RunFailed as end:
            self.failure = str(end)
        except OSError as error:
            self.failure = one_line(error.strerror or error)
            if error.errno == errno.ENOSPC:
                self.failure = "the disk is full: ask for a larger disk"
        except Exception as error:  # whatever it is, the machine must report it and go
            self._life.log.say(traceback.format_exc().rstrip())
            self.failure = one_line(f"{type(error).__name__}: {error}")
        finally:
            if self.failure or self.exit_code:
                self._look_for_room()
            alive.end(self.name)

    def _look_for_room(self) -> None:
        """A full disk makes others fail in their own words; whoever reads the reason must see what it was."""
        full = shutil.disk_usage(self._life.paths.base).free < FULL_BYTES
        if full and "disk is full" not in (self.failure or ""):
            if self.failure:
                self.failure = one_line(f"{self.failure} (the disk is full)")
            else:
                self.last_line = "the disk is full"

    def _work(self) -> None:
        life, spec, stop = self._life, self._spec, self._life.stop
        stop.check()
        with told_as("status.json could not be written"):
            life.status.phase("installing")
        if trainer.end_leftover(life.paths):
            life.log.say("ended a trainer that an earlier supervisor left behind")
        life.log.say(f"fetching the package {spec.package_name} ({spec.package_sha256[:12]})")
        with told_as("package could not be fetched"):
            package.fetch(life.storage, spec, life.paths.archive)
        with told_as("package could not be unpacked"):
            package.unpack(life.paths.archive, life.paths.package, trainer.user())
        stop.check()
        sync = self._restore()
        stop.check()
        with told_as("the Python environment could not be made"):
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
        with told_as("status.json could not be written"):
            life.status.phase("running")
        life.log.say(f"training: {' '.join(spec.command)}")
        sync.begin()
        self.sync = sync
        self.exit_code = trainer.run(spec, life.assignment, life.paths, stop, life.log.file)
        self.by_itself = self.exit_code == 0
        if self.exit_code != 0:
            self.last_line = life.log.last_line()
        life.log.say(f"the trainer ended: exit {self.exit_code}")

    def _restore(self) -> Sync:
        """Puts the newest whole checkpoint into CHECKPOINT_DIR."""
        life, spec = self._life, self._spec
        workers = life.workers
        owner = trainer.user()
        checkpoints = Checkpoints(life.storage, spec.scratch_bucket, life.assignment, life.owner, workers)
        self.restore = Restore(life.paths, checkpoints, life.assignment, owner, workers, life.stop, life.log.say)
        try:
            loaded = self.restore.prepare(self._first)
        except (NotOurs, RunFailed, Stopped):
            raise
        except Exception as error:
            # To begin anew because the bucket is away would lose what was trained.
            raise RunFailed(one_line(f"checkpoints cannot be read: {error}")) from error
        if loaded is None:
            life.status.remember(checkpoint=None, resumedFrom=None)
        else:
            life.status.remember(checkpoint=summary(loaded[1]), resumedFrom=loaded[1].n)

        def report(made: Manifest) -> None:
            life.status.remember(checkpoint=summary(made))

        return Sync(
            life.paths.checkpoints,
            checkpoints,
            spec.checkpoint_seconds,
            owner[0] if owner else None,
            life.stop,
            life.log.say,
            report,
        )


def summary(made: Manifest) -> dict[str, object]:
    """`checkpoint` in status.json."""
    return {"n": made.n, "at": made.at, "bytes": made.bytes, "files": len(made.files)}
