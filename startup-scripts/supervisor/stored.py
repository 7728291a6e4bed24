"""Checkpoints as they lie in the bucket: which there are, and their files, never trusted before they are compared."""

from __future__ import annotations

from typing import Callable, Iterator

from . import manifest
from .manifest import Damaged, Entry, Latest, Manifest, Reference
from .rest import HttpError
from .storage import Item, Storage
from .transfer import ChecksumError


class Stored:
    """One run's checkpoints in the scratch bucket, for reading."""

    def __init__(self, storage: Storage, bucket: str, run: str) -> None:
        self.storage = storage
        self.bucket = bucket
        self.run = run
        self.prefix = f"runs/{run}/checkpoints/"

    def name(self, n: int) -> str:
        return f"{self.prefix}{n:08d}.json"

    def file(self, sha256: str) -> str:
        return f"{self.prefix}files/{sha256}"

    def candidates(self, latest: Latest | None, say: Callable[[str], None]) -> Iterator[tuple[Reference, Manifest]]:
        """Manifests that may be loaded, newest first: along the chain of those that were pointed to, then by number.

        A manifest that nobody ever pointed to (its writer was killed or fenced out) stands beside the chain. It is
        tried only where no pointer and no manifest leads any further.
        """
        below = 10**8
        ahead = [latest.head, latest.previous] if latest else []
        while ahead:
            reference = ahead.pop(0)
            if reference is None or reference.n >= below:
                continue
            below = reference.n
            try:
                found = self.load(reference)
            except Damaged as error:
                say(f"checkpoint {reference.n} is not used: {error}")
                continue
            ahead.insert(0, found.previous)
            yield reference, found
        for n, item in sorted(self.numbers().items(), reverse=True):
            if n >= below:
                continue
            try:
                read = self.storage.read(self.bucket, item.name)
                if read is None:
                    continue
                yield (
                    Reference(n, manifest.digest(read[0]), read[1]),
                    manifest.read_manifest(read[0], self.run, n),
                )
            except Damaged as error:
                say(f"checkpoint {n} is not used: {error}")

    def load(self, reference: Reference) -> Manifest:
        read = self.storage.read(self.bucket, self.name(reference.n))
        if read is None:
            raise Damaged("its manifest is missing")
        if manifest.digest(read[0]) != reference.sha256:
            raise Damaged("its manifest has another SHA-256 than was pointed to")
        if read[1] != reference.generation:
            raise Damaged("its manifest is not the one that was written")
        return manifest.read_manifest(read[0], self.run, reference.n)

    def numbers(self) -> dict[int, Item]:
        found = {}
        # No run comes to ten million checkpoints; this leaves the files below `files/` out of the list.
        for item in self.storage.list(self.bucket, f"{self.prefix}0"):
            match = manifest.NAME.fullmatch(item.name[len(self.prefix) :])
            if match:
                found[int(match.group(1))] = item
        return found

    def fetch(self, entry: Entry, path: str) -> None:
        """Writes a file of a checkpoint to `path`, its SHA-256 compared; `Damaged` if it is not there as it was."""
        name = f"{self.prefix}files/{entry.sha256}"
        generation = entry.generation
        for _ in range(3):
            item = Item(name, entry.size, generation, None, None)
            try:
                self.storage.download(self.bucket, item, path, sha256=entry.sha256)
                return
            except (ChecksumError, HttpError) as error:
                if isinstance(error, HttpError) and error.status not in (404, 416):
                    raise
                # Stored again since (see `_put`): the bytes decide, not the generation.
                now = self.storage.stat(self.bucket, name)
                if now is None:
                    raise Damaged(f"{entry.path} is missing in the bucket") from None
                if now.size != entry.size or now.generation == generation:
                    raise Damaged(f"{entry.path} is damaged: {error}") from None
                generation = now.generation
        raise Damaged(f"{entry.path} changes in the bucket")
