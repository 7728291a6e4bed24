"""Files that may be local or in a bucket (gs://BUCKET/NAME). google-cloud-storage is only imported for the latter."""

from __future__ import annotations

from pathlib import Path


def join(folder: str, name: str) -> str:
    return f"{folder.rstrip('/')}/{name}"


def exists(path: str) -> bool:
    return _blob(path).exists() if path.startswith("gs://") else Path(path).exists()


def read(path: str) -> bytes:
    return _blob(path).download_as_bytes() if path.startswith("gs://") else Path(path).read_bytes()


def write(path: str, data: bytes) -> None:
    if path.startswith("gs://"):
        _blob(path).upload_from_string(data, checksum="crc32c")
        return
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_bytes(data)


def _blob(path: str):
    from google.cloud import storage

    bucket, _, name = path[len("gs://") :].partition("/")
    if not bucket or not name:
        raise SystemExit(f"A bucket path is gs://BUCKET/NAME, not {path}")
    return storage.Client().bucket(bucket).blob(name)
