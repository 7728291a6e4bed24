"""The thread that keeps the bucket's checkpoint as new as CHECKPOINT_DIR, and takes the last one when the run ends."""

from __future__ import annotations

import http.client
import threading
import time
from typing import Callable

from . import alive, clock, limits
from .checkpoints import Checkpoints
from .errors import MachineUnusable, NotOurs, one_line
from .folder import Listing, Moving, difference, scan, writing
from .manifest import Manifest
from .rest import HttpError
from .restore import count
from .snapshot import allow_open_files, take
from .stop import Stop
from .transfer import ChecksumError, SessionLost

TRANSIENT = (HttpError, OSError, http.client.HTTPException, MachineUnusable, ChecksumError, SessionLost, RuntimeError)
# Looking costs at most this share of a core.
SHARE = 0.005


class Sync(threading.Thread):
    """Watches the folder; a change that has come to rest becomes a checkpoint, no more often than every `interval` s."""

    def __init__(
        self,
        folder: str,
        checkpoints: Checkpoints,
        interval: float,
        user: int | None,
        stop: Stop,
        say: Callable[[str], None],
        report: Callable[[Manifest], None],
    ) -> None:
        super().__init__(name="checkpoint", daemon=True)
        self._folder = folder
        self._checkpoints = checkpoints
        self._interval = interval
        self._user = user
        self._halt = stop
        self._say = say
        self._report = report
        self._open_files = allow_open_files()
        # What the bucket has, what lies there, since when (monotonic), and whether that is known to be whole.
        self._saved: Listing | None = None
        self._seen: Listing | None = None
        self._seen_at = 0.0
        self._whole: Listing | None = None
        self._ahead: Listing | None = None
        self._changed_at: float | None = None
        self._committed = float("-inf")
        self._committed_at = clock.now()
        self._retry_at = 0.0
        self._cost = 0.0
        self._late = False
        self._problem = ""
        self._moving = ""
        self._said_moving = False
        self._skipped: set[tuple[str, str]] = set()
        self._work = threading.Condition()
        self._finishing: bool | None = None
        self._save_last = True
        self._finished = threading.Event()
        # After `finish`: whether the trainer left the folder whole.
        self.at_rest = False

    def begin(self) -> None:
        """Takes what lies there now for what the bucket has: it was just restored, or is empty."""
        head = self._checkpoints.head
        listing = scan(self._folder)
        if not listing.files or (head is not None and all(self._checkpoints.known(file) for file in listing.files)):
            self._saved = listing
        alive.begin("checkpoint", limits.JOB_STILL_SECONDS)
        self.start()

    def run(self) -> None:
        pause = limits.SETTLE_SECONDS / 4
        while True:
            with self._work:
                if self._finishing is None:
                    self._work.wait(pause)
                finishing = self._finishing
            alive.beat()
            if finishing is not None:
                self._last(finishing)
                break
            try:
                self._step()
            except NotOurs as error:
                self._halt.ask("notOurs", str(error))
                break
            except Exception as error:  # a mistake of ours costs checkpoints, not the training; and it is said
                self._failed(error)
            pause = self._pause()
        alive.end("checkpoint")
        self._finished.set()

    def _pause(self) -> float:
        """Seconds until the next look."""
        if self._late:
            # Shorter than the rest that is waited for, or it would never be seen.
            return max(limits.SHORT_SETTLE_SECONDS, self._cost)
        least = limits.SETTLE_SECONDS / (2 if self._changed_at is None else 4)
        return min(30.0, max(least, self._cost / SHARE))

    def _look(self) -> Listing:
        began = time.thread_time()
        listing = scan(self._folder)
        self._cost = time.thread_time() - began
        now = time.monotonic()
        if listing != self._seen:
            if self._seen is not None:
                self._moving = difference(self._seen, listing)
            self._seen, self._seen_at = listing, now
        return listing

    def _step(self) -> None:
        listing = self._look()
        now = time.monotonic()
        self._mention(listing)
        self._late = False
        if not listing.files:
            # Nothing to go on from is no checkpoint: what was saved before stays.
            self._changed_at = None
            return
        stale = self._saved is not None and clock.now() - self._committed_at > limits.REFRESH_SECONDS
        if listing == self._saved and not stale:
            self._changed_at = None
            return
        if self._changed_at is None:
            self._changed_at = now
        due = max(self._changed_at, self._committed + self._interval, self._retry_at)
        late = now - due
        self._late = late >= limits.PATIENCE_SECONDS
        quiet = limits.SHORT_SETTLE_SECONDS if self._late else limits.SETTLE_SECONDS
        still = now - self._seen_at
        if not self._late and self._ahead != listing and still >= limits.SETTLE_SECONDS / 4 and now >= due - quiet:
            self._ahead = listing
            self._checkpoints.read_ahead(self._folder, listing.files)
            return
        if still >= limits.SETTLE_SECONDS and listing != self._whole:
            someone = writing(self._folder, self._user)
            if someone is None:
                self._whole = listing
            else:
                self._moving = someone
        if now >= due and still >= quiet:
            try:
                self._commit()
                return
            except Moving as moving:
                self._moving = str(moving)
            except TRANSIENT as error:
                self._failed(error)
        if late > limits.PATIENCE_SECONDS + self._interval and not self._said_moving and self._moving:
            self._said_moving = True
            self._say(
                f"no checkpoint for {now - max(self._changed_at, self._committed):.0f} s: "
                f"CHECKPOINT_DIR does not come to rest ({one_line(self._moving, 120)})"
            )

    def _commit(self) -> None:
        began = time.monotonic()
        with take(self._folder, self._user, self._checkpoints.known, self._open_files) as snapshot:
            made, sent = self._checkpoints.commit(snapshot)
            self._saved = self._whole = snapshot.listing
        self._committed = began
        self._committed_at = clock.now()
        self._changed_at = None
        self._said_moving = False
        if self._problem:
            self._say("checkpoints can be written again")
            self._problem = ""
        part = "" if sent == made.bytes else f", {sent / 1e6:.1f} MB of them new"
        self._say(
            f"checkpoint {made.n}: {count(len(made.files))}, {made.bytes / 1e6:.1f} MB{part} "
            f"in {time.monotonic() - began:.1f} s"
        )
        self._report(made)

    def _failed(self, error: Exception) -> None:
        # The same problem is said once, however often it comes.
        kind = f"{type(error).__name__} {getattr(error, 'status', '')}"
        if kind != self._problem:
            self._say(f"checkpoints cannot be written, trying again: {one_line(error)}")
            self._problem = kind
        self._retry_at = time.monotonic() + min(15.0, max(self._interval, 1.0))

    def _mention(self, listing: Listing) -> None:
        new = [entry for entry in listing.skipped if entry not in self._skipped]
        if not new:
            return
        self._skipped.update(new)
        path, why = new[0]
        more = f", and {len(new) - 1} more" if len(new) > 1 else ""
        self._say(f"not in the checkpoints: {one_line(path, 100)} ({one_line(why, 100)}){more}")

    # The end.

    def finish(self, by_itself: bool, save: bool, seconds: float) -> None:
        """Takes the last checkpoint, if `save`, in at most `seconds`.

        `by_itself`: the trainer ended in its own way, so what it left is what it meant to leave. One that was killed
        may have been in the middle: then only what was seen at rest while it lived counts.
        """
        with self._work:
            self._finishing = by_itself
            self._save_last = save
            self._work.notify()
        end = time.monotonic() + max(0.1, seconds)
        while self.ident is not None and not self._finished.wait(0.2):
            alive.beat()
            if time.monotonic() < end:
                continue
            if save:
                self._say("the last checkpoint could not be saved in time: the one before it counts")
            return

    def _last(self, by_itself: bool) -> None:
        try:
            listing = self._look()
            self.at_rest = by_itself or listing == self._whole or listing == self._saved
            if not self._save_last or not listing.files or listing == self._saved:
                return
            if not self.at_rest:
                self._say("CHECKPOINT_DIR was being changed when the trainer was killed: the checkpoint before it counts")
                return
            self._commit()
        except NotOurs as error:
            self._halt.ask("notOurs", str(error))
        except Moving as error:
            self.at_rest = False
            self._say(f"the last checkpoint is not saved, somebody still writes: {error}")
        except Exception as error:
            self._say(f"the last checkpoint could not be saved: {one_line(error)}")
