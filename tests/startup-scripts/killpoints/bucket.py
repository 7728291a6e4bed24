"""A bucket that is a folder: objects with generations and preconditions, whole after a SIGKILL at any moment.

It has the methods of supervisor.storage.Storage. Every operation calls `point` before and after its effect: that is
where a test kills.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import time
from base64 import b64encode
from contextlib import contextmanager
from typing import Any, BinaryIO, Callable, Iterator
from urllib.parse import quote, unquote

from supervisor.rest import HttpError
from supervisor.storage import Item
from supervisor.transfer import ChecksumError


class FolderBucket:
    def __init__(self, folder: str, point: Callable[[str], None] = lambda what: None) -> None:
        self._folder = folder
        self._point = point
        os.makedirs(folder, exist_ok=True)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with open(f"{self._folder}.lock", "ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _path(self, name: str) -> str:
        return os.path.join(self._folder, quote(name, safe=""))

    def _load(self, name: str) -> tuple[dict[str, Any], bytes] | None:
        try:
            with open(self._path(name), "rb") as file:
                return json.loads(file.readline()), file.read()
        except FileNotFoundError:
            return None

    def _check(self, name: str, generation: str | None) -> None:
        found = self._load(name)
        if generation is not None and generation != (found[0]["generation"] if found else "0"):
            raise HttpError(412, "POST", name, b"{}")

    def _store(self, name: str, data: bytes, if_generation_match: str | None) -> str:
        self._point(f"write {name}: before")
        with self._locked():
            self._check(name, if_generation_match)
            generation = str(time.time_ns())
            new = f"{self._folder}.new-{os.getpid()}-{generation}"
            with open(new, "wb") as file:
                head = {"generation": generation, "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
                file.write(json.dumps(head).encode() + b"\n" + data)
            os.replace(new, self._path(name))
        self._point(f"write {name}: after")
        return generation

    def read(self, bucket: str, name: str, retry_seconds: float | None = None) -> tuple[bytes, str] | None:
        self._point(f"read {name}: before")
        found = self._load(name)
        return None if found is None else (found[1], found[0]["generation"])

    def write(
        self,
        bucket: str,
        name: str,
        data: bytes,
        content_type: str,
        if_generation_match: str | None = None,
        retry_seconds: float | None = None,
    ) -> str:
        return self._store(name, data, if_generation_match)

    def upload(
        self,
        bucket: str,
        name: str,
        file: BinaryIO,
        content_type: str,
        if_generation_match: str | None = None,
        retry_seconds: float | None = None,
        md5: str | None = None,
    ) -> str:
        data = os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0)
        generation = self._store(name, data, if_generation_match)
        if md5 is not None and b64encode(hashlib.md5(data).digest()).decode() != md5:
            raise ChecksumError(f"{name} arrived damaged")
        return generation

    def _item(self, name: str) -> Item | None:
        found = self._load(name)
        if found is None:
            return None
        return Item(name, len(found[1]), found[0]["generation"], None, None, found[0]["created"])

    def list(self, bucket: str, prefix: str) -> Iterator[Item]:
        self._point(f"list {prefix}: before")
        for name in sorted(unquote(entry) for entry in os.listdir(self._folder)):
            item = self._item(name) if name.startswith(prefix) else None
            if item is not None:
                yield item

    def stat(self, bucket: str, name: str, retry_seconds: float | None = None) -> Item | None:
        self._point(f"stat {name}: before")
        return self._item(name)

    def delete(self, bucket: str, name: str, generation: str, retry_seconds: float | None = None) -> None:
        self._point(f"delete {name}: before")
        with self._locked():
            found = self._load(name)
            if found is not None and found[0]["generation"] == generation:
                os.unlink(self._path(name))
        self._point(f"delete {name}: after")

    def download(self, bucket: str, item: Item, path: str, sha256: str | None = None) -> bool:
        self._point(f"download {item.name}: before")
        found = self._load(item.name)
        if found is None or found[0]["generation"] != item.generation:
            raise HttpError(404, "GET", item.name, b"{}")
        half = len(found[1]) // 2
        with open(path, "wb") as file:
            file.write(found[1][:half])
            file.flush()
            self._point(f"download {item.name}: half")
            file.write(found[1][half:])
        if len(found[1]) != item.size or hashlib.sha256(found[1]).hexdigest() != sha256:
            raise ChecksumError(f"{item.name} is damaged")
        return True
