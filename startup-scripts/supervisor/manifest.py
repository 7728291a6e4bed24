"""A checkpoint's two small objects: the manifest, written once, and LATEST.json, which points to the newest."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any

from .folder import inside

SCHEMA = 1
SHA256 = re.compile(r"[0-9a-f]{64}")
NAME = re.compile(r"([0-9]{8})\.json")
LATEST = "LATEST.json"


class Damaged(Exception):
    """A checkpoint that is not whole, or not of this run; the text says why. It is never loaded."""


@dataclass(frozen=True)
class Reference:
    """One manifest, to the byte."""

    n: int
    sha256: str
    generation: str

    def as_json(self) -> dict[str, Any]:
        return {"n": self.n, "sha256": self.sha256, "generation": self.generation}


@dataclass(frozen=True)
class Entry:
    """A file of a checkpoint: where it was, and which object holds its bytes."""

    path: str
    size: int
    mode: int
    # Nanoseconds since 1970: some programs look for the newest file.
    mtime: int
    sha256: str
    generation: str


@dataclass(frozen=True)
class Manifest:
    run: str
    n: int
    attempt: int
    at: str
    previous: Reference | None
    files: tuple[Entry, ...]
    links: tuple[tuple[str, str], ...]
    folders: tuple[str, ...]

    @property
    def bytes(self) -> int:
        return sum(entry.size for entry in self.files)

    def encode(self) -> bytes:
        document = {
            "schema": SCHEMA,
            "run": self.run,
            "n": self.n,
            "attempt": self.attempt,
            "at": self.at,
            "previous": self.previous.as_json() if self.previous else None,
            "files": [
                {
                    "path": entry.path,
                    "size": entry.size,
                    "mode": entry.mode,
                    # As text: other readers' numbers have 53 bits.
                    "mtime": str(entry.mtime),
                    "sha256": entry.sha256,
                    "generation": entry.generation,
                }
                for entry in self.files
            ],
            "links": [{"path": path, "target": target} for path, target in self.links],
            "folders": list(self.folders),
        }
        return json.dumps(document, indent=1).encode("ascii") + b"\n"


@dataclass(frozen=True)
class Latest:
    """LATEST.json: the newest checkpoint (`None`: none yet), and the attempt and process that own the pointer."""

    head: Reference | None
    previous: Reference | None
    attempt: int
    owner: str

    def encode(self) -> bytes:
        head = self.head.as_json() if self.head else {"n": 0, "sha256": "", "generation": "0"}
        document = {
            "schema": SCHEMA,
            **head,
            "attempt": self.attempt,
            "owner": self.owner,
            "previous": self.previous.as_json() if self.previous else None,
        }
        return json.dumps(document, indent=1).encode("ascii") + b"\n"


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def read_latest(data: bytes) -> Latest:
    """`Damaged` if it cannot be what was written."""
    raw = _object(data, LATEST)
    head = None if raw.get("n") == 0 else _reference(raw, LATEST)
    attempt, owner = raw.get("attempt"), raw.get("owner", "")
    if type(attempt) is not int or attempt < 1 or not isinstance(owner, str):
        raise Damaged(f"{LATEST} names no attempt")
    return Latest(head, _maybe_reference(raw.get("previous"), LATEST), attempt, owner)


def read_manifest(data: bytes, run: str, n: int) -> Manifest:
    """`Damaged` if it is torn, of another run, or names a path that is none."""
    name = f"{n:08d}.json"
    raw = _object(data, name)
    if raw.get("run") != run:
        raise Damaged(f"{name} is of run {raw.get('run')!r}")
    if raw.get("n") != n:
        raise Damaged(f"{name} says that it is checkpoint {raw.get('n')!r}")
    try:
        files = tuple(_entry(item) for item in raw["files"])
        links = tuple((_path(item["path"]), _text(item["target"])) for item in raw["links"])
        folders = tuple(_path(item) for item in raw["folders"])
        manifest = Manifest(
            run,
            n,
            _whole(raw["attempt"]),
            _text(raw["at"]),
            _maybe_reference(raw.get("previous"), name),
            files,
            links,
            folders,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise Damaged(f"{name} is no manifest: {error}") from None
    _check_tree(manifest, name)
    return manifest


def _check_tree(manifest: Manifest, name: str) -> None:
    """No path twice, none below a file or a link: what is made from it stays in its folder."""
    leaves = [entry.path for entry in manifest.files] + [path for path, _ in manifest.links]
    if len(set(leaves)) != len(leaves):
        raise Damaged(f"{name} names a path twice")
    ends = set(leaves)
    for path in (*leaves, *manifest.folders):
        parts = path.split("/")
        if any("/".join(parts[:count]) in ends for count in range(1, len(parts))) or (
            path in ends and path in manifest.folders
        ):
            raise Damaged(f"{name} has something below a file: {path!r}")
    for path, target in manifest.links:
        if not inside(path, target) or "\0" in target:
            raise Damaged(f"{name} has a link that leaves the folder: {path!r}")


def _object(data: bytes, name: str) -> dict[str, Any]:
    try:
        raw = json.loads(data)
    except ValueError:
        raise Damaged(f"{name} is no JSON") from None
    if not isinstance(raw, dict) or raw.get("schema") != SCHEMA:
        raise Damaged(f"{name} has not schema {SCHEMA}")
    return raw


def _reference(raw: Any, name: str) -> Reference:
    n, sha256, generation = raw.get("n"), raw.get("sha256"), raw.get("generation")
    good = type(n) is int and 1 <= n <= 99_999_999
    if not good or not isinstance(sha256, str) or not SHA256.fullmatch(sha256) or not _is_generation(generation):
        raise Damaged(f"{name} does not say which checkpoint it means")
    return Reference(n, sha256, generation)


def _maybe_reference(raw: Any, name: str) -> Reference | None:
    if raw is None:
        return None
    if not isinstance(raw, dict):
        raise Damaged(f"{name} does not say what came before it")
    return _reference(raw, name)


def _is_generation(value: Any) -> bool:
    return isinstance(value, str) and value.isdigit()


def _entry(raw: dict[str, Any]) -> Entry:
    sha256, generation = raw["sha256"], raw["generation"]
    if not isinstance(sha256, str) or not SHA256.fullmatch(sha256) or not _is_generation(generation):
        raise ValueError(f"{raw.get('path')!r} names no object")
    mode = _whole(raw["mode"])
    if mode > 0o777:
        raise ValueError(f"{raw['path']!r} has mode {mode:o}")
    return Entry(_path(raw["path"]), _whole(raw["size"]), mode, int(raw["mtime"]), sha256, generation)


def _path(value: Any) -> str:
    if not isinstance(value, str) or "\0" in value or any(part in ("", ".", "..") for part in value.split("/")):
        raise ValueError(f"{value!r} is no path")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no text")
    return value


def _whole(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"{value!r} is no number")
    return value
