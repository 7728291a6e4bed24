"""Cloud Storage's JSON API: whole objects, preconditions, lists, checked downloads, resumable uploads."""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from dataclasses import dataclass
from typing import Any, BinaryIO, Iterator
from urllib.parse import quote, urlencode

from .rest import Client, Response, endpoint
from .transfer import ChecksumError, Upload, download

FIELDS = "name,size,generation,md5Hash,crc32c,timeCreated"


@dataclass(frozen=True)
class Item:
    """One object as a list names it."""

    name: str
    size: int
    generation: str
    md5: str | None
    crc32c: str | None
    created: str = ""


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
            query = {"prefix": prefix, "fields": f"items({FIELDS}),nextPageToken"}
            if token:
                query["pageToken"] = token
            url = f"{self._base}/storage/v1/b/{bucket}/o?{urlencode(query)}"
            _, answer, _ = self._client.send("GET", url, consume=Response.json)
            for item in answer.get("items", []):
                yield _item(item)
            token = answer.get("nextPageToken", "")
            if not token:
                return

    def stat(self, bucket: str, name: str, retry_seconds: float | None = None) -> Item | None:
        """The object as it is now; `None` if there is none."""
        url = f"{self._object(bucket, name)}?fields={FIELDS}"
        status, body, _ = self._client.send("GET", url, accept=(404,), retry_seconds=retry_seconds)
        return None if status == 404 else _item(json.loads(body))

    def delete(self, bucket: str, name: str, generation: str, retry_seconds: float | None = None) -> None:
        """Deletes the object if it is still at `generation`; one that is gone or another is left alone."""
        url = f"{self._object(bucket, name)}?ifGenerationMatch={generation}"
        self._client.send("DELETE", url, accept=(404, 412), retry_seconds=retry_seconds)

    def download(self, bucket: str, item: Item, path: str, sha256: str | None = None) -> bool:
        """Writes the object to `path`. Whether its checksum could be compared; `ChecksumError` if it differs."""
        url = f"{self._object(bucket, item.name)}?alt=media&generation={item.generation}"
        what = f"gs://{bucket}/{item.name}"
        with open(path, "w+b") as file:
            return download(
                self._client, url, file, what=what, size=item.size, md5=item.md5, crc=item.crc32c, sha256=sha256
            )

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
        """Uploads an open file, as long as it is now, in one piece or by a resumable session; the new generation.

        `ChecksumError` if the object's MD5 is another than that of what was sent, or than `md5`. `HttpError` 412 if
        the object is not at the generation given (`"0"`: absent).
        """
        return Upload(
            self._client, self._base, bucket, name, file, content_type, if_generation_match, retry_seconds, md5
        ).run()

    def _object(self, bucket: str, name: str) -> str:
        return f"{self._base}/storage/v1/b/{bucket}/o/{quote(name, safe='')}"


def _item(answer: dict[str, Any]) -> Item:
    return Item(
        answer["name"],
        int(answer["size"]),
        str(answer["generation"]),
        answer.get("md5Hash"),
        answer.get("crc32c"),
        answer.get("timeCreated", ""),
    )
