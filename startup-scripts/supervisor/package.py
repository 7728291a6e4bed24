"""The training package: fetched by its SHA-256 and unpacked without trusting what it says about paths."""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
import zlib

from . import limits
from .errors import RunFailed, one_line
from .spec import Spec
from .storage import Storage


def fetch(storage: Storage, spec: Spec, archive: str) -> None:
    """Downloads the package's archive to `archive` and compares its checksum with the one in spec.json."""
    found = storage.read(spec.data_bucket, spec.package_object)
    if found is None:
        raise RunFailed(f"package is missing: gs://{spec.data_bucket}/{spec.package_object} does not exist")
    data = found[0]
    if len(data) > limits.MAX_PACKAGE_BYTES:
        raise RunFailed(f"package is larger than {limits.MAX_PACKAGE_BYTES // 1024 // 1024} MB")
    actual = hashlib.sha256(data).hexdigest()
    if actual != spec.package_sha256:
        raise RunFailed(f"package has the wrong checksum: SHA-256 {actual[:12]}…, expected {spec.package_sha256[:12]}…")
    with open(archive, "wb") as file:
        file.write(data)


def unpack(archive: str, folder: str, owner: tuple[int, int] | None) -> int:
    """Unpacks files and folders only, all below `folder`, which is made anew. How many files there were."""
    if os.path.lexists(folder):
        shutil.rmtree(folder)
    os.makedirs(folder, mode=0o755)
    count = size = 0
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for member in tar:
                target = _target(member, folder)
                if member.isdir():
                    os.makedirs(target, mode=0o755, exist_ok=True)
                    continue
                count += 1
                size += member.size
                if count > limits.MAX_PACKAGE_FILES or size > limits.MAX_UNPACKED_BYTES:
                    raise RunFailed(f"package holds too much: {count} files, {size} bytes")
                _write(tar, member, target)
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise RunFailed(f"package cannot be unpacked: {one_line(error)}") from error
    if owner is not None:
        for place, folders, files in os.walk(folder):
            for name in (".", *folders, *files):
                os.chown(os.path.join(place, name), *owner)
    return count


def _target(member: tarfile.TarInfo, folder: str) -> str:
    parts = [part for part in member.name.split("/") if part not in ("", ".")]
    if member.name.startswith("/") or ".." in parts or "\\" in member.name:
        raise RunFailed(f"package holds an illegal path: {member.name!r}")
    if not (member.isreg() or member.isdir()):
        raise RunFailed(f"package holds a link or device: {member.name!r}; only files and folders are allowed")
    return os.path.join(folder, *parts)


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, target: str) -> None:
    os.makedirs(os.path.dirname(target), mode=0o755, exist_ok=True)
    source = tar.extractfile(member)
    if source is None:
        raise RunFailed(f"package cannot be unpacked: {member.name!r} has no contents")
    mode = 0o755 if member.mode & 0o100 else 0o644
    try:
        handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    except OSError as error:
        raise RunFailed(f"package holds {member.name!r} twice, or as file and folder: {error.strerror}") from error
    with os.fdopen(handle, "wb") as file:
        shutil.copyfileobj(source, file)
