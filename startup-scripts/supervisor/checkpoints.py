"""Checkpoints in the scratch bucket: files by their SHA-256, numbered manifests, and LATEST.json, which moves last.

A kill at any moment leaves LATEST.json at a whole checkpoint. Whoever moves it must know its generation: a machine
whose attempt is over finds another one there, and stops.
"""

from __future__ import annotations

import threading
from concurrent.futures import Executor
from dataclasses import dataclass

from . import clock, limits, manifest
from .errors import NotOurs
from .folder import File, Moving
from .manifest import Damaged, Entry, Latest, Manifest, Reference
from .metadata import Assignment
from .parallel import each
from .rest import HttpError
from .snapshot import Snapshot, Source
from .spec import format_time, parse_time
from .storage import Storage
from .stored import Stored
from .transfer import ChecksumError, SessionLost, Sums, digest

JSON = "application/json"
RACES = 50


@dataclass(frozen=True)
class Object:
    """A file's bytes in the bucket."""

    generation: str
    # When they were put there (seconds since 1970).
    at: float


class Checkpoints:
    """One run's checkpoints, as this process knows them. Only one thread at a time may commit."""

    def __init__(self, storage: Storage, bucket: str, assignment: Assignment, owner: str, workers: Executor) -> None:
        self._storage = storage
        self._bucket = bucket
        self._assignment = assignment
        self._owner = owner
        self._workers = workers
        self.stored = Stored(storage, bucket, assignment.run)
        self._lock = threading.Lock()
        self._hash_locks: dict[str, threading.Lock] = {}
        # Contents that are in the bucket, and whose they are: by SHA-256, and by the file that had them.
        self._objects: dict[str, Object] = {}
        self._contents: dict[File, str] = {}
        # Of files that are not there yet, but were read while the folder came to rest.
        self._ahead: dict[File, Sums] = {}
        # The pointer as it was last read or written by us; `"0"`: there is none.
        self._pointer = "0"
        self._next = 1
        # Newest first: what is kept.
        self.kept: list[tuple[Reference, Manifest]] = []
        # What could not be deleted yet: names and generations.
        self._garbage: dict[str, str] = {}

    @property
    def head(self) -> tuple[Reference, Manifest] | None:
        """The newest checkpoint."""
        return self.kept[0] if self.kept else None

    # Reading.

    def latest(self) -> Latest | None:
        """LATEST.json; `None` if there is none or it is damaged; `NotOurs` if a later attempt owns it."""
        found = self._storage.read(self._bucket, self.stored.prefix + manifest.LATEST)
        self._pointer = found[1] if found else "0"
        if found is None:
            return None
        try:
            latest = manifest.read_latest(found[0])
        except Damaged:
            return None
        if latest.attempt > self._assignment.attempt:
            raise NotOurs(
                f"the checkpoints belong to attempt {latest.attempt}; this machine is attempt {self._assignment.attempt}"
            )
        return latest

    @property
    def exists(self) -> bool:
        """Whether there is a LATEST.json, damaged or not."""
        return self._pointer != "0"

    # Claiming.

    def claim(self, latest: Latest | None, loaded: tuple[Reference, Manifest] | None, first: bool) -> bool:
        """Makes the pointer this process's own, at the checkpoint that was loaded; false: it moved meanwhile.

        `first`: nothing of this run has ever trained. Then there is nobody to fence out, and nothing is written.
        """
        self.kept = [kept for kept in (loaded, self._before(loaded)) if kept is not None]
        highest = max(loaded[0].n if loaded else 0, latest.head.n if latest and latest.head else 0)
        if self.exists or not first:
            # Before the pointer is ours: what is listed after that may be a successor's, and would be deleted.
            highest = max([highest, *self._take_stock()])
            head, previous = [*(kept[0] for kept in self.kept), None, None][:2]
            if not self._point(Latest(head, previous, self._assignment.attempt, self._owner), adopt=False):
                return False
            self._sweep()
        self._next = highest + 1
        return True

    def _before(self, loaded: tuple[Reference, Manifest] | None) -> tuple[Reference, Manifest] | None:
        previous = loaded[1].previous if loaded else None
        try:
            return (previous, self.stored.load(previous)) if previous else None
        except Damaged:
            return None

    def _take_stock(self) -> list[int]:
        """Learns which objects there are, and which of them nothing kept names; the manifests' numbers."""
        self._garbage.clear()
        self._objects.clear()
        numbers = self.stored.numbers()
        keep = {reference.n for reference, _ in self.kept}
        self._garbage.update({item.name: item.generation for n, item in numbers.items() if n not in keep})
        needed = {entry.sha256 for _, kept in self.kept for entry in kept.files}
        folder = self.stored.file("")
        for item in self._storage.list(self._bucket, folder):
            sha256 = item.name[len(folder) :]
            if sha256 in needed:
                self._objects[sha256] = Object(item.generation, parse_time(item.created) if item.created else 0.0)
            else:
                self._garbage[item.name] = item.generation
        return list(numbers)

    # Writing.

    def known(self, file: File) -> bool:
        """Whether the file's contents need not be read again."""
        sha256 = self._contents.get(file)
        return sha256 is not None and self._fresh(sha256) is not None

    def learn(self, file: File, sha256: str) -> None:
        """`file` was made from a checkpoint: its contents are known."""
        self._contents[file] = sha256

    def _fresh(self, sha256: str) -> Object | None:
        found = self._objects.get(sha256)
        return found if found is not None and clock.now() - found.at < limits.REFRESH_SECONDS else None

    def read_ahead(self, folder: str, files: tuple[File, ...]) -> None:
        """Reads files that are new while nothing can be sent yet, for their checksums."""

        def one(file: File) -> None:
            source = Source(folder, file)
            try:
                sums = digest(source.open(), file.size)
                source.check()
                self._ahead[file] = sums
            except (Moving, ChecksumError):
                pass  # the next listing will show it
            finally:
                source.close()

        each(self._workers, one, [file for file in files if not self.known(file) and file not in self._ahead])

    def commit(self, snapshot: Snapshot) -> tuple[Manifest, int]:
        """Writes a new checkpoint and moves the pointer to it. The manifest, and how many bytes were sent.

        `Moving` if a file changed while it was read; `NotOurs` if the pointer is another's.
        """
        try:
            entries, sent = self._put_all(snapshot)
        finally:
            self._ahead.clear()
        head = self.head
        while True:
            made = Manifest(
                run=self._assignment.run,
                n=self._next,
                attempt=self._assignment.attempt,
                at=format_time(clock.now()),
                previous=head[0] if head else None,
                files=tuple(entries),
                links=snapshot.listing.links,
                folders=snapshot.listing.folders,
            )
            reference = self._write(made)
            self._next += 1
            if reference is not None:
                break
        try:
            mine = Latest(reference, head[0] if head else None, self._assignment.attempt, self._owner)
            self._point(mine, adopt=True)
        except Exception:
            # The next checkpoint takes its place. Nothing is deleted before that one is pointed to.
            self._garbage[self.stored.name(reference.n)] = reference.generation
            raise
        self._prune((reference, made))
        self._contents = {file: entry.sha256 for file, entry in zip(snapshot.listing.files, entries)}
        return made, sent

    def _put_all(self, snapshot: Snapshot) -> tuple[list[Entry], int]:
        """Every file's entry, in the listing's order, and how many bytes were sent."""
        files = snapshot.listing.files
        # Large ones first: while one is sent, the next is read.
        order = sorted(range(len(files)), key=lambda index: -files[index].size)
        done = dict(zip(order, each(self._workers, lambda index: self._put(snapshot, files[index]), order)))
        return [done[index][0] for index in range(len(files))], sum(sent for _, sent in done.values())

    def _put(self, snapshot: Snapshot, file: File) -> tuple[Entry, int]:
        """Sees to it that the file's bytes are in the bucket; its entry, and how many bytes were sent."""
        sha256 = self._contents.get(file)
        stored = self._fresh(sha256) if sha256 is not None else None
        sent = 0
        source = snapshot.sources.get(file.path)
        if stored is None or sha256 is None:
            if source is None:
                raise RuntimeError(f"{file.path} is not known and was not opened")
            stream = source.open()
            try:
                sums = self._ahead.get(file) or digest(stream, file.size)
                sha256 = sums.sha256
                with self._hash_lock(sha256):
                    stored = self._fresh(sha256)
                    if stored is None:
                        source.check()
                        stored = self._send(sums, source)
                        sent = file.size
                source.check()
            finally:
                source.close()
        return Entry(file.path, file.size, file.mode, file.mtime, sha256, stored.generation), sent

    def _hash_lock(self, sha256: str) -> threading.Lock:
        with self._lock:
            return self._hash_locks.setdefault(sha256, threading.Lock())

    def _send(self, sums: Sums, source: Source) -> Object:
        """Sends the bytes that `sums` are of: the MD5 that the service computes of what it got must be theirs."""
        stream = source.open()
        name = self.stored.file(sums.sha256)
        old = self._objects.get(sums.sha256)
        expected = old.generation if old else "0"
        for _ in range(RACES):
            try:
                generation = self._storage.upload(
                    self._bucket,
                    name,
                    stream,
                    "application/octet-stream",
                    if_generation_match=expected,
                    retry_seconds=limits.CHECKPOINT_RETRY_SECONDS,
                    md5=sums.md5,
                )
            except (ChecksumError, SessionLost):
                source.check()
                raise
            except HttpError as error:
                if error.status != 412:
                    raise
                # It is there already: of a killed or fenced machine, or our own request came twice. Who put it there
                # might still delete it, at the generation that it knows: so it is written again.
                found = self._storage.stat(self._bucket, name, limits.CHECKPOINT_RETRY_SECONDS)
                expected = found.generation if found else "0"
                continue
            stored = Object(generation, clock.now())
            with self._lock:
                self._objects[sums.sha256] = stored
            return stored
        raise RuntimeError(f"{name} changes faster than it can be written")

    def _write(self, made: Manifest) -> Reference | None:
        """Writes a manifest; `None` if its number is taken."""
        data = made.encode()
        name = self.stored.name(made.n)
        try:
            generation = self._storage.write(
                self._bucket,
                name,
                data,
                JSON,
                if_generation_match="0",
                retry_seconds=limits.CHECKPOINT_RETRY_SECONDS,
            )
        except HttpError as error:
            if error.status != 412:
                raise
            found = self._storage.read(self._bucket, name, limits.CHECKPOINT_RETRY_SECONDS)
            if found is None or found[0] != data:
                return None
            generation = found[1]
        return Reference(made.n, manifest.digest(data), generation)

    def _point(self, mine: Latest, *, adopt: bool) -> bool:
        """Moves LATEST.json. If it was moved meanwhile: false, or with `adopt` `NotOurs`."""
        data = mine.encode()
        name = self.stored.prefix + manifest.LATEST
        for _ in range(RACES):
            try:
                self._pointer = self._storage.write(
                    self._bucket,
                    name,
                    data,
                    JSON,
                    if_generation_match=self._pointer,
                    retry_seconds=limits.CHECKPOINT_RETRY_SECONDS if adopt else None,
                )
                return True
            except HttpError as error:
                if error.status != 412:
                    raise
            found = self._storage.read(self._bucket, name, limits.CHECKPOINT_RETRY_SECONDS)
            if found is not None and found[0] == data:
                self._pointer = found[1]
                return True
            if not adopt:
                return False
            if found is None:
                self._pointer = "0"  # deleted by somebody: there is no other owner
                continue
            owner = self._owner_of(found[0])
            if owner != (self._assignment.attempt, self._owner):
                raise NotOurs(
                    f"the checkpoints belong to attempt {owner[0]}{'' if owner[0] else ' (damaged)'} on another machine"
                )
            # An earlier move of ours arrived although no answer did.
            self._pointer = found[1]
        raise RuntimeError(f"{name} changes faster than it can be written")

    def _owner_of(self, data: bytes) -> tuple[int, str]:
        try:
            latest = manifest.read_latest(data)
        except Damaged:
            return 0, ""
        return latest.attempt, latest.owner

    # Tidying.

    def _prune(self, newest: tuple[Reference, Manifest]) -> None:
        """Keeps the newest checkpoints; the others' objects go, manifests first."""
        self.kept.insert(0, newest)
        gone, self.kept = self.kept[limits.KEPT_CHECKPOINTS :], self.kept[: limits.KEPT_CHECKPOINTS]
        needed = {entry.sha256 for _, kept in self.kept for entry in kept.files}
        for reference, _ in gone:
            self._garbage[self.stored.name(reference.n)] = reference.generation
        for sha256 in [sha256 for sha256 in self._objects if sha256 not in needed]:
            self._garbage[self.stored.file(sha256)] = self._objects.pop(sha256).generation
        with self._lock:
            self._hash_locks.clear()
        self._sweep()

    def _sweep(self) -> None:
        """Deletes the garbage; what cannot be deleted now is tried again with the next checkpoint."""
        # Manifests first: one whose files are gone would look like a checkpoint.
        for files in (False, True):
            names = [name for name in self._garbage if name.startswith(self.stored.file("")) == files]
            for name, done in zip(names, each(self._workers, self._delete, names)):
                if done:
                    del self._garbage[name]

    def _delete(self, name: str) -> bool:
        try:
            self._storage.delete(self._bucket, name, self._garbage[name], retry_seconds=0)
        except Exception:  # a bucket that is away or refuses: there is more room than time
            return False
        return True
