"""Uploads and downloads of whole objects, block by block: no more than a block of them is in memory."""

from __future__ import annotations

import hashlib
import json
import os
from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import Any, BinaryIO, Iterator
from urllib.parse import urlencode

from . import alive, limits
from .crc32c import crc32c
from .rest import RETRIED, Client, HttpError, Response

# Without an MD5 (composed objects have none) CRC32C is computed in plain Python: only as long as that takes seconds.
CRC_BYTES = 64 * 1024 * 1024
# How often a session may take nothing of a part before it is given up.
STALLS = 8
READ_BYTES = 1024 * 1024


class ChecksumError(Exception):
    """What arrived is not what was stored."""


class SessionLost(Exception):
    """A resumable upload's session is gone; the upload begins again."""


@dataclass(frozen=True)
class Sums:
    """What identifies bytes: the SHA-256 that names them, and the MD5 (base64) that the service computes, too."""

    sha256: str
    md5: str


def digest(file: BinaryIO, size: int) -> Sums:
    """Of the first `size` bytes; `ChecksumError` if there are fewer."""
    sha256, md5 = hashlib.sha256(), hashlib.md5()
    for block in _read(file, 0, size):
        sha256.update(block)
        md5.update(block)
    return Sums(sha256.hexdigest(), b64encode(md5.digest()).decode())


def _read(file: BinaryIO, start: int, end: int) -> Iterator[bytes]:
    # By position, not by a shared offset: a request that is retried begins again.
    handle = file.fileno()
    while start < end:
        block = os.pread(handle, min(READ_BYTES, end - start), start)
        alive.beat()
        if not block:
            raise ChecksumError("the file became shorter while it was read")
        start += len(block)
        yield block


class Upload:
    """One file on its way to one object."""

    def __init__(
        self,
        client: Client,
        base: str,
        bucket: str,
        name: str,
        file: BinaryIO,
        content_type: str,
        if_generation_match: str | None,
        retry_seconds: float | None,
        md5: str | None = None,
    ) -> None:
        self._client = client
        self._file = file
        self._size = os.fstat(file.fileno()).st_size
        self._type = content_type
        self._what = f"gs://{bucket}/{name}"
        self._url = f"{base}/upload/storage/v1/b/{bucket}/o"
        self._query = {"name": name}
        if if_generation_match is not None:
            self._query["ifGenerationMatch"] = if_generation_match
        self._retry_seconds = retry_seconds
        # Known before, or computed from what is sent.
        self._known_md5 = md5
        self._restart()

    def _restart(self) -> None:
        self._md5 = hashlib.md5()
        self._hashed = 0

    def run(self) -> str:
        """Sends the file in one piece or by a resumable session; the generation.

        `ChecksumError` if what the service holds then has another MD5: than what was sent, or than `md5`.
        """
        for last in (False, True):
            self._restart()
            try:
                answer = self._simple() if self._size <= limits.CHUNK_BYTES else self._resumable()
                md5 = self._known_md5 or b64encode(self._md5.digest()).decode()
                if answer.get("md5Hash", md5) != md5 or str(answer.get("size", self._size)) != str(self._size):
                    raise ChecksumError(f"{self._what} arrived damaged")
                return str(answer["generation"])
            except (ChecksumError, SessionLost):
                if last:
                    raise
        raise AssertionError("unreachable")

    def _blocks(self, start: int, end: int) -> Iterator[bytes]:
        """The file's bytes, each hashed once, however often it is sent."""
        for block in _read(self._file, start, end):
            beyond = start + len(block) - self._hashed
            if beyond > 0 and self._known_md5 is None:
                self._md5.update(block[-beyond:])
                self._hashed += beyond
            start += len(block)
            yield block

    def _simple(self) -> dict[str, Any]:
        size = self._size
        _, answer, _ = self._client.send(
            "POST",
            f"{self._url}?{urlencode({'uploadType': 'media', **self._query})}",
            headers={"Content-Type": self._type, "Content-Length": str(size)},
            body=(lambda: self._blocks(0, size)) if size else b"",
            consume=Response.json,
            retry_seconds=self._retry_seconds,
        )
        return answer

    def _resumable(self) -> dict[str, Any]:
        _, _, headers = self._client.send(
            "POST",
            f"{self._url}?{urlencode({'uploadType': 'resumable', **self._query})}",
            headers={
                "Content-Type": "application/json; charset=UTF-8",
                "X-Upload-Content-Type": self._type,
                "X-Upload-Content-Length": str(self._size),
            },
            body=json.dumps({"contentType": self._type}).encode(),
            retry_seconds=self._retry_seconds,
        )
        session = headers["Location"]
        done = idle = 0
        while True:
            answer = self._put_chunk(session, done)
            if isinstance(answer, dict):
                return answer
            # A session that takes nothing any more would otherwise be filled for ever.
            idle = idle + 1 if answer <= done else 0
            if idle > STALLS:
                raise SessionLost(f"the upload session of {self._what} takes no more after {answer} bytes")
            done = answer

    def _put_chunk(self, session: str, start: int) -> int | dict[str, Any]:
        """How many bytes the session holds now, or the finished object."""
        end = min(start + limits.CHUNK_BYTES, self._size)
        span = f"bytes {start}-{end - 1}/{self._size}"
        for query in (False, True):
            try:
                status, body, headers = self._client.send(
                    "PUT",
                    session,
                    headers={"Content-Range": f"bytes */{self._size}"}
                    if query
                    else {"Content-Range": span, "Content-Length": str(end - start)},
                    body=b"" if query else lambda: self._blocks(start, end),
                    accept=(308,),
                    # After an error the session must be asked what it holds before more is sent.
                    retry_seconds=self._retry_seconds if query else 0,
                    retried=RETRIED,
                )
            except HttpError as error:
                if error.status in (404, 410):
                    raise SessionLost(f"the upload session ended: {error}") from error
                if query or error.status not in RETRIED:
                    raise
                continue
            except OSError:
                if query:
                    raise
                continue
            if status == 308:
                held = headers.get("Range", "")
                return int(held.rsplit("-", 1)[1]) + 1 if held else 0
            return json.loads(body or b"{}")
        raise AssertionError("unreachable")


def download(
    client: Client,
    url: str,
    file: BinaryIO,
    *,
    what: str,
    size: int,
    md5: str | None = None,
    crc: str | None = None,
    sha256: str | None = None,
) -> bool:
    """Writes the object at `url` to `file`. Whether a checksum could be compared; `ChecksumError` if one differs."""
    sums = {"md5": hashlib.md5(), "sha256": hashlib.sha256()}
    wanted = {"md5": None if md5 is None else b64decode(md5), "sha256": None if sha256 is None else bytes.fromhex(sha256)}
    check_crc = md5 is None and sha256 is None and crc is not None and size <= CRC_BYTES
    seen = done = 0
    # A part has its own time for retries, and a torn connection loses no more than a part.
    while done < size or (size == 0 and done == 0):
        part = min(limits.CHUNK_BYTES, size - done)
        copies: dict[str, Any] = {}
        count = 0

        def take(response: Response, start: int = done, length: int = part) -> None:
            nonlocal copies, count, seen
            if not 200 <= response.status < 300:
                return
            # Each try begins at the part's start: with the sums of what came before it.
            copies = {name: sums[name].copy() for name, value in wanted.items() if value is not None}
            file.seek(start)
            before, count = seen, 0
            for block in response.blocks():
                count += len(block)
                if count > length:
                    raise ChecksumError(f"{what} gives more bytes than it has")
                file.write(block)
                for copy in copies.values():
                    copy.update(block)
                if check_crc:
                    before = crc32c(block, before)
            if count == length:
                crc_after.append(before)

        crc_after: list[int] = []
        headers = {} if part == size else {"Range": f"bytes={done}-{done + part - 1}"}
        client.send("GET", url, headers=headers, consume=take)
        if count != part:
            raise ChecksumError(f"{what} gave {count} of {part} bytes")
        sums.update(copies)
        seen = crc_after[-1]
        done += part
        if size == 0:
            break
    file.truncate(size)
    file.flush()
    for name, value in wanted.items():
        if value is not None and sums[name].digest() != value:
            raise ChecksumError(f"{what} arrived damaged: its {name.upper()} differs")
    if check_crc and b64decode(crc or "") != seen.to_bytes(4, "big"):
        raise ChecksumError(f"{what} arrived damaged: its CRC32C differs")
    return check_crc or any(value is not None for value in wanted.values())
