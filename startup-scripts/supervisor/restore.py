"""What the trainer finds in CHECKPOINT_DIR when it starts: one whole checkpoint, or nothing; never half of two.

A file beside the folder (the marker) says what is in it. It is taken away before anything is changed and written when
the folder is whole again, so that a kill in between leaves a folder that nobody trusts.
"""

from __future__ import annotations

import json
import os
import shutil
from concurrent.futures import Executor
from typing import Any, Callable

from . import folder, manifest
from .checkpoints import Checkpoints
from .errors import NotOurs, RunFailed
from .manifest import Damaged, Manifest, Reference
from .metadata import Assignment
from .parallel import each
from .paths import Paths
from .stop import Stop

RACES = 20


class Restore:
    def __init__(
        self,
        paths: Paths,
        checkpoints: Checkpoints,
        assignment: Assignment,
        owner: tuple[int, int] | None,
        workers: Executor,
        stop: Stop,
        say: Callable[[str], None],
    ) -> None:
        self._paths = paths
        self._checkpoints = checkpoints
        self._mark = {"run": assignment.run, "attempt": assignment.attempt}
        self._owner = owner
        self._workers = workers
        self._stop = stop
        self._say = say

    def prepare(self, first: bool) -> tuple[Reference, Manifest] | None:
        """Fills CHECKPOINT_DIR and claims the checkpoints for this process; what the training goes on from.

        `first`: neither this machine nor an earlier attempt has trained yet.
        """
        for leftover in (".new", ".old"):
            _remove(f"{self._paths.checkpoints}{leftover}")
        for _ in range(RACES):
            latest = self._checkpoints.latest()
            own = self._own()
            loaded = None
            # A run that never trained has no checkpoints to look for, and pays for no list of them.
            some = self._checkpoints.exists or not first
            for candidate in self._checkpoints.stored.candidates(latest, self._say) if some else ():
                try:
                    if not own:
                        self._fill(*candidate)
                    loaded = candidate
                    break
                except Damaged as error:
                    self._say(f"checkpoint {candidate[0].n} is not used: {error}")
            if loaded is None and not own:
                if latest is not None and latest.head is not None:
                    self._say("no checkpoint is whole: the training begins anew")
                self._empty()
            if self._checkpoints.claim(latest, loaded, first):
                self._tell(loaded, bool(own))
                self._learn(loaded)
                self._write_mark({"n": loaded[0].n if loaded else 0})
                return loaded
            self._say("another machine wrote a checkpoint meanwhile: looking again")
        raise NotOurs("the checkpoints change faster than they can be read")

    def close(self, at_rest: bool) -> None:
        """Marks the folder as whole (the trainer has ended, and was not in the middle of anything), or as not."""
        mark = self._read_mark()
        if mark is not None:
            found = folder.scan(self._paths.checkpoints).digest if at_rest else None
            self._write_mark({"n": mark.get("n", 0), **({"whole": found} if found else {})})

    def _own(self) -> dict[str, Any] | None:
        """The marker, if this machine's own folder is whole: then it is at least as new as the bucket."""
        mark = self._read_mark()
        if mark is None or any(mark.get(key) != value for key, value in self._mark.items()):
            return None
        whole = mark.get("whole")
        return mark if whole and whole == folder.scan(self._paths.checkpoints).digest else None

    def _tell(self, loaded: tuple[Reference, Manifest] | None, own: bool) -> None:
        if own:
            self._say("going on with this machine's own CHECKPOINT_DIR: it was whole when the machine went down")
        elif loaded:
            made = loaded[1]
            self._say(
                f"resumed from checkpoint {made.n} of attempt {made.attempt}: "
                f"{count(len(made.files))}, {made.bytes / 1e6:.1f} MB, saved {made.at}"
            )

    def _learn(self, loaded: tuple[Reference, Manifest] | None) -> None:
        """What lies there from the checkpoint need not be read to be known."""
        if loaded is None:
            return
        entries = {entry.path: entry for entry in loaded[1].files}
        for file in folder.scan(self._paths.checkpoints).files:
            entry = entries.get(file.path)
            # Times to the nanosecond are those that `_fill` set; a file of the trainer's has others.
            if entry and (file.size, file.mtime) == (entry.size, entry.mtime):
                self._checkpoints.learn(file, entry.sha256)

    # The folder.

    def _fill(self, reference: Reference, made: Manifest) -> None:
        """Puts checkpoint `made` in CHECKPOINT_DIR's place; `Damaged` if it is not whole, and nothing changes."""
        new = f"{self._paths.checkpoints}.new"
        _remove(new)
        # Links are made last: until then nothing that is written can pass through one.
        free = shutil.disk_usage(self._paths.base).free
        if made.bytes > free:
            # What lies there now is not to be trusted anyway.
            _remove(self._paths.marker)
            _remove(self._paths.checkpoints)
            free = shutil.disk_usage(self._paths.base).free
        if made.bytes > free:
            raise RunFailed(
                f"checkpoint {made.n} needs {made.bytes / 1e9:.1f} GB; the disk has {free / 1e9:.1f} GB free: "
                "ask for a larger disk"
            )
        os.makedirs(new, mode=0o755)
        for path in sorted({*made.folders, *(os.path.dirname(e.path) for e in made.files), *_parents(made.links)}):
            os.makedirs(os.path.join(new, path), mode=0o755, exist_ok=True)

        def one(entry: manifest.Entry) -> None:
            self._stop.check()
            target = os.path.join(new, entry.path)
            self._checkpoints.stored.fetch(entry, target)
            os.chmod(target, entry.mode)
            os.utime(target, ns=(entry.mtime, entry.mtime))

        each(self._workers, one, made.files)
        for path, target in made.links:
            os.symlink(target, os.path.join(new, path))
        if self._owner is not None:
            _give(new, self._owner)
        # Not forced to the disk: after a power cut nothing here is trusted, and the bucket has it.
        self._replace(new)

    def _empty(self) -> None:
        """An empty CHECKPOINT_DIR: what lies there is of no known checkpoint."""
        found = folder.scan(self._paths.checkpoints)
        if found.files or found.links:
            self._say(
                f"{count(len(found.files))} in CHECKPOINT_DIR {'is' if len(found.files) == 1 else 'are'} not used: "
                "the machine went down before a checkpoint was made of them"
            )
        new = f"{self._paths.checkpoints}.new"
        _remove(new)
        os.makedirs(new, mode=0o755)
        if self._owner is not None:
            _give(new, self._owner)
        self._replace(new)

    def _replace(self, new: str) -> None:
        old = f"{self._paths.checkpoints}.old"
        _remove(old)
        _remove(self._paths.marker)
        if os.path.lexists(self._paths.checkpoints):
            os.rename(self._paths.checkpoints, old)
        os.rename(new, self._paths.checkpoints)
        _remove(old)

    # The marker.

    def _read_mark(self) -> dict[str, Any] | None:
        try:
            with open(self._paths.marker, encoding="utf-8") as file:
                found = json.load(file)
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) else None

    def _write_mark(self, more: dict[str, Any]) -> None:
        new = f"{self._paths.marker}.new"
        with open(new, "w", encoding="utf-8") as file:
            json.dump({**self._mark, **more}, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, self._paths.marker)


def count(files: int) -> str:
    return "1 file" if files == 1 else f"{files} files"


def _parents(links: tuple[tuple[str, str], ...]) -> set[str]:
    return {os.path.dirname(path) for path, _ in links}


def _remove(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)


def _give(top: str, owner: tuple[int, int]) -> None:
    for place, folders, files in os.walk(top):
        os.chown(place, *owner)
        for name in (*folders, *files):
            os.lchown(os.path.join(place, name), *owner)
