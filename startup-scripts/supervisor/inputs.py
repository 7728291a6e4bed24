"""Input data: the prefixes that spec.json names, downloaded in parallel and compared with their checksums."""

from __future__ import annotations

import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from typing import Callable

from . import limits
from .errors import RunFailed, told_as
from .parallel import each
from .spec import Spec
from .stop import Stop
from .storage import Item, Storage
from .transfer import ChecksumError


def download(storage: Storage, spec: Spec, folder: str, stop: Stop, say: Callable[[str], None]) -> None:
    """Copies `input/<prefix>` to `folder`/<prefix>; what an earlier boot brought is not fetched again."""
    wanted: dict[str, Item] = {}
    buckets: dict[str, str] = {}
    for name in spec.inputs:
        bucket, base, prefix = _place(spec, name)
        with told_as(f"input {name} could not be listed"):
            found = _list(storage, bucket, base, prefix)
        if not found:
            raise RunFailed(f"input {name} is missing: there is nothing at gs://{bucket}/{base}{prefix}")
        for path, item in found.items():
            if buckets.setdefault(path, bucket) != bucket:
                raise RunFailed(f"two inputs hold {path}: one in gs://{buckets[path]}, one in gs://{bucket}")
            wanted[path] = item
    if not wanted:
        return
    manifest = f"{folder}.json"
    have = _manifest(manifest, folder)
    missing = {path: item for path, item in wanted.items() if have.get(path) != item.generation}
    size = sum(item.size for item in missing.values())
    free = shutil.disk_usage(folder).free
    if size > free:
        raise RunFailed(
            f"inputs need {size / 1e9:.1f} GB; the disk has {free / 1e9:.1f} GB free: ask for a larger disk"
        )
    say(f"downloading {len(missing)} input files ({size / 1e6:.1f} MB), {len(wanted) - len(missing)} are there already")

    def one(entry: tuple[str, Item]) -> None:
        stop.check()
        path, item = entry
        target = os.path.join(folder, path)
        os.makedirs(os.path.dirname(target), mode=0o755, exist_ok=True)
        with told_as(f"input {path} could not be downloaded"):
            checked = _download(storage, buckets[path], item, f"{target}.part")
        if not checked:
            say(f"{path}: the object has no MD5; only its size was compared")
        os.replace(f"{target}.part", target)

    with ThreadPoolExecutor(limits.PARALLEL) as pool:
        each(pool, one, missing.items())
    with open(manifest, "w", encoding="utf-8") as file:
        json.dump({path: item.generation for path, item in wanted.items()}, file)


def _download(storage: Storage, bucket: str, item: Item, target: str) -> bool:
    try:
        return storage.download(bucket, item, target)
    except ChecksumError:
        return storage.download(bucket, item, target)


def _place(spec: Spec, name: str) -> tuple[str, str, str]:
    """Bucket, what is before the name there and not below DATA_DIR, and the name: a course's shared bucket is all names."""
    if name.startswith("gs://"):
        bucket, _, prefix = name[len("gs://") :].partition("/")
        return bucket, "", prefix
    return spec.data_bucket, "input/", name


def _list(storage: Storage, bucket: str, base: str, prefix: str) -> dict[str, Item]:
    """Path below DATA_DIR to object: the object of that very name, or all below it as a folder."""
    found = {}
    for item in storage.list(bucket, f"{base}{prefix}"):
        path = item.name[len(base) :]
        if path != prefix and not path.startswith(f"{prefix}/"):
            continue
        if path.endswith("/"):
            continue  # the marker that consoles leave for an empty folder
        if any(part in ("", ".", "..") for part in path.split("/")):
            raise RunFailed(f"input {prefix} holds an object whose name is no path: {item.name!r}")
        found[path] = item
    return found


def _manifest(path: str, folder: str) -> dict[str, str]:
    try:
        with open(path, encoding="utf-8") as file:
            listed = json.load(file)
    except (OSError, ValueError):
        return {}
    return {name: generation for name, generation in listed.items() if os.path.exists(os.path.join(folder, name))}
