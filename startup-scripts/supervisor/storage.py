"""Cloud Storage's JSON API: whole objects, preconditions, lists, checked downloads, resumable uploads."""

from __future__ import annotations

import hashlib
import json
import os
from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import Any, BinaryIO, Iterator
from urllib.parse import quote, urlencode

from . import limits
from .crc32c import crc32c
from .rest import RETRIED, Client, HttpError, Response, endpoint

# Without an MD5 (composed objects have none) CRC32C is computed in plain Python: only as long as that takes seconds.
CRC_BYTES = 64 * 1024 * 1024
# How often a session may take nothing of a part before it is given up.
STALLS = 8


class ChecksumError(Exception):
    """What arrived is not what was stored."""


@dataclass(frozen=True)
class Item:
    """One object as a list names it."""

    name: str
    size: int
    generation: str
    md5: str | None
    crc32c: str | None


class Storage:
    def __init__(self, client: Client) -> None:
        self._client = client
        self._base = endpoint("storage")

    def read(self, bucket: str, name: str, retry_seconds: float | None = None) -> tuple[bytes, str] | None:
        """Contents and generation; `None` if there is no such object."""
        url = f"{self._object(bucket, name)}?alt=media"
        status, body, headers = self._client.send("GET", url, accept=(404,), retry_seconds=retry_seconds)
        if status == 404:
            return None
        return body, headers["x-goog-generation"]

    def write(
        self,
        bucket: str,
        name: str,
        data: bytes,
        content_type: str,
        if_generation_match: str | None = None,
        retry_seconds: float | None = None,
    ) -> str:
        """The new generation; `HttpError` 412 if the object is not at the generation given (`"0"`: absent)."""
        query = {"uploadType": "media", "name": name}
        if if_generation_match is not None:
            query["ifGenerationMatch"] = if_generation_match
        _, answer, _ = self._client.send(
            "POST",
            f"{self._base}/upload/storage/v1/b/{bucket}/o?{urlencode(query)}",
            headers={"Content-Type": content_type},
            body=data,
            consume=Response.json,
            retry_seconds=retry_seconds,
        )
        if answer.get("md5Hash") not in (None, b64encode(hashlib.md5(data).digest()).decode()):
            raise ChecksumError(f"gs://{bucket}/{name} arrived damaged")
        return str(answer["generation"])

    def list(self, bucket: str, prefix: str) -> Iterator[Item]:
        token = ""
        while True:
            query = {"prefix": prefix, "fields": "items(name,size,generation,md5Hash,crc32c),nextPageToken"}
            if token:
                query["pageToken"] = token
            url = f"{self._base}/storage/v1/b/{bucket}/o?{urlencode(query)}"
            _, answer, _ = self._client.send("GET", url, consume=Response.json)
            for item in answer.get("items", []):
                yield Item(
                    item["name"], int(item["size"]), str(item["generation"]), item.get("md5Hash"), item.get("crc32c")
                )
            token = answer.get("nextPageToken", "")
            if not token:
                return

    def download(self, bucket: str, item: Item, path: str) -> bool:
        """Writes the object to `path`. Whether its checksum could be compared; `ChecksumError` if it differs."""
        md5 = hashlib.md5()
        crc = 0
        check_crc = item.md5 is None and item.crc32c is not None and item.size <= CRC_BYTES
        url = f"{self._object(bucket, item.name)}?alt=media&generation={item.generation}"
        done = 0
        with open(path, "wb") as file:
            # A part has its own time for retries, and a torn connection loses no more than a part.
            while done < item.size or (item.size == 0 and done == 0):
                part = min(limits.CHUNK_BYTES, item.size - done)
                headers = {} if part == item.size else {"Range": f"bytes={done}-{done + part - 1}"}
                _, data, _ = self._client.send("GET", url, headers=headers)
                if len(data) != part:
                    raise ChecksumError(f"gs://{bucket}/{item.name} gave {len(data)} of {part} bytes")
                file.write(data)
                md5.update(data)
                if check_crc:
                    crc = crc32c(data, crc)
                done += part
                if item.size == 0:
                    break
        if item.md5 is not None:
            if b64decode(item.md5) != md5.digest():
                raise ChecksumError(f"gs://{bucket}/{item.name} arrived damaged: its MD5 differs")
            return True
        if check_crc and b64decode(item.crc32c or "") != crc.to_bytes(4, "big"):
            raise ChecksumError(f"gs://{bucket}/{item.name} arrived damaged: its CRC32C differs")
        return check_crc

    def upload(self, bucket: str, name: str, file: BinaryIO, content_type: str) -> None:
        """Uploads an open file, in one piece or by a resumable session, and compares the checksum."""
        size = os.fstat(file.fileno()).st_size
        for last in (False, True):
            file.seek(0)
            try:
                if size <= limits.CHUNK_BYTES:
                    self.write(bucket, name, file.read(size), content_type)
                else:
                    self._resumable(bucket, name, file, size, content_type)
                return
            except (ChecksumError, SessionLost):
                if last:
                    raise

    def _resumable(self, bucket: str, name: str, file: BinaryIO, size: int, content_type: str) -> None:
        _, _, headers = self._client.send(
            "POST",
            f"{self._base}/upload/storage/v1/b/{bucket}/o?{urlencode({'uploadType': 'resumable', 'name': name})}",
            headers={
                "Content-Type": "application/json; charset=UTF-8",
                "X-Upload-Content-Type": content_type,
                "X-Upload-Content-Length": str(size),
            },
            body=json.dumps({"contentType": content_type}).encode(),
        )
        session = headers["Location"]
        md5 = hashlib.md5()
        hashed = done = idle = 0
        while True:
            file.seek(done)
            chunk = file.read(min(limits.CHUNK_BYTES, size - done))
            if not chunk:
                raise ChecksumError(f"{name} became shorter while it was uploaded")
            if done + len(chunk) > hashed:
                md5.update(chunk[hashed - done :])
                hashed = done + len(chunk)
            answer = self._put_chunk(session, chunk, done, size)
            if isinstance(answer, dict):
                if answer.get("md5Hash") not in (None, b64encode(md5.digest()).decode()):
                    raise ChecksumError(f"gs://{bucket}/{name} arrived damaged")
                return
            # A session that takes nothing any more would otherwise be filled for ever.
            idle = idle + 1 if answer <= done else 0
            if idle > STALLS:
                raise SessionLost(f"the upload session of {name} takes no more after {answer} of {size} bytes")
            done = answer

    def _put_chunk(self, session: str, chunk: bytes, start: int, size: int) -> int | dict[str, Any]:
        """How many bytes the session holds now, or the finished object."""
        span = f"bytes {start}-{start + len(chunk) - 1}/{size}"
        for query in (False, True):
            try:
                status, body, headers = self._client.send(
                    "PUT",
                    session,
                    headers={"Content-Range": f"bytes */{size}" if query else span},
                    body=b"" if query else chunk,
                    accept=(308,),
                    # After an error the session must be asked what it holds before more is sent.
                    retry_seconds=None if query else 0,
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

    def _object(self, bucket: str, name: str) -> str:
        return f"{self._base}/storage/v1/b/{bucket}/o/{quote(name, safe='')}"


class SessionLost(Exception):
    """A resumable upload's session is gone; the upload begins again."""
