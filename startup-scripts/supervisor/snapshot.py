"""CHECKPOINT_DIR as it is at one moment at which nothing moves."""

from __future__ import annotations

import os
import resource
import stat
from typing import BinaryIO, Callable

from .folder import File, Listing, Moving, difference, scan, writing

# Files that are held open at once at most; what is more is opened when its turn comes, and compared again.
OPEN_FILES = 4096
SPARE_HANDLES = 256


def allow_open_files() -> int:
    """Raises the soft limit of open files; how many a snapshot may hold."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES + SPARE_HANDLES
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
        except (OSError, ValueError):
            pass
    return max(16, min(OPEN_FILES, soft - SPARE_HANDLES))


class Source:
    """A file's contents as they were at the snapshot's moment.

    Held open they stay readable when the trainer puts another file in its place; a change in place is noticed.
    """

    def __init__(self, folder: str, file: File) -> None:
        self._path = os.path.join(folder, file.path)
        self.file = file
        self._stream: BinaryIO | None = None

    def open(self) -> BinaryIO:
        """The open file; `Moving` if it is no longer the one that was listed."""
        if self._stream is None:
            try:
                handle = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            except OSError as error:
                raise Moving(f"{self.file.path} cannot be read: {error.strerror}") from None
            self._stream = os.fdopen(handle, "rb", buffering=0)
        self.check()
        return self._stream

    def check(self) -> None:
        """`Moving` if the contents changed since the listing."""
        if self._stream is None:
            return
        now = os.fstat(self._stream.fileno())
        file = self.file
        same = (now.st_dev, now.st_ino, now.st_size, now.st_mtime_ns) == (
            file.device,
            file.inode,
            file.size,
            file.mtime,
        )
        if not same or not stat.S_ISREG(now.st_mode):
            raise Moving(f"{file.path} changes while it is read")

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None


class Snapshot:
    """A listing, and the contents of those files that are not known yet."""

    def __init__(self, listing: Listing, sources: dict[str, Source]) -> None:
        self.listing = listing
        self.sources = sources

    def __enter__(self) -> Snapshot:
        return self

    def __exit__(self, *_: object) -> None:
        for source in self.sources.values():
            source.close()


def take(folder: str, user: int | None, known: Callable[[File], bool], open_files: int) -> Snapshot:
    """The folder at this moment; `Moving` if anybody writes in it or anything changes meanwhile."""
    listing = scan(folder)
    someone = writing(folder, user)
    if someone is not None:
        raise Moving(someone)
    snapshot = Snapshot(listing, {file.path: Source(folder, file) for file in listing.files if not known(file)})
    try:
        for source in list(snapshot.sources.values())[:open_files]:
            source.open()
        again = scan(folder)
        if again != listing:
            raise Moving(difference(listing, again))
        someone = writing(folder, user)
        if someone is not None:
            raise Moving(someone)
    except BaseException:
        snapshot.__exit__()
        raise
    return snapshot
