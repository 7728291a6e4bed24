"""What lies in CHECKPOINT_DIR at one moment, by names and times alone, and who is writing there."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass

from . import limits

# What the helper (python/ml_training_checkpoint.py) writes before it renames: never part of a checkpoint.
TEMPORARY = ".ml-training-"


class Moving(Exception):
    """The folder does not come to rest; the text says what moves."""


@dataclass(frozen=True)
class File:
    """An ordinary file. As long as nothing of this changes, its contents have not."""

    path: str
    size: int
    mode: int
    mtime: int
    ctime: int
    device: int
    inode: int


@dataclass(frozen=True)
class Listing:
    """Two equal listings with nobody writing in between: nothing happened."""

    files: tuple[File, ...]
    # Path and target. Only those that stay in the folder: `last -> step-7`.
    links: tuple[tuple[str, str], ...]
    # Folders that hold nothing; the others come with their files.
    folders: tuple[str, ...]
    # Path and why it is no part of a checkpoint.
    skipped: tuple[tuple[str, str], ...]

    @property
    def digest(self) -> str:
        return hashlib.sha256(repr((self.files, self.links, self.folders)).encode("utf-8", "replace")).hexdigest()


def inside(path: str, target: str) -> bool:
    """Whether a link at `path` (relative) to `target` stays in the folder."""
    if target == "" or os.path.isabs(target):
        return False
    return os.path.normpath(os.path.join(os.path.dirname(path), target)).split(os.sep)[0] != ".."


def scan(folder: str) -> Listing:
    """The folder as it is; `Moving` if there is more in it than can be a checkpoint."""
    files: list[File] = []
    links: list[tuple[str, str]] = []
    folders: list[str] = []
    skipped: list[tuple[str, str]] = []

    def visit(place: str) -> bool:
        """Whether anything was there."""
        try:
            with os.scandir(os.path.join(folder, place)) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError:
            return False  # it went away: the next listing will differ
        some = False
        for entry in entries:
            if entry.name.startswith(TEMPORARY):
                continue
            path = f"{place}/{entry.name}" if place else entry.name
            try:
                facts = entry.stat(follow_symlinks=False)
                some = True
                if stat.S_ISREG(facts.st_mode):
                    files.append(
                        File(
                            path,
                            facts.st_size,
                            stat.S_IMODE(facts.st_mode) & 0o777,
                            facts.st_mtime_ns,
                            facts.st_ctime_ns,
                            facts.st_dev,
                            facts.st_ino,
                        )
                    )
                elif stat.S_ISDIR(facts.st_mode):
                    if not visit(path):
                        folders.append(path)
                elif stat.S_ISLNK(facts.st_mode):
                    target = os.readlink(entry.path)
                    if inside(path, target):
                        links.append((path, target))
                    else:
                        skipped.append((path, f"a link that leaves the folder ({target})"))
                else:
                    skipped.append((path, "no ordinary file"))
            except OSError:
                continue
            if len(files) > limits.MAX_CHECKPOINT_FILES:
                raise Moving(f"there are more than {limits.MAX_CHECKPOINT_FILES} files in it")
        return some

    visit("")
    return Listing(tuple(files), tuple(links), tuple(folders), tuple(skipped))


def difference(before: Listing, after: Listing) -> str:
    """One path that changed, for a person to read."""
    changed = set(before.files) ^ set(after.files)
    if changed:
        return f"{min(file.path for file in changed)} changes"
    return "its names change"


def writing(folder: str, user: int | None) -> str | None:
    """A file below `folder` that a process of the trainer has open for writing, and which process; `None`: no file.

    The trainer's processes are those of `user`, or, where it has none of its own, this process's descendants. Where
    there is no /proc (macOS) nobody can be seen, and only names and times speak.
    """
    start = os.path.realpath(folder) + os.sep
    for process in _processes(user):
        try:
            handles = os.listdir(f"/proc/{process}/fd")
        except OSError:
            continue
        for handle in handles:
            try:
                target = os.readlink(f"/proc/{process}/fd/{handle}")
                if _counts(target, start) and _writable(process, handle):
                    return f"{target[len(start) :]} is being written (process {process})"
            except OSError:
                continue
        mapped = _mapped(process, start)
        if mapped is not None:
            return f"{mapped} is mapped for writing (process {process})"
    return None


def _counts(target: str, start: str) -> bool:
    if not target.startswith(start) or target.endswith(" (deleted)"):
        return False
    return not any(part.startswith(TEMPORARY) for part in target[len(start) :].split("/"))


def _writable(process: int, handle: str) -> bool:
    with open(f"/proc/{process}/fdinfo/{handle}", encoding="ascii") as file:
        for line in file:
            if line.startswith("flags:"):
                return int(line.split()[1], 8) & os.O_ACCMODE != os.O_RDONLY
    return False


def _mapped(process: int, start: str) -> str | None:
    try:
        with open(f"/proc/{process}/maps", "rb") as file:
            for line in file:
                fields = line.rstrip(b"\n").split(None, 5)
                if len(fields) == 6 and fields[1][1:2] == b"w" and fields[1][3:4] == b"s":
                    target = os.fsdecode(fields[5])
                    if _counts(target, start):
                        return target[len(start) :]
    except OSError:
        pass
    return None


def _processes(user: int | None) -> list[int]:
    own = os.getpid()
    if user is not None:
        try:
            numbers = [int(name) for name in os.listdir("/proc") if name.isdigit()]
        except OSError:
            return []
        return [number for number in numbers if number != own and _owner(number) == user]
    found: list[int] = []
    waiting = [own]
    while waiting:
        children = _children(waiting.pop())
        found += children
        waiting += children
    return found


def _children(process: int) -> list[int]:
    found: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{process}/task"):
            with open(f"/proc/{process}/task/{thread}/children", encoding="ascii") as file:
                found += [int(number) for number in file.read().split()]
    except (OSError, ValueError):
        pass  # it ended
    return found


def _owner(process: int) -> int | None:
    try:
        return os.stat(f"/proc/{process}").st_uid
    except OSError:
        return None
