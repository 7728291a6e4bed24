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
    for prefix in spec.inputs:
        with told_as(f"input {prefix} could not be listed"):
            found = _list(storage, spec.data_bucket, prefix)
        if not found:
            raise RunFailed(f"input {prefix} is missing: there is nothing at gs://{spec.data_bucket}/input/{prefix}")
        wanted.update(found)
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
            checked = _download(storage, spec.data_bucket, item, f"{target}.part")
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


def _list(storage: Storage, bucket: str, prefix: str) -> dict[str, Item]:
    """Path below DATA_DIR to object: the object of that very name, or all below it as a folder."""
    found = {}
    for item in storage.list(bucket, f"input/{prefix}"):
        path = item.name[len("input/") :]
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
